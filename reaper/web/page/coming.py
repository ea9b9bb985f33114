"""What comes next: which rule's candidates go when, and what they wait for. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reaper.core.model import Action
from reaper.core.plan import Hold
from reaper.engine.report import ASKS_A_PERSON, Swept
from reaper.web.page.digest import PROMISED, Digest, Group
from reaper.web.page.wording import HOLDS, Moment, address, moment, safe


@dataclass(frozen=True, slots=True)
class Next:
    """Candidates of one rule: how many, when the first and the last may go, and what they wait for.

    `first` is None when no time is known; `when` says it in words then.
    """

    project: str
    agent: str
    href: str
    rule: str
    action: str
    count: int
    first: Moment | None
    last: Moment | None
    when: str
    holds: str


def coming(digests: Iterable[Digest], now: float) -> list[Next]:
    """Every group of open candidates, those that go first at the top."""
    pairs = [(one, group) for one in digests for group in one.groups]
    return [_next(one, group, now) for one, group in sorted(pairs, key=_order)]


def _order(pair: tuple[Digest, Group]) -> tuple[bool, float, str, str]:
    one, group = pair
    at = math.inf if group.first is None else group.first
    return group.hold not in PROMISED, at, one.report.agent, group.rule


def _next(one: Digest, group: Group, now: float) -> Next:
    when = _when(group, now, _turns(one))
    ranged = not when and group.last is not None and group.first is not None and group.last - group.first >= 60
    return Next(
        project=safe(one.report.project),
        agent=safe(one.report.agent),
        href=address(one.report.project, one.report.agent),
        rule=safe(group.rule),
        action=str(group.action),
        count=group.count,
        first=None if when or group.first is None else moment(group.first, now),
        last=moment(group.last, now) if ranged and group.last is not None else None,
        when=when,
        holds=_holds(one, group, now),
    )


def _holds(one: Digest, group: Group, now: float) -> str:
    if group.hold is Hold.WINDOW:
        return one.report.policy.closed_text(now)
    return "not tried in the last sweep" if group.hold is None else HOLDS[group.hold]


def _turns(one: Digest) -> dict[Action, str]:
    """How long it takes until all have had their turn, by action, where limits are kept to by themselves."""
    left = one.report.plan.left if isinstance(one.report, Swept) else ()
    return {backlog.action: backlog.pace("more sweep") for backlog in left}


def _when(group: Group, now: float, turns: Mapping[Action, str]) -> str:
    """In words, when no clock can say it."""
    if group.hold in {Hold.LIMIT_SWEEP, Hold.LIMIT_DAY} and group.action in turns:
        return f"by turns: {turns[group.action]}"
    if group.hold in ASKS_A_PERSON:
        return "when you approve it"
    if group.hold is Hold.HOLD:
        return "never, while it is held"
    if group.hold is Hold.OBSERVE:
        return "never, while it only observes"
    if group.hold is Hold.STRANGE:
        return "never, until an update knows the field or a person accepts it"
    if group.hold in PROMISED and group.first is None:
        return "never: no opening of a window is in sight"
    due = group.hold is None or group.first is None or group.first <= now
    return f"{'stopped' if group.action is Action.STOP else 'deleted'} in the next sweep" if due else ""

"""The front page as plain values: everything it says, before it is HTML. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from reaper.core.model import OutcomeKind
from reaper.core.settings import Quota
from reaper.engine.events import ActionEnded
from reaper.engine.live_status import LiveStatus
from reaper.engine.report import Report, Result, is_trusted, is_under_way
from reaper.web.page.charts import Bars, StatusShare, half_idle, idle_bars, status_parts, time_line
from reaper.web.page.coming import Next, coming
from reaper.web.page.digest import Digest
from reaper.web.page.health import (
    SWEPT,
    HealthProblem,
    State,
    Tone,
    Wait,
    nothing_next,
    problems,
    state,
    wait,
    went_well,
)
from reaper.web.page.wording import OUTCOMES, RESULTS, Moment, address, joined, listed, moment, plural, safe

AGENTS_FIRST: Final = 12
"""So many are seen at once, the others unfold."""
AGENTS_MAX: Final = 200
PROBLEMS_MAX: Final = 20
WAITS_MAX: Final = 20
NEXT_MAX: Final = 60
ACTIONS_MAX: Final = 30
TOGETHER_S: Final = 120
"""Actions of one kind that are no further apart are shown in one row."""
GROUPS_OPEN: Final = 12
SESSIONS_SHOWN: Final = 1
NAMES_MAX: Final = 20
QUOTA_FULL_PERCENT: Final = 85


@dataclass(frozen=True, slots=True)
class Inventory:
    """Believed sessions by status, and how long they have been idle."""

    sessions: int
    parts: tuple[StatusShare, ...]
    idle: Bars
    half: str


@dataclass(frozen=True, slots=True)
class PoolRow:
    """One quota; `used` is None while nothing of it is believed. Shares are percents of the limit, at most 100."""

    name: str
    used: int | None
    share: float
    line: float | None
    tone: Tone
    words: str


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent: how its last sweep went; its inventory is None when it is not believed."""

    project: str
    agent: str
    href: str
    policy: str
    mode: str
    tone: Tone
    result: str
    why: str
    swept: Moment | None
    inventory: Inventory | None
    did: str
    waits: str


@dataclass(frozen=True, slots=True)
class Done:
    """Actions of one kind that ended one after another, the last at `at`; `sessions` names the first few."""

    at: Moment
    count: int
    project: str
    agent: str
    href: str
    sessions: str
    action: str
    rule: str
    outcome: str
    good: bool
    why: str


@dataclass(frozen=True, slots=True)
class Overview:
    """The front page. What is left out of a list is said in the `more_…` beside it."""

    state: State
    problems: tuple[HealthProblem, ...]
    more_problems: str
    waits: tuple[Wait, ...]
    more_waits: str
    pools: tuple[PoolRow, ...]
    inventory: Inventory | None
    not_counted: str
    agents: tuple[AgentRow, ...]
    further_agents: tuple[AgentRow, ...]
    more_agents: str
    line: Bars | None
    promised: int
    last: Moment | None
    next: tuple[Next, ...]
    more_next: str
    nothing_next: str
    actions: tuple[Done, ...]
    more_actions: str
    unmanaged: tuple[str, ...]


def overview(live: LiveStatus, digests: Sequence[Digest], stuck: str, now: float) -> Overview:
    """What the front page says at `now` (local time); everything on it is bounded."""
    reports = [one.report for one in digests]
    wrong, nexts = problems(live, reports, now), coming(digests, now)
    waits = sorted(filter(None, (wait(report, live.option) for report in reports)), key=lambda one: one.ahead)
    rows = agent_rows(live, digests, now)
    believed = list(filter(is_trusted, reports))
    ripening = sum((one.ripening for one in digests), Counter[int]())
    recent = done(reversed(live.recent), now)
    return Overview(
        state=state(live, digests, stuck, now),
        problems=tuple(wrong[:PROBLEMS_MAX]),
        more_problems=more(len(wrong) - PROBLEMS_MAX, "problem"),
        waits=tuple(waits[:WAITS_MAX]),
        more_waits=more(len(waits) - WAITS_MAX, "plan"),
        pools=tuple(_pool(quota, used) for quota, used in live.quotas()),
        inventory=inventory(believed),
        not_counted=_not_counted(len(rows) - len(believed)),
        agents=tuple(rows[:AGENTS_FIRST]),
        further_agents=tuple(rows[AGENTS_FIRST:AGENTS_MAX]),
        more_agents=_more_agents(rows[AGENTS_MAX:]),
        line=time_line(ripening, now),
        promised=ripening.total(),
        last=moment(max(ripening), now) if ripening else None,
        next=tuple(nexts[:NEXT_MAX]),
        more_next=more(len(nexts) - NEXT_MAX, "group"),
        nothing_next=nothing_next(digests),
        actions=tuple(recent[:ACTIONS_MAX]),
        more_actions=more(sum(one.count for one in recent[ACTIONS_MAX:]), "earlier action"),
        unmanaged=tuple(
            f"{safe(project)}: {safe(listed(names, NAMES_MAX))}" for project, names in live.unmanaged.items() if names
        ),
    )


def more(count: int, noun: str) -> str:
    """What a bounded list leaves out, '' when nothing."""
    return f"and {plural(count, noun)} more" if count > 0 else ""


def _not_counted(count: int) -> str:
    verb = "is" if count == 1 else "are"
    return f"{plural(count, 'agent')} {verb} not counted: not swept, or not believed." if count > 0 else ""


def _more_agents(rows: Iterable[AgentRow]) -> str:
    counts = Counter(row.result for row in rows)
    kinds = joined(f"{count} {result}" for result, count in sorted(counts.items()))
    return (
        f"{more(counts.total(), 'agent')}: {kinds}. Each has its page under /agents/PROJECT/AGENT." if counts else ""
    )


def inventory(reports: Iterable[Report]) -> Inventory | None:
    """The believed inventories added up; None when there is none."""
    snapshots = [report.snapshot for report in reports if is_trusted(report)]
    if not snapshots:
        return None
    by_status = sum((snapshot.by_status for snapshot in snapshots), Counter[str]())
    idle = idle_bars([snapshot.idle for snapshot in snapshots])
    sessions = sum(snapshot.sessions for snapshot in snapshots)
    return Inventory(sessions, status_parts(by_status), idle, half_idle(idle))


def _pool(quota: Quota, used: int | None) -> PoolRow:
    above = quota.pressure.above if quota.pressure else None
    percent = (used or 0) * 100 / max(quota.limit, 1)
    tone = Tone.BAD if percent >= 100 else Tone.WAIT if percent >= (above or QUOTA_FULL_PERCENT) else Tone.OK
    relief = f"; above {above}% the longest idle active sessions are stopped" if above is not None else ""
    shown = f"{used or 0:,} of {quota.limit:,} in use, {percent:.0f}%"
    return PoolRow(
        name=safe(quota.name),
        used=used,
        share=round(min(percent, 100), 1),
        line=above,
        tone=Tone.WAIT if used is None else tone,
        words=("unknown: no inventory of it is believed" if used is None else shown) + relief,
    )


def agent_rows(live: LiveStatus, digests: Sequence[Digest], now: float) -> list[AgentRow]:
    """Every known agent, those that need a look first."""
    swept = {one.report.key for one in digests}
    rows = [agent_row(one, now) for one in digests]
    for project, managed in live.managed.items():
        rows += [_unswept(project, *one) for one in managed.items() if (project, one[0]) not in swept]
    worst_first = (Tone.BAD, Tone.WAIT, Tone.OK)
    return sorted(rows, key=lambda row: (worst_first.index(row.tone), row.project, row.agent))


def agent_row(one: Digest, now: float) -> AgentRow:
    """One agent that was swept, or tried to be."""
    report = one.report
    tones = {Result.OK: Tone.OK, Result.WITHHELD: Tone.WAIT}
    return AgentRow(
        project=safe(report.project),
        agent=safe(report.agent),
        href=address(report.project, report.agent),
        policy=safe(report.policy.name),
        mode="observing" if report.observed else "enforcing",
        tone=tones.get(report.result, Tone.BAD) if went_well(one) else Tone.BAD,
        result="under way" if is_under_way(report) else RESULTS[report.result],
        why="" if report.result in SWEPT else safe(report.why),
        swept=moment(report.started + report.seconds, now),
        inventory=inventory([report]),
        did=_did(one),
        waits=_waits(one),
    )


def _unswept(project: str, agent: str, policy: str) -> AgentRow:
    names = (safe(project), safe(agent), address(project, agent), safe(policy))
    return AgentRow(*names, "", Tone.WAIT, "not swept yet", "", None, None, "", "")


def _did(one: Digest) -> str:
    acts = ((one.deleted, "deleted"), (one.stopped, "stopped"), (one.troubled, "without success"))
    did = joined(f"{count:,} {what}" for count, what in acts if count)
    return did or ("nothing" if one.report.result in SWEPT else "nothing known")


def _waits(one: Digest) -> str:
    going = sum(group.count for group in one.groups if group.hold is None) if is_under_way(one.report) else 0
    blocked = sum(group.count for group in one.groups) - going - one.promised - one.observed
    waits = (
        (going, "going now"),
        (one.promised, "to be deleted"),
        (blocked, "held back"),
        (one.observed, "observed"),
    )
    left = joined(f"{count:,} {what}" for count, what in waits if count)
    return left or ("none" if one.report.result in SWEPT else "not known")


def done(actions: Iterable[ActionEnded], now: float) -> list[Done]:
    """Recent actions as rows, those of one kind that followed each other in one; the order is kept."""
    groups: list[list[ActionEnded]] = []
    for action in actions:
        near = next((one for one in groups[-GROUPS_OPEN:] if _alike(one[-1], action)), None)
        if near is None:
            groups.append([action])
        else:
            near.append(action)
    return [_done(group, now) for group in groups]


def _alike(one: ActionEnded, other: ActionEnded) -> bool:
    return _kind(one) == _kind(other) and abs(one.at - other.at) <= TOGETHER_S


def _kind(ended: ActionEnded) -> tuple[str, ...]:
    outcome = ended.outcome
    return ended.project, ended.agent, outcome.item.action, outcome.item.rule, outcome.kind, outcome.why


def _done(group: Sequence[ActionEnded], now: float) -> Done:
    first, outcome, item = group[0], group[0].outcome, group[0].outcome.item
    return Done(
        at=moment(first.at, now),
        count=len(group),
        project=safe(first.project),
        agent=safe(first.agent),
        href=address(first.project, first.agent),
        sessions=listed([safe(action.outcome.item.session.id) for action in group], SESSIONS_SHOWN),
        action=str(item.action),
        rule=safe(item.rule),
        outcome=OUTCOMES[outcome.kind],
        good=outcome.kind in {OutcomeKind.DONE, OutcomeKind.ALREADY_GONE},
        why=safe(outcome.why),
    )

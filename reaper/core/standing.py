"""Standing: the ranks of one session among all of its agent's, for whoever asks about it alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reaper.core.model import IDLE, Action, Agent, Session
from reaper.core.policy import BEYOND, NEWEST, Decision, KeepNewest, Policy, decide
from reaper.core.ranks import by_creation, by_use, is_ranked

UNKNOWN: Final = "cannot be judged"


@dataclass(slots=True)
class Standing:
    """How one session ranks among all others of its agent that a listing has shown.

    `newer` are those created later, out of `of_group` that it is one of the newest among; `used_later` those used
    later, out of all that are `idle`. `unknown` says why none of that can be relied on.
    """

    session: Session
    keep_newest: KeepNewest | None = None
    newer: int = 0
    of_group: int = 0
    used_later: int = 0
    idle: int = 0
    unknown: str = ""

    def count(self, other: Session, times: int = 1) -> None:
        """Take in a session of the listing; `times` is -1 for a copy that does not count any more."""
        if not is_ranked(other):
            return
        session, per_version = self.session, self.keep_newest is not None and self.keep_newest.per_version
        if not per_version or other.version == session.version:
            self.of_group += times
            self.newer += times * (by_creation(other) > by_creation(session))
        if other.status == IDLE:
            self.idle += times
            # It may have been used since it was looked at.
            is_itself = other.incarnation == session.incarnation
            self.used_later += times * (by_use(other) > by_use(session) and not is_itself)

    @property
    def is_known(self) -> bool:
        return not self.unknown

    def may_be_one_of(self, newest: KeepNewest) -> bool:
        """Whether it is one of the newest, as far as is known; without a readable version it may always be."""
        is_unread = newest.per_version and self.session.version is None
        return is_unread or self.newer < newest.count


def decide_among(decision: Decision, policy: Policy, agent: Agent, standing: Standing, now: float) -> Decision:
    """What becomes of a session on which the rules have decided, now that its ranks are known."""
    session, newest = standing.session, policy.keep_newest
    may_be_beyond = decision.action is Action.KEEP and session.status == IDLE and is_ranked(session)
    if may_be_beyond and policy.at_most is not None and standing.used_later >= policy.at_most:
        asked = decide(session, policy.with_ranks(), agent, now)
        decision = asked if asked.rule == BEYOND else decision
    if decision.action is not Action.DELETE or newest is None:
        return decision
    is_unread = newest.per_version and session.version is None
    is_spared = standing.may_be_one_of(newest) and (is_unread or is_ranked(session))
    return Decision(Action.KEEP, NEWEST) if is_spared else decision


def ranks_text(policy: Policy, standing: Standing | None) -> str:
    """How a session ranks among the others, beside what its policy asks."""
    if standing is None:
        return f"{UNKNOWN} without a listing of all sessions"
    if not standing.is_known:
        return f"{UNKNOWN}: {standing.unknown}"
    session, newest, told = standing.session, policy.keep_newest, []
    if newest is not None and newest.per_version and session.version is None:
        told.append("its version is unreadable, so it counts as one of the newest")
    elif newest is not None and is_ranked(session):
        group = " of its version" if newest.per_version else ""
        told.append(
            f"number {standing.newer + 1} of {standing.of_group}{group} by creation, the newest {newest} stay"
        )
    if policy.at_most is not None and is_ranked(session):
        place = f"number {standing.used_later + 1} of" if session.status == IDLE else "not one of the"
        told.append(f"{place} {standing.idle} idle sessions by last use, {policy.at_most} may be")
    return "; ".join(told) or "not counted among the others, for its record is not understood"

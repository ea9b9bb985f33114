"""Policies: what is to become of a session. Pure: `now` is an argument, and unknown means keep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple

from reaper.core.conditions import ALWAYS, NEVER, Age, Condition, Idle, StatusIn
from reaper.core.durations import show_time
from reaper.core.model import ACTIVE, AGE_FLOOR_S, ELIGIBLE, FAILED, IDLE, Action, Agent, Session
from reaper.core.windows import Window

GRACE_S: Final = 86_400
DEFAULT_STATUSES: Final = {Action.DELETE: frozenset({IDLE, FAILED}), Action.STOP: frozenset({ACTIVE})}


class Mode(StrEnum):
    OBSERVE = "observe"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many: a share of the inventory in percent, or a whole number.

    Zero means none, never unlimited.
    """

    amount: int
    percent: bool = False

    def of(self, inventory: int, at_least: int) -> int:
        """The limit as a number of sessions; shares round down, but never below `at_least`."""
        if not self.percent or self.amount == 0:
            return self.amount
        return max(inventory * self.amount // 100, at_least)

    def __str__(self) -> str:
        return f"{self.amount}%" if self.percent else str(self.amount)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many sessions of one agent may be deleted, and as many stopped, before a person is asked."""

    per_sweep: Limit = Limit(10, percent=True)
    per_day: Limit = Limit(25, percent=True)
    at_least: int = 5


@dataclass(frozen=True, slots=True)
class Rule:
    """When all of `when` holds, do `action`.

    A stop or delete that names no status applies to `DEFAULT_STATUSES`.
    """

    name: str
    action: Action
    when: tuple[Condition, ...]
    statuses: frozenset[str] | None = field(init=False, repr=False, compare=False)
    _idle_s: int | None = field(init=False, repr=False, compare=False)
    _age_s: int | None = field(init=False, repr=False, compare=False)
    _others: tuple[Condition, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Taken apart once: every session of every listing is asked, and most rules are a status and a threshold.
        floor = () if self.action is Action.KEEP else (AGE_FLOOR_S,)
        ages = [*(c.seconds for c in self.when if isinstance(c, Age)), *floor]
        idles = [c.seconds for c in self.when if isinstance(c, Idle)]
        object.__setattr__(self, "statuses", self._statuses())
        object.__setattr__(self, "_age_s", max(ages, default=None))
        object.__setattr__(self, "_idle_s", max(idles, default=None))
        object.__setattr__(self, "_others", tuple(c for c in self.when if not isinstance(c, Age | Idle | StatusIn)))

    def _statuses(self) -> frozenset[str] | None:
        """The statuses the rule applies to, None for all."""
        named = [condition.words for condition in self.when if isinstance(condition, StatusIn)]
        if not named:
            return DEFAULT_STATUSES.get(self.action)
        return frozenset.intersection(*named, *([ELIGIBLE[self.action]] if self.action in ELIGIBLE else []))

    def holds_from(self, session: Session, agent: Agent) -> float:
        """Unix seconds from which the rule applies, NEVER if it cannot.

        A condition that cannot be judged keeps a session: it fails a stop or delete, and holds for a keep.
        """
        if self.statuses is not None and session.status not in self.statuses:
            return NEVER
        since = ALWAYS if self._age_s is None else float(session.created_at + self._age_s)
        if self._idle_s is not None and session.last_accessed_at + self._idle_s > since:
            since = float(session.last_accessed_at + self._idle_s)
        for condition in self._others:
            moment = condition.holds_from(session, agent)
            if moment is None:
                moment = ALWAYS if self.action is Action.KEEP else NEVER
            if moment == NEVER:
                return NEVER
            since = max(since, moment)
        return since


@dataclass(frozen=True, slots=True)
class KeepNewest:
    """The newest `count` sessions of an agent are never deleted; `per_version`: so many of each version."""

    count: int
    per_version: bool = False

    def __str__(self) -> str:
        return f"{self.count}{' of each version' if self.per_version else ''}"


NEWEST: Final = Rule("keep_newest", Action.KEEP, ())
"""Why a session stays that a rule would delete: it is one of the newest."""

BEYOND: Final = Rule("at_most", Action.DELETE, (StatusIn(frozenset({IDLE})), Idle(AGE_FLOOR_S)))
"""What takes the longest idle sessions beyond `at_most`: the last rule, for those of which no other speaks."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules for an agent's sessions, first match wins, and the guards around them.

    `keep_newest` and `at_most` (idle sessions) rank all sessions of an agent: no session alone shows what they say.
    """

    name: str
    rules: tuple[Rule, ...]
    mode: Mode = Mode.OBSERVE
    grace_s: int = GRACE_S
    limits: Limits = Limits()
    windows: tuple[Window, ...] = ()
    keep_newest: KeepNewest | None = None
    at_most: int | None = None

    @property
    def ranks(self) -> bool:
        """Whether what becomes of a session depends on the others."""
        return self.keep_newest is not None or self.at_most is not None

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        """Every rule that may catch a session: the policy's own, then that of `at_most`."""
        return self.rules if self.at_most is None else (*self.rules, BEYOND)

    def rests_on_ranks(self, decision: Decision) -> bool:
        """Whether an action is asked for only by how its session ranks among the others."""
        spared = self.keep_newest is not None and decision.action is Action.DELETE
        return spared or decision.rule == BEYOND

    @property
    def asks_version(self) -> bool:
        """Whether what becomes of a session depends on its agent's versions."""
        return any(condition.needs_versions for rule in self.rules for condition in rule.when)


class Decision(NamedTuple):
    """What a policy says of a session at one moment. `rule` is None when none matched."""

    action: Action
    rule: Rule | None = None
    since: float = ALWAYS


KEPT: Final = Decision(Action.KEEP)


def decide(session: Session, policy: Policy, agent: Agent, now: float) -> Decision:
    """The first rule that holds at `now` decides; without one the session is kept."""
    for rule in policy.rules:
        # Asked here, too: most rules are for another status, and a call for each of them is what a listing costs.
        if rule.statuses is None or session.status in rule.statuses:
            since = rule.holds_from(session, agent)
            if since <= now:
                return Decision(rule.action, rule, since)
    return KEPT


def next_due(session: Session, policy: Policy, agent: Agent, now: float) -> tuple[float, Decision] | None:
    """The first moment from `now` on at which the policy would stop or delete an untouched session."""
    moments = {rule.holds_from(session, agent) for rule in policy.rules}
    for moment in sorted({now, *(moment for moment in moments if now < moment < NEVER)}):
        decision = decide(session, policy, agent, moment)
        if decision.action is not Action.KEEP:
            return moment, decision
    return None


_LIVING: Final = (IDLE, ACTIVE)
_MAY_BECOME: Final = {IDLE: (IDLE,), FAILED: (FAILED,)}
"""What a session's status can be later on if nobody uses it: what runs falls idle, what is idle stays so."""


def earliest(session: Session, policy: Policy, agent: Agent) -> float:
    """A moment before which the policy asks for nothing of a session that nobody uses; NEVER if it never will.

    Whatever becomes of its status, but for one that fails later on. Early rather than late: what other rules keep is
    not looked at, unless they keep it for good.
    """
    found, status = NEVER, session.status
    # Made once: every session of every listing that is remembered is asked.
    may_become = [
        session if later == status else session._replace(status=later) for later in _MAY_BECOME.get(status, _LIVING)
    ]
    for rule in policy.rules:
        if rule.action is Action.KEEP:
            if rule.statuses is None and rule.holds_from(session, agent) == ALWAYS:
                break
            continue
        for one in may_become:
            if rule.statuses is None or one.status in rule.statuses:
                found = min(found, rule.holds_from(one, agent))
    return found


@dataclass(frozen=True, slots=True)
class ConditionCheck:
    """One comparison: what a condition wanted, what it found; `holds` is None when it could not be judged."""

    condition: str
    wanted: str
    actual: str
    holds: bool | None
    holds_from: float | None


@dataclass(frozen=True, slots=True)
class RuleTrial:
    """One rule tried on one session."""

    rule: Rule
    holds: bool
    decides: bool
    checks: tuple[ConditionCheck, ...]


def trials(session: Session, policy: Policy, agent: Agent, now: float) -> Iterator[RuleTrial]:
    """Every rule tried, with the values compared; the first that holds `decides`."""
    decided = False
    for rule in policy.rules:
        holds = rule.holds_from(session, agent) <= now
        yield RuleTrial(rule, holds, holds and not decided, checks(session, rule, agent, now))
        decided = decided or holds


def checks(session: Session, rule: Rule, agent: Agent, now: float) -> tuple[ConditionCheck, ...]:
    """Each condition of the rule with the values compared, and the floor of age beside them."""
    compared = [_check(condition, session, agent, now) for condition in rule.when]
    if rule.action is not Action.KEEP:
        compared.append(replace(_check(Age(AGE_FLOOR_S), session, agent, now), condition="age floor"))
    return tuple(compared)


def _check(condition: Condition, session: Session, agent: Agent, now: float) -> ConditionCheck:
    moment = condition.holds_from(session, agent)
    holds = None if moment is None else moment <= now
    return ConditionCheck(condition.name, condition.wanted(), condition.actual(session, agent, now), holds, moment)


def reason(session: Session, decision: Decision, policy: Policy, agent: Agent, now: float) -> str:
    """Why, in one line: `idle 9d3h (at least 7d), status idle`."""
    if decision.rule == NEWEST:
        return f"one of the newest {policy.keep_newest}"
    if decision.rule is None:
        blind = [r.name for r in policy.rules if any(c.holds_from(session, agent) is None for c in r.when)]
        unread = f"; its version is unreadable, which {', '.join(blind)} asks for" if blind else ""
        return f"no rule matches{unread}"
    compared = [
        f"{check.condition} {check.actual}" + ("" if check.condition == "status" else f" ({check.wanted})")
        for check in checks(session, decision.rule, agent, now)
        if check.condition != "age floor"
    ]
    if decision.rule == BEYOND:
        compared.insert(0, f"beyond the {policy.at_most} most recently used idle sessions")
    return ", ".join(compared) or f"due since {show_time(decision.since)}"

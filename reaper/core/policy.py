"""Policies: what is to become of a session. Pure: `now` is an argument, and unknown means keep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple

from reaper.core.conditions import ALWAYS, NEVER, Age, Condition, Idle, StatusIn
from reaper.core.durations import show_time
from reaper.core.model import ACTIVE, AGE_FLOOR_S, ELIGIBLE, FAILED, IDLE, Action, Agent, Session
from reaper.core.windows import Dates, Window, closed_text, is_open, opens_for_all, skipped

GRACE_S: Final = 86_400
DEFAULT_STATUSES: Final = {Action.DELETE: frozenset({IDLE, FAILED}), Action.STOP: frozenset({ACTIVE})}


class Mode(StrEnum):
    OBSERVE = "observe"
    ENFORCE = "enforce"


class Beyond(StrEnum):
    """What becomes of a plan that is larger than a limit."""

    WITHHOLD = "withhold"
    SPREAD = "spread"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many: a share of the inventory in percent, or a whole number.

    Zero means none, never unlimited. Of two that only an inventory can compare, the other one is in `also`.
    """

    amount: int
    percent: bool = False
    also: Limit | None = None

    def of(self, inventory: int, at_least: int) -> int:
        """The limit as a number of sessions; shares round down, but never below `at_least`."""
        own = max(inventory * self.amount // 100, at_least) if self.percent and self.amount else self.amount
        return own if self.also is None else min(own, self.also.of(inventory, at_least))

    def __str__(self) -> str:
        own = f"{self.amount}%" if self.percent else str(self.amount)
        return own if self.also is None else f"{own} and {self.also}"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many sessions of one agent may be deleted, and as many stopped, and what becomes of a plan beyond that.

    `jump`: spread over sweeps and days, candidates may become so many more between two of them.
    """

    per_sweep: Limit = Limit(10, percent=True)
    per_day: Limit = Limit(25, percent=True)
    at_least: int = 5
    beyond: Beyond = Beyond.WITHHOLD
    jump: Limit = Limit(25, percent=True)


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

    def holds_from(self, session: Session, agent: Agent, by: float = NEVER) -> float:
        """Unix seconds from which the rule applies, NEVER if it cannot; it may say NEVER of any time after `by`.

        A condition that cannot be judged keeps a session: it fails a stop or delete, and holds for a keep.
        """
        if self.statuses is not None and session.status not in self.statuses:
            return NEVER
        since = ALWAYS if self._age_s is None else float(session.created_at + self._age_s)
        if self._idle_s is not None and session.last_accessed_at + self._idle_s > since:
            since = float(session.last_accessed_at + self._idle_s)
        if since > by:
            # The others can only put it off, and cost more than a comparison.
            return NEVER
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
    `also` is a policy that has to ask for the same action at that time, or the session is kept; made by
    `voice.both`, which lets the guards beside it be the stricter ones of the two.
    """

    name: str
    rules: tuple[Rule, ...]
    mode: Mode = Mode.OBSERVE
    grace_s: int = GRACE_S
    limits: Limits = Limits()
    windows: tuple[Window, ...] = ()
    keep_newest: KeepNewest | None = None
    at_most: int | None = None
    also: Policy | None = None

    @property
    def ranks(self) -> bool:
        """Whether what becomes of a session depends on the others."""
        return self.keep_newest is not None or self.at_most is not None

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        """Every rule that may catch a session: the policy's own, then that of `at_most`."""
        return self.rules if self.at_most is None else (*self.rules, BEYOND)

    def with_ranks(self) -> Policy:
        """The same with the rule of `at_most`, which holds for a session that is known to be beyond it."""
        return self if self.at_most is None else self.with_last(BEYOND)

    def rests_on_ranks(self, decision: Decision) -> bool:
        """Whether an action is asked for only by how its session ranks among the others."""
        spared = self.keep_newest is not None and decision.action is Action.DELETE
        return spared or decision.rule == BEYOND

    @property
    def asks_version(self) -> bool:
        """Whether what becomes of a session depends on its agent's versions."""
        own = any(condition.needs_versions for rule in self.rules for condition in rule.when)
        return own or (self.also is not None and self.also.asks_version)

    @property
    def windowed(self) -> bool:
        """Whether there are times at which deleting is not allowed."""
        return bool(self.windows) or (self.also is not None and self.also.windowed)

    def is_open(self, now: float) -> bool:
        """Whether deleting is allowed at `now`."""
        return is_open(self.windows, now) and (self.also is None or self.also.is_open(now))

    def opens_at(self, now: float) -> float | None:
        """The next moment at or after `now` at which deleting is allowed; None when none is in sight."""
        return opens_for_all(self._all_windows, now)

    def skipped(self, now: float, opening: float | None) -> list[Dates]:
        """The dates for which nothing is open from `now` until the `opening`, None: for good."""
        return skipped([window for windows in self._all_windows for window in windows], now, opening)

    def closed_text(self, now: float) -> str:
        """Why deleting is not allowed at `now`, in words."""
        return closed_text(self._all_windows, now)

    @property
    def _all_windows(self) -> tuple[tuple[Window, ...], ...]:
        return tuple(one.windows for one in sides(self))

    def with_last(self, rule: Rule) -> Policy:
        """The same with one more rule, for what none of its rules speaks of."""
        also = None if self.also is None else self.also.with_last(rule)
        return replace(self, rules=(*self.rules, rule), also=also)


class Decision(NamedTuple):
    """What a policy says of a session at one moment. `rule` is None when none matched."""

    action: Action
    rule: Rule | None = None
    since: float = ALWAYS


KEPT: Final = Decision(Action.KEEP)


def decide(session: Session, policy: Policy, agent: Agent, now: float) -> Decision:
    """The first rule that holds at `now` decides; without one the session is kept.

    Where another policy has to agree, an action is asked for since both of them do.
    """
    for rule in policy.rules:
        # Asked here, too: most rules are for another status, and a call for each of them is what a listing costs.
        if rule.statuses is None or session.status in rule.statuses:
            since = rule.holds_from(session, agent, now)
            if since <= now:
                decision = Decision(rule.action, rule, since)
                break
    else:
        decision = KEPT
    if policy.also is None:
        return decision
    return _agreed(decision, decide(session, policy.also, agent, now))


def _agreed(own: Decision, other: Decision) -> Decision:
    """What two policies ask for together: an action that both do, a keep that either does."""
    if own.action is other.action and own.action is not Action.KEEP:
        return own._replace(since=max(own.since, other.since))
    keeps = (one for one in (own, other) if one.action is Action.KEEP and one.rule is not None)
    return next(keeps, KEPT)


def sides(policy: Policy) -> tuple[Policy, ...]:
    """The policies that have to agree."""
    return (policy,) if policy.also is None else (policy, *sides(policy.also))


def next_due(session: Session, policy: Policy, agent: Agent, now: float) -> tuple[float, Decision] | None:
    """The first moment from `now` on at which the policy would stop or delete an untouched session."""
    moments = {rule.holds_from(session, agent) for one in sides(policy) for rule in one.rules}
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
    return max(_earliest(session, one, agent) for one in sides(policy))


def _earliest(session: Session, policy: Policy, agent: Agent) -> float:
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
    """One rule of a `policy` tried on one session."""

    rule: Rule
    holds: bool
    decides: bool
    checks: tuple[ConditionCheck, ...]
    policy: str = ""


def trials(session: Session, policy: Policy, agent: Agent, now: float) -> Iterator[RuleTrial]:
    """Every rule tried, with the values compared; the first of each policy that holds `decides`."""
    for one in sides(policy):
        decided = False
        for rule in one.rules:
            holds = rule.holds_from(session, agent) <= now
            yield RuleTrial(rule, holds, holds and not decided, checks(session, rule, agent, now), one.name)
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
    if policy.also is not None:
        return _reason_of_both(session, decision, policy, policy.also, agent, now)
    if decision.rule is None:
        return f"no rule matches{_unjudged(session, policy, agent)}"
    compared = [
        f"{check.condition} {check.actual}" + ("" if check.condition == "status" else f" ({check.wanted})")
        for check in checks(session, decision.rule, agent, now)
        if check.condition != "age floor"
    ]
    if decision.rule == BEYOND:
        compared.insert(0, f"beyond the {policy.at_most} most recently used idle sessions")
    return ", ".join(compared) or f"due since {show_time(decision.since)}"


def _unjudged(session: Session, policy: Policy, agent: Agent) -> str:
    """What could not be judged of a session, and the rules that ask for it; '' when all could."""
    rules: dict[str, list[str]] = {}
    for rule in policy.rules:
        why = [c.blind(session, agent) for c in rule.when if c.holds_from(session, agent) is None]
        if why:
            rules.setdefault(why[0], []).append(rule.name)
    return "".join(f"; {why}, which {', '.join(names)} asks for" for why, names in rules.items())


def _reason_of_both(
    session: Session, decision: Decision, policy: Policy, other: Policy, agent: Agent, now: float
) -> str:
    """What each of two policies says; of a rule that is neither's, such as a quota's, what it says alone."""
    own = replace(policy, also=None)
    if decision.rule is not None and decision.rule not in {*policy.rules, *other.rules}:
        return reason(session, decision, own, agent, now)
    told = [(one, decide(session, one, agent, now)) for one in (own, other)]
    asks = (f"{one.name} {_asks(found)}: {reason(session, found, one, agent, now)}" for one, found in told)
    return "; ".join(asks)


def _asks(decision: Decision) -> str:
    rule = f" by rule {decision.rule.name}" if decision.rule else ""
    return f"asks for {decision.action}{rule}"

"""Everything that decides about one session: each rule tried, each guard, and when it is next due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from reaper.core.durations import exact_duration, show_duration, show_time
from reaper.core.model import ACTIVE, ELIGIBLE, IDLE, Action, Agent, Session
from reaper.core.planner import Mark
from reaper.core.policy import Decision, Mode, Policy, RuleTrial, decide, next_due, reason, trials
from reaper.core.windows import is_open, opens_at
from reaper.store.store import Breaker, Store


@dataclass(frozen=True, slots=True)
class GuardCheck:
    """One guard: whether it would let an action through now, and its values."""

    name: str
    lets_through: bool
    told: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """One session under its policy at platform time `now`.

    `due` is when an action is next asked for if nobody uses the session; `once_idle`: after it has fallen idle.
    `earliest` is when grace and windows would let that action happen, None when they never would.
    """

    project: str
    agent: Agent
    session: Session
    policy: Policy
    now: float
    decision: Decision
    trials: tuple[RuleTrial, ...]
    guards: tuple[GuardCheck, ...]
    due: tuple[float, Decision] | None
    once_idle: bool
    earliest: float | None

    @property
    def due_text(self) -> str:
        """When the session is next due, in a sentence."""
        if self.due is None:
            return "never: no rule will stop or delete it as it is"
        moment, decision = self.due
        rule = decision.rule.name if decision.rule else ""
        told = f"{decision.action} by rule {rule}"
        if moment >= self.session.expires_at:
            return f"never: it expires at {show_time(self.session.expires_at)}, before {told} is due"
        when = "now" if moment <= self.now else f"{show_time(moment)} (in {show_duration(moment - self.now)})"
        idle = ", once it is idle" if self.once_idle else ""
        unused = "" if moment <= self.now else ", unless it is used before"
        return f"{when}: {told}{idle}{unused}{self._earliest_text(moment)}"

    def _earliest_text(self, due: float) -> str:
        if self.earliest is None:
            return "; but no window opens"
        return f"; at the earliest {show_time(self.earliest)}" if self.earliest > max(due, self.now) else ""


def explain(project: str, agent: Agent, session: Session, policy: Policy, store: Store, now: float) -> Explanation:
    """Try every rule and every guard on one session; reads the state, changes nothing."""
    mark = store.marks(project, agent.name).get(session.incarnation)
    decision = decide(session, policy, agent, now)
    breaker = store.breaker(project, agent.name)
    due = next_due(session, policy, agent, now)
    # An active session that nobody uses falls idle by itself: what happens then is what its user wants to know.
    once_idle = due is None and session.status == ACTIVE
    if once_idle:
        due = next_due(session._replace(status=IDLE), policy, agent, now)
    return Explanation(
        project=project,
        agent=agent,
        session=session,
        policy=policy,
        now=now,
        decision=decision,
        trials=tuple(trials(session, policy, agent, now)),
        guards=tuple(_guards(session, policy, mark, breaker, store, now)),
        due=due,
        once_idle=once_idle and due is not None,
        earliest=_earliest(due, session, policy, mark, now) if due else None,
    )


def _earliest(
    due: tuple[float, Decision], session: Session, policy: Policy, mark: Mark | None, now: float
) -> float | None:
    """When grace has passed and a window is open, for a sweep that finds the session as soon as it is due."""
    moment = max(due[0], now)
    if due[1].action is not Action.DELETE:
        return moment
    promised = mark.ripe_at if mark is not None and mark.seen == session else moment + policy.grace_s
    return opens_at(policy.windows, max(moment, promised))


def _guards(
    session: Session, policy: Policy, mark: Mark | None, breaker: Breaker | None, store: Store, now: float
) -> Iterator[GuardCheck]:
    touchable = any(session.status in statuses for statuses in ELIGIBLE.values())
    yield GuardCheck(
        "status", touchable, session.status if touchable else f"{session.status} sessions are never touched"
    )
    enforcing = policy.mode is Mode.ENFORCE
    yield GuardCheck("mode", enforcing, str(policy.mode) if enforcing else "observe: nothing is touched")
    yield _grace(session, policy, mark, now)
    open_now = is_open(policy.windows, now)
    yield GuardCheck("windows", open_now, _windows(policy, now))
    limits = policy.limits
    sizes = f"per_sweep {limits.per_sweep}, per_day {limits.per_day}, at_least {limits.at_least}"
    yield GuardCheck("limits", True, f"{sizes}; judged over the whole plan")
    yield GuardCheck("breaker", breaker is None, breaker.reason if breaker else "closed")
    yield GuardCheck(
        "record",
        not session.strange,
        f"unknown fields: {', '.join(session.strange)}" if session.strange else "well formed",
    )
    yield GuardCheck("state", not store.fault, store.fault or "readable")


def _grace(session: Session, policy: Policy, mark: Mark | None, now: float) -> GuardCheck:
    written = exact_duration(policy.grace_s)
    if not policy.grace_s:
        return GuardCheck("grace", True, "0s: deleted in the sweep that finds it")
    if mark is None or mark.seen != session:
        return GuardCheck(
            "grace", False, f"not marked yet; a sweep that finds it marks it, and {written} later it may go"
        )
    ripe = max(mark.ripe_at, mark.marked_at + policy.grace_s)
    return GuardCheck(
        "grace", ripe <= now, f"marked {show_time(mark.marked_at)}, may be deleted from {show_time(ripe)}"
    )


def _windows(policy: Policy, now: float) -> str:
    if not policy.windows:
        return "none: always open"
    opening = opens_at(policy.windows, now)
    if opening is None:
        return "closed, and none opens within eight days"
    return "open" if opening <= now else f"closed until {show_time(opening)}"


def explanation_json(told: Explanation) -> dict[str, Any]:
    """The explanation as one object."""
    session = told.session
    return {
        "project": told.project,
        "agent": told.agent.name,
        "policy": told.policy.name,
        "mode": str(told.policy.mode),
        "platform_time": told.now,
        "session": session._asdict(),
        "rules": [_trial_json(trial) for trial in told.trials],
        "decision": {
            "action": str(told.decision.action),
            "rule": told.decision.rule.name if told.decision.rule else None,
            "reason": reason(session, told.decision, told.policy, told.agent, told.now),
        },
        "guards": [{"guard": g.name, "lets_through": g.lets_through, "told": g.told} for g in told.guards],
        "next_due": _due_json(told),
        "earliest": told.earliest,
        "next_due_text": told.due_text,
    }


def _trial_json(trial: RuleTrial) -> dict[str, Any]:
    return {
        "rule": trial.rule.name,
        "action": str(trial.rule.action),
        "holds": trial.holds,
        "decides": trial.decides,
        "checks": [
            {"condition": c.condition, "wanted": c.wanted, "actual": c.actual, "holds": c.holds} for c in trial.checks
        ],
    }


def _due_json(told: Explanation) -> dict[str, Any] | None:
    if told.due is None or told.due[0] >= told.session.expires_at:
        return None
    moment, decision = told.due
    return {"at": moment, "action": str(decision.action), "rule": decision.rule.name if decision.rule else None}

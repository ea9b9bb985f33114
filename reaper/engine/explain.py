"""Everything that decides about one session: each rule tried, each guard, and when it is next due."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from reaper.core.conditions import NEVER
from reaper.core.durations import exact_duration, show_duration, show_time
from reaper.core.holds import NO_HOLDS, Holds, SessionHold, holds_words
from reaper.core.jump import standing_jump
from reaper.core.model import ACTIVE, ELIGIBLE, IDLE, Action, Agent, Session
from reaper.core.plan import Candidate, Hold, Plan, PlanContext
from reaper.core.planner import guards, make_plan
from reaper.core.policy import (
    BEYOND,
    NEWEST,
    Beyond,
    Decision,
    Mode,
    Policy,
    RuleTrial,
    decide,
    next_due,
    reason,
    trials,
)
from reaper.core.record_fields import acceptance
from reaper.core.standing import UNKNOWN, Standing, decide_among, ranks_text
from reaper.core.voice import SILENT, Voice
from reaper.core.windows import dates_text
from reaper.store.store import Breaker, Store


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known around a session, beside what the state remembers.

    `voice` is what its agent's developers ask for, `configured` are the holds that the configuration names, and
    `accepted` are the project's `known_fields`. `standing` is how it ranks among the others, None where nobody has
    listed them.
    """

    project: str
    agent: Agent
    voice: Voice = SILENT
    configured: Holds = NO_HOLDS
    accepted: frozenset[str] = frozenset()
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class GuardCheck:
    """One guard: whether it would let an action through now, and its values."""

    name: str
    lets_through: bool
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """One session under its policy at platform time `now`.

    `due` is when an action is next asked for if nobody uses the session; `once_idle`: after it has fallen idle.
    `earliest` is when its developers, holds, grace and windows would let that action happen, None when they never
    would. `holds` are those that stand on it. `ranks` says how it ranks among the others, '' where its policy
    does not ask.
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
    voice: Voice = SILENT
    holds: tuple[SessionHold, ...] = ()
    ranks: str = ""

    @property
    def why(self) -> str:
        """Why it is decided so, in one line."""
        why = reason(self.session, self.decision, self.policy, self.agent, self.now)
        return f"{why}; how it ranks {self.ranks}" if self.ranks.startswith(UNKNOWN) else why

    @property
    def is_spared(self) -> bool:
        """Whether nothing keeps it but that it is one of the newest."""
        return self.decision.rule == NEWEST

    @property
    def due_text(self) -> str:
        """When the session is next due, in a sentence."""
        beyond = f"beyond the {self.policy.at_most} most recently used idle sessions"
        if self.due is None:
            never = "never: no rule will stop or delete it as it is"
            return never if self.policy.at_most is None else f"{never}; at_most does once it is {beyond}"
        moment, decision = self.due
        rule = decision.rule.name if decision.rule else ""
        action = f"{decision.action} by rule {rule}"
        if moment >= self.session.expires_at:
            return f"never: it expires at {show_time(self.session.expires_at)}, before {action} is due"
        when = "now" if moment <= self.now else f"{show_time(moment)} (in {show_duration(moment - self.now)})"
        idle = ", once it is idle" if self.once_idle else ""
        if self.is_spared:
            return f"{when}: {action}, but not while it is one of the newest {self.policy.keep_newest}"
        unused = "" if moment <= self.now else ", unless it is used before"
        sooner = f"; sooner by at_most if it falls {beyond}" if self.policy.at_most and moment > self.now else ""
        return f"{when}: {action}{idle}{unused}{self._earliest_text(moment)}{sooner}"

    def _earliest_text(self, due: float) -> str:
        if self.earliest is None and any(math.isinf(hold.ends_at) for hold in self.holds):
            return "; but it is held without an end"
        if self.earliest is None:
            return f"; but it is {self.voice.why}" if self.voice.until == NEVER else "; but no window opens"
        return f"; at the earliest {show_time(self.earliest)}" if self.earliest > max(due, self.now) else ""


def explain(session: Session, around: Circumstances, policy: Policy, store: Store, now: float) -> Explanation:
    """Try every rule on one session, and plan it as a sweep would; reads the state, changes nothing.

    `policy` is the one that decides once its developers were heard.
    """
    project, agent, voice, standing = around.project, around.agent, around.voice, around.standing
    decision = decide(session, policy, agent, now)
    due, as_due = next_due(session, policy, agent, now), session
    is_ranked = standing is not None and standing.is_known
    if standing is not None and is_ranked:
        decision = decide_among(decision, policy, agent, standing, now)
        due = (now, decision) if decision.rule == BEYOND else due
    # An active session that nobody uses falls idle by itself: what happens then is what its user wants to know.
    if due is None and session.status == ACTIVE:
        as_due = session._replace(status=IDLE)
        due = next_due(as_due, policy, agent, now)
    moment, asked = due or (now, decision)
    breaker, level = store.breaker(project, agent.name), store.level(project, agent.name)
    holds = around.configured | store.holds.of_agent(project, agent.name)
    record = _record(project, session, around.accepted)
    context = PlanContext(
        inventory=1,
        marks=store.standing_marks(project, agent.name),
        holds=holds,
        doubt=Hold.STATE if store.fault else None,
        breaker=breaker is not None,
        jump=standing_jump(level, policy),
        observe=policy.mode is Mode.OBSERVE,
        voice=voice,
        unranked=policy.ranks and not is_ranked,
    )
    ranks = ranks_text(policy, standing) if policy.ranks else ""

    def plan_at(at: float) -> Plan:
        return make_plan([Candidate(as_due, asked)], context, project=project, agent=agent, policy=policy, now=at)

    free = holds.free_at(as_due, max(moment, now))
    return Explanation(
        project=project,
        agent=agent,
        session=session,
        policy=policy,
        now=now,
        decision=decision,
        trials=tuple(trials(session, policy, agent, now)),
        guards=tuple(
            replace(guard, lets_through=guard.lets_through and decision.rule != NEWEST, text=ranks)
            if guard.name == "ranks"
            else guard
            for guard in _guards(session.status, plan_at(now), context, breaker, store.fault, record)
        ),
        due=due,
        once_idle=due is not None and as_due is not session,
        earliest=_earliest(plan_at(free), voice) if due and math.isfinite(free) else None,
        voice=voice,
        holds=holds.on(session, now),
        ranks=ranks,
    )


def _earliest(plan: Plan, voice: Voice) -> float | None:
    """When its developers, grace and windows let it go, for a sweep that finds it once it is due and not held."""
    (item,) = plan.items
    moment = max(plan.now, item.ripe_at, voice.until)
    if moment == NEVER:
        return None
    return plan.policy.opens_at(moment) if item.action is Action.DELETE else moment


def _guards(
    status: str, plan: Plan, context: PlanContext, breaker: Breaker | None, fault: str, record: str
) -> Iterator[GuardCheck]:
    """The guards of the planner with their values; what was refused is known only to the process that asked."""
    (item,) = plan.items
    session, policy, stopping = item.session, plan.policy, item.action is Action.STOP
    touchable = any(status in statuses for statuses in ELIGIBLE.values())
    yield GuardCheck("status", touchable, status if touchable else f"{status} sessions are never touched")
    texts = {
        "hold": holds_words(plan.holds.on(session, plan.now)) or "nobody holds it",
        "state": fault or "readable",
        "breaker": breaker.reason if breaker else "closed",
        "voice": context.voice.told(plan.now) or "its developers ask for nothing",
        "mode": "observe: nothing is touched" if context.observe else str(policy.mode),
        **({"ranks": ""} if policy.ranks else {}),
        "record": record,
        "jump": f"{context.jump}: it waits for a person" if context.jump else "none waits for a person",
        "grace": "a stop waits for none" if stopping else _grace(plan, context),
        "windows": "a stop needs none" if stopping else _windows(policy, plan.now),
    }
    for name, hold in guards(Candidate(session, item.decision), item.ripe_at, policy, context, plan.now):
        if name in texts:
            yield GuardCheck(name, hold is None, texts[name])
    spreads = policy.limits.beyond is Beyond.SPREAD
    limits = f"per_sweep {policy.limits.per_sweep}, per_day {policy.limits.per_day}"
    judged = "the longest overdue first" if spreads else "judged over the whole plan"
    yield GuardCheck("limits", True, f"{limits}, at_least {policy.limits.at_least}; {judged}")


def _record(project: str, session: Session, accepted: frozenset[str]) -> str:
    if not session.strange:
        return "well formed"
    setting = acceptance(session.strange, accepted)
    how = f"; to accept them, write `{setting}` under projects.{project}" if setting else ""
    return f"unknown fields: {', '.join(session.strange)}{how}"


def _grace(plan: Plan, context: PlanContext) -> str:
    (item,) = plan.items
    known = context.marks.get(item.session.incarnation)
    for mark in plan.marks or ():
        if known is not None and mark.marked_at == known.marked_at:
            return f"marked {show_time(mark.marked_at)}, may be deleted from {show_time(item.ripe_at)}"
    if not plan.policy.grace_s:
        return "0s: deleted in the sweep that finds it"
    grace = exact_duration(plan.policy.grace_s)
    return f"not marked yet; a sweep that finds it marks it, and {grace} later it may go"


def _windows(policy: Policy, now: float) -> str:
    if not policy.windowed:
        return "none: always open"
    opening = policy.opens_at(now)
    if opening is not None and opening <= now:
        return "open"
    dates = dates_text(policy.skipped(now, opening))
    because = f", for it is closed {dates}" if dates else ""
    if opening is None:
        return f"closed{because}, and no opening is in sight"
    return f"closed until {show_time(opening)}{because}"

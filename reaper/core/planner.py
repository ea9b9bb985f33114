"""Plans: which candidates may be acted on now, and what holds the others back. Pure.

A plan is a partition of the candidates, made whole before the first action. `recheck` asks the same policy
again right before each one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple, assert_never

from reaper.core.backlog import Backlog, backlogs, longest_overdue, spreads, tightest_of
from reaper.core.durations import show_duration, show_time
from reaper.core.holds import NO_HOLDS, Holds, holds_words
from reaper.core.jump import Jump
from reaper.core.model import Action, Agent, Session
from reaper.core.policy import Decision, Limits, Mode, Policy
from reaper.core.voice import SILENT, Voice


class Hold(StrEnum):
    """Why a candidate is not acted on; the values of `blocked{reason}`, strongest first."""

    HOLD = "hold"
    STATE = "state"
    INCOMPLETE = "incomplete"
    UNTRUSTED = "untrusted"
    CLOCK = "clock"
    BREAKER = "breaker"
    OBSERVE = "observe"
    STRANGE = "strange_record"
    RANK = "rank"
    REFUSED = "refused"
    JUMP = "jump"
    GRACE = "grace"
    WINDOW = "window"
    LIMIT_SWEEP = "limit_sweep"
    LIMIT_DAY = "limit_day"


_NEVER_APPROVED: Final = frozenset({Hold.STRANGE, Hold.HOLD})
"""No person's approval is for these: what they hold back is no part of what a plan waits for."""


class Candidate(NamedTuple):
    """A session that its policy would stop or delete."""

    session: Session
    decision: Decision


@dataclass(frozen=True, slots=True)
class Mark:
    """A promise to delete `seen` no earlier than `ripe_at`, kept only while nothing about it changes."""

    seen: Session
    action: Action
    rule: str
    marked_at: float
    ripe_at: float


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's leave to do `action` to exactly this incarnation as it was seen, limits aside."""

    session: str
    created_at: int
    last_accessed_at: int
    action: Action

    @classmethod
    def needed(cls, session: Session, action: Action) -> Approval:
        """The one that this action on a session, as it was seen, takes."""
        return cls(session.id, session.created_at, session.last_accessed_at, action)


@dataclass(frozen=True, slots=True)
class PlanContext:
    """What is known beside the candidates: the inventory's size, what was promised, done and approved.

    `doubt` says why the listing or the clock is not believed, None when it is.
    `used_today` counts unapproved actions of the last 24 hours. `refused` are the incarnations whose action the
    platform refused lately. `voice` is what the agent's developers ask for, `holds` are those that people have on
    sessions of this agent. `unranked`: how the sessions rank among each other cannot be judged.
    """

    inventory: int
    marks: Mapping[tuple[str, int], Mark] = field(default_factory=dict)
    used_today: Mapping[Action, int] = field(default_factory=dict)
    approved: frozenset[Approval] = frozenset()
    refused: frozenset[tuple[str, int]] = frozenset()
    holds: Holds = NO_HOLDS
    doubt: Hold | None = None
    breaker: bool = False
    jump: Jump | None = None
    observe: bool = False
    voice: Voice = SILENT
    unranked: bool = False

    @property
    def inventory_today(self) -> int:
        """What the day's limit is a share of: the sessions there would be without our deletes of the day."""
        return self.inventory + self.used_today.get(Action.DELETE, 0)

    def approves(self, candidate: Candidate) -> bool:
        """Whether a person has approved just this."""
        session, decision = candidate
        return bool(self.approved) and Approval.needed(session, decision.action) in self.approved


@dataclass(frozen=True, slots=True)
class Item:
    """One candidate in a plan: acted on when `hold` is None, not before `ripe_at`."""

    session: Session
    decision: Decision
    ripe_at: float
    approved: bool = False
    hold: Hold | None = None

    @property
    def action(self) -> Action:
        return self.decision.action

    @property
    def rule(self) -> str:
        return self.decision.rule.name if self.decision.rule else ""


@dataclass(frozen=True, slots=True)
class Excess:
    """A limit that the plan is larger than."""

    hold: Hold
    action: Action
    planned: int
    used: int
    limit: int
    written: str

    @property
    def room(self) -> int:
        """How many may go all the same."""
        return max(self.limit - self.used, 0)

    def __str__(self) -> str:
        spent = f" after {self.used} in the last 24 hours" if self.hold is Hold.LIMIT_DAY and self.used else ""
        name = "per_sweep" if self.hold is Hold.LIMIT_SWEEP else "per_day"
        return f"{self.planned} {self.action}s{spent}, limit {name}: {self.written} allows {self.limit}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What one sweep may do to one agent's sessions.

    `items` partitions the candidates. `marks` are the promises that stand from now on, None: those that stood.
    `excess` are the limits that hold it back now; `foreseen` those it will meet once all else allows it. Where limits
    spread it instead, `left` is what they leave for later sweeps, `ahead` all that they will. A `jump` waits for a
    person. `expiry_moved` counts sessions whose mark was lost to nothing but another `expires_at`. `voice` is what
    the agent's developers asked for when it was made, None where they are not asked; `holds` are those that people
    have on sessions of this agent.
    """

    id: str
    agent: Agent
    policy: Policy
    now: float
    items: tuple[Item, ...]
    marks: tuple[Mark, ...] | None
    excess: tuple[Excess, ...] = ()
    foreseen: tuple[Excess, ...] = ()
    left: tuple[Backlog, ...] = ()
    ahead: tuple[Backlog, ...] = ()
    jump: Jump | None = None
    expiry_moved: int = 0
    voice: Voice | None = None
    holds: Holds = NO_HOLDS

    @property
    def act(self) -> tuple[Item, ...]:
        """The candidates to act on now."""
        return tuple(item for item in self.items if item.hold is None)

    @property
    def blocked(self) -> Counter[Hold]:
        """How many candidates each reason holds back."""
        return Counter(item.hold for item in self.items if item.hold is not None)


def make_plan(
    candidates: Sequence[Candidate], context: PlanContext, *, project: str, agent: Agent, policy: Policy, now: float
) -> Plan:
    """Partition the candidates into what may be done at `now` and what is held, each with one reason."""
    marks = {mark.seen.incarnation: mark for mark in _marks(candidates, policy, context, now)}
    items = [_item(candidate, marks, policy, context, now) for candidate in candidates]
    ready = [item for item in items if item.hold is None and not item.approved]
    waiting = [item for item in items if item.hold not in _NEVER_APPROVED and not item.approved]
    excess, foreseen = (exceeded(policy.limits, some, context) for some in (ready, waiting))
    if spread := spreads(policy.limits, excess):
        items = list(held_by_turn(items, excess))
    elif excess:
        items = [replace(i, hold=excess[0].hold) if i.hold is None and not i.approved else i for i in items]
    ahead = spreads(policy.limits, foreseen)
    return Plan(
        id=plan_id(project, agent.name, items),
        agent=agent,
        policy=policy,
        now=now,
        items=tuple(items),
        marks=None if _leaves_marks(policy, context) else tuple(marks.values()),
        excess=() if spread else excess,
        foreseen=() if ahead else foreseen,
        left=backlogs(policy.limits, excess, context, begun=True) if spread else (),
        ahead=backlogs(policy.limits, foreseen, context) if ahead else (),
        jump=context.jump,
        expiry_moved=sum(_only_expiry_moved(context.marks.get(c.session.incarnation), c.session) for c in candidates),
        voice=context.voice,
        holds=context.holds,
    )


def _leaves_marks(policy: Policy, context: PlanContext) -> bool:
    """A doubted sweep, or one that a person ran observing, neither makes promises nor breaks them."""
    return context.doubt is not None or context.unranked or (context.observe and policy.mode is Mode.ENFORCE)


def _marks(candidates: Iterable[Candidate], policy: Policy, context: PlanContext, now: float) -> Iterable[Mark]:
    """The promises that stand: kept while nothing changed, made anew otherwise, none while observing."""
    if context.observe:
        return
    for session, decision in candidates:
        if decision.action is not Action.DELETE or decision.rule is None:
            continue
        if context.holds.on(session, now):
            continue
        mark = context.marks.get(session.incarnation)
        since = context.holds.free_since(session, now)
        if mark is None or mark.marked_at < since or not _still_stands(mark, session, decision):
            if not policy.grace_s:
                continue
            mark = Mark(session, decision.action, decision.rule.name, now, now + policy.grace_s)
        yield replace(mark, ripe_at=max(mark.ripe_at, mark.marked_at + policy.grace_s))


def _still_stands(mark: Mark, session: Session, decision: Decision) -> bool:
    """Whether a promise is about this record and by this rule, which as it is now held already when it was made."""
    same_rule = decision.rule is not None and mark.rule == decision.rule.name
    return mark.seen == session and mark.action is decision.action and same_rule and decision.since <= mark.marked_at


def _only_expiry_moved(mark: Mark | None, session: Session) -> bool:
    """Whether a session differs from the one that was marked in nothing but when it expires."""
    return mark is not None and mark.seen != session == mark.seen._replace(expires_at=session.expires_at)


def _item(
    candidate: Candidate, marks: Mapping[tuple[str, int], Mark], policy: Policy, context: PlanContext, now: float
) -> Item:
    session, decision = candidate
    mark = marks.get(session.incarnation)
    graced = decision.action is not Action.STOP and policy.grace_s > 0
    ripe_at = mark.ripe_at if mark else now + policy.grace_s if graced else decision.since
    approved = context.approves(candidate)
    hold = next((hold for _, hold in guards(candidate, ripe_at, policy, context, now) if hold), None)
    return Item(session, decision, ripe_at, approved, hold)


def guards(
    candidate: Candidate, ripe_at: float, policy: Policy, context: PlanContext, now: float
) -> Iterator[tuple[str, Hold | None]]:
    """Every guard by its name, strongest first, with the hold by which it keeps this candidate back, if it does.

    The first hold counts; limits are judged over the whole plan. `state` is the guard of all that must be known.
    """
    session, stopping = candidate.session, candidate.decision.action is Action.STOP
    yield "hold", Hold.HOLD if context.holds.on(session, now) else None
    yield "state", context.doubt
    yield "breaker", Hold.BREAKER if context.breaker else None
    yield "voice", Hold.HOLD if context.voice.keeps(now) else None
    yield "mode", Hold.OBSERVE if context.observe else None
    yield "record", Hold.STRANGE if session.strange else None
    ranked = policy.ranks and policy.rests_on_ranks(candidate.decision)
    yield "ranks", Hold.RANK if ranked and context.unranked else None
    yield "refused", Hold.REFUSED if session.incarnation in context.refused else None
    yield "jump", Hold.JUMP if context.jump and not context.approves(candidate) else None
    yield "grace", Hold.GRACE if ripe_at > now and not stopping else None
    yield "windows", None if stopping or policy.is_open(now) else Hold.WINDOW


def exceeded(limits: Limits, items: Iterable[Item], context: PlanContext) -> tuple[Excess, ...]:
    """The limits that these items are too many for; deletes and stops are counted apart."""
    counts = Counter(item.action for item in items)
    found = []
    for action, planned in sorted(counts.items()):
        used = context.used_today.get(action, 0)
        for hold, limit, spent, inventory in (
            (Hold.LIMIT_SWEEP, limits.per_sweep, 0, context.inventory),
            (Hold.LIMIT_DAY, limits.per_day, used, context.inventory_today),
        ):
            allowed = limit.of(inventory, limits.at_least)
            if planned + spent > allowed:
                found.append(Excess(hold, action, planned, spent, allowed, str(limit)))
    return tuple(found)


def held_by_turn(items: Sequence[Item], excess: Sequence[Excess]) -> Iterator[Item]:
    """The items, of which no more are let through than limits have room for, the longest overdue first."""
    tightest = tightest_of(excess)
    first = {
        action: longest_overdue(
            (i for i in items if i.hold is None and not i.approved and i.action is action), e.room
        )
        for action, e in tightest.items()
    }
    for item in items:
        is_ready = item.hold is None and not item.approved and item.action in tightest
        if is_ready and item.session.incarnation not in first[item.action]:
            yield replace(item, hold=tightest[item.action].hold)
        else:
            yield item


def plan_id(project: str, agent: str, items: Iterable[Item]) -> str:
    """32 hexadecimal digits that stand for exactly these incarnations and actions."""
    return id_of_lines(project, agent, plan_lines(items))


def plan_lines(items: Iterable[Item]) -> list[str]:
    """What an approval of these items would be for, a sorted line each; it is for no strange record, and no held
    session."""
    return sorted(
        f"{item.action} {item.session.id} {item.session.created_at} {item.session.last_accessed_at}"
        for item in items
        if not item.session.strange and item.hold is not Hold.HOLD
    )


def id_of_lines(project: str, agent: str, lines: Iterable[str]) -> str:
    """The id of the plan that these lines say."""
    return _digest("\n".join([json.dumps([project, agent]), *lines]))


def joint_plan_id(ids: Sequence[str]) -> str:
    """One id for the plans of several agents; a single plan's is its own."""
    return ids[0] if len(ids) == 1 else _digest("\n".join(sorted(ids)))


def _digest(text: str) -> str:
    """128 bits: of 48, as they once were, two plans with the same id are found in a minute."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def hold_text(item: Item, plan: Plan) -> str:
    """What a held candidate waits for, where its hold does not say it all."""
    match item.hold:
        case Hold.GRACE:
            return f"in grace until {show_time(item.ripe_at)} ({show_duration(item.ripe_at - plan.now)})"
        case Hold.WINDOW:
            return "outside every window"
        case Hold.HOLD:
            by_people = holds_words(plan.holds.on(item.session, plan.now))
            return by_people or (plan.voice.keeps(plan.now) if plan.voice else "")
        case Hold.REFUSED:
            return "the platform refused it, and is asked again later"
        case Hold.RANK:
            return "how it ranks among the others cannot be judged"
        case Hold.STRANGE:
            return f"its record has fields this version does not know: {', '.join(item.session.strange)}"
        case None | Hold.STATE | Hold.INCOMPLETE | Hold.UNTRUSTED | Hold.CLOCK | Hold.BREAKER | Hold.OBSERVE:
            return ""
        case Hold.JUMP:
            return "waits for a person: there are suddenly many more candidates"
        case Hold.LIMIT_SWEEP | Hold.LIMIT_DAY:
            return "others have been overdue for longer" if plan.left else ""
        case _:
            assert_never(item.hold)

"""Planning: which candidates may be acted on now, and what holds the others back. Pure.

`recheck` asks the same policy again right before each action.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from reaper.core.backlog import backlogs, spreads, tightest_of
from reaper.core.limits import by_turn, exceeded, turns_of
from reaper.core.model import Action, Agent, Incarnation, Session
from reaper.core.plan import Candidate, Hold, Item, Items, Limited, Mark, Marks, Plan, PlanContext, Planned
from reaper.core.plan_lines import LinesDigest, can_be_approved, line_of
from reaper.core.policy import Decision, Mode, Policy
from reaper.core.tally import Tally

_NEVER_APPROVED: Final = frozenset({Hold.STRANGE, Hold.HOLD})
"""No person's approval is for these: what they hold back is no part of what a plan waits for."""


class Shelf(Protocol):
    """Where the items of a plan are put while it is made."""

    def put(self, items: Sequence[Item]) -> None:
        """Keep these behind those that were put here before."""

    def settled(self, limited: Limited) -> Planned:
        """All of them, some of those that could be done being kept back."""


def make_plan(
    candidates: Sequence[Candidate], context: PlanContext, *, project: str, agent: Agent, policy: Policy, now: float
) -> Plan:
    """Partition the candidates into what may be done at `now` and what is held, each with one reason."""
    planning = Planning(context, _InMemory(), project=project, agent=agent, policy=policy, now=now)
    planning.take(sorted(candidates, key=line_of))
    plan = planning.plan()
    # Whoever chose these few has put them in order.
    found = {item.session.incarnation: item for item in plan.items}
    items = Items(found[candidate.session.incarnation] for candidate in candidates)
    return replace(plan, items=items, marks=None if plan.marks is None else tuple(Marks(items)))


class Planning:
    """A plan in the making, which takes candidates by and by: those of a later line in a later turn.

    What a plan must hold of each of them is put on a shelf, and what it must know of all of them is counted.
    """

    def __init__(
        self, context: PlanContext, shelf: Shelf, *, project: str, agent: Agent, policy: Policy, now: float
    ) -> None:
        self._context, self._shelf = context, shelf
        self._agent, self._policy, self._now = agent, policy, now
        self._tally = Tally[Item, Hold](now, policy.grace_s)
        self._digest = LinesDigest(project, agent.name)
        self._turns = turns_of(policy.limits, context)
        self._expiry_moved = 0
        self._last = ""

    def take(self, candidates: Sequence[Candidate]) -> None:
        """Judge these. ValueError when one of them belongs before another: the id is of sorted lines."""
        policy, context, now = self._policy, self._context, self._now
        lines = [self._last, *map(line_of, candidates)]
        if lines != sorted(lines):
            raise ValueError("a plan is made out of order")
        self._last = lines[-1]
        marks = {mark.seen.incarnation: mark for mark in _marks(candidates, policy, context, now)}
        items = [_item(candidate, marks, policy, context, now) for candidate in candidates]
        self._digest.add(line for line, item in zip(lines[1:], items, strict=True) if can_be_approved(item))
        self._tally.take(items)
        for item in items if self._turns else ():
            if item.hold is None and not item.approved:
                self._turns[item.action].offer(item)
        self._shelf.put(items)
        self._expiry_moved += sum(
            _only_expiry_moved(context.marks.get(session.incarnation), session) for session, _ in candidates
        )

    def plan(self) -> Plan:
        """The plan of all that was taken."""
        policy, context, groups = self._policy, self._context, self._tally.groups.items()
        ready, waiting = Counter[Action](), Counter[Action]()
        for group, counted in groups:
            if not group.approved:
                ready[group.action] += counted.count if group.hold is None else 0
                waiting[group.action] += counted.count if group.hold not in _NEVER_APPROVED else 0
        excess, foreseen = (exceeded(policy.limits, some, context) for some in (ready, waiting))
        ahead, spread = spreads(policy.limits, foreseen), spreads(policy.limits, excess)
        limited = Limited(hold=excess[0].hold if excess else None)
        tally = self._tally.withheld(limited.hold, limited.of) if limited.hold else self._tally
        if spread:
            limited, going = by_turn(self._turns, tightest_of(excess), policy.limits, context)
            holds = {action: hold for action, (_, hold) in limited.turns.items()}
            tally = self._tally.by_turn(going, holds, limited.of)
        items = self._shelf.settled(limited)
        return Plan(
            id=self._digest.id,
            agent=self._agent,
            policy=policy,
            now=self._now,
            items=items,
            marks=None if _leaves_marks(policy, context) else Marks(items),
            excess=() if spread else excess,
            foreseen=() if ahead else foreseen,
            left=backlogs(policy.limits, excess, context, begun=True) if spread else (),
            ahead=backlogs(policy.limits, foreseen, context) if ahead else (),
            jump=context.jump,
            expiry_moved=self._expiry_moved,
            tally=tally,
            voice=context.voice,
            holds=context.holds,
        )


class _InMemory(list[Item]):
    """A shelf for a few items."""

    def put(self, items: Sequence[Item]) -> None:
        self.extend(items)

    def settled(self, limited: Limited) -> Items:
        return Items(map(limited.of, self))


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
        if mark and (context.holds.on(session, now, mark.marked_at) or not _still_stands(mark, session, decision)):
            mark = None
        if mark is None and not policy.grace_s:
            continue
        mark = mark or Mark(session, decision.action, decision.rule.name, now, now + policy.grace_s)
        yield replace(mark, ripe_at=max(mark.ripe_at, mark.marked_at + policy.grace_s))


def _still_stands(mark: Mark, session: Session, decision: Decision) -> bool:
    """Whether a promise is about this record and by this rule, which as it is now held already when it was made."""
    same_rule = decision.rule is not None and mark.rule == decision.rule.name
    return mark.seen == session and mark.action is decision.action and same_rule and decision.since <= mark.marked_at


def _only_expiry_moved(mark: Mark | None, session: Session) -> bool:
    """Whether a session differs from the one that was marked in nothing but when it expires."""
    return mark is not None and mark.seen != session == mark.seen._replace(expires_at=session.expires_at)


def _item(
    candidate: Candidate, marks: Mapping[Incarnation, Mark], policy: Policy, context: PlanContext, now: float
) -> Item:
    session, decision = candidate
    mark = marks.get(session.incarnation)
    graced = decision.action is not Action.STOP and policy.grace_s > 0
    ripe_at = mark.ripe_at if mark else now + policy.grace_s if graced else decision.since
    approved = context.approves(candidate)
    hold = next((hold for _, hold in guards(candidate, ripe_at, policy, context, now) if hold), None)
    return Item(session, decision, ripe_at, approved, hold, mark.marked_at if mark else None)


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

"""Plans: which candidates may be acted on now, and what holds the others back. Pure.

A plan is a partition of the candidates, made whole before the first action. `recheck` asks the same policy
again right before each one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, assert_never

from reaper.core.backlog import NOBODY, Backlog, Turn, Turns, backlogs, place_of, spreads, tightest_of
from reaper.core.durations import show_duration, show_time
from reaper.core.holds import NO_HOLDS, Holds, holds_words
from reaper.core.jump import Jump
from reaper.core.model import Action, Agent, Session
from reaper.core.policy import Beyond, Decision, Limit, Limits, Mode, Policy
from reaper.core.tally import Tally
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


class Promises(Protocol):
    """The marks that stand, wherever they are kept."""

    def get(self, incarnation: tuple[str, int], /) -> Mark | None:
        """The mark of this incarnation, None when it has none."""


@dataclass(frozen=True, slots=True)
class PlanContext:
    """What is known beside the candidates: the inventory's size, what was promised, done and approved.

    `doubt` says why the listing or the clock is not believed, None when it is.
    `used_today` counts unapproved actions of the last 24 hours. `refused` are the incarnations whose action the
    platform refused lately. `voice` is what the agent's developers ask for, `holds` are those that people have on
    sessions of this agent. `unranked`: how the sessions rank among each other cannot be judged.
    """

    inventory: int
    marks: Promises = field(default_factory=dict[tuple[str, int], Mark])
    used_today: Mapping[Action, int] = field(default_factory=dict)
    approved: Container[Approval] = frozenset()
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
    """One candidate in a plan: acted on when `hold` is None, not before `ripe_at`.

    `marked_at` is when its deletion was promised, None where it is not.
    """

    session: Session
    decision: Decision
    ripe_at: float
    approved: bool = False
    hold: Hold | None = None
    marked_at: float | None = None

    @property
    def action(self) -> Action:
        return self.decision.action

    @property
    def rule(self) -> str:
        return self.decision.rule.name if self.decision.rule else ""


class Planned(Protocol):
    """The items of a plan, wherever they are kept: read as often as one likes, always in the same order."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[Item]:
        """Each of them."""

    @property
    def act(self) -> Iterable[Item]:
        """Those that nothing holds."""

    @property
    def marked(self) -> Iterable[Item | None]:
        """Those whose deletion is promised; None where many were passed over, so that others may have their turn."""


class Items(tuple[Item, ...]):
    """The items of a plan in memory."""

    __slots__ = ()

    @property
    def act(self) -> tuple[Item, ...]:
        """Those that nothing holds."""
        return tuple(item for item in self if item.hold is None)

    @property
    def marked(self) -> tuple[Item, ...]:
        """Those whose deletion is promised."""
        return tuple(item for item in self if item.marked_at is not None)


class Shelf(Protocol):
    """Where the items of a plan are put while it is made."""

    def put(self, items: Sequence[Item]) -> None:
        """Keep these behind those that were put here before."""

    def settled(self, limited: Limited) -> Planned:
        """All of them, some of those that could be done being kept back."""


@dataclass(frozen=True, slots=True)
class Limited:
    """What limits keep back of what could be done and no person approved.

    All of it, by one `hold`; or, by action, what comes after the last whose turn it is.
    """

    hold: Hold | None = None
    turns: Mapping[Action, tuple[Turn, Hold]] = field(default_factory=dict[Action, tuple[Turn, Hold]])

    def of(self, item: Item) -> Item:
        """The item as it is with that."""
        if item.hold or item.approved:
            return item
        hold = self.holds(item.action, place_of(item) if self.turns else NOBODY)
        return replace(item, hold=hold) if hold else item

    def holds(self, action: Action, turn: Turn) -> Hold | None:
        """What keeps back an action whose turn this is."""
        if action in self.turns:
            last, hold = self.turns[action]
            return hold if turn > last else None
        return self.hold


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

    `items` partitions the candidates, `tally` is what they come to. `marks` are the promises that stand from now on,
    None: those that stood. `excess` are the limits that hold it back now; `foreseen` those it will meet once all else
    allows it. Where limits spread it instead, `left` is what they leave for later sweeps, `ahead` all that they will.
    A `jump` waits for a person. `expiry_moved` counts sessions whose mark was lost to nothing but another
    `expires_at`. `voice` is what the agent's developers asked for when it was made, None where they are not asked;
    `holds` are those that people have on sessions of this agent.
    """

    id: str
    agent: Agent
    policy: Policy
    now: float
    items: Planned
    marks: Collection[Mark] | None
    excess: tuple[Excess, ...] = ()
    foreseen: tuple[Excess, ...] = ()
    left: tuple[Backlog, ...] = ()
    ahead: tuple[Backlog, ...] = ()
    jump: Jump | None = None
    expiry_moved: int = 0
    tally: Tally[Item, Hold] = field(default_factory=Tally)
    voice: Voice | None = None
    holds: Holds = NO_HOLDS

    @property
    def act(self) -> Iterable[Item]:
        """The candidates to act on now."""
        return self.items.act

    @property
    def blocked(self) -> Counter[Hold]:
        """How many candidates each reason holds back."""
        return self.tally.by_hold


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


@dataclass(frozen=True, slots=True)
class Marks:
    """The promises that a plan's items were given, in their order."""

    items: Planned

    def __contains__(self, mark: object) -> bool:
        return any(mark == one for one in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Mark]:
        return (mark for mark in self.by_steps() if mark is not None)

    def by_steps(self) -> Iterator[Mark | None]:
        """Each of them; None now and then, when others may have their turn."""
        for item in self.items.marked:
            if item is None:
                yield None
            elif item.marked_at is not None:
                yield Mark(item.session, item.action, item.rule, item.marked_at, item.ripe_at)


def marks_by_steps(marks: Iterable[Mark]) -> Iterable[Mark | None]:
    """Each of them; None now and then, when others may have their turn."""
    return marks.by_steps() if isinstance(marks, Marks) else marks


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


def exceeded(limits: Limits, counts: Mapping[Action, int], context: PlanContext) -> tuple[Excess, ...]:
    """The limits that so many actions are too many for; deletes and stops are counted apart."""
    found = []
    for action, planned in sorted((action, count) for action, count in counts.items() if count):
        for hold, limit, used, allowed in _allowances(limits, action, context):
            if planned + used > allowed:
                found.append(Excess(hold, action, planned, used, allowed, str(limit)))
    return tuple(found)


def _allowances(limits: Limits, action: Action, context: PlanContext) -> Iterator[tuple[Hold, Limit, int, int]]:
    """Each limit of these actions, how many it counts already, and how many it allows with them."""
    for hold, limit, used, inventory in (
        (Hold.LIMIT_SWEEP, limits.per_sweep, 0, context.inventory),
        (Hold.LIMIT_DAY, limits.per_day, context.used_today.get(action, 0), context.inventory_today),
    ):
        yield hold, limit, used, limit.of(inventory, limits.at_least)


def rooms_of(limits: Limits, action: Action, context: PlanContext) -> Iterable[tuple[int, Hold]]:
    """How many of these actions each limit still allows."""
    return ((allowed - used, hold) for hold, _, used, allowed in _allowances(limits, action, context))


def room_of(limits: Limits, action: Action, context: PlanContext) -> tuple[int, Hold]:
    """How many of these actions may go, and by which limit no more."""
    room, hold = min(rooms_of(limits, action, context), key=lambda pair: pair[0])
    return max(room, 0), hold


def turns_of(limits: Limits, context: PlanContext) -> dict[Action, Turns[Item]]:
    """Who goes first of each action, where limits let some of them go."""
    if limits.beyond is not Beyond.SPREAD:
        return {}
    return {action: Turns(room_of(limits, action, context)[0]) for action in (Action.DELETE, Action.STOP)}


def by_turn(
    turns: Mapping[Action, Turns[Item]], actions: Iterable[Action], limits: Limits, context: PlanContext
) -> tuple[Limited, list[Item]]:
    """What waits for a later turn where limits have no room for all of these actions, and what goes now."""
    last, going = {}, list[Item]()
    for action in actions:
        chosen = turns[action].chosen
        last[action] = (place_of(chosen[-1]) if chosen else NOBODY, room_of(limits, action, context)[1])
        going += chosen
    return Limited(turns=last), going


def plan_id(project: str, agent: str, items: Iterable[Item]) -> str:
    """32 hexadecimal digits that stand for exactly these incarnations and actions."""
    return id_of_lines(project, agent, plan_lines(items))


def plan_lines(items: Iterable[Item]) -> list[str]:
    """What an approval of these items would be for, a sorted line each; it is for no strange record, and no held
    session."""
    return sorted(line for item in items for line in lines_of(item))


def lines_of(item: Item) -> tuple[str, ...]:
    """The item's line, if it has one."""
    return (line_of(Candidate(item.session, item.decision)),) if can_be_approved(item) else ()


def can_be_approved(item: Item) -> bool:
    """Whether a person's word counts for it: for no strange record, and no held session."""
    return not item.session.strange and item.hold is not Hold.HOLD


@dataclass(frozen=True, slots=True)
class PlanLines:
    """What an approval of a plan would be for, in the order of its items, which is that of their lines.

    There are no more of them than items.
    """

    items: Planned

    def __contains__(self, line: object) -> bool:
        return any(line == one for one in self)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[str]:
        return (line for item in self.items for line in lines_of(item))


def line_of(candidate: Candidate) -> str:
    """What says this session, as it was seen, and what is to be done to it. No id holds a character up to a space."""
    session, decision = candidate
    return line_for(decision.action, session.id, session.created_at, session.last_accessed_at)


def line_for(action: Action, session: str, created_at: int, last_accessed_at: int) -> str:
    """The same, of what it is made of."""
    return f"{action} {session} {created_at} {last_accessed_at}"


def id_of_lines(project: str, agent: str, lines: Iterable[str]) -> str:
    """The id of the plan that these sorted lines say."""
    digest = LinesDigest(project, agent)
    digest.add(lines)
    return digest.id


class LinesDigest:
    """The id of the plan that lines say, in the order in which they are given."""

    def __init__(self, project: str, agent: str) -> None:
        self._hash = hashlib.sha256(json.dumps([project, agent]).encode())

    def add(self, lines: Iterable[str]) -> None:
        """Take in further lines."""
        for line in lines:
            self._hash.update(b"\n" + line.encode("utf-8", "surrogatepass"))

    @property
    def id(self) -> str:
        return _id_of(self._hash.hexdigest())


def joint_plan_id(ids: Sequence[str]) -> str:
    """One id for the plans of several agents; a single plan's is its own."""
    return ids[0] if len(ids) == 1 else _id_of(hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest())


def _id_of(digest: str) -> str:
    """128 bits: of 48, as they once were, two plans with the same id are found in a minute."""
    return digest[:32]


def hold_text(item: Item, plan: Plan) -> str:
    """What a held candidate waits for, where its hold does not say it all."""
    match item.hold:
        case Hold.GRACE:
            return f"in grace until {show_time(item.ripe_at)} ({show_duration(item.ripe_at - plan.now)})"
        case Hold.WINDOW:
            return plan.policy.closed_text(plan.now)
        case Hold.HOLD:
            by_people = holds_words(plan.holds.on(item.session, plan.now))
            return by_people or (plan.voice.keeps(plan.now) if plan.voice else "")
        case Hold.REFUSED:
            return "the platform refused it, and is asked again later"
        case Hold.RANK:
            return "how it ranks among the others cannot be judged"
        case Hold.STRANGE:
            names = ", ".join(item.session.strange)
            return f"its record has fields this version does not know, and known_fields does not accept: {names}"
        case None | Hold.STATE | Hold.INCOMPLETE | Hold.UNTRUSTED | Hold.CLOCK | Hold.BREAKER | Hold.OBSERVE:
            return ""
        case Hold.JUMP:
            return "waits for a person: there are suddenly many more candidates"
        case Hold.LIMIT_SWEEP | Hold.LIMIT_DAY:
            return "others have been overdue for longer" if plan.left else ""
        case _:
            assert_never(item.hold)

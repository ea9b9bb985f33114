"""A plan and what it is made of: candidates, promises, approvals, holds, and the limits it is too large for. Pure.

A plan is a partition of the candidates, made whole before the first action. `planner` makes them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple, Protocol

from reaper.core.backlog import NOBODY, Backlog, Turn, place_of
from reaper.core.holds import NO_HOLDS, Holds
from reaper.core.jump import Jump
from reaper.core.model import Action, Agent, Incarnation, Session
from reaper.core.policy import Decision, Policy
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

    def get(self, incarnation: Incarnation, /) -> Mark | None:
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
    marks: Promises = field(default_factory=dict[Incarnation, Mark])
    used_today: Mapping[Action, int] = field(default_factory=dict)
    approved: Container[Approval] = frozenset()
    refused: frozenset[Incarnation] = frozenset()
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

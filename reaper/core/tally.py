"""What a plan comes to, counted while it is made: a million candidates are a few numbers and a first few. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from reaper.core.model import MINUTE_S, Action, Session
from reaper.core.policy import BEYOND, Decision


class Countable(Protocol):
    """What is counted of an item."""

    @property
    def session(self) -> Session:
        """Whom it is about."""

    @property
    def decision(self) -> Decision:
        """What its policy says."""

    @property
    def rule(self) -> str:
        """By which rule."""

    @property
    def ripe_at(self) -> float:
        """When it may go at the earliest."""

    @property
    def approved(self) -> bool:
        """Whether a person said so."""

    @property
    def hold(self) -> StrEnum | None:
        """What keeps it back."""


T = TypeVar("T")
ItemT = TypeVar("ItemT", bound=Countable)
HoldT = TypeVar("HoldT", bound=StrEnum)

SHOWN_MAX: Final = 500
"""So many candidates are worth a look, those that go first."""
_AFTER_ALL: Final = (math.inf, "")


class Group(NamedTuple, Generic[HoldT]):
    """Items that have all this in common."""

    rule: str
    action: Action
    status: str
    hold: HoldT | None
    approved: bool


@dataclass(slots=True)
class GroupTally:
    """How many items there are of a group.

    `due` are those whose time has come, `first_ripe` is when the first may go, `due_since` since when the longest
    overdue one is due, its grace counted in; `minutes` counts by when they may go.
    """

    count: int = 0
    due: int = 0
    first_ripe: float = math.inf
    due_since: float = math.inf
    minutes: Counter[int] = field(default_factory=Counter)

    def plus(self, other: GroupTally) -> GroupTally:
        """Both together, in a value of its own."""
        return GroupTally(
            self.count + other.count,
            self.due + other.due,
            min(self.first_ripe, other.first_ripe),
            min(self.due_since, other.due_since),
            self.minutes + other.minutes,
        )

    def minus(self, other: GroupTally) -> GroupTally:
        """What is left without these of its own; its times are those of all of them."""
        return replace(
            self, count=self.count - other.count, due=self.due - other.due, minutes=self.minutes - other.minutes
        )


@dataclass(slots=True)
class Soonest(Generic[ItemT]):
    """The items that may go soonest, of which memory holds a bounded number."""

    held: list[ItemT] = field(default_factory=list)
    last: tuple[float, str] = _AFTER_ALL

    def offer(self, item: ItemT) -> None:
        """Keep it if it is among the first so far."""
        if _place(item) < self.last:
            self.held.append(item)
            if len(self.held) >= 2 * SHOWN_MAX:
                self.held = self.items
                self.last = _place(self.held[-1])

    @property
    def items(self) -> list[ItemT]:
        """They, in order."""
        return sorted(self.held, key=_place)[:SHOWN_MAX]


@dataclass(slots=True)
class Tally(Generic[ItemT, HoldT]):
    """What the items of a plan made at `now` come to. `grace_s` is what a delete waits at least."""

    now: float = 0.0
    grace_s: float = 0.0
    groups: dict[Group[HoldT], GroupTally] = field(default_factory=dict)
    ready: Soonest[ItemT] = field(default_factory=Soonest)
    waiting: Soonest[ItemT] = field(default_factory=Soonest)

    def take(self, items: Iterable[ItemT]) -> None:
        """Count these, too."""
        alike: dict[Any, list[ItemT]] = {}
        for item in items:
            alike.setdefault(
                (id(item.decision.rule), item.decision.action, item.session.status, item.hold, item.approved), []
            ).append(item)
        for some in alike.values():
            self._take_alike(some)

    def _take_alike(self, items: Sequence[ItemT]) -> None:
        """Count these, which are all of one group."""
        one, now = items[0], self.now
        key: Group[Any] = Group(one.rule, one.decision.action, one.session.status, one.hold, one.approved)
        group = self.groups.setdefault(key, GroupTally())
        ripe = [item.ripe_at for item in items]
        group.count += len(items)
        group.due += sum(moment <= now for moment in ripe)
        group.first_ripe = min(group.first_ripe, *ripe)
        grace_s = self.grace_s if key.action is Action.DELETE else 0
        # Nobody knows since when a session is one too many: it is overdue once its mark is.
        overdue = ripe if key.rule == BEYOND.name else [item.decision.since + grace_s for item in items]
        group.due_since = min(group.due_since, *overdue)
        for moment, count in Counter([moment if moment > now else now for moment in ripe]).items():
            group.minutes[minute_of(moment, now)] += count
        first = self.waiting if key.hold else self.ready
        for item in items:
            first.offer(item)

    def withheld(self, hold: HoldT, held_back: Callable[[ItemT], ItemT]) -> Tally[ItemT, HoldT]:
        """The same once this hold keeps back what could be done, but for what a person approved."""
        groups: dict[Group[HoldT], GroupTally] = {}
        for group, counted in self.groups.items():
            _add(groups, group if group.hold or group.approved else group._replace(hold=hold), counted)
        ready, waiting = Soonest[ItemT](), Soonest(self.waiting.items)
        for item in map(held_back, self.ready.items):
            (waiting if item.hold else ready).offer(item)
        return Tally(self.now, self.grace_s, groups, ready, waiting)

    def by_turn(
        self, going: Iterable[ItemT], holds: Mapping[Action, HoldT], held_back: Callable[[ItemT], ItemT]
    ) -> Tally[ItemT, HoldT]:
        """The same once these go, and all others of the same actions wait for a later turn."""
        first = Tally[ItemT, HoldT](self.now, self.grace_s)
        first.take(going)
        groups: dict[Group[HoldT], GroupTally] = {}
        for group, counted in self.groups.items():
            waits = group.hold is None and not group.approved and group.action in holds
            parts = [(group, counted)]
            if waits:
                goes = first.groups.get(group, GroupTally())
                parts = [(group, goes), (group._replace(hold=holds[group.action]), counted.minus(goes))]
            for now, part in parts:
                if part.count:
                    _add(groups, now, part)
        ready, waiting = first.ready, Soonest(self.waiting.items)
        for item in map(held_back, self.ready.items):
            if item.hold:
                waiting.offer(item)
        for item in (one for one in self.ready.items if one.approved):
            ready.offer(item)
        return Tally(self.now, self.grace_s, groups, ready, waiting)

    def plus(self, other: Tally[ItemT, HoldT]) -> Tally[ItemT, HoldT]:
        """What both come to together."""
        groups = dict(self.groups)
        for group, counted in other.groups.items():
            _add(groups, group, counted)
        ready = Soonest([*self.ready.items, *other.ready.items])
        waiting = Soonest([*self.waiting.items, *other.waiting.items])
        return Tally(self.now, self.grace_s, groups, ready, waiting)

    @property
    def first(self) -> list[ItemT]:
        """The first of those that nothing holds, and of those that wait."""
        return [*self.ready.items, *self.waiting.items]

    @property
    def total(self) -> int:
        """How many items there are."""
        return sum(counted.count for counted in self.groups.values())

    @property
    def act(self) -> int:
        """How many of them nothing holds."""
        return sum(counted.count for group, counted in self.groups.items() if group.hold is None)

    @property
    def by_hold(self) -> Counter[HoldT]:
        """How many each reason holds back."""
        return _summed((group.hold, counted) for group, counted in self.groups.items() if group.hold is not None)

    @property
    def by_rule(self) -> Counter[str]:
        """How many each rule caught."""
        return _summed((group.rule, counted) for group, counted in self.groups.items())

    @property
    def by_action(self) -> Counter[Action]:
        """How many are to be stopped, and how many deleted."""
        return _summed((group.action, counted) for group, counted in self.groups.items())

    @property
    def due_since(self) -> float:
        """Since when the longest overdue one is due; infinity where there is none."""
        return min((counted.due_since for counted in self.groups.values()), default=math.inf)

    def first_ripe(self, hold: HoldT) -> float:
        """When the first of those that this reason holds may go."""
        return min((counted.first_ripe for group, counted in self.groups.items() if group.hold is hold), default=0.0)


def minute_of(ripe_at: float, now: float) -> int:
    """The minute from which on something may go."""
    return math.ceil(max(ripe_at, now) / MINUTE_S) * MINUTE_S


def _place(item: Countable) -> tuple[float, str]:
    return item.ripe_at, item.session.id


def _add(groups: dict[Group[HoldT], GroupTally], group: Group[HoldT], counted: GroupTally) -> None:
    groups[group] = groups[group].plus(counted) if group in groups else counted


def _summed(pairs: Iterable[tuple[T, GroupTally]]) -> Counter[T]:
    found: Counter[T] = Counter()
    for key, counted in pairs:
        found[key] += counted.count
    return found

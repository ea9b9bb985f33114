"""The items of a plan while it is made and afterwards: in memory, or on disk where all agents' are too many."""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from operator import itemgetter
from typing import Any, Final, NamedTuple

from reaper.core.backlog import AFTER_ALL, Turn, place_of
from reaper.core.model import Action
from reaper.core.plan import Hold, Item, Items, Limited, Planned
from reaper.listing.spilled import Packing
from reaper.listing.spool import RUN_MAX, Block, Spool

RUN: Final = 1_000
"""So many of those to act on are put in order at once."""
AT_ONCE_MAX: Final = 5_000
"""So many items are looked at at once to see which of them limits keep back; others when they are read."""
_HOLDS: Final = {hold.value: hold for hold in Hold}


class Part(NamedTuple):
    """Items that were put away together, in memory or in blocks on disk, and what is known of them there.

    `ready` is the first turn of those that nothing but limits may hold, by action. Whether some are `approved` by a
    person that nothing holds, and some `marked`: their deletion is promised.
    """

    items: Sequence[Item]
    blocks: Sequence[Block]
    ready: Mapping[Action, Turn]
    approved: bool
    marked: bool


@dataclass(slots=True)
class ItemShelf:
    """Where one agent's plan puts its items, part by part; in the `spool` once it is full."""

    spool: Spool
    _packing: Packing = field(default_factory=Packing)
    _parts: list[Part] = field(default_factory=list)
    _held: int = 0
    _on_disk: int = 0
    _count: int = 0

    def put(self, items: Sequence[Item]) -> None:
        """Keep these behind those that were put here before."""
        free = [item for item in items if item.hold is None]
        ready: dict[Action, Turn] = {}
        for item in free:
            if not item.approved:
                ready[item.action] = min(place_of(item), ready.get(item.action, AFTER_ALL))
        marked = any(item.marked_at is not None for item in items)
        self._parts.append(Part(items, (), ready, any(item.approved for item in free), marked))
        self._held += len(items)
        self._count += len(items)
        self.spool.held += len(items)
        if self.spool.is_full and self._held >= self.spool.run_min:
            self._make_room(RUN_MAX)

    def _make_room(self, most: int) -> None:
        """Put the first of those in memory on disk, part by part until they are so many."""
        written = 0
        while self._on_disk < len(self._parts) and written < most:
            part = self._parts[self._on_disk]
            written += len(part.items)
            self._parts[self._on_disk] = self._written(part)
            self._on_disk += 1
        self.spool.held -= written
        self._held -= written

    def settled(self, limited: Limited) -> Planned:
        """All of them, some of those that could be done being kept back."""
        if not self._on_disk and self._count <= AT_ONCE_MAX:
            return Items(limited.of(item) for part in self._parts for item in part.items)
        return ShelvedItems(self.spool, self._packing, tuple(self._parts), self._count, limited)

    def _written(self, part: Part) -> Part:
        return part._replace(items=(), blocks=self.spool.write([self._plain(item) for item in part.items]))

    def _plain(self, item: Item) -> tuple[Any, ...]:
        return _packed(self._packing.plain(item.session, item.decision), item)


def in_creation_order(items: Planned) -> Generator[None, None, Planned]:
    """The same items, of which those to act on come in the order of their creation; by steps.

    What lies together in the listing is verified together. A few in memory are as good in any order.
    """
    if not isinstance(items, ShelvedItems) or not any(part.blocks for part in items.parts):
        return items
    runs, some, plain = list[Sequence[Block]](), list[tuple[int, Any]](), items.packing.plain
    for item in items.free():
        if item is None:
            yield
            continue
        some.append((item.session.created_at, _packed(plain(item.session, item.decision), item)))
        if len(some) == RUN:
            runs.append(_sorted(items.spool, some))
            some = []
    if some:
        runs.append(_sorted(items.spool, some))
    return replace(items, ordered=runs)


def _sorted(spool: Spool, keyed: list[tuple[int, Any]]) -> Sequence[Block]:
    keyed.sort(key=itemgetter(0))
    return spool.write(keyed)


def _packed(plain: tuple[Any, Any], item: Item) -> tuple[Any, ...]:
    return *plain, item.ripe_at, item.approved, item.hold and item.hold.value, item.marked_at


def together(first: Planned, second: Items) -> Planned:
    """The items of both, in this order."""
    return Items((*first, *second)) if isinstance(first, Items) else Joined(first, second)


@dataclass(frozen=True, slots=True)
class Joined:
    """The items of one plan, then those of another."""

    first: Planned
    second: Planned

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def __iter__(self) -> Iterator[Item]:
        return chain(self.first, self.second)

    @property
    def act(self) -> Iterator[Item]:
        """Those that nothing holds."""
        return chain(self.first.act, self.second.act)

    @property
    def marked(self) -> Iterator[Item | None]:
        """Those whose deletion is promised; None now and then."""
        return chain(self.first.marked, self.second.marked)


@dataclass(frozen=True, slots=True)
class ShelvedItems:
    """The items of a plan, of which memory holds a few at a time."""

    spool: Spool
    packing: Packing
    parts: Sequence[Part]
    count: int
    limited: Limited
    ordered: Sequence[Sequence[Block]] | None = None

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Item]:
        return self._read(self.parts)

    @property
    def act(self) -> Iterator[Item]:
        """Those that nothing holds; in the order of creation, if they were put into it."""
        if self.ordered is None:
            return (item for item in self.free() if item is not None)
        merged = heapq.merge(*map(self._run, self.ordered), key=itemgetter(0))
        return (self.limited.of(self._item(plain)) for _, plain in merged)

    def free(self) -> Iterator[Item | None]:
        """Those that nothing holds, in the order of all, None after each part; one that holds none is not read."""
        for part in self.parts:
            if part.approved or self._lets_some(part):
                yield from (item for item in self._read([part]) if item.hold is None)
                yield None

    @property
    def marked(self) -> Iterator[Item | None]:
        """Those whose deletion is promised, None after each part; one that holds none is not read."""
        for part in self.parts:
            if part.marked:
                yield from (item for item in self._read([part]) if item.marked_at is not None)
                yield None

    def _run(self, run: Sequence[Block]) -> Iterator[tuple[int, tuple[Any, ...]]]:
        return (keyed for block in run for keyed in self.spool.read(block))

    def _lets_some(self, part: Part) -> bool:
        return any(self.limited.holds(action, turn) is None for action, turn in part.ready.items())

    def _read(self, parts: Sequence[Part]) -> Iterator[Item]:
        for part in parts:
            written = (plain for block in part.blocks for plain in self.spool.read(block))
            yield from map(self.limited.of, map(self._item, written))
            for item in part.items:
                yield self.limited.of(item)

    def _item(self, plain: tuple[Any, ...]) -> Item:
        session, decision, ripe_at, approved, hold, marked_at = plain
        held = None if hold is None else _HOLDS[hold]
        return Item(
            self.packing.session(session), self.packing.decision(decision), ripe_at, approved, held, marked_at
        )

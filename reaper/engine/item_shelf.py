"""The items of a plan while it is made and afterwards: in memory, or on disk where all agents' are too many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, NamedTuple

from reaper.core.planner import Hold, Item, Items, Planned, held_back
from reaper.listing.spilled import Packing
from reaper.listing.spool import Block, Spool

_HOLDS: Final = {hold.value: hold for hold in Hold}


class Part(NamedTuple):
    """Items that were put away together, in memory or in blocks on disk, and whether among them are some that nothing
    holds: `ready` for what their limits allow, or `approved` by a person; and some whose deletion is promised."""

    items: Sequence[Item]
    blocks: Sequence[Block]
    ready: bool
    approved: bool
    marked: bool


@dataclass(slots=True)
class ItemShelf:
    """Where one agent's plan puts its items, part by part; in the `spool` once it is full."""

    spool: Spool
    _packing: Packing = field(default_factory=Packing)
    _parts: list[Part] = field(default_factory=list)
    _held: int = 0
    _count: int = 0

    def put(self, items: Sequence[Item]) -> None:
        """Keep these behind those that were put here before."""
        free = {item.approved for item in items if item.hold is None}
        marked = any(item.marked_at is not None for item in items)
        self._parts.append(Part(items, (), ready=False in free, approved=True in free, marked=marked))
        self._held += len(items)
        self._count += len(items)
        self.spool.held += len(items)
        if self.spool.is_full and self._held >= self.spool.run_min:
            self._parts = [self._written(part) if part.items else part for part in self._parts]
            self.spool.held -= self._held
            self._held = 0

    def settled(self, hold: Hold | None) -> Planned:
        """All of them; this hold, if any, keeps back what could be done, but for what a person approved."""
        if self._held == self._count:
            return Items(held_back(item, hold) for part in self._parts for item in part.items)
        return ShelvedItems(self.spool, self._packing, tuple(self._parts), self._count, hold)

    def _written(self, part: Part) -> Part:
        return part._replace(items=(), blocks=self.spool.write([self._plain(item) for item in part.items]))

    def _plain(self, item: Item) -> tuple[Any, ...]:
        packed = self._packing.plain(item.session, item.decision)
        return *packed, item.ripe_at, item.approved, item.hold and item.hold.value, item.marked_at


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
    def marked(self) -> Iterator[Item]:
        """Those whose deletion is promised."""
        return chain(self.first.marked, self.second.marked)


@dataclass(frozen=True, slots=True)
class ShelvedItems:
    """The items of a plan, of which memory holds a few at a time."""

    spool: Spool
    packing: Packing
    parts: Sequence[Part]
    count: int
    hold: Hold | None

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Item]:
        return self._read(self.parts)

    @property
    def act(self) -> Iterator[Item]:
        """Those that nothing holds; what holds none of them is not read."""
        ready = self.hold is None
        parts = [part for part in self.parts if part.approved or (part.ready and ready)]
        return (item for item in self._read(parts) if item.hold is None)

    @property
    def marked(self) -> Iterator[Item]:
        """Those whose deletion is promised; what holds none of them is not read."""
        parts = [part for part in self.parts if part.marked]
        return (item for item in self._read(parts) if item.marked_at is not None)

    def _read(self, parts: Sequence[Part]) -> Iterator[Item]:
        for part in parts:
            written = (plain for block in part.blocks for plain in self.spool.read(block))
            yield from map(self._item, written)
            for item in part.items:
                yield held_back(item, self.hold)

    def _item(self, plain: tuple[Any, ...]) -> Item:
        session, decision, ripe_at, approved, hold, marked_at = plain
        held = (None if approved else self.hold) if hold is None else _HOLDS[hold]
        return Item(
            self.packing.session(session), self.packing.decision(decision), ripe_at, approved, held, marked_at
        )

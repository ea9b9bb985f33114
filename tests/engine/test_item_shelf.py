"""What a plan's items cost at once, where they are too many for memory: a few at a time, whatever is looked for."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby, islice

import pytest

from reaper.core.model import Action
from reaper.core.plan import Hold, Item, Limited, Marks, Planned
from reaper.core.policy import Decision
from reaper.engine import item_shelf
from reaper.engine.item_shelf import ItemShelf, ShelvedItems, in_creation_order
from reaper.listing.spool import Block, Spool
from tests.world import NOW, STALE, session

PART = 10


class Counted(Spool):
    """A spool that counts what is written and read."""

    __slots__ = ("read_count", "written")

    def __init__(self, in_memory_max: int) -> None:
        super().__init__(in_memory_max=in_memory_max, run_min=1)
        self.written, self.read_count = 0, 0

    def write(self, values: object) -> list[Block]:
        blocks = super().write(values)  # type: ignore[arg-type]
        self.written += sum(block.count for block in blocks)
        return blocks

    def read(self, block: Block) -> list[object]:
        self.read_count += block.count
        return super().read(block)


def items(count: int, *, free: Iterable[int] = (), marked: Iterable[int] = ()) -> list[Item]:
    """So many in grace, but for those that are `free`; some are `marked`."""
    return [
        Item(
            session(f"session-{number:04d}", age=30 * 86_400 + number),
            Decision(Action.DELETE, STALE),
            NOW,
            hold=None if number in set(free) else Hold.GRACE,
            marked_at=NOW if number in set(marked) else None,
        )
        for number in range(count)
    ]


def shelved(spool: Spool, put: list[Item]) -> ShelvedItems:
    shelf, left = ItemShelf(spool), iter(put)
    while some := list(islice(left, PART)):
        shelf.put(some)
    found = shelf.settled(Limited())
    assert isinstance(found, ShelvedItems)
    return found


def test_items_that_memory_gets_too_small_for_are_written_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_shelf, "RUN_MAX", 2 * PART)
    spool, put = Counted(in_memory_max=100), items(200)
    shelf, at_once = ItemShelf(spool), [0]
    for first in range(0, len(put), PART):
        before = spool.written
        shelf.put(put[first : first + PART])
        at_once.append(spool.written - before)
    assert max(at_once) == 2 * PART
    assert spool.held <= 100 + PART
    assert list(shelf.settled(Limited())) == put


@pytest.mark.parametrize("wanted", ["marked", "free"])
def test_where_few_of_many_are_looked_for_a_step_reads_one_part(wanted: str) -> None:
    spool = Counted(in_memory_max=0)
    some = range(3, 200, 20)
    found = shelved(spool, items(200, free=some, marked=some))
    at_once, before = [], 0
    for one in found.marked if wanted == "marked" else found.free():
        if one is None:
            at_once.append(spool.read_count - before)
            before = spool.read_count
    assert at_once == [PART] * 10


def test_promises_come_by_steps_and_are_the_same_ones() -> None:
    found = Marks(shelved(Counted(in_memory_max=0), items(60, marked=(2, 3, 41))))
    steps = ["".join(mark.seen.id[-2:] for mark in marks if mark) for _, marks in groupby(found.by_steps(), bool)]
    assert steps == ["0203", "", "41", ""]
    assert [mark.seen.id[-2:] for mark in found] == ["02", "03", "41"]


def ordered(found: Planned, reads: Counted | None = None) -> tuple[Planned, list[int]]:
    """The items in the order of creation, and how many were read in each step."""
    steps, at_once, before = in_creation_order(found), list[int](), 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, at_once
        read = reads.read_count if reads else 0
        at_once.append(read - before)
        before = read


def test_what_may_be_done_is_put_in_order_by_steps_of_one_part() -> None:
    spool, some = Counted(in_memory_max=0), range(3, 200, 20)
    found, at_once = ordered(shelved(spool, items(200, free=some)), spool)
    assert [item.session.id for item in found.act] == [f"session-{number:04d}" for number in reversed(some)]
    assert at_once == [PART] * 10


def test_more_items_in_memory_than_are_looked_at_at_once_are_held_back_as_they_are_read() -> None:
    put = items(item_shelf.AT_ONCE_MAX + 1, free=range(item_shelf.AT_ONCE_MAX))
    shelf = ItemShelf(Spool())
    shelf.put(put)
    found = shelf.settled(Limited(Hold.LIMIT_SWEEP))
    assert isinstance(found, ShelvedItems)
    assert {item.hold for item in islice(found, 9)} == {Hold.LIMIT_SWEEP}
    assert not list(found.act)
    assert ordered(found)[0] is found

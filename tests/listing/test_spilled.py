"""Candidates on disk: the same ones as in memory, whatever became of them while the listing went on."""

from __future__ import annotations

import gc
import os
import resource
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper.core.conditions import StatusIn
from reaper.core.model import ACTIVE, Action
from reaper.core.plan import Candidate
from reaper.core.plan_lines import line_of
from reaper.core.policy import Rule
from reaper.engine.by_turns import batches, by_steps
from reaper.listing import snapshot, spilled
from reaper.listing.snapshot import SessionCounts
from reaper.listing.spilled import Spilled
from reaper.listing.spool import Block, Spool, SpoolError
from tests.sim.switches import Unguarded, around
from tests.world import NOW, RUNAWAY, STALE, candidate, examples, session

Happening = tuple[str, int, int]
"""What happens to a session: it is a candidate for deletion, or to be stopped, or kept; its number, and its age."""

happenings = st.lists(
    st.tuples(st.sampled_from(["delete", "stop", "keep", "discount"]), st.integers(0, 8), st.integers(0, 2)),
    max_size=60,
)


def spool(**given: int) -> Spool:
    return Spool(**{"in_memory_max": 0, "run_min": 3, **given})


class Written(Spool):
    """A spool that remembers how many values were written at once."""

    __slots__ = ("written",)

    def __init__(self, **given: int) -> None:
        super().__init__(**given)
        self.written: list[int] = []

    def write(self, values: Sequence[Any]) -> list[Block]:
        self.written.append(len(values))
        return super().write(values)


def told(happened: list[Happening], disk: Spool | None) -> SessionCounts:
    """What counts that hear of this, one after another, hold in the end."""
    counts = SessionCounts(NOW, frozenset(), spool=disk)
    for what, number, age in happened:
        seen = session(f"session-{number:04d}", idle=9 * 86_400 + age, status=ACTIVE if what == "stop" else "idle")
        if what == "discount":
            counts.discount(seen)
        else:
            rule = {"delete": STALE, "stop": RUNAWAY}.get(what)
            counts.decided([seen], [candidate(seen, rule)] if rule else [])
    return counts


@examples
@given(happenings)
def test_on_disk_are_the_candidates_that_would_be_in_memory_in_the_order_of_a_plan(happened: list[Happening]) -> None:
    in_memory = list(told(happened, None).snapshot().candidates)
    on_disk = told(happened, spool()).snapshot().candidates
    assert list(on_disk) == list(on_disk) == in_memory
    assert in_memory == sorted(in_memory, key=line_of)


def test_a_snapshot_does_not_change_with_what_is_counted_after_it() -> None:
    counts = told([("delete", number, 0) for number in range(9)], spool())
    before = counts.snapshot()
    counts.decided([session("session-0001")], [])
    assert len(list(before.candidates)) == 9
    assert len(list(counts.snapshot().candidates)) == 8


def what_is_used_again_is_none_any_more() -> None:
    happened = [("delete", number, 0) for number in range(9)] + [("keep", 4, 0), ("discount", 5, 0)]
    left = {one.session.id for one in told(happened, spool()).snapshot().candidates}
    assert left.isdisjoint({"session-0004", "session-0005"})


def test_a_candidate_on_disk_that_is_kept_when_it_shows_again_is_none_any_more() -> None:
    what_is_used_again_is_none_any_more()


GUARDS = [
    Unguarded(
        "what is kept after all is no candidate on disk",
        around(Spilled, "add", lambda kept: lambda self, candidates, _: kept(self, candidates, ())),
        what_is_used_again_is_none_any_more,
    )
]


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.guard)
def test_a_spool_without_this_guard_is_found_out(guard: Unguarded, monkeypatch: pytest.MonkeyPatch) -> None:
    guard.must_fail(monkeypatch)


def test_rules_come_back_as_they_are_even_where_two_are_alike() -> None:
    rules = [Rule("twice", Action.DELETE, (StatusIn(frozenset({status})),)) for status in ("idle", "failed")]
    counts = SessionCounts(NOW, frozenset(), spool=spool())
    seen = [session(f"session-{number:04d}") for number in range(6)]
    chosen = [Candidate(one, candidate(one)[1]._replace(rule=rules[n % 2])) for n, one in enumerate(seen)]
    counts.decided(seen, chosen)
    back = list(counts.snapshot().candidates)
    assert all(one.decision.rule is rules[number % 2] for number, one in enumerate(back))


def few_at_once(count: int, rule: Rule, monkeypatch: pytest.MonkeyPatch) -> list[Candidate | None]:
    """The steps in which so many candidates are read, of which three are passed over at once."""
    monkeypatch.setattr(spilled, "PASSED_MAX", 3)
    counts = SessionCounts(NOW, frozenset(), spool=spool())
    seen = [session(f"session-{number:04d}") for number in range(count)]
    for one in seen:
        counts.decided([one], [candidate(one, rule)])
    counts.decided(seen[:9], [])
    return list(by_steps(counts.snapshot().candidates))


def test_a_step_ends_where_many_are_passed_over_that_come_later_or_are_none_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deletes, stops = (few_at_once(30, rule, monkeypatch) for rule in (STALE, RUNAWAY))
    assert [one is None for one in deletes] == [True] * 6 + [False] * 21
    assert [one is None for one in stops] == [True] * 13 + [False] * 21


@pytest.mark.parametrize(
    ("steps", "found"), [("", [""]), ("ab", ["ab", ""]), ("abc", ["ab", "c"]), ("a--b", ["a", "", "b"])]
)
def test_a_batch_ends_when_it_is_full_and_where_a_step_does(steps: str, found: list[str]) -> None:
    got = batches((None if one == "-" else one for one in steps), 2)
    assert ["".join(some) for some in got] == found


def test_what_is_left_in_memory_behind_others_on_disk_goes_there_by_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "RUN_MAX", 4)
    disk = Written(in_memory_max=0, run_min=3)
    counts = SessionCounts(NOW, frozenset(), spool=disk)
    for first, room in ((0, 0), (4, 1_000)):
        disk.in_memory_max = room
        some = [session(f"session-{number:04d}") for number in range(first, first + (4 if room == 0 else 21))]
        counts.decided(some, map(candidate, some))
    assert sum(1 for _ in counts.settling()) == 5
    assert len(list(counts.snapshot().candidates)) == 25
    assert max(disk.written) == 4


def test_room_is_shared_and_given_back() -> None:
    disk = spool(in_memory_max=10)
    first, second = (SessionCounts(NOW, frozenset(), spool=disk) for _ in range(2))
    for counts, numbers in ((first, range(8)), (second, range(8, 13))):
        some = [session(f"session-{number:04d}") for number in numbers]
        counts.decided(some, map(candidate, some))
    assert (len(first.candidates), len(second.candidates), disk.held) == (8, 0, 8)
    first.release()
    assert disk.held == 0


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """Lets no file of this process grow beyond so many bytes meanwhile; what reports on tests writes afterwards."""
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, kept[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)


def test_a_file_that_cannot_grow_or_be_made_is_told_in_words() -> None:
    full, nowhere = spool(), Spool("/nowhere/at-all")
    with pytest.raises(SpoolError, match=r"cannot be put on disk in .+: File too large$"), small_files(100):
        full.write([("x" * 60, number) for number in range(50)])
    with pytest.raises(SpoolError, match="in /nowhere/at-all: No such file"):
        nowhere.write([1])


def test_nothing_of_it_has_a_name(tmp_path: Path) -> None:
    disk = Spool(str(tmp_path))
    (block,) = disk.write([1, 2, 3])
    assert disk.read(block) == [1, 2, 3]
    assert not list(tmp_path.iterdir())


def test_a_file_that_nobody_needs_any_more_is_closed_by_a_thread_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    disk, closed = Spool(), list[tuple[int, bool]]()
    disk.write([1])
    close, here, others = os.close, threading.current_thread(), set(threading.enumerate())
    monkeypatch.setattr(
        os, "close", lambda file: closed.append((file, threading.current_thread() is here)) or close(file)
    )
    file = disk._file
    del disk
    gc.collect()
    for thread in set(threading.enumerate()) - others:
        thread.join()
    assert closed == [(file, False)]


def test_the_collector_of_cycles_has_looked_at_what_is_new_whenever_something_was_written() -> None:
    disk, new = Spool(), [[number] for number in range(600)]
    disk.write([1])
    assert gc.get_count()[0] < len(new)
    assert not {id(one) for one in gc.get_objects(generation=0)} & {id(one) for one in new}

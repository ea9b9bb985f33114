"""Marks and plans that are written by steps: whole in the end, harmless at any step, and covered by the record."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper.core.model import DAY_S, Action, Session
from reaper.core.plan import Approval, Item, Mark
from reaper.core.plan_lines import plan_id, plan_lines
from reaper.core.policy import Decision
from reaper.store.database import StateError
from reaper.store.dropped_plans import PLAN_KEPT_S
from reaper.store.plan_bodies import differences
from reaper.store.store import Store
from tests.sim.switches import Unguarded, around
from tests.world import NOW, STALE, examples, session

HERE = ("prod", "desk")
Steps = Generator[None, None, Any]


def name_of(number: int) -> Session:
    return session(f"session-{number:04d}")


def mark(number: int, at: float = NOW) -> Mark:
    return Mark(name_of(number), Action.DELETE, "stale", at, at + DAY_S)


def items(*numbers: int) -> list[Item]:
    return [Item(name_of(number), Decision(Action.DELETE, STALE), NOW) for number in numbers]


def little(store: Store) -> Store:
    store.marks_at_a_time, store.plans.lines_at_a_time = 3, 4
    return store


def begin_plan(store: Store, *numbers: int, at: float = NOW) -> tuple[str, Steps]:
    planned = items(*numbers)
    name = plan_id(*HERE, planned)
    return name, store.plans.remembering(name, *HERE, at, plan_lines(planned))


def plan(store: Store, *numbers: int, at: float = NOW) -> str:
    name, steps = begin_plan(store, *numbers, at=at)
    assert sum(1 for _ in steps) >= len(numbers) // 8
    return name


def approvals(*numbers: int) -> set[Approval]:
    return {Approval.needed(one.session, one.action) for one in items(*numbers)}


def approved(store: Store) -> Any:
    steps = store.plans.approving(*HERE)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def sound(store: Store) -> None:
    found = store.journal.verify()
    assert (found.broken, found.doubts) == (None, ())


def altered(url: str, statement: str) -> None:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        assert raw.execute(statement).rowcount


def rows(url: str) -> int:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        return int(raw.execute("SELECT count(*) FROM plans").fetchone()[0])


# Marks


numbers = st.dictionaries(st.integers(0, 12), st.sampled_from([NOW, NOW + 1, NOW + 2]), max_size=13)


@examples
@given(numbers, numbers, st.integers(0, 6))
def test_at_any_step_each_mark_is_the_new_one_or_the_old_one(
    before: dict[int, float], after: dict[int, float], steps: int
) -> None:
    store = little(Store.open("sqlite://"))
    was = {name_of(number).incarnation: mark(number, at) for number, at in before.items()}
    wanted = {name_of(number).incarnation: mark(number, at) for number, at in sorted(after.items())}
    store.replace_marks(*HERE, was.values(), NOW)
    list(islice(store.replacing_marks(*HERE, wanted.values(), NOW), steps))
    for incarnation in was.keys() | wanted.keys():
        found = store.marks(*HERE).get(incarnation)
        assert found in {was.get(incarnation), wanted.get(incarnation)}
    sound(store)
    store.replace_marks(*HERE, wanted.values(), NOW)
    assert store.marks(*HERE) == wanted
    standing = store.standing_marks(*HERE)
    assert {key: standing.get(key) for key in sorted(was | wanted)} == {key: wanted.get(key) for key in was | wanted}
    sound(store)


def test_each_step_writes_a_few_and_marks_that_stand_are_not_written_again(store: Store) -> None:
    little(store).replace_marks(*HERE, map(mark, range(20)), NOW)
    entries = store.journal.end().count
    assert sum(1 for _ in store.replacing_marks(*HERE, map(mark, range(20)), NOW)) >= 6
    assert store.journal.end().count == entries


def test_a_step_also_ends_where_those_who_choose_the_marks_need_time(store: Store) -> None:
    given = [None, mark(0), None, None, *map(mark, range(1, 5)), None]
    with_pauses = sum(1 for _ in little(store).replacing_marks(*HERE, given, NOW))
    assert store.marks(*HERE) == {name_of(number).incarnation: mark(number) for number in range(5)}
    assert with_pauses == 4 + sum(1 for _ in store.replacing_marks(*HERE, map(mark, range(5)), NOW))
    sound(store)


def test_marks_out_of_order_are_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="out of order"):
        list(store.replacing_marks(*HERE, [mark(2), mark(1)], NOW))
    assert store.marks(*HERE) == {}


# Plans


def test_a_plan_of_several_parts_can_be_approved_and_approves_what_it_holds(
    store: Store, reopen: Callable[[], Store]
) -> None:
    name = plan(little(store), *range(23))
    assert store.plans.approve(name, NOW)
    again = little(reopen())
    assert again.plans.approved(*HERE) == approvals(*range(23))
    leave = approved(again)
    asked = [Approval.needed(one.session, one.action) for one in items(*range(40))]
    assert [one in leave for one in (*asked, *reversed(asked))] == [
        n < 23 for n in (*range(40), *reversed(range(40)))
    ]
    sound(again)


def test_a_plan_is_not_known_until_its_last_step(store: Store) -> None:
    name, steps = begin_plan(little(store), *range(23))
    for _ in steps:
        assert not store.plans.known(name)
        assert store.plans.latest(5) == store.plans.named(name[:12]) == []
        assert not store.plans.approve(name, NOW)
    assert len(store.plans.known(name)[0].approvals) == 23


def test_large_plans_that_differ_little_are_kept_by_their_difference(store: Store, url: str) -> None:
    first = plan(little(store), *range(80))
    whole = rows(url)
    second = plan(store, *range(1, 79), 80, 81, at=NOW + 1)
    assert rows(url) == whole + 1
    third = plan(store, *range(4, 86), at=NOW + 2)
    assert rows(url) == whole + 4
    for name, numbers_of in ((first, range(80)), (second, (*range(1, 79), 80, 81)), (third, range(4, 86))):
        assert set(store.plans.known(name)[0].approvals) == approvals(*numbers_of)
    sound(store)


def test_what_was_left_unfinished_goes_and_what_is_being_written_stays(store: Store, url: str) -> None:
    little(store)
    begun = begin_plan(store, *range(23))[1]
    list(islice(begun, 4))
    begun.close()
    name, steps = begin_plan(store, *range(30))
    list(islice(steps, 4))
    assert rows(url) == 6
    store.plans.forget(NOW)
    assert rows(url) == 3
    list(steps)
    assert set(store.plans.known(name)[0].approvals) == approvals(*range(30))
    store.plans.forget(NOW + PLAN_KEPT_S + 1)
    assert rows(url) == 0
    sound(store)


def test_a_plan_that_loses_a_part_while_it_is_written_is_not_kept(store: Store, url: str) -> None:
    name, steps = begin_plan(little(store), *range(23))
    list(islice(steps, 4))
    altered(url, "DELETE FROM plans WHERE id LIKE '%/000001'")
    with pytest.raises(StateError, match="lost a part"):
        list(steps)
    assert not store.plans.known(name)


def what_was_altered_approves_nothing(store: Store, url: str, statement: str) -> None:
    name = plan(little(store), *range(23))
    assert store.plans.approve(name, NOW)
    altered(url, statement)
    leave = approved(store)
    assert not any(one in leave for one in approvals(*range(30)))
    assert not store.plans.approved(*HERE)
    assert not store.plans.known(name)
    assert store.journal.verify().doubts


ALTERATIONS = [
    "UPDATE plans SET sessions = CAST(replace(CAST(sessions AS TEXT), '0009', '0029') AS BLOB) "
    "WHERE id LIKE '%/000001'",
    "DELETE FROM plans WHERE id LIKE '%/000004'",
    "UPDATE plans SET sessions = 'text' WHERE id LIKE '%/000002'",
]


@pytest.mark.parametrize("statement", ALTERATIONS)
def test_a_plan_with_a_part_that_was_altered_approves_nothing(store: Store, url: str, statement: str) -> None:
    what_was_altered_approves_nothing(store, url, statement)


def _believed(kept: Any) -> Any:
    def checked(self: Any, name: str, project: str, agent: str, lines: Any) -> Any:
        yield from kept(self, name, project, agent, lines)
        return list(islice(lines(), self.lines_at_a_time))

    return checked


def test_the_lines_of_a_large_plan_are_held_against_its_id(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = Unguarded(
        "a large plan is what its id says",
        around(type(store.plans), "_checked", _believed),
        what_was_altered_approves_nothing,
        (store, url, ALTERATIONS[0]),
    )
    guard.must_fail(monkeypatch)


@examples
@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_differences_of_sorted_lines(before: set[int], now: set[int]) -> None:
    old, new = (sorted(f"{number:02d}" for number in one) for one in (before, now))
    found = list(differences(old, new))
    assert {line for line in found if line} == {f"-{one}" for one in {*old} - {*new}} | {
        f"+{one}" for one in {*new} - {*old}
    }
    assert found.count(None) == len({*old} & {*new})

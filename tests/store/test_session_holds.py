"""Holds in the state: placed once, released by name, in the record, and a fault when they cannot be read."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from reaper.core.holds import KEPT_S, SessionHold
from reaper.core.model import Action, OutcomeKind
from reaper.store.database import StateError
from reaper.store.journal import HeldError, Intent
from reaper.store.session_holds import TooManyHoldsError
from reaper.store.store import Store
from tests.earlier_states import migrated
from tests.world import NOW, session

HERE = ("prod", "desk")
ONE = session()
WANTED = SessionHold(*HERE, ONE.id, date(2027, 1, 31), reason="thesis", by="ops", created_at=ONE.created_at, at=NOW)
INTENT = Intent("", *HERE, ONE.id, ONE.created_at, Action.DELETE, "stale", approved=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(path: Path) -> Store:
    return Store.open(f"sqlite:///{path}")


def intend(store: Store, at: float = NOW, **changes: object) -> Intent:
    return asyncio.run(store.journal.intend(replace(INTENT, **changes), at, {}))  # type: ignore[arg-type]


def tamper(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as file:
        for statement in statements:
            file.execute(statement)


def test_a_hold_comes_back_as_it_was_placed(store: Store) -> None:
    placed = store.holds.place(WANTED, {"by": "ops"})
    assert placed.late == ""
    assert len(placed.hold.id) == 12
    assert store.holds.all() == store.holds.of_agent(*HERE) == [placed.hold] == [replace(WANTED, id=placed.hold.id)]
    assert store.holds.of_agent("prod", "another") == []


def test_the_same_hold_is_placed_once_and_another_persons_beside_it(store: Store) -> None:
    first = store.holds.place(WANTED, {}).hold
    assert store.holds.place(replace(WANTED, at=NOW + 60), {}).hold == first
    store.holds.place(replace(WANTED, by="kim"), {})
    assert len(store.holds.all()) == 2
    store.holds.release([first.id], NOW, {})
    assert store.holds.place(WANTED, {}).hold.id != first.id


def test_no_intent_is_let_in_while_a_hold_stands_and_nothing_is_written(store: Store) -> None:
    hold = store.holds.place(WANTED, {}).hold
    rows = store.journal.end().count
    with pytest.raises(HeldError, match="held by ops until 2027-01-31: thesis"):
        intend(store)
    assert store.journal.end().count == rows
    intend(store, created_at=ONE.created_at + 1)
    intend(store, session="session-0002")
    intend(store, agent="another")
    store.holds.release([hold.id], NOW, {})
    intend(store)


def test_of_intents_that_go_to_disk_together_the_held_one_alone_is_refused(store: Store) -> None:
    store.holds.place(WANTED, {})

    async def both() -> list[object]:
        others = [replace(INTENT, session=f"session-000{number}") for number in (2, 3)]
        wanted = [others[0], INTENT, others[1]]
        return await asyncio.gather(*(store.journal.intend(one, NOW, {}) for one in wanted), return_exceptions=True)

    first, held, last = asyncio.run(both())
    assert isinstance(held, HeldError)
    assert [one.session for one in (first, last)] == ["session-0002", "session-0003"]  # type: ignore[attr-defined]


def test_a_hold_that_ended_lets_an_intent_in(store: Store) -> None:
    store.holds.place(replace(WANTED, until=date(2026, 9, 21)), {})  # NOW is on 2026-09-21
    with pytest.raises(HeldError):
        intend(store)
    intend(store, at=NOW + 86_400)


@pytest.mark.parametrize(
    ("outcome", "told"),
    [(None, "is under way"), ("in_doubt", "is in doubt"), ("done", "is done"), ("failed", ""), ("changed", "")],
)
def test_what_was_begun_before_is_told_to_who_holds(store: Store, outcome: str | None, told: str) -> None:
    intent = intend(store)
    if outcome is not None:
        asyncio.run(store.journal.conclude(intent, OutcomeKind(outcome), NOW, ""))
    late = store.holds.place(WANTED, {}).late
    assert late.endswith(told)
    assert bool(late) is bool(told)
    assert store.holds.place(replace(WANTED, created_at=ONE.created_at + 1, by="kim"), {}).late == ""


def test_assistants_hold_no_more_than_they_may_and_people_are_not_counted(store: Store) -> None:
    for number in range(3):
        store.holds.place(replace(WANTED, session=f"session-100{number}"), {}, most=2)
    store.holds.place(replace(WANTED, client="a"), {}, most=2)
    last = store.holds.place(replace(WANTED, client="b"), {}, most=2).hold
    with pytest.raises(TooManyHoldsError):
        store.holds.place(replace(WANTED, client="c"), {}, most=2)
    assert store.holds.place(replace(WANTED, client="b"), {}, most=2).hold == last
    store.holds.release([last.id], NOW, {})
    store.holds.place(replace(WANTED, client="c"), {}, most=2)


@pytest.mark.parametrize(
    "change",
    [
        "until = 'some day'",
        "until = 5",
        "until = ''",
        "legal = 'both'",
        "created_at = 'then'",
        "at = 'now'",
        "reason = x'00'",
        "released = 'soon'",
    ],
)
def test_holds_that_cannot_be_read_let_no_intent_in(store: Store, path: Path, change: str) -> None:
    store.holds.place(WANTED, {})
    tamper(path, f"UPDATE holds SET {change}")
    for reading in (store.holds.all, lambda: store.holds.of_agent(*HERE), lambda: intend(store)):
        with pytest.raises(StateError, match="altered"):
            reading()


def test_a_hold_is_forgotten_a_month_after_its_end_and_not_before(store: Store) -> None:
    hold = store.holds.place(replace(WANTED, until=None, legal="ABC-1"), {}).hold
    store.holds.forget(NOW + 10 * KEPT_S)
    assert store.holds.all() == [hold]
    store.holds.release([hold.id], NOW, {})
    store.holds.forget(NOW + KEPT_S)
    assert len(store.holds.all()) == 1
    store.holds.forget(NOW + KEPT_S + 1)
    assert store.holds.all() == []
    verdict = store.journal.verify()
    assert (verdict.broken, verdict.doubts) == (None, ())


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM holds",
        "UPDATE holds SET until = '2026-01-01'",
        "UPDATE holds SET released = 1.0",
        "UPDATE holds SET session = 'session-0002'",
    ],
)
def test_holds_that_somebody_altered_are_found(store: Store, path: Path, change: str) -> None:
    store.holds.place(WANTED, {})
    assert store.journal.verify().doubts == ()
    tamper(path, change)
    assert "the holds of prod/desk are not those that were recorded" in str(store.journal.verify().doubts)


def second_version(path: Path, *more: str) -> None:
    tamper(path, "DROP TABLE holds", "UPDATE meta SET value = '2' WHERE key = 'version'", *more)


def test_a_state_of_the_second_version_gets_room_for_holds_and_its_record_still_holds(
    store: Store, path: Path
) -> None:
    intend(store)
    store.close()
    second_version(path)
    migrated(f"sqlite:///{path}")
    again = Store.open(f"sqlite:///{path}")
    assert again.fault == ""
    assert again.holds.all() == []
    verdict = again.journal.verify()
    assert (verdict.broken, verdict.doubts, verdict.rows) == (None, (), 2)
    again.holds.place(WANTED, {})


def test_who_takes_the_holds_away_and_the_version_back_is_found_out(store: Store, path: Path) -> None:
    store.holds.place(WANTED, {})
    store.close()
    second_version(path)
    assert "its version was altered" in Store.open(f"sqlite:///{path}").fault


def test_a_state_of_this_version_without_its_holds_is_not_whole(store: Store, path: Path) -> None:
    store.close()
    tamper(path, "DROP TABLE holds")
    assert "it lacks: holds" in Store.open(f"sqlite:///{path}").fault


def test_a_version_taken_back_vouches_for_no_record_without_its_beginning(store: Store, path: Path) -> None:
    for number in range(3):
        intend(store, session=f"session-100{number}")
    store.close()
    forged = '{"count": 1, "hash": "' + "0" * 64 + '"}'
    second_version(
        path,
        "DELETE FROM journal WHERE seq = 1",
        f"INSERT INTO meta VALUES ('journal_pruned', '{forged}')",
    )
    migrated(f"sqlite:///{path}")
    verdict = Store.open(f"sqlite:///{path}").journal.verify()
    assert verdict.broken is not None

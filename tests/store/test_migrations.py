"""A state file of an earlier version is brought up to this one when it is opened, and forgets nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from reaper.core.inventory_checks import Baseline, StaleCounts
from reaper.core.jump import Level
from reaper.core.model import Action, Metadata
from reaper.core.plan import Mark
from reaper.store.store import Store
from tests.record import events
from tests.world import NOW, session

HERE = ("prod", "desk")


@pytest.fixture
def first_version(tmp_path: Path) -> str:
    """The URL of a state file as version 0.1 left it, with a mark and a baseline in it."""
    path = tmp_path / "state.db"
    store = Store.open(f"sqlite:///{path}")
    store.replace_marks(*HERE, [Mark(session(), Action.DELETE, "stale", NOW, NOW + 1)], NOW)
    store.put_baseline(*HERE, Baseline(NOW, 100))
    store.close()
    with sqlite3.connect(path) as file:
        file.executescript(
            """
            DROP TABLE holds;
            DROP TABLE levels;
            DROP TABLE unserved;
            DROP TABLE voices;
            ALTER TABLE baselines DROP COLUMN spread;
            ALTER TABLE baselines ADD COLUMN candidates INTEGER NOT NULL DEFAULT 7;
            ALTER TABLE baselines ADD COLUMN key VARCHAR NOT NULL DEFAULT 'k';
            DELETE FROM journal WHERE kind = 'event';
            DELETE FROM sqlite_sequence;
            DELETE FROM meta;
            INSERT INTO meta VALUES ('version', '1');
            """
        )
    return f"sqlite:///{path}"


def test_a_state_file_of_the_first_version_keeps_its_marks_and_how_much_there_was(first_version: str) -> None:
    store = Store.open(first_version)
    assert store.fault == ""
    assert list(store.marks(*HERE)) == [session().incarnation]
    assert store.baseline(*HERE) == Baseline(NOW, 100)
    store.put_baseline(*HERE, Baseline(NOW, 100, StaleCounts(NOW, (1,), (2,))))
    assert store.level(*HERE) is None
    store.put_level(*HERE, Level(7), NOW)
    store.close()
    assert Store.open(first_version).level(*HERE) == Level(7)
    assert Store.open(first_version).baseline(*HERE) == Baseline(NOW, 100, StaleCounts(NOW, (1,), (2,)))


def test_a_state_file_of_the_second_version_gets_the_tables_it_lacks_and_its_record_holds(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    store = Store.open(url)
    store.replace_marks(*HERE, [Mark(session(), Action.DELETE, "stale", NOW, NOW + 1)], NOW)
    store.close()
    with sqlite3.connect(tmp_path / "state.db") as file:
        file.executescript("DROP TABLE unserved; UPDATE meta SET value = '2' WHERE key = 'version'")
    again = Store.open(url)
    assert (again.fault, again.unserved.of(*HERE)) == ("", {})
    assert list(again.marks(*HERE)) == [session().incarnation]
    again.unserved.replace(*HERE, {"1": NOW}, NOW)
    assert again.journal.verify().doubts == ()
    assert [event.body for event in events(again.journal, "upgraded")] == [{"from": 2, "to": 3}]


def test_a_state_file_of_the_second_version_can_remember_what_developers_ask_for(first_version: str) -> None:
    Store.open(first_version).close()
    with sqlite3.connect(first_version.removeprefix("sqlite:///")) as file:
        file.executescript("DROP TABLE voices; UPDATE meta SET value = '2' WHERE key = 'version';")
    store = Store.open(first_version)
    assert (store.fault, store.voices.before(*HERE)) == ("", None)
    store.voices.note(*HERE, Metadata((("reaper.hold", "soon"),)), NOW)
    assert store.voices.before(*HERE) is not None
    assert list(store.marks(*HERE)) == [session().incarnation]
    assert store.journal.verify().doubts == ()


def test_who_takes_the_version_back_makes_nobody_forget_what_developers_asked_for(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'state.db'}")
    store.voices.note(*HERE, Metadata((("reaper.hold", "soon"),)), NOW)
    store.close()
    with sqlite3.connect(tmp_path / "state.db") as file:
        file.executescript("DROP TABLE voices; UPDATE meta SET value = '2' WHERE key = 'version';")
    assert "its version was altered" in Store.open(f"sqlite:///{tmp_path / 'state.db'}").fault


def test_a_state_file_of_a_version_to_come_is_a_fault(tmp_path: Path) -> None:
    Store.open(f"sqlite:///{tmp_path / 'state.db'}").close()
    with sqlite3.connect(tmp_path / "state.db") as file:
        file.execute("UPDATE meta SET value = '99' WHERE key = 'version'")
    assert "version 99" in Store.open(f"sqlite:///{tmp_path / 'state.db'}").fault


def test_a_state_file_that_says_it_is_older_than_its_record_of_levels_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = Store.open(f"sqlite:///{path}")
    store.put_level(*HERE, Level(7), NOW)
    store.close()
    with sqlite3.connect(path) as file:
        file.executescript("DROP TABLE levels; DROP TABLE voices; UPDATE meta SET value = '2' WHERE key = 'version';")
    assert "its version was altered" in Store.open(f"sqlite:///{path}").fault


def test_a_state_file_of_the_second_version_is_upgraded_and_its_record_still_holds(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = Store.open(f"sqlite:///{path}")
    store.replace_marks(*HERE, [Mark(session(), Action.DELETE, "stale", NOW, NOW + 1)], NOW)
    store.close()
    with sqlite3.connect(path) as file:
        file.executescript("DROP TABLE levels; DROP TABLE voices; UPDATE meta SET value = '2' WHERE key = 'version';")
    store = Store.open(f"sqlite:///{path}")
    assert (store.fault, list(store.marks(*HERE))) == ("", [session().incarnation])
    assert store.journal.verify().doubts == ()

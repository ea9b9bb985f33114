"""What developers asked for is remembered, and whoever alters that is found."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from reaper.core.model import Metadata
from reaper.store.chained_tables import HEARD
from reaper.store.store import Store
from tests.record import events
from tests.world import NOW

HERE = ("prod", "desk")
HOLD = Metadata((("reaper.hold", "2026-12-31"),))


def test_what_was_heard_stands_until_something_else_is_read(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'state.db'}")
    assert store.voices.before(*HERE) is None
    store.voices.note(*HERE, HOLD, NOW)
    store.voices.note(*HERE, Metadata(fault="no answer", read=False), NOW)
    store.close()
    store = Store.open(f"sqlite:///{tmp_path / 'state.db'}")
    assert store.voices.before(*HERE) == HOLD
    store.voices.note(*HERE, Metadata(fault="a list"), NOW)
    assert store.voices.before(*HERE) == Metadata(fault="a list")
    store.voices.note(*HERE, Metadata(), NOW)
    assert store.voices.before(*HERE) is None
    assert not store.journal.verify().broken


def test_the_record_grows_only_when_something_else_is_said() -> None:
    store = Store.open("sqlite://")
    store.voices.note(*HERE, Metadata(), NOW)
    for later in range(3):
        store.voices.note(*HERE, HOLD, NOW + later)
    (event,) = events(store.journal, HEARD)
    assert event.body["said"] == [["reaper.hold", "2026-12-31"]]


def test_who_takes_away_what_was_asked_for_is_found(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'state.db'}")
    store.voices.note(*HERE, HOLD, NOW)
    store.close()
    with sqlite3.connect(tmp_path / "state.db") as file:
        file.execute("DELETE FROM voices")
    verdict = Store.open(f"sqlite:///{tmp_path / 'state.db'}").journal.verify()
    assert "the voices of prod/desk are not those that were recorded" in str(verdict)


def test_what_was_made_unreadable_is_asked_for_all_the_same(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'state.db'}")
    store.voices.note(*HERE, HOLD, NOW)
    store.close()
    with sqlite3.connect(tmp_path / "state.db") as file:
        file.execute("UPDATE voices SET said = '{'")
    before = Store.open(f"sqlite:///{tmp_path / 'state.db'}").voices.before(*HERE)
    assert before is not None
    assert before.said

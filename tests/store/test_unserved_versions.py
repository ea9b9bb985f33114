"""Since when versions are without traffic is remembered, and the record covers it."""

from __future__ import annotations

from pathlib import Path

from reaper.store.store import Store
from tests.record import events
from tests.world import NOW

HERE = ("prod", "desk")


def test_what_is_remembered_survives_and_only_what_changes_is_an_entry(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    store = Store.open(url)
    store.unserved.replace(*HERE, {"1": NOW, "2": NOW + 0.5}, NOW + 1)
    store.unserved.replace(*HERE, {"1": NOW, "2": NOW + 0.5}, NOW + 2)
    store.unserved.replace("prod", "other", {"1": NOW}, NOW + 2)
    store.close()
    again = Store.open(url)
    assert again.unserved.of(*HERE) == {"1": NOW, "2": NOW + 0.5}
    again.unserved.replace(*HERE, {"2": NOW + 9, "3": NOW + 9}, NOW + 9)
    assert again.unserved.of(*HERE) == {"2": NOW + 9, "3": NOW + 9}
    assert again.unserved.of("prod", "other") == {"1": NOW}
    told = [(event.body["unserved"], event.body["served_or_gone"]) for event in events(again.journal, "versions")]
    assert told == [(["1", "2"], []), (["1"], []), (["2", "3"], ["1", "2"])]
    assert (again.journal.verify().broken, again.journal.verify().doubts) == (None, ())

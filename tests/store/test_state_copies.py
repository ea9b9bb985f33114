"""Copies of a state in use, and a copy that a person puts in the place of the state."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from state_world import act, custody_at_work, entries

from reaper.store.claim import ClaimedElsewhereError
from reaper.store.copies import copy_state
from reaper.store.database import StateError
from reaper.store.held_state import HeldState
from reaper.store.restoring import restore
from reaper.store.store import Breaker, Store
from tests.earlier_states import BY, contents, later_version, migrated, state_of, version
from tests.record import events
from tests.world import NOW


def test_a_copy_of_a_state_in_use_has_all_that_was_on_disk_and_what_is_written_since_is_not_in_it(
    url: str, path: Path
) -> None:
    custody = custody_at_work(url)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM journal")
        copied = copy_state(str(path), str(path.with_name("copy")))
        other.execute("ROLLBACK")
    act(custody.store)
    assert custody.check(busy=False)
    assert (copied.version, copied.head.entries) == (3, 10)
    assert entries(path.with_name("copy")) == 10
    assert stat.S_IMODE(path.with_name("copy").stat().st_mode) == 0o600
    custody.close()
    assert entries(path) == 12


def test_no_copy_replaces_a_file_or_follows_a_link(tmp_path: Path) -> None:
    state_of(3, tmp_path / "state.db")
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("mine", "link", "state.db"):
        with pytest.raises(StateError, match="is there already, and no copy replaces a file"):
            copy_state(str(tmp_path / "state.db"), str(tmp_path / name))
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_where_there_is_no_room_nothing_is_begun_and_the_message_says_how_much_is_needed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = state_of(2, path)
    monkeypatch.setattr("reaper.store.copies.SPARE_BYTES", 1 << 60)
    with pytest.raises(StateError, match=r"a copy of the state needs [\d.]+ MiB, [\d.]+ MiB are free: make room"):
        migrated(url)
    assert version(path) == 2
    assert {one.name for one in path.parent.iterdir()} == {"state.db", "state.db.lock"}


def test_a_disk_that_is_full_in_the_middle_of_a_copy_leaves_the_state_as_it_was_and_no_copy(path: Path) -> None:
    url = state_of(2, path)
    before = contents(path)
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, kept[1]))
    try:
        with pytest.raises(StateError, match="it was not copied"):
            migrated(url)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    assert contents(path) == before
    assert {one.name for one in path.parent.iterdir()} == {"state.db", "state.db.lock"}
    assert migrated(url) is not None


def test_after_a_rollback_the_copy_is_the_state_and_the_record_says_who_gave_up_what(path: Path) -> None:
    url = state_of(3, path)
    copy = copy_state(str(path), f"{path}.copy").file
    store = Store.open(url)
    act(store, 3)
    store.note_head()
    store.close()
    later_version(path)
    later = contents(path)
    assert "version 4" in Store.open(url).fault
    done = restore(url, copy, NOW, BY)
    assert (done.version, done.had, done.head.entries) == (3, 29, 24)
    assert contents(Path(done.kept)) == later
    store = Store.open(url)
    assert store.fault == ""
    assert len(store.marks("prod", "research")) == 2
    assert len(store.holds.all()) == 2
    assert store.journal.verify().doubts == ()
    (told,) = events(store.journal, "state_restored")
    assert told.body == {"file": "state.db.copy", "had": 29, "kept": Path(done.kept).name, "unheld": [], "origin": BY}
    store.close()
    assert not Path(f"{path}-wal").exists()


def test_a_daemon_that_cannot_use_a_later_version_goes_on_with_the_copy_that_was_restored(path: Path) -> None:
    url = state_of(3, path)
    copy = copy_state(str(path), f"{path}.copy").file
    later_version(path)
    daemon = HeldState(url)
    assert daemon.check(busy=False)
    assert "version 4" in daemon.fault
    restore(url, copy, NOW, BY)
    assert daemon.check(busy=False)
    assert daemon.fault == ""
    act(daemon.store)
    daemon.close()
    assert Store.open(url).fault == ""


def test_a_daemon_that_knew_more_goes_on_with_a_copy_that_a_person_restored_and_with_no_other(
    url: str, path: Path
) -> None:
    daemon = custody_at_work(url)
    older, newer = (copy_state(str(path), f"{path}.{name}").file for name in ("older", "newer"))
    act(daemon.store, 4)
    daemon.note()
    path.unlink()
    daemon.check(busy=False)
    assert "not there any more" in daemon.fault
    done = restore(url, older, NOW, BY)
    assert (done.had, done.kept) == (18, "")
    assert daemon.check(busy=False)
    assert daemon.fault == ""
    act(daemon.store)
    # What a person restored once is no licence for the next copy.
    Path(newer).replace(path)
    daemon.check(busy=False)
    assert "older copy" in daemon.fault
    daemon.close()


def test_while_somebody_sweeps_on_a_state_nothing_is_restored_in_its_place(url: str, path: Path) -> None:
    daemon = custody_at_work(url)
    copy = copy_state(str(path), f"{path}.copy").file
    act(daemon.store)
    with pytest.raises(ClaimedElsewhereError, match="another process sweeps"):
        restore(url, copy, NOW, BY)
    assert daemon.check(busy=False)
    assert daemon.fault == ""
    daemon.close()
    assert entries(path) == 12


def test_a_copy_of_an_earlier_version_is_restored_as_this_version(path: Path) -> None:
    url = state_of(2, path)
    done = migrated(url)
    assert done is not None
    restored = restore(url, done.copy, NOW + 1, BY)
    assert (restored.version, version(path), version(Path(done.copy))) == (2, 3, 2)
    store = Store.open(url)
    assert store.fault == ""
    assert [event.body["to"] for event in events(store.journal, "upgraded")] == [3]
    assert store.journal.verify().doubts == ()
    store.close()


def test_a_damaged_state_is_kept_as_it_is_when_a_copy_takes_its_place(path: Path) -> None:
    url = state_of(3, path)
    copy = copy_state(str(path), f"{path}.copy").file
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    damaged = path.read_bytes()
    done = restore(url, copy, NOW, BY)
    assert Path(done.kept).read_bytes() == damaged
    assert Store.open(url).fault == ""


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ("UPDATE journal SET session = 'another' WHERE seq = 10", "its record does not hold: broken at entry 10"),
        ("UPDATE marks SET ripe_at = 0", "its record does not hold: the marks of prod/research"),
        ("DROP TABLE marks", "not a whole state file, it lacks: marks"),
        ("UPDATE meta SET value = '4' WHERE key = 'version'", "version 4, this program writes 3"),
    ],
)
def test_a_copy_that_cannot_be_relied_on_is_not_restored(path: Path, spoil: str, why: str) -> None:
    url = state_of(3, path)
    copy = Path(copy_state(str(path), f"{path}.copy").file)
    with closing(sqlite3.connect(copy)) as raw:
        raw.executescript(spoil)
    before = contents(path)
    with pytest.raises(StateError, match=why):
        restore(url, str(copy), NOW, BY)
    assert contents(path) == before
    assert {one.name for one in path.parent.iterdir()} == {"state.db", "state.db.copy", "state.db.lock"}


def test_a_file_that_is_no_state_is_not_restored(path: Path) -> None:
    url = state_of(3, path)
    (path.parent / "notes.txt").write_text("no state at all, and longer than the header of one: " * 4)
    with pytest.raises(StateError, match="not a database"):
        restore(url, str(path.parent / "notes.txt"), NOW, BY)
    with pytest.raises(StateError, match="cannot be restored from itself"):
        restore(url, str(path), NOW, BY)


def test_a_copy_is_restored_from_a_medium_that_nobody_can_write_to(path: Path) -> None:
    url = state_of(3, path)
    away = path.parent.parent / "medium"
    away.mkdir()
    copy = copy_state(str(path), str(away / "copy")).file
    os.chmod(copy, 0o400)
    os.chmod(away, 0o500)
    restore(url, copy, NOW, BY)
    assert [one.name for one in away.iterdir()] == ["copy"]
    os.chmod(away, 0o700)


def test_what_a_restored_state_forgot_is_what_was_recorded_after_the_copy(path: Path) -> None:
    url = state_of(3, path)
    copy = copy_state(str(path), f"{path}.copy").file
    store = Store.open(url)
    store.open_breaker("prod", "research", Breaker(NOW, "since"))
    store.close()
    restore(url, copy, NOW, BY)
    store = Store.open(url)
    assert store.breaker("prod", "research") is None
    assert store.breaker("prod", "support-eu") is not None
    store.close()


def test_who_restores_a_copy_is_told_what_is_not_held_any_more(path: Path) -> None:
    url = state_of(3, path)
    copy = copy_state(str(path), f"{path}.copy").file
    store = Store.open(url)
    case = replace(store.holds.all()[0], id="abc", session="session-0042", until=None, legal="case-9")
    store.holds.place(case, {})
    store.close()
    later_version(path)
    done = restore(url, copy, NOW, BY)
    assert done.unheld == ("prod/research session-0042 (case-9)",)
    store = Store.open(url)
    assert [event.body["unheld"] for event in events(store.journal, "state_restored")] == [[*done.unheld]]
    assert len(store.holds.all()) == 2
    store.close()


def test_by_hand_the_copy_of_a_migration_is_what_the_earlier_program_left(path: Path) -> None:
    before = contents(path) if (url := state_of(1, path)) else {}
    done = migrated(url)
    assert done is not None
    shutil.copy(done.copy, path)
    assert contents(path) == before
    # And a later upgrade asks a person, since what was recorded meanwhile is lost.
    Path(f"{path}.head").write_text(json.dumps({"entries": done.head.entries, "hash": done.head.hash, "given_up": 0}))
    migrated(url, NOW + 1)
    assert "put in its place" in Store.open(url).fault

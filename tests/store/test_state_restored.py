"""A state that is put back: the same file, a copy that lacks nothing, or an older one."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from state_world import (
    act,
    copy_of,
    custody_at_work,
    entries,
    folder_moved,
    moved_away,
)

from reaper.store.database import Database, OlderStateError, StateError
from reaper.store.heads import NotedHead
from reaper.store.held_state import HeldState
from reaper.store.store import Store
from tests.world import NOW


@pytest.mark.parametrize("accident", [moved_away, folder_moved])
def test_a_state_that_is_put_back_is_whole_again_without_a_restart_and_lacks_nothing(
    url: str, path: Path, accident: Callable[[Path], None]
) -> None:
    custody = custody_at_work(url)
    act(custody.store)
    accident(path)
    custody.check(busy=False)
    assert "not there any more" in custody.fault
    custody.check(busy=False)
    assert "not there any more" in custody.fault
    away = next(path.parent.parent.rglob("*.away"))
    away.rename(away.with_suffix(".db" if accident is moved_away else ""))
    assert custody.check(busy=False)
    assert (custody.fault, custody.standby) == ("", "")
    act(custody.store)
    custody.close()
    assert entries(path) == 14


def test_a_running_process_begins_no_new_state_where_its_own_was_removed(url: str, path: Path) -> None:
    custody = custody_at_work(url)
    path.unlink()
    for _ in range(3):
        custody.check(busy=False)
        assert "not there any more" in custody.fault
        assert custody.store.url == "sqlite://"
        assert not path.exists()
    custody.close()


def test_a_copy_that_lacks_nothing_is_gone_on_with(url: str, path: Path) -> None:
    custody = custody_at_work(url)
    copy_of(path, "newest").replace(path)
    assert custody.check(busy=False)
    assert custody.fault == ""
    custody.close()
    assert entries(path) == 10


@pytest.mark.parametrize("logged", [0, 60])
def test_an_older_copy_is_a_fault_that_says_what_it_lacks(url: str, path: Path, logged: int) -> None:
    custody = custody_at_work(url)
    copy = copy_of(path, "older")
    act(custody.store, logged + 1)
    copy.replace(path)
    custody.check(busy=False)
    assert f"its record has 10 entries, {12 + 2 * logged} were logged" in custody.fault
    custody.check(busy=False)
    assert "older copy" in custody.fault
    custody.close()
    assert entries(path) == 10


def test_an_older_copy_under_a_log_that_was_left_is_read_without_that_log(url: str, path: Path) -> None:
    custody = custody_at_work(url)
    copy = copy_of(path, "older")
    act(custody.store, 3)
    path.unlink()
    custody.check(busy=False)
    copy.replace(path)
    custody.check(busy=False)
    assert "its record has 10 entries, 16 were logged" in custody.fault
    custody.close()
    assert entries(path) == 10


def test_an_older_copy_that_overwrites_the_file_in_place_is_a_fault_before_the_next_sweep(
    url: str, path: Path
) -> None:
    custody = custody_at_work(url)
    copy = copy_of(path, "older")
    act(custody.store, 3)
    custody.note()
    shutil.copyfile(copy, path)
    custody.check(busy=False)
    assert "its record has 10 entries, 16 were logged" in custody.fault
    custody.close()


def test_what_would_be_added_to_a_record_that_is_shorter_than_it_was_is_rolled_back(url: str, path: Path) -> None:
    database = Database(url)
    act(Store(database), 5)
    database.head = NotedHead(database.head.entries + 6, "0" * 64)
    with pytest.raises(OlderStateError, match="its record has 11 entries, 16 were logged"):
        act(Store(database))
    assert "older copy" in database.fault
    database.close()
    assert entries(path) == 10


@pytest.mark.parametrize("copies", [shutil.copyfile, shutil.copy2, os.replace])
def test_a_backup_of_every_file_that_is_put_back_under_a_process_is_a_fault(
    url: str, path: Path, copies: Callable[[Path, Path], object]
) -> None:
    custody = custody_at_work(url)
    backup = path.parent.parent / "backup"
    shutil.copytree(path.parent, backup)
    act(custody.store, 3)
    for file in backup.iterdir():
        copies(file, path.parent / file.name)
    custody.check(busy=False)
    custody.check(busy=False)
    assert "its record has 10 entries, 16 were logged" in custody.fault
    custody.close()
    assert "older copy" in Store.open(url).fault


def test_an_older_copy_is_a_fault_for_the_next_process_too(url: str, path: Path) -> None:
    custody = custody_at_work(url)
    copy = copy_of(path, "older")
    act(custody.store)
    custody.close()
    copy.replace(path)
    assert "its record has 10 entries, 12 were logged" in Store.open(url).fault


def test_a_copy_of_the_same_length_but_another_history_is_a_fault(url: str, path: Path) -> None:
    custody = custody_at_work(url)
    copy = copy_of(path, "older")
    act(custody.store, 2)
    custody.close()
    copy.replace(path)
    os.unlink(f"{path}.head")
    act(other := Store.open(url), 3)
    other.close()
    custody = HeldState(url)
    custody.close()
    Path(f"{path}.head").write_text('{"entries": 14, "hash": "%s", "given_up": 0}' % ("0" * 64))
    assert "its entry 14 is not the one that was logged" in Store.open(url).fault


def test_a_record_that_was_pruned_since_is_not_an_older_copy(url: str, path: Path) -> None:
    custody = custody_at_work(url)
    assert custody.store.journal.prune(NOW + 1, NOW + 1) == 10
    custody.check(busy=False)
    assert custody.fault == ""
    custody.close()
    assert Store.open(url).fault == ""


def test_what_other_processes_write_beside_makes_no_fault(url: str) -> None:
    custody = custody_at_work(url)
    for _ in range(2):
        beside = Store.open(url)
        act(beside, 200)
        beside.close()
        assert custody.check(busy=False)
        assert custody.fault == ""
        act(custody.store)
    custody.close()


def test_an_accepted_older_copy_is_gone_on_with_by_a_process_that_knew_the_newer(url: str, path: Path) -> None:
    custody = custody_at_work(url)
    copy = copy_of(path, "older")
    act(custody.store)
    copy.replace(path)
    custody.check(busy=False)
    assert "older copy" in custody.fault
    database = Database(url, create=False, believing=True)
    assert database.accept().entries == 12
    database.close()
    assert custody.check(busy=False)
    assert custody.fault == ""
    act(custody.store)
    custody.close()
    assert Store.open(url).fault == ""
    # What was accepted is not a licence for the next one.
    copy_again = copy_of(path, "newest")
    custody = HeldState(url)
    assert custody.check(busy=False)
    act(custody.store)
    copy_again.replace(path)
    custody.check(busy=False)
    assert "12 entries, 14 were logged" in custody.fault
    custody.close()


def test_a_note_that_cannot_be_read_is_a_fault_until_a_person_accepts(url: str, path: Path) -> None:
    custody_at_work(url).close()
    Path(f"{path}.head").write_text("\x00")
    with pytest.raises(OlderStateError, match="cannot be read"):
        Database(url)
    database = Database(url, believing=True)
    database.accept()
    database.close()
    assert Store.open(url).fault == ""


def test_a_fault_in_mid_life_lasts_until_the_state_is_opened_again(url: str, path: Path) -> None:
    custody = custody_at_work(url)
    custody.note()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    custody.check(busy=False)
    assert "malformed" in custody.fault or "damaged" in custody.fault
    custody.check(busy=False)
    assert custody.fault != ""
    custody.close()


@pytest.fixture
def full_disk() -> Iterator[Callable[[Path], None]]:
    """From the moment it is called no file grows beyond the size that this one has."""
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(path: Path) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, kept[1]))

    yield fill
    resource.setrlimit(resource.RLIMIT_FSIZE, kept)


def test_a_disk_that_is_full_is_a_fault_until_it_has_room_again(
    url: str, path: Path, full_disk: Callable[[Path], None]
) -> None:
    custody = custody_at_work(url)
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    full_disk(path.with_name("state.db.lock"))
    with pytest.raises(StateError):
        act(custody.store)
    assert custody.fault != ""
    for _ in range(3):
        custody.check(busy=False)
        assert custody.fault != ""
    resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    assert custody.check(busy=False)
    assert custody.fault == ""
    act(custody.store)
    custody.close()
    assert entries(path) == 12


def test_a_process_without_descriptors_does_not_take_that_for_a_fault_of_the_state(url: str) -> None:
    custody = custody_at_work(url)
    kept = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, kept[1]))
    try:
        may = custody.check(busy=False)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, kept)
    assert (may, custody.fault) == (True, "")
    act(custody.store)
    custody.close()


def test_a_transaction_that_only_had_to_wait_too_long_is_no_fault(
    url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reaper.store.connections.BUSY_TIMEOUT_MS", 1)
    store = Store.open(url)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="locked"):
            act(store)
        other.execute("ROLLBACK")
    assert store.fault == ""
    act(store)
    store.close()

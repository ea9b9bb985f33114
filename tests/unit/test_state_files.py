"""A state whose files are removed, replaced, linked or put back from an older copy while a process relies on it."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reaper.model import OutcomeKind
from reaper.store.claim import Claim, ClaimedElsewhereError
from reaper.store.custody import Custody
from reaper.store.database import Database, OlderStateError, StateError
from reaper.store.files import write_private
from reaper.store.store import Store

from .test_store import do
from .virtual import NOW

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder / "state.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


def act(store: Store, times: int = 1) -> None:
    """Actions, each an intent and its outcome."""
    for _ in range(times):
        do(store, OutcomeKind.DONE)


def entries(path: Path) -> int:
    with closing(sqlite3.connect(path)) as raw:
        count: int = raw.execute("SELECT count(*) FROM journal").fetchone()[0]
    return count


def copy_of(path: Path, name: str) -> Path:
    """What a backup tool makes of a state in use."""
    copy = path.parent.parent / name
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


def removed(path: Path) -> None:
    path.unlink()


def moved_away(path: Path) -> None:
    path.rename(path.with_suffix(".away"))


def replaced_by_a_copy(path: Path) -> None:
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)


def replaced_by_an_empty_file(path: Path) -> None:
    path.unlink()
    path.touch()


def folder_moved(path: Path) -> None:
    path.parent.rename(path.parent.with_suffix(".away"))


def folder_swapped(path: Path) -> None:
    shutil.copytree(path.parent, path.parent.with_suffix(".copy"))
    folder_moved(path)
    path.parent.with_suffix(".copy").rename(path.parent)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def log_removed(path: Path) -> None:
    Path(f"{path}-wal").unlink()


def log_replaced(path: Path) -> None:
    shutil.copy(f"{path}-wal", f"{path}-copy")
    os.replace(f"{path}-copy", f"{path}-wal")


ACCIDENTS = [
    removed,
    moved_away,
    replaced_by_a_copy,
    replaced_by_an_empty_file,
    folder_moved,
    folder_swapped,
    emptied,
    log_removed,
    log_replaced,
]


@pytest.mark.parametrize("accident", ACCIDENTS)
def test_no_intent_is_written_once_a_file_of_the_state_is_not_the_one_that_was_opened(
    url: str, path: Path, accident: Callable[[Path], None]
) -> None:
    store = Store.open(url)
    act(store)
    accident(path)
    with pytest.raises(StateError, match=r"not there any more|replaced|emptied"):
        act(store)
    assert str(path) in store.fault
    store.close()


def test_an_intent_that_was_written_while_the_file_was_removed_does_not_count_as_written(
    url: str, path: Path
) -> None:
    database = Database(url)

    def write() -> None:
        with database.begin() as connection:
            connection.exec_driver_sql("UPDATE meta SET value = value")
            path.unlink()

    with pytest.raises(StateError, match="not there any more"):
        write()
    database.close()


def test_a_link_that_is_turned_to_another_state_is_a_replaced_state(tmp_path: Path) -> None:
    for name in ("one", "two"):
        Store.open(f"sqlite:///{tmp_path}/{name}.db").close()
    link = tmp_path / "state.db"
    link.symlink_to("one.db")
    store = Store.open(f"sqlite:///{link}")
    act(store)
    link.unlink()
    link.symlink_to("two.db")
    with pytest.raises(StateError, match="replaced"):
        act(store)
    store.close()
    assert (entries(tmp_path / "one.db"), entries(tmp_path / "two.db")) == (2, 0)


def test_a_process_that_changes_its_directory_stays_on_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store.open("sqlite:///state.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    act(store)
    store.close()
    assert entries(tmp_path / "state.db") == 2
    assert list((tmp_path / "elsewhere").iterdir()) == []


# What comes back


def custody_at_work(url: str) -> Custody:
    """A process that has swept and acted."""
    custody = Custody(url)
    assert custody.check(busy=False)
    act(custody.store, 5)
    custody.note()
    return custody


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
    custody = Custody(url)
    custody.close()
    Path(f"{path}.head").write_text('{"entries": 14, "hash": "%s", "given_up": 0}' % ("0" * 64))
    assert "its entry 14 is not the one that was logged" in Store.open(url).fault


def test_a_record_that_was_pruned_since_is_not_an_older_copy(url: str, path: Path) -> None:
    custody = custody_at_work(url)
    assert custody.store.journal.prune(NOW + 1) == 10
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
    custody = Custody(url)
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
    monkeypatch.setattr("reaper.store.database.BUSY_TIMEOUT_MS", 1)
    store = Store.open(url)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="locked"):
            act(store)
        other.execute("ROLLBACK")
    assert store.fault == ""
    act(store)
    store.close()


# A new state


def test_a_new_state_is_readable_by_its_owner_alone_whatever_the_umask(url: str, path: Path) -> None:
    kept = os.umask(0)
    try:
        custody = custody_at_work(url)
        made = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(kept)
    custody.close()
    names = {"state.db", "state.db-wal", "state.db-shm", "state.db.lock", "state.db.head"}
    assert made == dict.fromkeys(names, 0o600)


def test_a_new_state_is_not_read_together_with_the_log_of_one_that_is_gone(url: str, path: Path) -> None:
    store = Store.open(url)
    act(store, 5)
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        shutil.copy(path.parent / name, path.parent.parent / name)
    store.close()
    for name in ("state.db-wal", "state.db-shm"):
        shutil.copy(path.parent.parent / name, path.parent / name)
    path.unlink()
    store = Store.open(url)
    assert (store.fault, store.head.entries) == ("", 0)
    act(store)
    assert store.journal.verify().broken is None
    store.close()
    # And what was in that log can still be found.
    assert Path(f"{path}-wal.left").stat().st_size > 0


def test_a_state_that_could_not_be_made_leaves_nothing_behind(
    url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reaper.store.database.set_aside", full)
    assert "No space left" in Store.open(url).fault
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("name", ["a b.db", "a#b.db", "100%25.db", "ü.db", "a;b&c=d.db"])
def test_a_state_of_an_odd_name_is_the_file_of_that_name(tmp_path: Path, name: str) -> None:
    database = tmp_path / name
    store = Store.open(f"sqlite:///{database}".replace("%25", "%2525"))
    act(store)
    assert store.fault == ""
    store.close()
    assert entries(database) == 2


def test_a_state_that_has_two_names_is_refused(url: str, path: Path) -> None:
    Store.open(url).close()
    os.link(path, path.with_suffix(".other"))
    for name in (path, path.with_suffix(".other")):
        assert "2 names" in Store.open(f"sqlite:///{name}").fault


def test_a_state_that_everybody_can_write_to_is_refused_and_one_of_a_group_is_not(url: str, path: Path) -> None:
    Store.open(url).close()
    path.chmod(0o660)
    assert Store.open(url).fault == ""
    path.chmod(0o666)
    assert "written by everybody" in Store.open(url).fault


# The claim


def test_through_a_link_the_state_is_claimed_once(tmp_path: Path, url: str, path: Path) -> None:
    Store.open(url).close()
    (tmp_path / "link.db").symlink_to(path)
    (tmp_path / "folder").symlink_to(path.parent)
    claim = Claim(url)
    for other in (tmp_path / "link.db", tmp_path / "folder" / "state.db", path.parent / ".." / "volume" / "state.db"):
        with pytest.raises(ClaimedElsewhereError):
            Claim(f"sqlite:///{other}")
    claim.release()


def linked(lock: Path) -> None:
    victim = lock.parent.parent / "victim"
    victim.write_text("precious")
    lock.symlink_to(victim)


def hard_linked(lock: Path) -> None:
    victim = lock.parent.parent / "victim"
    victim.write_text("precious")
    os.link(victim, lock)


def a_folder(lock: Path) -> None:
    lock.mkdir()


def a_pipe(lock: Path) -> None:
    os.mkfifo(lock)


def open_to_all(lock: Path) -> None:
    lock.touch()
    lock.chmod(0o666)


@pytest.mark.parametrize("plant", [linked, hard_linked, a_folder, a_pipe, open_to_all])
def test_a_lock_that_was_planted_is_refused_and_nothing_is_written_through_it(
    url: str, path: Path, plant: Callable[[Path], None]
) -> None:
    plant(Path(f"{path}.lock"))
    with pytest.raises(StateError, match=r"state\.db\.lock: "):
        Claim(url)
    victim = path.parent.parent / "victim"
    assert not victim.exists() or victim.read_text() == "precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of another user")
def test_a_lock_of_another_user_is_refused_and_named(url: str, path: Path) -> None:
    lock = Path(f"{path}.lock")
    lock.write_text("theirs")
    os.chown(lock, NOBODY, NOBODY)
    with pytest.raises(StateError, match=f"owned by uid {NOBODY}"):
        Claim(url)
    assert lock.read_text() == "theirs"


HOLDER = """
import fcntl, os, sys
os.setgid(65534); os.setuid(65534)
try:
    fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)
    print("held")
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_can_not_hold_the_lock() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        lock = Path(folder) / "state.db.lock"
        lock.write_text("of an earlier version")
        lock.chmod(0o644)
        command = [sys.executable, "-c", HOLDER, str(lock)]
        assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "held\n"
        claim = Claim(f"sqlite:///{folder}/state.db")
        claim.release()
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert told == "Permission denied\n"


@pytest.mark.parametrize("number", [37, 95])
def test_a_file_system_without_locks_is_called_that_and_not_another_process(
    url: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("reaper.store.claim.fcntl.flock", unsupported)
    with pytest.raises(StateError, match=f"{os.strerror(number)}.*no working locks.*volume that only one pod mounts"):
        Claim(url)


@pytest.mark.parametrize("accident", [removed, moved_away, replaced_by_an_empty_file, folder_moved])
def test_no_intent_is_written_once_the_lock_keeps_nobody_else_out(
    url: str, path: Path, accident: Callable[[Path], None]
) -> None:
    custody = custody_at_work(url)
    accident(Path(f"{path}.lock"))
    with pytest.raises(StateError, match=r"not there any more|replaced"):
        act(custody.store)
    assert not custody.check(busy=True)
    assert custody.fault != ""
    assert custody.standby != ""
    custody.close()


def test_a_lock_that_was_removed_is_taken_again_once_nothing_is_under_way(url: str, path: Path) -> None:
    custody = custody_at_work(url)
    Path(f"{path}.lock").unlink()
    assert not custody.check(busy=True)
    assert custody.check(busy=False)
    assert (custody.fault, custody.standby) == ("", "")
    act(custody.store)
    with pytest.raises(ClaimedElsewhereError):
        Claim(url)
    custody.close()


def test_a_lock_that_was_moved_away_and_back_is_held_as_before(url: str, path: Path) -> None:
    custody = custody_at_work(url)
    lock = Path(f"{path}.lock")
    lock.rename(f"{lock}.away")
    assert not custody.check(busy=True)
    Path(f"{lock}.away").rename(lock)
    assert custody.check(busy=True)
    assert (custody.fault, custody.standby) == ("", "")
    act(custody.store)
    custody.close()


def test_a_lock_that_another_process_took_meanwhile_is_left_to_it(url: str, path: Path) -> None:
    custody = custody_at_work(url)
    Path(f"{path}.lock").unlink()
    other = Claim(url)
    assert not custody.check(busy=False)
    assert f"pid {os.getpid()}" in custody.standby
    with pytest.raises(StateError):
        act(custody.store)
    other.release()
    assert custody.check(busy=False)
    act(custody.store)
    custody.close()


def test_a_claim_that_cannot_be_taken_is_stood_by_for(url: str, path: Path) -> None:
    Path(f"{path}.lock").mkdir()
    custody = Custody(url)
    assert not custody.check(busy=False)
    assert "state.db.lock" in custody.standby
    assert "state.db.lock" in custody.fault
    Path(f"{path}.lock").rmdir()
    assert custody.check(busy=False)
    assert (custody.fault, custody.standby) == ("", "")
    custody.close()


# Plans


def test_a_saved_plan_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    kept = os.umask(0)
    try:
        write_private(str(tmp_path / "plan.json"), "{}")
    finally:
        os.umask(kept)
    assert stat.S_IMODE((tmp_path / "plan.json").stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a link of another user")
def test_a_plan_is_not_saved_through_the_link_of_another_user(tmp_path: Path) -> None:
    victim, link = tmp_path / "victim", tmp_path / "plan.json"
    victim.write_text("precious")
    link.symlink_to(victim)
    write_private(str(link), "mine")
    assert victim.read_text() == "mine"
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(OSError, match="symbolic link of uid"):
        write_private(str(link), "theirs")
    assert victim.read_text() == "mine"

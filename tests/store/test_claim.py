"""The claim to sweep: through links, planted, of another user, without locks, lost and taken again."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from state_world import (
    act,
    custody_at_work,
    folder_moved,
    moved_away,
    removed,
    replaced_by_an_empty_file,
)

from reaper.store.claim import Claim, ClaimedElsewhereError
from reaper.store.database import StateError
from reaper.store.held_state import HeldState
from reaper.store.store import Store

NOBODY = 65534


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
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert printed == "Permission denied\n"


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
    custody = HeldState(url)
    assert not custody.check(busy=False)
    assert "state.db.lock" in custody.standby
    assert "state.db.lock" in custody.fault
    Path(f"{path}.lock").rmdir()
    assert custody.check(busy=False)
    assert (custody.fault, custody.standby) == ("", "")
    custody.close()

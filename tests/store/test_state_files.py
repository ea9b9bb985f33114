"""A state whose files are removed, replaced, planted or linked while a process relies on it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from state_world import (
    act,
    custody_at_work,
    emptied,
    entries,
    folder_moved,
    folder_swapped,
    log_removed,
    log_replaced,
    moved_away,
    removed,
    replaced_by_a_copy,
    replaced_by_an_empty_file,
)

from reaper.store.database import Database, StateError
from reaper.store.state_files import write_private
from reaper.store.store import Store

NOBODY = 65534
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

"""A state on a volume, what happens to its files, and a process that relies on it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from test_store import do

from reaper.core.model import OutcomeKind
from reaper.store.held_state import HeldState
from reaper.store.store import Store


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


def custody_at_work(url: str) -> HeldState:
    """A process that has swept and acted."""
    held = HeldState(url)
    assert held.check(busy=False)
    act(held.store, 5)
    held.note()
    return held

"""Copies of a state file: consistent while others write to it, whole or not there at all, never over another file."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from sqlalchemy.exc import SQLAlchemyError

from reaper.store import tables
from reaper.store.connections import error_text, reading
from reaper.store.database import StateError, check_damage, check_whole
from reaper.store.heads import NotedHead, head_of
from reaper.store.state_files import PRIVATE

SPARE_BYTES: Final = 16 << 20
"""So much must be left on the disk beside a copy: what is migrated next needs room, too."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy that was made and read: which version of a state it is, and how far its record has come."""

    file: str
    version: int | None
    head: NotedHead


def copy_state(real: str, target: str) -> Copied:
    """Copy a state, in use or not, to a new file `target`, on disk and found whole when this returns.

    Raises StateError, also where there is something at `target`.
    """
    try:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "is there already, and no copy replaces a file", target)
        with made_aside(target) as fresh:
            copy_pages(real, fresh)
            copied = read_copy(fresh, target)
            place(fresh, target)
    except (OSError, sqlite3.Error) as error:
        raise StateError(f"state {real}: it was not copied: {error_text(error)}") from error
    return copied


def read_copy(file: str, name: str) -> Copied:
    """What a copy that nobody writes to holds; StateError when it is damaged or not whole."""
    try:
        with closing(reading(file).connect()) as connection, connection.begin():
            check_damage(connection, name)
            check_whole(connection, name)
            return Copied(name, tables.version_in(connection), head_of(connection))
    except SQLAlchemyError as error:
        raise StateError(f"state {name}: {error_text(error)}") from error


@contextmanager
def made_aside(target: str) -> Iterator[str]:
    """An empty private file beside `target`; it is gone in the end, unless it was put in its place."""
    fresh = f"{target}.{os.getpid()}.new"
    _remove(fresh)
    os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))
    try:
        yield fresh
    finally:
        _remove(fresh)


def _remove(fresh: str) -> None:
    """Remove a file that was being made, and what SQLite left beside it, which would be read with the next one."""
    for name in (fresh, f"{fresh}-wal", f"{fresh}-shm"):
        with suppress(FileNotFoundError):
            os.unlink(name)


def copy_pages(real: str, fresh: str, *, still: bool = False) -> None:
    """Fill an empty file with a state as it is now, log included. Raises OSError or sqlite3.Error.

    Of a copy that lies `still` nothing is asked but to be read: it may be on a medium that nobody can write to.
    """
    how = "immutable=1" if still and not os.path.exists(f"{real}-wal") else "mode=rw"
    with closing(sqlite3.connect(f"file:{quote(os.fsencode(real))}?{how}", uri=True)) as source:
        pages, size = (source.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        _check_room(os.path.dirname(fresh), pages * size)
        with closing(sqlite3.connect(fresh)) as made:
            # A journal of a file that nobody knows yet serves nobody; `place` sees to the disk.
            made.execute("PRAGMA journal_mode=OFF")
            made.execute("PRAGMA synchronous=OFF")
            source.backup(made)


def place(fresh: str, target: str, *, over: bool = False) -> None:
    """Let a finished file be `target`, on disk with its name; only `over` what is there if that is said."""
    _flush(fresh)
    if not over:
        # Renaming would replace whatever came there since: the place is taken first.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))
    os.rename(fresh, target)
    _flush(os.path.dirname(target) or ".")


def _check_room(folder: str, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE_BYTES:
        what = f"a copy of the state needs {_mib(needed + SPARE_BYTES)}, {_mib(free)} are free: make room"
        raise OSError(errno.ENOSPC, what, folder)


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"


def _flush(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Puts a copy in the place of the state, as a person asked: whole or not at all, told in its record."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import NullPool, select
from sqlalchemy.exc import SQLAlchemyError

from reaper.store import chain, tables
from reaper.store.claim import Claim, ClaimedElsewhereError
from reaper.store.connections import engine_on, error_text, reading
from reaper.store.copies import copy_pages, copy_state, made_aside, place, read_copy
from reaper.store.database import Database, StateError, path_of
from reaper.store.heads import Note, NotedHead, head_of, read_note, write_note
from reaper.store.state_files import copy_name, set_aside
from reaper.store.upgrade import migrate_checked, verdict_text
from reaper.store.verification import verify

RESTORED: Final = "state_restored"
"""What the record calls this event."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put in place: a copy of this version, how far the record had come before, and where that state is.

    `unheld` names what people held then, as far as that could be read, and what the copy knows nothing of.
    """

    version: int
    head: NotedHead
    had: int
    kept: str
    unheld: tuple[str, ...]


def restore(url: str, file: str, at: float, origin: Mapping[str, Any]) -> Restored:
    """Let a copy be the state from now on; the state as it was is copied aside before.

    All that can fail is done beside the state; then one rename puts it in place. What was recorded after the copy
    was made is given up, and the record says so. Raises StateError, ClaimedElsewhereError while somebody sweeps.
    """
    real, copied = os.path.realpath(path_of(url)), os.path.realpath(file)
    if real == copied:
        raise StateError(f"state {url}: it cannot be restored from itself")
    claim = _claim_unless_at_fault(url)
    try:
        with made_aside(f"{real}.restored") as fresh:
            copy_pages(copied, fresh, still=True)
            version = _usable(fresh, file)
            had, kept = _how_far(real), _set_copy_aside(real, at)
            unheld = tuple(sorted(name for _, name in _held(real) - _held(fresh)))
            told = {"file": os.path.basename(file), "had": had, "kept": os.path.basename(kept), "unheld": unheld}
            head = _prepare(fresh, file, version, at, {**told, "origin": origin})
            _write_log_back(real)
            set_aside(real)
            place(fresh, real, over=True)
            write_note(real, Note(head, had if had > head.entries else 0))
    except (OSError, sqlite3.Error, SQLAlchemyError) as error:
        raise StateError(f"state {url}: {file} was not restored: {error_text(error)}") from error
    finally:
        if claim is not None:
            claim.release()
    return Restored(version, head, had, kept, unheld)


def _claim_unless_at_fault(url: str) -> Claim | None:
    """The claim; None where another process holds it and, as everybody, cannot use the state: it touches nothing."""
    try:
        return Claim(url)
    except ClaimedElsewhereError:
        try:
            Database(url, create=False).close()
        except StateError:
            return None
        raise


def _usable(fresh: str, file: str) -> int:
    """The version of a copy, which this program can use and whose record holds."""
    version = read_copy(fresh, file).version or 0
    if not 1 <= version <= tables.SCHEMA_VERSION:
        raise StateError(f"state {file}: version {version or 'unknown'}, this program writes {tables.SCHEMA_VERSION}")
    with closing(reading(fresh).connect()) as connection, connection.begin():
        verdict = verify(connection)
    if verdict.broken or verdict.doubts:
        raise StateError(f"state {file}: its record does not hold: {verdict_text(verdict)}")
    return version


def _how_far(real: str) -> int:
    """How many entries the record had, as far as anybody can still tell."""
    known = [0]
    with suppress(OSError, ValueError):
        note = read_note(real)
        known += [note.head.entries, note.given_up] if note else []
    with suppress(SQLAlchemyError), closing(reading(real).connect()) as connection, connection.begin():
        known.append(head_of(connection).entries)
    return max(known)


def _held(file: str) -> set[tuple[str, str]]:
    """The holds that were not released, each with what it is on; none where that cannot be read."""
    hold = tables.holds.c
    columns = (hold.id, hold.project, hold.agent, hold.session, hold.until, hold.legal)
    with suppress(SQLAlchemyError), closing(reading(file).connect()) as connection, connection.begin():
        rows = connection.execute(select(*columns).where(hold.released.is_(None)))
        return {(row.id, f"{row.project}/{row.agent} {row.session} ({row.until or row.legal})") for row in rows}
    return set()


def _set_copy_aside(real: str, at: float) -> str:
    """Copy the state as it is, '' when there is none; one that is damaged byte by byte."""
    if not os.path.exists(real):
        return ""
    version = None
    with suppress(SQLAlchemyError), closing(reading(real).connect()) as connection, connection.begin():
        version = tables.version_in(connection)
    kept = copy_name(real, version, at)
    try:
        copy_state(real, kept)
    except StateError:
        with made_aside(kept) as fresh:
            shutil.copyfile(real, fresh)
            place(fresh, kept)
    return kept


def _write_log_back(real: str) -> None:
    """Let the state be whole without its log, which the next one must not be read with."""
    if os.path.exists(real):
        with suppress(SQLAlchemyError), closing(engine_on(real, NullPool).connect()) as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _prepare(fresh: str, file: str, version: int, at: float, told: Mapping[str, Any]) -> NotedHead:
    """Bring the file that is about to be the state up to this version, and let its record tell of it."""
    with closing(engine_on(fresh, NullPool).connect()) as connection, connection.begin():
        chain.lock(connection)
        if version < tables.SCHEMA_VERSION:
            origin = {"origin": told["origin"]}
            migrate_checked(connection, file, version, at, {"copy": told["file"], **origin})
        chain.note(connection, RESTORED, "", "", at, told)
        head = head_of(connection)
    if os.path.exists(f"{fresh}-wal"):
        raise StateError(f"state {file}: it was not restored: {fresh}-wal was left, somebody else has it open")
    return head

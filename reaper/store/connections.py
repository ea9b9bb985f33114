"""Connections to a state file, and what their errors mean."""

from __future__ import annotations

import os
import sqlite3
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, Pool, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

BUSY_TIMEOUT_MS: Final = 5_000
_PASSING: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN}
"""What somebody who writes for long, or a process without descriptors, gets: the file itself has nothing."""


def engine_on(real: str, pool: type[Pool] | None = None) -> Engine:
    """Connections to a file that is there: SQLite would make an empty one in place of one that is not."""
    engine = create_engine(url_of(real), poolclass=pool)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    return engine


def url_of(real: str) -> URL:
    """The address of a file that is there."""
    return _url(real, mode="rw")


def _url(real: str, **how: str) -> URL:
    return URL.create("sqlite", database=f"file:{quote(os.fsencode(real))}", query={**how, "uri": "true"})


def reading(real: str) -> Engine:
    """Connections that only read a file, even on a medium that nobody can write to. Nothing is made beside it."""
    # The log of a state in use has to be read, too. Without one nobody writes, and nothing need be made to read.
    how = {"mode": "ro"} if os.path.exists(f"{real}-wal") else {"immutable": "1"}
    engine = create_engine(_url(real, **how), poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA query_only=ON")

    return engine


def changes_by(connection: Connection) -> int:
    """How many rows this connection has ever changed."""
    return int(connection.connection.driver_connection.total_changes)  # type: ignore[union-attr]


def is_lasting(error: SQLAlchemyError) -> bool:
    """Whether an error says something about the file, and not about the one transaction."""
    original = error.orig if isinstance(error, DBAPIError) else None
    if not isinstance(original, sqlite3.DatabaseError):
        return False
    if isinstance(original, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.DataError):
        return False
    return getattr(original, "sqlite_errorcode", 0) & 0xFF not in _PASSING


def error_text(error: Exception) -> str:
    """One line about what went wrong, with the file where that is known."""
    original = getattr(error, "orig", None) or error
    if isinstance(original, OSError) and original.strerror:
        return f"{original.filename}: {original.strerror}" if original.filename else original.strerror
    return str(original).splitlines()[0] if str(original) else type(original).__name__

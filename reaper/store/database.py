"""Opens the state file, and refuses one that cannot be trusted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from reaper.clock import SystemClock
from reaper.store import schema
from reaper.store.migrations import AlteredVersionError, migrate

MEMORY_URL: Final = "sqlite://"
BUSY_TIMEOUT_MS: Final = 5_000
_MEMORY: Final = (None, "", ":memory:")


class StateError(Exception):
    """The state cannot be read or written; nothing may be stopped or deleted without it."""


class Database:
    """A state file that was checked to be ours, whole, writable and of this version.

    SQLite in WAL mode, every commit on disk before it returns. Raises StateError.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._is_new = _is_new(url)
        try:
            self._engine = _engine(url)
            self._prepare()
        except (SQLAlchemyError, OSError) as error:
            raise StateError(f"state {url}: {_plain(error)}") from error

    def _prepare(self) -> None:
        with self._engine.connect() as connection:
            verdict = connection.execute(text("PRAGMA quick_check(1)")).scalar()
            if verdict != "ok":
                raise StateError(f"state {self.url}: the file is damaged: {verdict}")
        with self._engine.begin() as connection:
            if self._is_new:
                schema.metadata.create_all(connection)
                connection.execute(insert(schema.meta).values(key="version", value=str(schema.SCHEMA_VERSION)))
            self._check_whole(connection)
            self._bring_up_to_date(connection)
            self._check_version(connection)
            connection.execute(text("UPDATE meta SET value = value"))

    def _check_whole(self, connection: Connection) -> None:
        """Refuse a file that lost a table, was emptied, or is another program's: it forgets what was promised."""
        missing = schema.metadata.tables.keys() - set(inspect(connection).get_table_names())
        if missing:
            raise StateError(f"state {self.url}: not a whole state file, it lacks: {', '.join(sorted(missing))}")

    def _bring_up_to_date(self, connection: Connection) -> None:
        try:
            migrate(connection, SystemClock().wall())
        except (AlteredVersionError, ValueError) as error:
            raise StateError(f"state {self.url}: {error}") from error

    def _check_version(self, connection: Connection) -> None:
        found = connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == "version")).scalar()
        if found != str(schema.SCHEMA_VERSION):
            raise StateError(f"state {self.url}: version {found}, this program writes {schema.SCHEMA_VERSION}")

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction, on disk when the block ends; StateError when that fails."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StateError(f"state {self.url}: {_plain(error)}") from error

    def close(self) -> None:
        self._engine.dispose()


def _is_new(url: str) -> bool:
    """Whether there is no file yet; an empty one is not new, something emptied it."""
    name = make_url(url).database
    return name in _MEMORY or not Path(str(name)).exists()


def _engine(url: str) -> Engine:
    memory = make_url(url).database in _MEMORY
    engine = create_engine(url, poolclass=StaticPool) if memory else create_engine(url)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    return engine


def _plain(error: Exception) -> str:
    original = getattr(error, "orig", None) or error
    return str(original).splitlines()[0] if str(original) else type(original).__name__

"""A state file opened to be read only, even on a medium that nobody can write to. Nothing is made beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from reaper.store import tables
from reaper.store.database import BUSY_TIMEOUT_MS, StateError, check_damage, check_whole, path_of


class ReadOnlyState:
    """A whole state file of this version, which this process never writes to. Raises StateError."""

    def __init__(self, url: str) -> None:
        self.url = url
        path = Path(path_of(url)).resolve()
        # The log of a state in use has to be read, too. Without one nobody writes, and nothing need be made to read.
        mode = "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"
        self._engine = create_engine(f"sqlite:///file:{quote(str(path))}?{mode}&uri=true", poolclass=NullPool)

        @event.listens_for(self._engine, "connect")
        def _configure(connection: Any, _record: Any) -> None:
            connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            connection.execute("PRAGMA query_only=ON")

        with self.begin() as connection:
            check_damage(connection, url)
            check_whole(connection, url)
            version = tables.read_meta(connection, "version")
        if version != str(tables.SCHEMA_VERSION):
            raise StateError(
                f"state {self.url}: version {version}, this program reads {tables.SCHEMA_VERSION}; an older one is "
                "brought up to date by the next `reaper sweep`, or by `reaper plan` on a copy that can be written"
            )

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that reads."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            problem = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise StateError(f"state {self.url}: {problem}") from error

    def check_exclusive(self) -> None:
        """No action ever begins here."""
        raise StateError(f"state {self.url}: opened to be read only")

    def close(self) -> None:
        self._engine.dispose()

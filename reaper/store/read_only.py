"""A state file opened to be read only, of this version or a neighbouring one, even where nobody can write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import SQLAlchemyError

from reaper.store import tables
from reaper.store.connections import error_text, reading
from reaper.store.database import StateError, check_damage, check_whole, path_of
from reaper.store.migrations import altered_version


class ReadOnlyState:
    """A whole state file whose record this version can read, and which this process never writes to.

    Every earlier version's, and the next one's: whoever changes how the record is written skips a number. Raises
    StateError.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = reading(os.path.realpath(path_of(url)))
        with self.begin() as connection:
            check_damage(connection, url)
            check_whole(connection, url)
            self.version = self._readable(connection)

    def _readable(self, connection: Connection) -> int:
        """Which version wrote the state, if its record is of a kind that is known."""
        version = tables.version_in(connection) or 0
        if not 1 <= version <= tables.SCHEMA_VERSION + 1:
            known = f"this program reads 1 to {tables.SCHEMA_VERSION + 1}"
            raise StateError(
                f"state {self.url}: version {version or 'unknown'}, {known}: take the program that wrote it"
            )
        altered = altered_version(connection, version)
        if altered:
            raise StateError(f"state {self.url}: {altered}")
        if version > tables.SCHEMA_VERSION:
            columns = [column["name"] for column in inspect(connection).get_columns(tables.journal.name)]
            if columns != tables.journal.c.keys():
                raise StateError(
                    f"state {self.url}: version {version} writes the record in another way: take a program of it"
                )
        return version

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that reads."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StateError(f"state {self.url}: {error_text(error)}") from error

    def check_exclusive(self) -> None:
        """No action ever begins here."""
        raise StateError(f"state {self.url}: opened to be read only")

    def close(self) -> None:
        self._engine.dispose()

"""Opens the state file, and refuses one that cannot be trusted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, Protocol

from sqlalchemy import Connection, NullPool, create_engine, insert, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from reaper.logs import get_logger
from reaper.store import tables
from reaper.store.connections import changes_by, engine_on, error_text, is_lasting, url_of
from reaper.store.heads import Note, NotedHead, head_of, note_path, read_note, why_behind, write_note
from reaper.store.migrations import altered_version
from reaper.store.state_files import PRIVATE, OpenedFile, copies_of, making_in, set_aside

log = get_logger("reaper")

MEMORY_URL: Final = "sqlite://"
_MEMORY: Final = ("", ":memory:")
ACCEPT: Final = "`reaper state check --accept` accepts it as it is"


class StateError(Exception):
    """The state cannot be read or written; nothing may be stopped or deleted without it."""


class OlderStateError(StateError):
    """The state is whole, but it is not as far as it was; a person may accept that."""


def path_of(url: str) -> str:
    """The file that a state's address names, '' for none."""
    return make_url(url).database or ""


class OlderVersionError(StateError):
    """An earlier version wrote the state: who may sweep on it brings it up to this one first."""


class NewerVersionError(StateError):
    """A later version wrote the state: it cannot be used by this one."""


class Exclusive(Protocol):
    """What keeps other processes from sweeping."""

    def lost(self) -> str:
        """Why it does not any more, '' while it does."""


class Database:
    """A state file that was checked to be ours, whole, writable and of this version. It is never migrated by this.

    SQLite in WAL mode, every commit on disk before it returns. Raises StateError. `fault` says why it cannot be
    relied on any more: a file that was removed or replaced, a disk that is full, pages that are damaged.

    A file that is missing is made, if it may be; `known` is a head that its record must contain, as far as a person
    has not accepted less. `believing` takes any.
    """

    def __init__(
        self, url: str, *, create: bool = True, known: NotedHead | None = None, believing: bool = False
    ) -> None:
        self.url = url
        self.fault = ""
        self.head = known or NotedHead()
        self.exclusive: Exclusive | None = None
        self._anchor: Connection | None = None
        name = path_of(url)
        self._watch = None if name in _MEMORY else OpenedFile(name)
        try:
            self._open(create, believing)
        except (SQLAlchemyError, OSError) as error:
            self.close()
            raise StateError(f"state {url}: {error_text(error)}") from error
        except StateError:
            self.close()
            raise

    @property
    def folder(self) -> str:
        """Where the file is, '' for none."""
        return os.path.dirname(self._watch.real) if self._watch else ""

    def _open(self, create: bool, believing: bool) -> None:
        watch = self._watch
        self._engine = create_engine(MEMORY_URL, poolclass=StaticPool) if watch is None else engine_on(watch.real)
        self._anew = self._engine if watch is None else engine_on(watch.real, NullPool)
        if watch is None:
            with self._engine.begin() as connection:
                _create_tables(connection)
        else:
            self._find(watch, create)
        # SQLite removes the files beside the state with the last connection, so one stays open all the time.
        self._anchor = self._engine.connect()
        with self._anchor.begin():
            check_whole(self._anchor, self.url)
            check_version(self._anchor, self.url)
        if watch is not None:
            watch.opened()
            self._check_note(watch.real, believing)
        with self._engine.begin() as connection:
            check_damage(connection, self.url)
            connection.execute(text("UPDATE meta SET value = value"))
        if watch is not None:
            watch.opened()
            self.check()

    def _find(self, watch: OpenedFile, create: bool) -> None:
        """Make sure there is a state file; a new one appears whole or not at all."""
        if not os.path.exists(watch.real):
            if not create:
                again = "put it back, or restart this process to begin a new one that knows nothing"
                raise StateError(f"state {self.url}: the file is not there any more: {again}")
            with making_in(os.path.dirname(watch.real)):
                if not os.path.exists(watch.real):
                    _create(watch.real)
        watch.check()
        watch.expect()

    def _check_note(self, real: str, believing: bool) -> None:
        """Refuse a record that had come further, by the note beside it or by what this process knows."""
        if believing:
            self.head = NotedHead()
            self.look()
            return
        try:
            note = read_note(real)
        except ValueError as error:
            why = f"{note_path(real)} cannot be read, it says how far the record had come"
            raise OlderStateError(f"state {self.url}: {why}; {ACCEPT}") from error
        if note is not None and note.overrules(self.head):
            self.head = note.head
        self.look()

    def look(self) -> NotedHead:
        """The head of the record, read anew from the file; StateError when it is not as far as it was.

        What this process read before is in memory still, and would hide that the file was overwritten.
        """
        self.check()
        try:
            with self._anew.connect() as connection:
                self.head = self._head_in(connection)
        except SQLAlchemyError as error:
            raise self._failed(error) from error
        return self.head

    def _head_in(self, connection: Connection) -> NotedHead:
        """The head of the record as this connection sees it, which must contain what was known.

        What a process of another version has migrated meanwhile is not written to any more.
        """
        try:
            check_version(connection, self.url)
        except StateError as error:
            self.fault = self.fault or str(error)
            raise
        why = why_behind(connection, self.head) if self._watch else ""
        if why:
            self.fault = self.fault or f"state {self.url}: {why}; put the newest back, or {ACCEPT}"
            raise OlderStateError(self.fault)
        return head_of(connection)

    def check(self) -> None:
        """Refuse files that are not those that were opened; then this is at fault until it is opened again."""
        self._refuse_changed(self._watch.changed() if self._watch else "")

    def _refuse_changed(self, changed: str) -> None:
        if changed:
            self.fault = self.fault or f"state {self.url}: {changed}"
            raise StateError(self.fault)

    def check_exclusive(self) -> None:
        """Refuse to let anything new begin, at fault or once another process may sweep, too."""
        lost = self.exclusive.lost() if self.exclusive else ""
        if self.fault or lost:
            raise StateError(self.fault or f"state {self.url}: {lost}")

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction, on disk when the block ends, in the file that was opened; StateError when that fails.

        What is added in memory, in place of a state at fault, says nothing of how far a record has come.
        """
        self.check()
        head = None
        try:
            with self._engine.begin() as connection:
                before = changes_by(connection)
                yield connection
                if self._watch is not None and changes_by(connection) != before:
                    head = self._head_in(connection)
        except SQLAlchemyError as error:
            raise self._failed(error) from error
        self.head = head or self.head
        self._refuse_changed(self._watch.settled() if self._watch else "")

    def _failed(self, error: SQLAlchemyError) -> StateError:
        """What an error means; one that does not pass by itself puts this at fault."""
        failed = StateError(f"state {self.url}: {error_text(error)}")
        if is_lasting(error):
            self.fault = self.fault or str(failed)
        return failed

    def note(self) -> None:
        """Note how far the record has come, beside the state, so that the next process knows."""
        if self._watch is None or self.fault:
            return
        # With its log written back, a file that is overwritten as a whole cannot hide behind the log.
        with suppress(SQLAlchemyError), self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")
        self._watch.settled()
        try:
            before = read_note(self._watch.real)
            if before is None or before.head.entries < self.head.entries:
                given_up = before.given_up if before and before.given_up > self.head.entries else 0
                write_note(self._watch.real, Note(self.head, given_up))
        except (OSError, ValueError) as error:
            log.warning("head_not_noted", state=self.url, error=error_text(error))

    def accept(self) -> NotedHead:
        """Take this file for the state although its record had come further; returns how far it had, as far as known.

        Also a process that still knows how far it had will go on with it.
        """
        if self._watch is None:
            return self.head
        try:
            before = read_note(self._watch.real)
        except ValueError:
            before = None
        had = before.head if before else self.head
        given_up = max(had.entries, before.given_up if before else 0)
        try:
            write_note(self._watch.real, Note(self.head, given_up if given_up > self.head.entries else 0))
        except OSError as error:
            raise StateError(f"state {self.url}: {error_text(error)}") from error
        return had

    def close(self) -> None:
        if self._watch is not None and self._watch.changed():
            self._leave_old_file(self._watch)
        if self._anchor is not None:
            self._anchor.close()
        self._engine.dispose()

    def _leave_old_file(self, watch: OpenedFile) -> None:
        """Ask a file that has lost its place how far its record had come, and leave no log where it was.

        What is put there next would be read together with that log.
        """
        with suppress(SQLAlchemyError), self._engine.connect() as connection:
            if not why_behind(connection, self.head):
                self.head = head_of(connection)
            connection.rollback()
            if watch.owns_log():
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def check_damage(connection: Connection, url: str) -> None:
    """Refuse a file with pages that cannot be read."""
    verdict = connection.execute(text("PRAGMA quick_check(1)")).scalar()
    if verdict != "ok":
        raise StateError(f"state {url}: the file is damaged: {verdict}")


def check_whole(connection: Connection, url: str) -> None:
    """Refuse a file that lost a table, was emptied, or is another program's: it forgets what was promised."""
    there = set(inspect(connection).get_table_names())
    missing = tables.metadata.tables.keys() - there
    if missing and tables.meta.name in there:
        missing -= tables.unknown_to(tables.version_in(connection))
    if missing:
        raise StateError(f"state {url}: not a whole state file, it lacks: {', '.join(sorted(missing))}")


def check_version(connection: Connection, url: str) -> None:
    """Refuse a state that another version wrote, and say what to do."""
    version = tables.version_in(connection)
    if version == tables.SCHEMA_VERSION:
        return
    told = f"state {url}: version {version or 'unknown'}, this program writes {tables.SCHEMA_VERSION}"
    if not version:
        raise StateError(f"{told}: its version was altered")
    if version > tables.SCHEMA_VERSION:
        beside = ", ".join(copies_of(os.path.realpath(path_of(url)))) or "none beside it"
        back = f"go back to a copy with `reaper state restore FILE` ({beside})"
        raise NewerVersionError(f"{told}: run the later program again, or {back}")
    altered = altered_version(connection, version)
    if altered:
        raise StateError(f"state {url}: {altered}")
    how = "the daemon and `reaper sweep` bring it up to date when they start, `reaper state migrate` does now"
    raise OlderVersionError(f"{told}: {how}")


def _create(real: str) -> None:
    """A new state, made elsewhere and moved to its place."""
    fresh = f"{real}.{os.getpid()}.new"
    with suppress(FileNotFoundError):
        os.unlink(fresh)
    os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))
    try:
        with create_engine(url_of(fresh), poolclass=NullPool).begin() as connection:
            _create_tables(connection)
        set_aside(real)
        if note_path(real).exists():
            log.warning("state_begun_anew", state=real, meaning="the file was gone: grace and limits start again")
            note_path(real).unlink()
        os.rename(fresh, real)
    except BaseException:
        with suppress(OSError):
            os.unlink(fresh)
        raise


def _create_tables(connection: Connection) -> None:
    tables.metadata.create_all(connection)
    connection.execute(insert(tables.meta).values(key="version", value=str(tables.SCHEMA_VERSION)))

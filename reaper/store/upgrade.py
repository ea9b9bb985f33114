"""Brings a state of an earlier version up to this one: checked, copied, migrated and checked again, or as it was."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, NullPool
from sqlalchemy.exc import SQLAlchemyError

from reaper.store import chain, copies, tables
from reaper.store.claim import Claim
from reaper.store.connections import engine_on, error_text, reading
from reaper.store.database import OlderVersionError, StateError, check_damage, check_version, check_whole, path_of
from reaper.store.heads import NotedHead, head_of
from reaper.store.migrations import migrate
from reaper.store.state_files import copy_name
from reaper.store.verification import Verification, verify


@dataclass(frozen=True, slots=True)
class Migration:
    """What was done: from a version to this one, with a `copy` of the state as it was, and the record's new end."""

    first: int
    copy: str
    head: NotedHead
    last: int = tables.SCHEMA_VERSION

    def facts(self) -> dict[str, Any]:
        """What a log line or a command tells of it."""
        return {"from": self.first, "to": self.last, "copy": self.copy, "entries": self.head.entries}


def bring_up_to_date(url: str, claim: Claim, at: float, origin: Mapping[str, Any]) -> Migration | None:
    """Migrate the state to this version, as the only process that may sweep on it; None when it is of this version.

    All or nothing, at whatever point this process dies. Raises StateError; then the state is as it was.
    """
    real = os.path.realpath(path_of(url))
    try:
        with closing(engine_on(real, NullPool).connect()) as connection, connection.begin():
            # From here on nobody else writes: the copy is what is migrated.
            chain.lock(connection)
            first = _due(connection, url)
            if first is None:
                return None
            with _copied(real, first, at) as copied:
                if copied.head != head_of(connection):
                    raise StateError(f"state {url}: it was not migrated: {copied.file} is not what was copied")
                told = {"copy": os.path.basename(copied.file), "origin": origin}
                migrate_checked(connection, url, first, at, told)
                if claim.lost():
                    raise StateError(f"state {url}: it was not migrated: {claim.lost()}")
            return Migration(first, copied.file, head_of(connection))
    except (SQLAlchemyError, OSError) as error:
        raise StateError(f"state {url}: it was not migrated: {error_text(error)}") from error


@contextmanager
def _copied(real: str, version: int, at: float) -> Iterator[copies.Copied]:
    """A copy of the state as it is; it stays unless the block fails: each attempt makes one, and disks would fill."""
    copied = copies.copy_state(real, copy_name(real, version, at))
    try:
        yield copied
    except BaseException:
        os.unlink(copied.file)
        raise


def is_due(url: str) -> bool:
    """Whether an earlier version wrote the state; not where there is none, or nothing can be said of it."""
    real = os.path.realpath(path_of(url))
    if not os.path.exists(real):
        return False
    with suppress(SQLAlchemyError), closing(reading(real).connect()) as connection, connection.begin():
        return 0 < (tables.version_in(connection) or 0) < tables.SCHEMA_VERSION
    return False


def migrate_checked(connection: Connection, url: str, first: int, at: float, told: Mapping[str, Any]) -> None:
    """Take the steps, unless the record or a table would say anything else after them; StateError then.

    A record that was broken before stays exactly as broken, and its new entry says so.
    """
    before = verify(connection)
    try:
        migrate(connection, first, at, {**told, "record": verdict_text(before)})
    except ValueError as error:
        raise StateError(f"state {url}: it was not migrated: the record was altered: {error}") from error
    after = verify(connection)
    if (after.broken, after.doubts) != (before.broken, before.doubts):
        raise StateError(
            f"state {url}: it was not migrated: the record would not hold afterwards: {verdict_text(after)}"
        )
    check_whole(connection, url)


def _due(connection: Connection, url: str) -> int | None:
    """The version from which to migrate, None when there is nothing to do."""
    check_whole(connection, url)
    check_damage(connection, url)
    try:
        check_version(connection, url)
    except OlderVersionError:
        return tables.version_in(connection)
    return None


def verdict_text(verdict: Verification) -> str:
    """What a walk along the record found, in one line."""
    if verdict.broken is not None:
        return f"broken at entry {verdict.broken.row}: {verdict.broken.what}"
    return "; ".join(verdict.doubts) or "holds"

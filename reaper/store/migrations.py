"""Brings the state file of an earlier version up to this one, in place and in the transaction that opens it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection, select

from reaper.store import chain
from reaper.store.chain import EVENT
from reaper.store.covered import cover_all
from reaper.store.schema import SCHEMA_VERSION, journal, meta

MIGRATED: Final = "migrated"

Step = Callable[[Connection], None]


def _tables_unchanged(_connection: Connection) -> None:
    """From 1 to 2 only what the journal holds changes: events, which a program of version 1 must not meet."""


STEPS: Final[Sequence[Step]] = (_tables_unchanged,)
"""The step at position n makes a file of version n + 2 of one of version n + 1."""


class NoWayError(Exception):
    """The file is of no version that this program can bring up to date; the message says which."""


def migrate(connection: Connection, found: str | None, at: float) -> bool:
    """Bring a file of version `found` up to date; whether there was anything to do.

    It leaves a chained row that vouches for what the chain did not cover before. NoWayError when there is no way.
    """
    if found == str(SCHEMA_VERSION):
        return False
    if found is None or not found.isascii() or not found.isdigit() or not 0 < int(found) < SCHEMA_VERSION:
        raise NoWayError(f"version {found}, this program writes {SCHEMA_VERSION}")
    chain.lock(connection)
    if int(found) == 1 and connection.execute(select(journal.c.seq).where(journal.c.kind == EVENT).limit(1)).first():
        raise NoWayError("version 1 with entries of a later one: its version was altered")
    for step in STEPS[int(found) - 1 :]:
        step(connection)
    connection.execute(meta.update().where(meta.c.key == "version").values(value=str(SCHEMA_VERSION)))
    start = chain.checkpoint(connection)
    told = {"from": int(found), "to": SCHEMA_VERSION, "count": start.count, "hash": start.hash}
    cover_all(connection, MIGRATED, at, told)
    return True

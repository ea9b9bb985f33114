"""Brings the tables of an earlier version up to this one, in the transaction of whoever calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, select

from reaper.store import chain, tables
from reaper.store.chain import EVENT
from reaper.store.chained_tables import cover_all
from reaper.store.tables import SCHEMA_VERSION, journal, put_meta

MIGRATED: Final = "migrated"
UPGRADED: Final = "upgraded"
"""What the record calls a migration that vouches for nothing: the chain covered all there was."""


def altered_version(connection: Connection, version: int) -> str:
    """Why this file is not of the earlier version that it says, '' where nothing speaks against it.

    Whoever takes a table away and the version back would else have all forgotten that was in it.
    """
    is_event = journal.c.kind == EVENT
    if version == 1 and connection.execute(select(journal.c.seq).where(is_event).limit(1)).first():
        return "version 1 with entries of a later one: its version was altered"
    for name in sorted(tables.unknown_to(version)) if version < SCHEMA_VERSION else ():
        covered = journal.c.body.contains(f'"{name}": {{"digest"')
        if connection.execute(select(journal.c.seq).where(is_event, covered).limit(1)).first():
            return f"version {version} with {name} of a later one: its version was altered"
    return ""


def migrate(connection: Connection, first: int, at: float, told: Mapping[str, Any]) -> None:
    """Take the steps from version `first` to this one.

    A chained row of time `at` tells of it, with all that is `told`. From version 1 it vouches for what the chain did
    not cover before; from a later one for nothing, or who takes the version back could have a record without its
    beginning believed.
    """
    # It brings Alembic, for which no start waits unless a migration is due.
    from reaper.store.steps import STEPS, operations_on  # noqa: PLC0415

    chain.lock(connection)
    operations = operations_on(connection)
    for version in range(first, SCHEMA_VERSION):
        STEPS[version](operations)
    put_meta(connection, "version", str(SCHEMA_VERSION))
    body = {"from": first, "to": SCHEMA_VERSION, **told}
    if first != 1:
        chain.note(connection, UPGRADED, "", "", at, body)
        return
    start = chain.checkpoint(connection)
    cover_all(connection, MIGRATED, at, {**body, "count": start.count, "hash": start.hash})

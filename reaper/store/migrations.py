"""Brings a state file that an earlier version wrote up to this one, in the transaction that opens it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy import Connection, select

from reaper.store import chain, tables
from reaper.store.chain import EVENT
from reaper.store.chained_tables import cover_all
from reaper.store.tables import SCHEMA_VERSION, journal, put_meta, read_meta

MIGRATED: Final = "migrated"
UPGRADED: Final = "upgraded"
"""What the record calls a migration that vouches for nothing: the chain covered all there was."""


class AlteredVersionError(Exception):
    """The file says that it is older than what it holds."""


def _to_version_2(connection: Connection) -> None:
    """Version 2: what a listing is compared with are its times, no longer how many sessions a policy caught."""
    if connection.execute(select(journal.c.seq).where(journal.c.kind == EVENT).limit(1)).first():
        raise AlteredVersionError("version 1 with entries of a later one: its version was altered")
    for change in ("DROP COLUMN candidates", "DROP COLUMN key", "ADD COLUMN spread VARCHAR NOT NULL DEFAULT ''"):
        connection.exec_driver_sql(f"ALTER TABLE baselines {change}")


def _to_version_3(connection: Connection) -> None:
    """Version 3: people's holds, what developers ask for, how many candidates are usual, unserved versions."""
    for name in sorted(name for name, first in tables.ADDED.items() if first == 3):
        # Whoever takes a table away and the version back would else have all forgotten that was in it.
        covered = journal.c.body.contains(f'"{name}": {{"digest"')
        if connection.execute(select(journal.c.seq).where(journal.c.kind == EVENT, covered).limit(1)).first():
            raise AlteredVersionError(f"version 2 with {name} of a later one: its version was altered")
        tables.metadata.tables[name].create(connection, checkfirst=True)


STEPS: Final[Mapping[str, Callable[[Connection], None]]] = {"1": _to_version_2, "2": _to_version_3}
"""By the version from which each leads to the next."""


def migrate(connection: Connection, at: float) -> None:
    """Take the steps from the file's version to this one; a version that no step leads from is left as it is.

    A chained row of time `at` tells of it. From version 1 it vouches for what the chain did not cover before; from
    a later one for nothing, or who takes the version back could have a record without its beginning believed.
    """
    first = version = str(read_meta(connection, "version"))
    if version not in STEPS:
        return
    chain.lock(connection)
    while version in STEPS and version != str(SCHEMA_VERSION):
        STEPS[version](connection)
        version = str(int(version) + 1)
        put_meta(connection, "version", version)
    body = {"from": int(first), "to": int(version)}
    if first != "1":
        chain.note(connection, UPGRADED, "", "", at, body)
        return
    start = chain.checkpoint(connection)
    cover_all(connection, MIGRATED, at, {**body, "count": start.count, "hash": start.hash})

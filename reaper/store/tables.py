"""The tables of the state file. `SCHEMA_VERSION` grows with every change to them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    and_,
    bindparam,
    select,
)
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.sql import ColumnElement

SCHEMA_VERSION: Final = 3

metadata = MetaData()

meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", String, nullable=False))

marks = Table(
    "marks",
    metadata,
    Column("project", String, primary_key=True),
    Column("agent", String, primary_key=True),
    Column("session", String, primary_key=True),
    Column("created_at", Integer, primary_key=True),
    Column("seen", String, nullable=False),
    Column("action", String, nullable=False),
    Column("rule", String, nullable=False),
    Column("marked_at", Float, nullable=False),
    Column("ripe_at", Float, nullable=False),
)

baselines = Table(
    "baselines",
    metadata,
    Column("project", String, primary_key=True),
    Column("agent", String, primary_key=True),
    Column("now", Float, nullable=False),
    Column("sessions", Integer, nullable=False),
    Column("spread", String, nullable=False),
)
"""`spread` is what `StaleCounts` holds, as JSON; '' before all sessions were listed."""

levels = Table(
    "levels",
    metadata,
    Column("project", String, primary_key=True),
    Column("agent", String, primary_key=True),
    Column("candidates", Integer, nullable=False),
    Column("jumped_at", Float),
    Column("found", Integer, nullable=False),
)
"""How many candidates are usual for an agent; beside it, while there is one, a jump that waits for a person."""

ADDED: Final = {"holds": 3, "levels": 3, "unserved": 3, "voices": 3}
"""Tables that not every version had, by the first that has them: each step of a migration makes its own."""

breakers = Table(
    "breakers",
    metadata,
    Column("project", String, primary_key=True),
    Column("agent", String, primary_key=True),
    Column("since", Float, nullable=False),
    Column("reason", String, nullable=False),
)

voices = Table(
    "voices",
    metadata,
    Column("project", String, primary_key=True),
    Column("agent", String, primary_key=True),
    Column("said", String, nullable=False),
    Column("fault", String, nullable=False),
)
"""What agents' developers ask for; those that ask for nothing have no row. `said` holds pairs, as JSON."""

plans = Table(
    "plans",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, primary_key=True),
    Column("agent", String, primary_key=True),
    Column("at", Float, nullable=False),
    Column("sessions", LargeBinary, nullable=False),
)
"""Plans a person may approve. A plan over several agents has a row under its joint id for each of them."""

approvals = Table(
    "approvals",
    metadata,
    Column("plan", String, primary_key=True),
    Column("project", String, primary_key=True),
    Column("agent", String, primary_key=True),
    Column("at", Float, nullable=False),
)

unserved = Table(
    "unserved",
    metadata,
    Column("project", String, primary_key=True),
    Column("agent", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("since", Float, nullable=False),
)
"""Versions that were seen without traffic, and not the latest either, since this moment."""

holds = Table(
    "holds",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, nullable=False),
    Column("agent", String, nullable=False),
    Column("session", String, nullable=False),
    Column("created_at", Integer),
    Column("until", String, nullable=False),
    Column("legal", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("by", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("released", Float),
    Column("client", String, nullable=False),
    Index("holds_by_session", "session"),
)
"""People's holds on sessions. `until` is a day, '' for a `legal` case; without `created_at` it is on the id."""

journal = Table(
    "journal",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("kind", String, nullable=False),
    Column("action_id", String, nullable=False),
    Column("project", String, nullable=False),
    Column("agent", String, nullable=False),
    Column("session", String, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("action", String, nullable=False),
    Column("rule", String, nullable=False),
    Column("approved", Integer, nullable=False),
    Column("outcome", String, nullable=False),
    Column("body", String, nullable=False),
    Column("hash", String, nullable=False),
    Index("journal_by_action", "action_id"),
    Index("journal_by_agent", "project", "agent", "at"),
    Index("journal_by_session", "session"),
    sqlite_autoincrement=True,
)
"""Append-only: an `intent` before each action, an `outcome` after. Each row's hash covers the one before."""


def of_agent(table: Table, project: str, agent: str) -> ColumnElement[bool]:
    """Which rows of a table are about this agent."""
    return and_(table.c.project == project, table.c.agent == agent)


def unknown_to(version: int | None) -> set[str]:
    """The tables that a state file of this version does not have yet, or may not have any more."""
    if version is None:
        return set()
    if version > SCHEMA_VERSION:
        return metadata.tables.keys() - {meta.name, journal.name}
    return {name for name, first in ADDED.items() if first > version}


# Said once: every change reads and writes some of it, and building a statement takes longer than running it.
_READ_META: Final = select(meta.c.value).where(meta.c.key == bindparam("key"))
_INSERT_META: Final = upsert(meta)
_PUT_META: Final = _INSERT_META.on_conflict_do_update(set_={"value": _INSERT_META.excluded.value})


def read_meta(connection: Connection, key: str) -> str | None:
    """What `meta` holds by this key, None when it holds nothing."""
    return connection.execute(_READ_META, {"key": key}).scalar()


def put_meta(connection: Connection, key: str, value: str) -> None:
    """Let `meta` hold this value instead."""
    connection.execute(_PUT_META, {"key": key, "value": value})


def version_in(connection: Connection) -> int | None:
    """Which version wrote the state, None where it does not say so."""
    text = read_meta(connection, "version")
    return int(text) if text is not None and text.isascii() and text.isdecimal() else None

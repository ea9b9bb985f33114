"""What each version of the tables changed, once and for all, in operations that know SQLite and PostgreSQL.

A step says itself what it makes: the tables of today may look different when it is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, Connection, Float, Integer, String

Step = Callable[[Operations], None]


def operations_on(connection: Connection) -> Operations:
    """The operations of migrations, in the transaction of this connection."""
    return Operations(MigrationContext.configure(connection))


def to_2(op: Operations) -> None:
    """Version 2: what a listing is compared with are its times, no longer how many sessions a policy caught."""
    op.drop_column("baselines", "candidates")
    op.drop_column("baselines", "key")
    op.add_column("baselines", Column("spread", String, nullable=False, server_default=""))


def to_3(op: Operations) -> None:
    """Version 3: people's holds, what developers ask for, how many candidates are usual, unserved versions."""
    _add_table(
        op, "levels", *_of_agent(), *_needed(candidates=Integer), Column("jumped_at", Float), *_needed(found=Integer)
    )
    _add_table(op, "voices", *_of_agent(), *_needed(said=String, fault=String))
    version = Column("version", String, primary_key=True)
    _add_table(op, "unserved", *_of_agent(), version, *_needed(since=Float))
    _add_table(
        op,
        "holds",
        Column("id", String, primary_key=True),
        *_needed(project=String, agent=String, session=String),
        Column("created_at", Integer),
        *_needed(until=String, legal=String, reason=String, by=String, at=Float),
        Column("released", Float),
        *_needed(client=String),
    )
    op.create_index("holds_by_session", "holds", ["session"], if_not_exists=True)


STEPS: Final[Mapping[int, Step]] = {1: to_2, 2: to_3}
"""By the version from which each leads to the next."""


def _add_table(op: Operations, name: str, *columns: Column[Any]) -> None:
    # Some states of version 2 have one of them already: they were made between two versions.
    op.create_table(name, *columns, if_not_exists=True)


def _of_agent() -> tuple[Column[Any], Column[Any]]:
    return Column("project", String, primary_key=True), Column("agent", String, primary_key=True)


def _needed(**types: type) -> list[Column[Any]]:
    return [Column(name, type_, nullable=False) for name, type_ in types.items()]

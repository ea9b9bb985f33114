"""The rows of plans and of their parts: which ones are meant, and how one is added, noted and read."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Final

from sqlalchemy import Connection, Select, and_, bindparam, column, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.sql import ColumnElement

from reaper.store import tables
from reaper.store.chained_tables import PLANNED, RowChange, cover
from reaper.store.plan_bodies import ID_CHARS, REFERS

ONLY_NEEDED: Final = 0.0
"""The time of a plan that is over, and kept because others differ from it by little."""
PLANS: Final = tables.plans.c
_BODY: Final = select(PLANS.sessions).where(
    PLANS.id == bindparam("id"), PLANS.project == bindparam("project"), PLANS.agent == bindparam("agent")
)
LIVES: Final = (PLANS.at > ONLY_NEEDED) & (func.length(PLANS.id) == ID_CHARS)
"""Ids were shorter once, and not safe: such a plan approves nothing any more."""


def of_agent(project: str, agent: str) -> ColumnElement[bool]:
    """Whether a row is of this agent."""
    return tables.of_agent(tables.plans, project, agent)


def is_row(name: str, project: str, agent: str) -> ColumnElement[bool]:
    """Whether a row is the one under this id, which each agent of a joint plan has its own of."""
    return and_(PLANS.id == name, of_agent(project, agent))


def given_to(project: str, agent: str) -> Select[str]:
    """The ids that were approved for this agent."""
    return select(tables.approvals.c.plan).where(tables.of_agent(tables.approvals, project, agent))


def among(names: Collection[str], name: ColumnElement[str] = PLANS.id) -> ColumnElement[bool]:
    """Whether a plan is one of these, however many: they are one parameter."""
    return name.in_(select(column("value")).select_from(func.json_each(json.dumps(sorted(names)))))


def begins(mark: bytes) -> ColumnElement[bool]:
    """Whether what a row holds begins with this."""
    return func.substr(PLANS.sessions, 1, len(mark)) == mark


def is_joint() -> ColumnElement[bool]:
    """Whether a row only says which plan an agent's part of a joint one is."""
    length = len(REFERS) + ID_CHARS + 1
    return begins(REFERS.encode()) & (func.length(PLANS.sessions) == length)


def made_again(connection: Connection, name: str, project: str, agent: str, at: float) -> bool:
    """Note that a plan was made at `at`, if it is known."""
    made = update(tables.plans).where(is_row(name, project, agent)).values(at=at)
    return bool(connection.execute(made).rowcount)


def add(connection: Connection, name: str, project: str, agent: str, at: float, body: bytes) -> None:
    """Add a plan that is not known, and let the record cover it."""
    row = {"id": name, "project": project, "agent": agent, "at": at, "sessions": body}
    if connection.execute(insert(tables.plans).values(row).on_conflict_do_nothing()).rowcount:
        added = RowChange("plans", added=[(name, project, agent, body)])
        cover(connection, PLANNED, project, agent, at, {"plans": [name]}, added)


def are_there(connection: Connection, rows: Collection[str], project: str, agent: str) -> bool:
    """Whether all of these rows are."""
    query = select(func.count()).where(of_agent(project, agent), among(rows))
    return connection.execute(query).scalar() == len(rows)


def sessions_of(connection: Connection, row: str, project: str, agent: str) -> object:
    """What a row holds; None where there is none."""
    return connection.execute(_BODY, {"id": row, "project": project, "agent": agent}).scalar()

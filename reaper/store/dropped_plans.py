"""Which plans are dropped, and what stays of those that others are kept by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Connection, String, and_, cast, delete, exists, func, select, update
from sqlalchemy.sql import ColumnElement

from reaper.core.model import DAY_S
from reaper.store import tables
from reaper.store.chained_tables import PLANNED, RowChange, cover
from reaper.store.plan_bodies import ID_CHARS, IS_PART, OWN_PLAN, REFERS
from reaper.store.plan_rows import LIVES, ONLY_NEEDED, PLANS, among, begins, of_agent

PLAN_KEPT_S: Final = 14 * DAY_S
"""So long after it was last made a plan can be approved, and an approval of it counts."""
PLANS_KEPT: Final = 20_000
"""So many plans of one agent are kept at most: two weeks at one each minute."""


def with_old_plans(connection: Connection, now: float) -> Sequence[tuple[str, str]]:
    """The projects and agents of which something may have to be dropped: parts have no time of their own."""
    agents = select(PLANS.project, PLANS.agent).group_by(PLANS.project, PLANS.agent)
    is_due = (func.min(PLANS.at) < now - PLAN_KEPT_S) | (func.count() > PLANS_KEPT)
    return [(project, agent) for project, agent in connection.execute(agents.having(is_due))]


def drop_old(connection: Connection, project: str, agent: str, writing: Collection[str], now: float) -> None:
    """Drop an agent's plans that were not made for their time, and those beyond the newest thousands.

    Parts stay of plans that are just being written.
    """
    mine = of_agent(project, agent)
    _drop(connection, mine, PLANS.at < now - PLAN_KEPT_S, now)
    _remove_unfinished(connection, mine, writing, now)
    if connection.execute(select(func.count()).where(mine, LIVES)).scalar_one() > PLANS_KEPT:
        newest = select(PLANS.at).where(mine).order_by(PLANS.at.desc()).offset(PLANS_KEPT).limit(1)
        unapproved = ~PLANS.id.in_(select(tables.approvals.c.plan))
        _drop(connection, mine, unapproved & (PLANS.at <= connection.execute(newest).scalar_one()), now)


def _drop(connection: Connection, mine: ColumnElement[bool], which: ColumnElement[bool], at: float) -> None:
    """Drop these plans of an agent. What others are kept by (a joint one by its part, that one by a whole one) stays
    as a row that is no plan any more."""
    # What a row holds is looked at last: with its parts a plan is as large as all of its sessions' lines.
    own = mine & ~IS_PART
    base = cast(func.substr(PLANS.sessions, len(REFERS) + 1, ID_CHARS), String)
    refers = begins(REFERS.encode())
    needed = set(connection.execute(select(base).where(own, ~which, refers)).scalars())
    needed |= set(connection.execute(select(base).where(own, which, among(needed), refers)).scalars())
    _remove(connection, and_(own, which, ~among(needed)), at)
    connection.execute(update(tables.plans).where(mine, which, LIVES).values(at=ONLY_NEEDED))


def _remove(connection: Connection, gone: ColumnElement[bool], at: float) -> None:
    """Remove these plans with their parts."""
    removed: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for project, agent, name in connection.execute(
        select(PLANS.project, PLANS.agent, OWN_PLAN).where(gone).distinct()
    ):
        removed[project, agent].append(name)
    for (project, agent), names in removed.items():
        own = of_agent(project, agent) & among(names, OWN_PLAN)
        query = select(PLANS.id, PLANS.project, PLANS.agent, PLANS.sessions).where(own)
        rows = map(tuple, connection.execute(query, execution_options={"yield_per": 1}))
        cover(connection, PLANNED, project, agent, at, {"forgotten": names}, RowChange("plans", removed=rows))
        connection.execute(delete(tables.plans).where(own))


def _remove_unfinished(
    connection: Connection, mine: ColumnElement[bool], writing: Collection[str], at: float
) -> None:
    """Remove the parts of an agent's plans that were never written to their end, and are not being written."""
    plans = tables.plans.alias("plans_there")
    is_there = exists().where(plans.c.id == OWN_PLAN, plans.c.project == PLANS.project, plans.c.agent == PLANS.agent)
    _remove(connection, and_(mine, IS_PART, ~is_there, ~among(writing, OWN_PLAN)), at)

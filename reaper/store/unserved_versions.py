"""Since when versions of agents were seen without traffic: what makes one superseded, so the chain covers it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import delete, insert, select

from reaper.store import chain, tables
from reaper.store.chained_tables import RowChange, cover
from reaper.store.database import Database

LEFT_BEHIND: Final = "versions"
"""What the record calls a change of them."""


class UnservedVersions:
    """Each agent's versions that are left behind, with the platform's time at which that was first seen."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, project: str, agent: str) -> dict[str, float]:
        """Since when, by version."""
        column = tables.unserved.c
        query = select(column.version, column.since).where(tables.of_agent(tables.unserved, project, agent))
        with self._database.begin() as connection:
            return {row.version: row.since for row in connection.execute(query)}

    def replace(self, project: str, agent: str, since: Mapping[str, float], at: float) -> None:
        """Remember these, and no others, from platform time `at` on."""
        if self.of(project, agent) == since:
            return
        mine = tables.of_agent(tables.unserved, project, agent)
        with self._database.begin() as connection:
            chain.lock(connection)
            before = {row.version: tuple(row) for row in connection.execute(select(tables.unserved).where(mine))}
            after = {version: (project, agent, version, moment) for version, moment in since.items()}
            removed = [row for version, row in before.items() if after.get(version) != row]
            added = [row for version, row in after.items() if before.get(version) != row]
            gone, names = [row[2] for row in removed], tables.unserved.c.keys()
            connection.execute(delete(tables.unserved).where(mine, tables.unserved.c.version.in_(gone)))
            if added:
                connection.execute(insert(tables.unserved), [dict(zip(names, row, strict=True)) for row in added])
            body = {"unserved": sorted(row[2] for row in added), "served_or_gone": sorted(gone)}
            cover(connection, LEFT_BEHIND, project, agent, at, body, RowChange("unserved", added, removed))

"""What agents' developers were heard to ask for last: it stands while nobody can hear them any more."""

from __future__ import annotations

import json

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from reaper.core.model import Metadata
from reaper.store import tables
from reaper.store.chained_tables import HEARD, covering
from reaper.store.database import Database


class Voices:
    """By agent, what its metadata asked for when it was read last; nothing is kept of those that ask for nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def before(self, project: str, agent: str) -> Metadata | None:
        """What was asked for when the agent's record could be read last, None when nothing was."""
        table = tables.voices
        query = select(table.c.said, table.c.fault).where(tables.of_agent(table, project, agent))
        with self._database.begin() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Metadata(_pairs(row.said), row.fault)

    def note(self, project: str, agent: str, metadata: Metadata, at: float) -> None:
        """Remember from `at` on what was read; what could not be read changes nothing that was heard before."""
        before = self.before(project, agent) or Metadata()
        if not metadata.read or (metadata.said, metadata.fault) == (before.said, before.fault):
            return
        table = tables.voices
        row = {"project": project, "agent": agent, "said": json.dumps(metadata.said), "fault": metadata.fault}
        body = {"said": [list(pair) for pair in metadata.said], "fault": metadata.fault}
        with (
            self._database.begin() as connection,
            covering(connection, HEARD, project, agent, at, body, table.name),
        ):
            if metadata.said or metadata.fault:
                connection.execute(upsert(table).values(row).on_conflict_do_update(set_=row))
            else:
                connection.execute(delete(table).where(tables.of_agent(table, project, agent)))


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """The pairs that were written down; made unreadable by somebody, they are asked for all the same."""
    try:
        return tuple((str(key), str(value)) for key, value in json.loads(text))
    except (ValueError, TypeError):
        return (("", ""),)

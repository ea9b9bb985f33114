"""What the journal holds, as values: rows, and actions with all that was noted of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, select

from reaper.core.model import Action
from reaper.store.chain import EVENT, INTENT, OUTCOME, Intent
from reaper.store.chained_tables import CARRIED, LEVELLED, MARKED, PLANNED
from reaper.store.signing import SIGNED
from reaper.store.tables import journal

HOUSEKEEPING: Final = (MARKED, PLANNED, LEVELLED, CARRIED, SIGNED)
"""Events that only cover tables or sign: nobody asks for them one by one."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the journal; `body` is its evidence or explanation. An event's name stands as its `rule`."""

    seq: int
    at: float
    kind: str
    intent: Intent
    outcome: str
    body: dict[str, Any]
    hash: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """One action as the journal tells it: its intent, and every outcome noted since, the last of which counts."""

    intent: Entry
    outcomes: tuple[Entry, ...]

    @property
    def outcome(self) -> str:
        """How it ended; `open` while nobody has found out."""
        return self.outcomes[-1].outcome if self.outcomes else "open"

    @property
    def why(self) -> str:
        """What explains the outcome; '' for one that needs no words."""
        return str(self.outcomes[-1].body.get("why", "")) if self.outcomes else ""


@dataclass(frozen=True, slots=True)
class ActionFilter:
    """Which actions are meant: all that fit whatever is given. `since` is platform time."""

    project: str | None = None
    agent: str | None = None
    session: str | None = None
    since: float | None = None

    def fits(self) -> ColumnElement[bool]:
        """The same as a condition on rows that begin an action."""
        return self._fits(INTENT)

    def fits_event(self) -> ColumnElement[bool]:
        """The same as a condition on rows of events that a person may ask for."""
        return and_(self._fits(EVENT), journal.c.rule.not_in(HOUSEKEEPING))

    def _fits(self, kind: str) -> ColumnElement[bool]:
        named = ((journal.c.project, self.project), (journal.c.agent, self.agent), (journal.c.session, self.session))
        conditions = [journal.c.kind == kind, *(column == name for column, name in named if name is not None)]
        return and_(*conditions, *([journal.c.at >= self.since] if self.since is not None else []))


def outcomes_of(connection: Connection, action: str) -> tuple[Entry, ...]:
    """Every outcome noted of an action, in order."""
    query = select(journal).where(journal.c.action_id == action, journal.c.kind == OUTCOME).order_by(journal.c.seq)
    return tuple(entry_of(row) for row in connection.execute(query))


def entry_of(row: Row[Any]) -> Entry:
    """A row as a value; ValueError when it was altered so that it cannot be read."""
    body = json.loads(row.body)
    if type(body) is not dict:
        raise ValueError(f"entry {row.seq} is no object")
    about = (row.action_id, row.project, row.agent, row.session, row.created_at)
    intent = Intent(*about, Action(row.action), row.rule, bool(row.approved))
    return Entry(row.seq, row.at, row.kind, intent, row.outcome, body, row.hash)

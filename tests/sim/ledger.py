"""What the reaper's own record says, held against the platform's."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import Connection

from reaper.core.model import TOMBSTONES
from reaper.emulator import Platform
from reaper.store.journal import ActionFilter, Journal, Recorded
from tests.sim.law import Incarnation, Judge, Note, ViolationError

_GONE = (
    "SELECT seq, agent, session, created_at, outcome FROM journal"
    " WHERE seq > ? AND kind = 'outcome' AND action = 'delete' AND outcome IN ('done', 'already_gone')"
)
_TWICE = (
    "SELECT agent, session, created_at, count(DISTINCT action_id) FROM journal"
    " WHERE kind = 'outcome' AND action = 'delete' AND outcome = 'done' GROUP BY 1, 2, 3 HAVING count(*) > 1"
)
_MARKS = (
    "SELECT session, created_at, json_extract(seen, '$.last_accessed_at'), rule, marked_at FROM marks WHERE agent = ?"
)
_INTENTS = (
    "SELECT agent, session, count(*) FROM journal WHERE kind = 'intent' AND action = 'delete' AND at > ?"
    " GROUP BY agent, session, created_at ORDER BY 3 DESC LIMIT 1"
)
_OPEN = (
    "SELECT agent, session, action FROM journal WHERE kind = 'intent' AND NOT EXISTS"
    " (SELECT 1 FROM journal AS later WHERE later.action_id = journal.action_id AND later.kind = 'outcome')"
)
_THIS_OPEN = _OPEN + " AND agent = ? AND session = ? AND action = ?"


class Readable(Protocol):
    """Where a journal can be read."""

    def look(self) -> AbstractContextManager[Connection]:
        """Read it as the judge does."""


@dataclass
class Ledger:
    """The journal on a disk, read beside whoever writes it."""

    disk: Readable
    platform: Platform
    kept: set[tuple[str, ...]] = field(default_factory=set)
    _read_to: int = 0

    def is_intended(self, agent: str, session: str, action: str) -> bool:
        """Whether an intent for this action stands that has no outcome yet."""
        this = (agent, session, action)
        if this in self.kept:
            return True
        with self.disk.look() as connection:
            return connection.exec_driver_sql(_THIS_OPEN, this).first() is not None

    def marks(self, agent: str) -> dict[Incarnation, tuple[str, float]]:
        """The agent's sessions that stand marked: by which rule and since when."""
        with self.disk.look() as connection:
            rows = connection.exec_driver_sql(_MARKS, (agent,)).all()
        return {(session, created, used): (rule, since) for session, created, used, rule, since in rows}

    def left_behind(self, agent: str) -> frozenset[tuple[str, float]]:
        """The versions of the agent that are remembered as unserved, and since when."""
        with self.disk.look() as connection:
            rows = connection.exec_driver_sql("SELECT version, since FROM unserved WHERE agent = ?", (agent,)).all()
        return frozenset((version, since) for version, since in rows)

    def keep_intents(self) -> None:
        """Remember what is intended: the file that says so goes out of sight, and may come back."""
        with self.disk.look() as connection:
            self.kept = {tuple(row) for row in connection.exec_driver_sql(_OPEN)}

    def check_gone(self) -> None:
        """Nothing that lives was just said to be gone."""
        with self.disk.look() as connection:
            rows = connection.exec_driver_sql(_GONE, (self._read_to,)).all()
        for seq, agent, session, created_at, outcome in rows:
            self._read_to = seq
            if self._is_there(agent, session, created_at):
                raise ViolationError(f"said to be {outcome}, and it lives: {session} of {agent}")

    def check_once(self) -> None:
        """No deletion is told more than once."""
        with self.disk.look() as connection:
            found = connection.exec_driver_sql(_TWICE).first()
        if found is not None and found[3] > 1:
            raise ViolationError(f"deleted once, and told {found[3]} times: {found[1]} of {found[0]}")

    def most_intents(self, since: float) -> int:
        """How often a delete of one incarnation was begun since then, at most."""
        with self.disk.look() as connection:
            found = connection.exec_driver_sql(_INTENTS, (since,)).first()
        return found[2] if found else 0

    def deletes_done(self) -> int:
        """How many deletes are said to be done."""
        query = "SELECT count(*) FROM journal WHERE kind = 'outcome' AND action = 'delete' AND outcome = 'done'"
        with self.disk.look() as connection:
            return int(connection.exec_driver_sql(query).scalar_one())

    def check(self, judge: Judge, journal: Journal) -> None:
        """The whole of it, once nothing is under way."""
        notes = [_note(action) for action in journal.actions(ActionFilter())]
        judge.check_journal(notes, lambda note: self._is_there(note.agent, note.session, note.created_at))
        verdict = journal.verify()
        broken = verdict.broken or verdict.doubts
        if broken:
            raise ViolationError(f"the journal's chain is broken: {broken}")

    def _is_there(self, agent: str, session: str, created_at: float) -> bool:
        found = self.platform.find(agent, session)
        return found is not None and found.status not in TOMBSTONES and found.created_at == created_at


def _note(action: Recorded) -> Note:
    intent = action.intent.intent
    outcomes = tuple(entry.outcome for entry in action.outcomes)
    evidence = bool(action.intent.body.get("record"))
    return Note(intent.agent, intent.session, intent.created_at, str(intent.action), evidence, outcomes)

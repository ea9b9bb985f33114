"""The journal: an intent on disk before each action, its outcome after, each row chained to the one before."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, func, insert, select

from reaper.model import DAY_S, Action, OutcomeKind
from reaper.store.database import Database
from reaper.store.schema import journal

INTENT: Final = "intent"
OUTCOME: Final = "outcome"
GENESIS: Final = "0" * 64
SPENT: Final = frozenset({"", OutcomeKind.DONE, OutcomeKind.IN_DOUBT, OutcomeKind.UNVERIFIED})
"""Outcomes that count against the day's limit: done, or not known to be undone."""

_COVERED: Final = tuple(column for column in journal.c if column.name not in {"seq", "hash"})


@dataclass(frozen=True, slots=True)
class Intent:
    """An action about to be sent. `approved`: a person's approval covers it, limits aside."""

    id: str
    project: str
    agent: str
    session: str
    created_at: int
    action: Action
    rule: str
    approved: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the journal; `body` is its evidence or explanation."""

    seq: int
    at: float
    kind: str
    intent: Intent
    outcome: str
    body: dict[str, Any]
    hash: str


class Journal:
    """Appends and reads the record of actions; every method raises StateError when the state fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def intend(self, intent: Intent, at: float, evidence: Mapping[str, Any]) -> Intent:
        """Put an intent on disk, with an id of its own and the evidence for it; `at` is platform time."""
        intent = replace(intent, id=uuid.uuid4().hex)
        self._append(intent, INTENT, at, "", evidence)
        return intent

    def conclude(self, intent: Intent, outcome: OutcomeKind, at: float, why: str) -> None:
        """Put the outcome of an intent on disk. A later one for the same intent replaces its meaning."""
        self._append(intent, OUTCOME, at, outcome, {"why": why} if why else {})

    def _append(self, intent: Intent, kind: str, at: float, outcome: str, body: Mapping[str, Any]) -> None:
        row = {
            "at": float(at),
            "kind": kind,
            "action_id": intent.id,
            "project": intent.project,
            "agent": intent.agent,
            "session": intent.session,
            "created_at": intent.created_at,
            "action": str(intent.action),
            "rule": intent.rule,
            "approved": int(intent.approved),
            "outcome": str(outcome),
            "body": json.dumps(body, sort_keys=True),
        }
        with self._database.begin() as connection:
            row["hash"] = _hash(_last_hash(connection), row)
            connection.execute(insert(journal).values(row))

    def open(self, project: str, agent: str) -> list[Entry]:
        """Intents that have no outcome yet, or one in doubt: each must be resolved by a look at its session."""
        latest = (
            select(func.max(journal.c.seq))
            .where(journal.c.project == project, journal.c.agent == agent)
            .group_by(journal.c.action_id)
        )
        unsettled = select(journal.c.action_id).where(
            journal.c.seq.in_(latest), journal.c.outcome.in_(["", OutcomeKind.IN_DOUBT.value])
        )
        query = select(journal).where(journal.c.kind == INTENT, journal.c.action_id.in_(unsettled))
        with self._database.begin() as connection:
            return [_entry(row) for row in connection.execute(query.order_by(journal.c.seq))]

    def used_today(self, project: str, agent: str, now: float) -> dict[Action, int]:
        """Unapproved actions of the 24 hours before platform time `now` that took effect, or may have."""
        latest = (
            select(func.max(journal.c.seq))
            .where(journal.c.project == project, journal.c.agent == agent, journal.c.at > now - DAY_S)
            .group_by(journal.c.action_id)
        )
        query = (
            select(journal.c.action, func.count())
            .where(journal.c.seq.in_(latest), journal.c.outcome.in_(SPENT), journal.c.approved == 0)
            .group_by(journal.c.action)
        )
        with self._database.begin() as connection:
            return {Action(action): count for action, count in connection.execute(query)}

    def deleted_since(self, project: str, agent: str, since: float) -> int:
        """How many sessions our own deletes took from the inventory after platform time `since`."""
        taken = and_(
            journal.c.project == project,
            journal.c.agent == agent,
            journal.c.at >= since,
            journal.c.action == Action.DELETE.value,
            journal.c.outcome.in_([OutcomeKind.DONE.value, OutcomeKind.UNVERIFIED.value, OutcomeKind.IN_DOUBT.value]),
        )
        with self._database.begin() as connection:
            query = select(func.count(journal.c.action_id.distinct())).where(taken)
            return connection.execute(query).scalar_one()

    def entries(self, *, newest_first: bool = False, limit: int | None = None) -> Iterator[Entry]:
        """The journal's rows in order."""
        order = journal.c.seq.desc() if newest_first else journal.c.seq
        with self._database.begin() as connection:
            for row in connection.execute(select(journal).order_by(order).limit(limit)):
                yield _entry(row)


def _last_hash(connection: Connection) -> str:
    found = connection.execute(select(journal.c.hash).order_by(journal.c.seq.desc()).limit(1)).scalar()
    return found or GENESIS


def _hash(previous: str, row: Mapping[str, Any]) -> str:
    told = json.dumps([previous, *(row[column.name] for column in _COVERED)])
    return hashlib.sha256(told.encode()).hexdigest()


def _entry(row: Row[Any]) -> Entry:
    intent = Intent(
        id=row.action_id,
        project=row.project,
        agent=row.agent,
        session=row.session,
        created_at=row.created_at,
        action=Action(row.action),
        rule=row.rule,
        approved=bool(row.approved),
    )
    return Entry(row.seq, row.at, row.kind, intent, row.outcome, json.loads(row.body), row.hash)

"""The journal: an intent on disk before each action, its outcome after, each row chained to the one before."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, func, select

from reaper.model import DAY_S, Action, OutcomeKind
from reaper.store import chain
from reaper.store.chain import INTENT, OUTCOME, UNSETTLED
from reaper.store.database import Database, StateError
from reaper.store.schema import journal

SPENT: Final = frozenset({"", OutcomeKind.DONE, OutcomeKind.IN_DOUBT, OutcomeKind.UNVERIFIED})
"""Outcomes that count against the day's limit: done, or not known to be undone."""

TURNS: Final = 4
"""So many turns of the event loop a row waits for others: answers that arrived together get here one turn or another
after each other."""

_ROWS_AT_A_TIME: Final = 500


def _latest(*more: ColumnElement[bool]) -> Select[int]:
    """The last row of each action of the agent that is named, among the rows that fulfil `more`."""
    mine = (journal.c.project == bindparam("project"), journal.c.agent == bindparam("agent"))
    return select(func.max(journal.c.seq)).where(*mine, *more).group_by(journal.c.action_id)


# Made once: every sweep of every agent asks these.
_LAST: Final = select(func.max(journal.c.seq))
_ACTIONS: Final = select(journal.c.action_id).where(
    journal.c.seq.in_(_latest(journal.c.seq > bindparam("settled"))), journal.c.outcome.in_(UNSETTLED)
)
_OPEN: Final = (
    select(journal).where(journal.c.kind == INTENT, journal.c.action_id.in_(_ACTIONS)).order_by(journal.c.seq)
)
_USED: Final = (
    select(journal.c.action, func.count())
    .where(
        journal.c.seq.in_(_latest(journal.c.at > bindparam("after"))),
        journal.c.outcome.in_(bindparam("spent", expanding=True)),
        journal.c.approved == 0,
    )
    .group_by(journal.c.action)
)
_AGENTS: Final = select(journal.c.project, journal.c.agent).distinct()
_SPENT_BY: Final = (
    select(journal)
    .where(
        journal.c.kind == INTENT,
        journal.c.rule == bindparam("rule"),
        journal.c.action_id.in_(
            select(journal.c.action_id).where(
                journal.c.seq.in_(_latest(journal.c.at > bindparam("after"))), journal.c.outcome.in_(SPENT)
            )
        ),
    )
    .order_by(journal.c.seq)
)
_DELETED: Final = select(func.count()).where(
    journal.c.seq.in_(_latest(journal.c.at >= bindparam("since"), journal.c.action == Action.DELETE.value)),
    journal.c.outcome.in_(SPENT - {""}),
)


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
class Which:
    """Which actions are meant: all that fit whatever is given. `since` is platform time."""

    project: str | None = None
    agent: str | None = None
    session: str | None = None
    since: float | None = None

    def fits(self) -> ColumnElement[bool]:
        """The same as a condition on rows."""
        named = ((journal.c.project, self.project), (journal.c.agent, self.agent), (journal.c.session, self.session))
        found = [journal.c.kind == INTENT, *(column == name for column, name in named if name is not None)]
        return and_(*found, *([journal.c.at >= self.since] if self.since is not None else []))


class Journal:
    """Appends and reads the record of actions; every method raises StateError when the state fails.

    Rows that are asked for side by side go to disk together, in the order asked for; nobody returns before.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked: list[tuple[dict[str, Any], asyncio.Future[None]]] = []
        self._settled: dict[tuple[str, str], int] = {}

    async def intend(self, intent: Intent, at: float, evidence: Mapping[str, Any]) -> Intent:
        """Put an intent on disk, with an id of its own and the evidence for it; `at` is platform time."""
        intent = replace(intent, id=uuid.uuid4().hex)
        await self._append(intent, INTENT, at, "", evidence)
        return intent

    async def conclude(
        self, intent: Intent, outcome: OutcomeKind, at: float, why: str, window_s: float | None = None
    ) -> None:
        """Put the outcome of an intent on disk. A later one for the same intent replaces its meaning."""
        told = {"why": why or None, "window_seconds": window_s}
        body = {name: value for name, value in told.items() if value is not None}
        await self._append(intent, OUTCOME, at, outcome, body)

    async def _append(self, intent: Intent, kind: str, at: float, outcome: str, body: Mapping[str, Any]) -> None:
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
        loop = asyncio.get_running_loop()
        written = loop.create_future()
        self._asked.append((row, written))
        if len(self._asked) == 1:
            loop.call_soon(self._write_after, TURNS)
        try:
            await written
        except asyncio.CancelledError:
            # What was done must be told, and the loop may end before its turn comes.
            self._write()
            raise

    def _write_after(self, turns: int) -> None:
        """Write once so many turns are over; a callback, since nobody can cancel it."""
        if turns:
            asyncio.get_running_loop().call_soon(self._write_after, turns - 1)
        else:
            self._write()

    def _write(self) -> None:
        """Put all rows that wait on disk in one transaction, and tell whoever waits for them how that went."""
        asked, self._asked = self._asked, []
        if not asked:
            return
        error: BaseException | None = None
        try:
            with self._begin() as connection:
                chain.append(connection, [row for row, _ in asked])
        except BaseException as failed:  # whatever it was, nobody may go on as if written, or wait for ever
            error = failed
        for written in (each for _, each in asked if not each.cancelled()):
            if error is None:
                written.set_result(None)
            else:
                written.set_exception(error)

    def open(self, project: str, agent: str) -> list[Entry]:
        """Intents that have no outcome yet, or one in doubt, which they carry: each needs a look at its session."""
        # Rows only ever come at the end: what was settled up to some row stays so, unless a later row says otherwise.
        mine = {"project": project, "agent": agent, "settled": self._settled.get((project, agent), 0)}
        with self._begin() as connection:
            last = connection.execute(_LAST).scalar() or 0
            found = [_with_outcome(connection, _entry(row)) for row in connection.execute(_OPEN, mine).all()]
        self._settled[project, agent] = min([last, *(entry.seq - 1 for entry in found)])
        return found

    def used_today(self, project: str, agent: str, now: float) -> dict[Action, int]:
        """Unapproved actions of the 24 hours before platform time `now` that took effect, or may have."""
        mine = {"project": project, "agent": agent, "after": now - DAY_S, "spent": list(SPENT)}
        with self._begin() as connection:
            return {Action(action): count for action, count in connection.execute(_USED, mine)}

    def spent_by(self, rule: str, after: float) -> list[Entry]:
        """The intents of one rule, of all agents, that took effect after platform time `after`, or may have."""
        with self._begin() as connection:
            agents = connection.execute(_AGENTS).all()
            named = [{"project": project, "agent": agent, "after": after, "rule": rule} for project, agent in agents]
            return [_entry(row) for mine in named for row in connection.execute(_SPENT_BY, mine)]

    def deleted_since(self, project: str, agent: str, since: float) -> int:
        """How many sessions our own deletes took from the inventory after platform time `since`."""
        mine = {"project": project, "agent": agent, "since": since}
        with self._begin() as connection:
            return connection.execute(_DELETED, mine).scalar_one()

    def entries(self, *, newest_first: bool = False, limit: int | None = None) -> Iterator[Entry]:
        """The journal's rows in order."""
        order = journal.c.seq.desc() if newest_first else journal.c.seq
        with self._begin() as connection:
            for row in connection.execute(select(journal).order_by(order).limit(limit)):
                yield _entry(row)

    def actions(self, which: Which, limit: int | None = None) -> Iterator[Recorded]:
        """The last `limit` actions that are meant, the newest last; read as they are asked for."""
        fits = which.fits()
        with self._begin() as connection:
            if limit is not None:
                newest = select(journal.c.seq).where(fits).order_by(journal.c.seq.desc()).limit(limit).subquery()
                fits = and_(fits, journal.c.seq >= select(func.min(newest.c.seq)).scalar_subquery())
            query = select(journal).where(fits).order_by(journal.c.seq)
            for row in connection.execute(query, execution_options={"yield_per": _ROWS_AT_A_TIME}):
                yield Recorded(_entry(row), _outcomes(connection, row.action_id))

    def head(self) -> str:
        """The hash of the last row; noted elsewhere, it shows later that nothing up to here was changed or cut."""
        with self._begin() as connection:
            return chain.last_hash(connection)

    def verify(self, noted: str | None = None) -> chain.Verdict:
        """Whether the whole journal is as it was written; `noted` is a head from elsewhere that it must contain."""
        with self._begin() as connection:
            return chain.verify(connection, noted)

    def prune(self, before: float) -> int:
        """Drop old settled actions from the start, see `chain.prune`; returns how many rows went."""
        with self._begin() as connection:
            return chain.prune(connection, before)

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        """A transaction; rows that were altered so that they cannot be read are a StateError."""
        try:
            with self._database.begin() as connection:
                yield connection
        except ValueError as error:
            raise StateError(f"state {self._database.url}: the journal was altered: {error}") from error


def _with_outcome(connection: Connection, intent: Entry) -> Entry:
    noted = _outcomes(connection, intent.intent.id)
    return replace(intent, outcome=noted[-1].outcome) if noted else intent


def _outcomes(connection: Connection, action: str) -> tuple[Entry, ...]:
    query = select(journal).where(journal.c.action_id == action, journal.c.kind == OUTCOME).order_by(journal.c.seq)
    return tuple(_entry(row) for row in connection.execute(query))


def _entry(row: Row[Any]) -> Entry:
    body = json.loads(row.body)
    if type(body) is not dict:
        raise ValueError(f"entry {row.seq} is no object")
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
    return Entry(row.seq, row.at, row.kind, intent, row.outcome, body, row.hash)

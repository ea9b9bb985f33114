"""What one sweep leaves for the next: marks, baselines, breakers, and plans with their approvals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Table, and_, bindparam, delete, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.sql import ColumnElement

from reaper.model import DAY_S, Action, Session
from reaper.planner import Approval, Item, Mark
from reaper.store import schema
from reaper.store.database import MEMORY_URL, Database, StateError
from reaper.store.journal import Journal
from reaper.trust import Baseline

PLAN_KEPT_S: Final = 14 * DAY_S
PLANS_KEPT: Final = 20
_RATES: Final = "rates"

_DROP: Final = delete(schema.marks).where(
    schema.marks.c.session == bindparam("gone"), schema.marks.c.created_at == bindparam("made")
)
_MARK: Final = insert(schema.marks).prefix_with("OR REPLACE")


@dataclass(frozen=True, slots=True)
class Breaker:
    """Why, and since when (platform time), an agent's actions wait for a person."""

    since: float
    reason: str


@dataclass(frozen=True, slots=True)
class KnownPlan:
    """A plan that can be approved."""

    id: str
    project: str
    agent: str
    at: float
    approvals: tuple[Approval, ...]


class Store:
    """The memory between sweeps. `fault` says why it cannot be relied on; nothing is touched while it does."""

    def __init__(self, database: Database, fault: str = "") -> None:
        self._database = database
        self.journal = Journal(database)
        self.fault = fault

    @classmethod
    def open(cls, url: str) -> Store:
        """The state at `url`; when it cannot be trusted, an empty one in memory whose `fault` says so."""
        try:
            return cls(Database(url))
        except StateError as error:
            return cls(Database(MEMORY_URL), fault=str(error))

    @property
    def url(self) -> str:
        return self._database.url

    def close(self) -> None:
        self._database.close()

    def marks(self, project: str, agent: str) -> dict[tuple[str, int], Mark]:
        """The agent's marks by incarnation."""
        stood = schema.marks.c
        columns = (stood.seen, stood.action, stood.rule, stood.marked_at, stood.ripe_at)
        with self._database.begin() as connection:
            rows = connection.execute(select(*columns).where(_of(schema.marks, project, agent)))
            found = [Mark(_session(seen), Action(action), *promise) for seen, action, *promise in rows]
        return {mark.seen.incarnation: mark for mark in found}

    def replace_marks(self, project: str, agent: str, marks: Iterable[Mark]) -> None:
        """Make these the agent's marks, all others are dropped."""
        rows = {mark.seen.incarnation: _mark_row(project, agent, mark) for mark in marks}
        gone = []
        with self._database.begin() as connection:
            # Most stand from sweep to sweep: what is as it was is not written again.
            for stood in connection.execute(select(schema.marks).where(_of(schema.marks, project, agent))):
                incarnation = (stood.session, stood.created_at)
                row = rows.get(incarnation)
                if row is None:
                    gone.append({"gone": stood.session, "made": stood.created_at})
                elif tuple(row.values()) == tuple(stood):
                    del rows[incarnation]
            if gone:
                connection.execute(_DROP.where(_of(schema.marks, project, agent)), gone)
            if rows:
                connection.execute(_MARK, list(rows.values()))

    def drop_mark(self, project: str, agent: str, session: Session) -> None:
        """Forget the promise to one incarnation."""
        which = and_(
            _of(schema.marks, project, agent),
            schema.marks.c.session == session.id,
            schema.marks.c.created_at == session.created_at,
        )
        with self._database.begin() as connection:
            connection.execute(delete(schema.marks).where(which))

    def baseline(self, project: str, agent: str) -> Baseline | None:
        """The agent's last believed sweep, with our own deletions since."""
        with self._database.begin() as connection:
            row = connection.execute(
                select(schema.baselines).where(_of(schema.baselines, project, agent))
            ).one_or_none()
        if row is None:
            return None
        deleted = self.journal.deleted_since(project, agent, row.now)
        return Baseline(row.now, row.sessions, row.candidates, row.key, deleted)

    def put_baseline(self, project: str, agent: str, base: Baseline) -> None:
        """Remember a believed sweep."""
        row = {
            "project": project,
            "agent": agent,
            "now": base.now,
            "sessions": base.sessions,
            "candidates": base.candidates,
            "key": base.key,
        }
        self._put(schema.baselines, row)

    def swept_agents(self, project: str, most: int) -> list[str]:
        """The agents whose sweeps were believed last, latest first, at most so many."""
        last = schema.baselines.c
        query = select(last.agent).where(last.project == project).order_by(last.now.desc(), last.agent).limit(most)
        with self._database.begin() as connection:
            return list(connection.execute(query).scalars())

    def rates(self) -> dict[str, float]:
        """How fast each endpoint was found to let itself be asked, in requests a second; a help, never a promise."""
        with self._database.begin() as connection:
            text = connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == _RATES)).scalar()
        try:
            told = json.loads(text or "{}")
            return {str(endpoint): rate for endpoint, rate in told.items() if type(rate) is float and rate > 0}
        except (ValueError, AttributeError):
            return {}

    def put_rates(self, rates: Mapping[str, float]) -> None:
        """Remember these rates instead."""
        self._put(schema.meta, {"key": _RATES, "value": json.dumps(dict(rates))})

    def breaker(self, project: str, agent: str) -> Breaker | None:
        """The agent's latched breaker, None while it is closed."""
        with self._database.begin() as connection:
            row = connection.execute(
                select(schema.breakers).where(_of(schema.breakers, project, agent))
            ).one_or_none()
        return None if row is None else Breaker(row.since, row.reason)

    def latch(self, project: str, agent: str, breaker: Breaker) -> None:
        """Open the agent's breaker; only a person closes it."""
        row = {"project": project, "agent": agent, "since": breaker.since, "reason": breaker.reason}
        self._put(schema.breakers, row)

    def remember_plan(self, ids: Sequence[str], project: str, agent: str, at: float, items: Iterable[Item]) -> None:
        """Keep a plan under its own and its joint id, so that a person can approve it; the oldest are forgotten."""
        body = json.dumps(
            [[item.session.id, item.session.created_at, item.session.last_accessed_at, item.action] for item in items]
        ).encode()
        for name in dict.fromkeys(ids):
            self._put(schema.plans, {"id": name, "project": project, "agent": agent, "at": at, "sessions": body})
        with self._database.begin() as connection:
            _forget_plans(connection, project, agent, at)

    def known_plans(self, name: str | None = None) -> list[KnownPlan]:
        """Plans that can be approved, newest first: all, or the agents' parts of the one called `name`."""
        query = select(schema.plans).order_by(schema.plans.c.at.desc())
        if name is not None:
            query = query.where(schema.plans.c.id == name)
        with self._database.begin() as connection:
            rows = connection.execute(query).all()
        return [KnownPlan(row.id, row.project, row.agent, row.at, _approvals(row.sessions)) for row in rows]

    def approve(self, name: str, at: float, *, standing: bool = False) -> list[KnownPlan]:
        """Approve a plan, and close the breakers of its agents; returns its parts, none when it is unknown.

        A `standing` approval, one that stays written in a file, counts the first time only.
        """
        parts = self.known_plans(name)
        with self._database.begin() as connection:
            for part in parts:
                row = {"plan": name, "project": part.project, "agent": part.agent, "at": at}
                fresh = connection.execute(upsert(schema.approvals).values(row).on_conflict_do_nothing()).rowcount
                if fresh or not standing:
                    connection.execute(delete(schema.breakers).where(_of(schema.breakers, part.project, part.agent)))
        return parts

    def approved(self, project: str, agent: str) -> frozenset[Approval]:
        """The incarnations of this agent whose deletion or stop a person has approved."""
        joined = schema.approvals.join(
            schema.plans,
            and_(
                schema.plans.c.id == schema.approvals.c.plan,
                schema.plans.c.project == schema.approvals.c.project,
                schema.plans.c.agent == schema.approvals.c.agent,
            ),
        )
        query = select(schema.plans.c.sessions).select_from(joined).where(_of(schema.approvals, project, agent))
        with self._database.begin() as connection:
            return frozenset(one for row in connection.execute(query) for one in _approvals(row.sessions))

    def _put(self, table: Table, row: Mapping[str, object]) -> None:
        with self._database.begin() as connection:
            connection.execute(upsert(table).values(row).on_conflict_do_update(set_=row))


@contextmanager
def opened(url: str) -> Iterator[Store]:
    """The store at `url`, closed at the end."""
    store = Store.open(url)
    try:
        yield store
    finally:
        store.close()


def _of(table: Table, project: str, agent: str) -> ColumnElement[bool]:
    return and_(table.c.project == project, table.c.agent == agent)


def _mark_row(project: str, agent: str, mark: Mark) -> dict[str, object]:
    """A mark in the order of the table's columns."""
    return {
        "project": project,
        "agent": agent,
        "session": mark.seen.id,
        "created_at": mark.seen.created_at,
        "seen": json.dumps(mark.seen._asdict()),
        "action": str(mark.action),
        "rule": mark.rule,
        "marked_at": mark.marked_at,
        "ripe_at": mark.ripe_at,
    }


def _session(text: str) -> Session:
    fields = json.loads(text)
    return Session(**{**fields, "strange": tuple(fields["strange"])})


def _approvals(body: bytes) -> tuple[Approval, ...]:
    return tuple(
        Approval(session, created_at, accessed, Action(action))
        for session, created_at, accessed, action in json.loads(body)
    )


def _forget_plans(connection: Connection, project: str, agent: str, now: float) -> None:
    """Drop plans past their time, and all but the newest few that nobody has approved."""
    approved = select(schema.approvals.c.plan)
    mine = _of(schema.plans, project, agent)
    newest = select(schema.plans.c.id).where(mine).order_by(schema.plans.c.at.desc()).limit(PLANS_KEPT)
    kept = schema.plans.c.id.in_(newest) | schema.plans.c.id.in_(approved)
    connection.execute(delete(schema.plans).where(mine, (schema.plans.c.at < now - PLAN_KEPT_S) | ~kept))

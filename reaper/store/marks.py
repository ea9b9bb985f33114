"""The promises of a sweep: read and written some at a time, in the order of their sessions' ids.

Each is about one session and stands for itself. Written in several transactions, they are at any moment the new ones
of the first sessions and the old ones of all others: a promise may come or go with a later sweep, and is never kept
early.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, bindparam, delete, insert, or_, select

from reaper.core.model import Action, Incarnation, Session
from reaper.core.plan import Mark
from reaper.store import chain, tables
from reaper.store.chained_tables import MARKED, RowChange, cover
from reaper.store.database import Database

AT_A_TIME: Final = 250
"""So many marks are written, or read, before others may have their turn."""

_BEFORE_ALL: Final = ("", -1)
_COLUMNS: Final = tables.marks.c
_DROP: Final = delete(tables.marks).where(
    _COLUMNS.session == bindparam("gone"), _COLUMNS.created_at == bindparam("made")
)
_MARK: Final = insert(tables.marks).prefix_with("OR REPLACE")
_IN_ORDER: Final = (
    select(tables.marks)
    .where(
        _COLUMNS.project == bindparam("project"),
        _COLUMNS.agent == bindparam("agent"),
        _COLUMNS.session >= bindparam("session"),
        or_(_COLUMNS.session > bindparam("session"), _COLUMNS.created_at >= bindparam("created_at")),
    )
    .order_by(_COLUMNS.session, _COLUMNS.created_at)
    .limit(bindparam("most"))
)


class StandingMarks:
    """One agent's marks, each found by its incarnation: those asked for in order are read together.

    What was read is not read again, whatever is written meanwhile.
    """

    def __init__(self, database: Database, project: str, agent: str, most: int = AT_A_TIME) -> None:
        self._database, self._project, self._agent, self._most = database, project, agent, most
        self._known: dict[Incarnation, Mark] = {}
        self._first: Incarnation | None = None
        self._last: Incarnation | None = None

    def get(self, incarnation: Incarnation, /) -> Mark | None:
        """The mark of this incarnation, None when it has none."""
        is_before = self._first is None or incarnation < self._first
        if is_before or (self._last is not None and incarnation > self._last):
            self._read(incarnation)
        return self._known.get(incarnation)

    def _read(self, first: Incarnation) -> None:
        with self._database.begin() as connection:
            rows = rows_from(connection, self._project, self._agent, first, self._most)
        self._known = {mark.seen.incarnation: mark for mark in map(mark_of, rows)}
        self._first = first
        self._last = _place(rows[-1]) if len(rows) == self._most else None


def each(database: Database, project: str, agent: str, most: int = AT_A_TIME) -> Iterator[Mark | None]:
    """Every mark of an agent, in order; None after each look at the state, which ended by then."""
    first = _BEFORE_ALL
    while True:
        with database.begin() as connection:
            rows = rows_from(connection, project, agent, first, most)
        yield from map(mark_of, rows)
        yield None
        if len(rows) < most:
            return
        session, created_at = _place(rows[-1])
        first = session, created_at + 1


def replacing(
    database: Database, project: str, agent: str, marks: Iterable[Mark | None], at: float, most: int = AT_A_TIME
) -> Generator[None, None, None]:
    """Make these the agent's marks from platform time `at` on, all others are dropped; they come sorted.

    Each step writes some of it, with an entry of the record: what stands as it was is not written again. Where None
    comes instead of a mark, a step writes nothing. ValueError when a mark belongs before another that was written
    already.
    """
    left, first, done = iter(marks), _BEFORE_ALL, False
    wanted: list[Mark] = []
    while not done:
        for mark in left if len(wanted) < most else ():
            if mark is None:
                yield
                continue
            wanted.append(mark)
            if len(wanted) == most:
                break
        with database.begin() as connection:
            chain.lock(connection)
            found = rows_from(connection, project, agent, first, most)
            # Up to here both are known.
            ends = [_place(found[-1])] if len(found) == most else []
            ends += [wanted[-1].seen.incarnation] if len(wanted) == most else []
            upto = min(ends, default=None)
            behind = [mark for mark in wanted if upto is not None and mark.seen.incarnation > upto]
            now = wanted[: len(wanted) - len(behind)]
            places = [first, *(mark.seen.incarnation for mark in wanted)]
            if places != sorted(places):
                raise ValueError("marks are written out of order")
            before = [row for row in found if upto is None or _place(row) <= upto]
            _change(connection, project, agent, at, before, now)
        wanted, done = behind, upto is None
        first = first if upto is None else (upto[0], upto[1] + 1)
        yield


def _change(
    connection: Connection, project: str, agent: str, at: float, before: Sequence[Row[Any]], marks: Sequence[Mark]
) -> None:
    """Put these marks in the place of those before, all of one stretch."""
    rows = {mark.seen.incarnation: row_of(project, agent, mark) for mark in marks}
    gone: list[dict[str, Any]] = []
    removed: list[Sequence[Any]] = []
    for old in before:
        row = rows.get(_place(old))
        if row is None:
            gone.append({"gone": old.session, "made": old.created_at})
        elif tuple(row.values()) == tuple(old):
            del rows[_place(old)]
            continue
        removed.append(tuple(old))
    if gone:
        connection.execute(_DROP.where(tables.of_agent(tables.marks, project, agent)), gone)
    if rows:
        connection.execute(_MARK, list(rows.values()))
    if gone or rows:
        added = [tuple(row.values()) for row in rows.values()]
        counts = {"came": len(added), "left": len(removed)}
        cover(connection, MARKED, project, agent, at, counts, RowChange("marks", added, removed))


def drop(connection: Connection, project: str, agent: str, session: Session, at: float) -> None:
    """Forget the promise to one incarnation."""
    which = and_(
        tables.of_agent(tables.marks, project, agent),
        _COLUMNS.session == session.id,
        _COLUMNS.created_at == session.created_at,
    )
    chain.lock(connection)
    removed = [tuple(row) for row in connection.execute(select(tables.marks).where(which))]
    if removed:
        connection.execute(delete(tables.marks).where(which))
        counts = {"came": 0, "left": len(removed)}
        cover(connection, MARKED, project, agent, at, counts, RowChange("marks", removed=removed))


def of_agent(project: str, agent: str) -> Select[Any]:
    """All of an agent's marks."""
    return select(tables.marks).where(tables.of_agent(tables.marks, project, agent))


def rows_from(connection: Connection, project: str, agent: str, first: Incarnation, most: int) -> Sequence[Row[Any]]:
    """So many of an agent's marks at most, from this incarnation on."""
    session, created_at = first
    given = {"project": project, "agent": agent, "session": session, "created_at": created_at, "most": most}
    return connection.execute(_IN_ORDER, given).all()


def row_of(project: str, agent: str, mark: Mark) -> dict[str, object]:
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


def mark_of(row: Row[Any]) -> Mark:
    """What a row says."""
    fields = json.loads(row.seen)
    seen = Session(**{**fields, "strange": tuple(fields["strange"])})
    return Mark(seen, Action(row.action), row.rule, row.marked_at, row.ripe_at)


def _place(row: Row[Any]) -> Incarnation:
    return row.session, row.created_at

"""Tables that the chain covers: each change of theirs is an event that holds a digest of what they hold then.

The digest is of a sum over the rows, so that a change costs what changed and not what is there. It goes on from the
sum before, never from the table: what somebody else wrote into the table stays visible.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Table, select

from reaper.store import chain, tables
from reaper.store.chain import EVENT

MARKED: Final = "marks"
PLANNED: Final = "plans"
HEARD: Final = "voices"
LEVELLED: Final = "levels"
JUMPED, SETTLED = "jump_found", "jump_over"
CARRIED: Final = "carried"
"""What is known of tables whose last event is about to be pruned."""

COVERED: Final[Mapping[str, tuple[Table, tuple[str, ...]]]] = {
    "marks": (tables.marks, tuple(tables.marks.c.keys())),
    "plans": (tables.plans, ("id", "project", "agent", "sessions")),
    "approvals": (tables.approvals, tuple(tables.approvals.c.keys())),
    "holds": (tables.holds, tuple(tables.holds.c.keys())),
    "breakers": (tables.breakers, tuple(tables.breakers.c.keys())),
    "unserved": (tables.unserved, tuple(tables.unserved.c.keys())),
    "voices": (tables.voices, tuple(tables.voices.c.keys())),
    "levels": (tables.levels, tuple(tables.levels.c.keys())),
}
"""By name: the table, and its columns that count. When a plan was seen last is of no consequence."""

_SUM_BYTES: Final = 256
"""So long that no set of rows can be found whose sum is that of another."""
_MODULUS: Final = 1 << (8 * _SUM_BYTES)
_SUM: Final = "sum "
_ROWS_AT_A_TIME: Final = 500

Row = Sequence[Any]
Where = tuple[str, str, str]
"""Table, project and agent."""


@dataclass(frozen=True, slots=True)
class RowChange:
    """Rows of one agent that came into a covered table or left it; only its covered columns, in their order."""

    table: str
    added: Iterable[Row] = ()
    removed: Iterable[Row] = ()


@dataclass(frozen=True, slots=True)
class _Sum:
    """What the rows of a place come to, and the number of the journal's row that says so."""

    value: int = 0
    rows: int = 0
    seq: int = 0

    def digest(self) -> str:
        content = self.value.to_bytes(_SUM_BYTES) + self.rows.to_bytes(8, signed=True)
        return hashlib.sha256(content).hexdigest()


def cover(
    connection: Connection,
    event: str,
    project: str,
    agent: str,
    at: float,
    body: Mapping[str, Any],
    *changes: RowChange,
    session: str = "",
) -> None:
    """Add an event to the chain that covers what it changes, in the transaction that changes it."""
    chain.lock(connection)
    sums = {change.table: _changed(connection, change, project, agent) for change in changes}
    digests = {table: {"digest": one.digest(), "rows": one.rows} for table, one in sums.items()}
    chain.note(connection, event, project, agent, at, {**body, "covers": digests}, session)
    seq = chain.last(connection).count
    for table, one in sums.items():
        _put(connection, (table, project, agent), _Sum(one.value, one.rows, seq))


@contextmanager
def covering(
    connection: Connection, event: str, project: str, agent: str, at: float, body: Mapping[str, Any], *tables: str
) -> Iterator[None]:
    """Cover whatever the block changes in the agent's rows of these small tables; no event when nothing changes."""
    chain.lock(connection)
    before = {table: list(_rows(connection, table, project, agent)) for table in tables}
    yield
    changes = []
    for table in tables:
        after = list(_rows(connection, table, project, agent))
        added = [row for row in after if row not in before[table]]
        removed = [row for row in before[table] if row not in after]
        changes += [RowChange(table, added, removed)] if added or removed else []
    if changes:
        cover(connection, event, project, agent, at, body, *changes)


def cover_all(connection: Connection, event: str, at: float, body: Mapping[str, Any]) -> None:
    """Let the chain cover what the tables hold that no event covers yet, after an event about why."""
    chain.note(connection, event, "", "", at, body)
    for table, (_, columns) in COVERED.items():
        rows: dict[tuple[str, str], list[Row]] = {}
        for row in _rows(connection, table):
            place = row[columns.index("project")], row[columns.index("agent")]
            rows.setdefault(place, []).append(row)
        for (project, agent), added in sorted(rows.items()):
            cover(connection, CARRIED, project, agent, at, {}, RowChange(table, added))


def repeat_digests(connection: Connection, last: int, at: float) -> None:
    """Say again at the end of the chain what only rows up to number `last` say, which are about to go."""
    journal = tables.journal
    query = select(journal).where(journal.c.kind == EVENT, journal.c.seq <= last).order_by(journal.c.seq)
    pruned: dict[Where, Mapping[str, Any]] = {}
    for row in connection.execute(query):
        covers = covered_digests(json.loads(row.body))
        pruned |= {(table, row.project, row.agent): recorded for table, recorded in covers.items()}
    for (table, project, agent), recorded in pruned.items():
        known = _sum(connection, (table, project, agent))
        if known.seq > last:
            continue
        if recorded["digest"] != _Sum().digest():
            chain.note(connection, CARRIED, project, agent, at, {"covers": {table: recorded}})
            seq = chain.last(connection).count
            _put(connection, (table, project, agent), _Sum(known.value, known.rows, seq))
        else:
            connection.execute(tables.meta.delete().where(tables.meta.c.key == _key((table, project, agent))))


def covered_digests(body: object) -> dict[str, Mapping[str, Any]]:
    """The tables that an event covers, with the digest of each; ValueError when that was made unreadable."""
    covers = body.get("covers", {}) if isinstance(body, dict) else None
    is_whole = isinstance(covers, dict) and all(
        isinstance(one, dict) and {"digest", "rows"} <= one.keys() for one in covers.values()
    )
    if covers is None or not is_whole:
        raise ValueError("an event that covers nothing")
    return dict(covers)


def altered_tables(connection: Connection, recorded: Mapping[Where, str], compared: Set[str]) -> Iterator[str]:
    """What the tables that are `compared` hold that is not what the chain says last, in words."""
    for table, (_, columns) in COVERED.items():
        if table not in compared:
            continue
        sums: dict[Where, _Sum] = {}
        for row in _rows(connection, table):
            place = table, row[columns.index("project")], row[columns.index("agent")]
            sums[place] = _added(sums.get(place, _Sum()), [row], 1)
        expected = {place: digest for place, digest in recorded.items() if place[0] == table}
        for place in sorted(sums.keys() | expected.keys()):
            if sums.get(place, _Sum()).digest() != expected.get(place, _Sum().digest()):
                yield f"the {table} of {place[1]}/{place[2]} are not those that were recorded: somebody altered them"


def _changed(connection: Connection, change: RowChange, project: str, agent: str) -> _Sum:
    known = _sum(connection, (change.table, project, agent))
    return _added(_added(known, change.added, 1), change.removed, -1)


def _added(known: _Sum, rows: Iterable[Row], sign: int) -> _Sum:
    value, count = known.value, known.rows
    for row in rows:
        value += sign * _number(row)
        count += sign
    return _Sum(value % _MODULUS, count, known.seq)


def _number(row: Row) -> int:
    text = repr([_comparable(each) for each in row])
    return int.from_bytes(hashlib.shake_256(text.encode("utf-8", "backslashreplace")).digest(_SUM_BYTES))


def _comparable(value: object) -> object:
    """A value as it reads before it was written and after: whole numbers come back as fractions from some columns."""
    if isinstance(value, int):
        return float(value)
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else value


def _rows(connection: Connection, table: str, *where: str) -> Iterator[Row]:
    """The rows of a table, or those of one project and agent."""
    source, columns = COVERED[table]
    query = select(*(source.c[name] for name in columns))
    if where:
        query = query.where(tables.of_agent(source, *where))
    for row in connection.execute(query, execution_options={"yield_per": _ROWS_AT_A_TIME}):
        yield tuple(row)


def _key(place: Where) -> str:
    return _SUM + json.dumps(place)


def _sum(connection: Connection, place: Where) -> _Sum:
    text = tables.read_meta(connection, _key(place))
    if text is None:
        return _Sum()
    try:
        known = json.loads(text)
        return _Sum(int(known["sum"], 16), int(known["rows"]), int(known["seq"]))
    except (ValueError, TypeError, KeyError):
        # Altered by somebody: from here on the digests fit no table, and a look at the record says so.
        return _Sum()


def _put(connection: Connection, place: Where, one: _Sum) -> None:
    text = json.dumps({"sum": f"{one.value:x}", "rows": one.rows, "seq": one.seq})
    tables.put_meta(connection, _key(place), text)

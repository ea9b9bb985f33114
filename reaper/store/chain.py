"""The chain through the journal: each row's hash covers the row before. Walked to verify it, shortened at its start.

It shows that nobody altered, inserted, moved or removed rows in between. Whoever can write the file could write all
of it anew, or cut off its end: only a head noted elsewhere shows that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, case, delete, exists, func, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from reaper.model import OutcomeKind
from reaper.store.schema import journal, meta

INTENT: Final = "intent"
OUTCOME: Final = "outcome"
UNSETTLED: Final = frozenset({"", OutcomeKind.IN_DOUBT.value})
"""What the latest row of an action says while nobody knows how it ended."""
GENESIS: Final = "0" * 64
PRUNE_MAX_ROWS: Final = 10_000
"""So many rows go at once, so that a sweep never waits long for it; the rest goes in the next ones."""

_COVERED: Final = tuple(column.name for column in journal.c if column.name not in {"seq", "hash"})
_CHECKPOINT: Final = "journal_pruned"
_STREAMED: Final = {"yield_per": 500}
_INSERT: Final = insert(journal)
_LAST_HASH: Final = select(journal.c.hash).order_by(journal.c.seq.desc()).limit(1)

_other = journal.alias("other")
_MINE: Final = _other.c.action_id == journal.c.action_id
_LATEST: Final = select(_other.c.outcome).where(_MINE).order_by(_other.c.seq.desc()).limit(1).scalar_subquery()
"""How the action of a row stands at last."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where the chain begins: how many rows were pruned before it, and the hash of the last of them."""

    count: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Broken:
    """The first row at which the chain does not hold, and what is wrong with it."""

    row: int
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk along the chain found; what comes after a `broken` place was not looked at.

    `since_noted` is how many rows were added after the head that was noted elsewhere: None when none was given, or
    when the chain does not contain it.
    """

    rows: int
    head: str
    pruned: int
    unresolved: int
    broken: Broken | None = None
    since_noted: int | None = None


def row_hash(previous: str, row: Mapping[str, Any]) -> str:
    """What the hash of a row is that follows one with the hash `previous`."""
    told = json.dumps([previous, *(row[name] for name in _COVERED)], default=repr)
    return hashlib.sha256(told.encode()).hexdigest()


def append(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows to the end of the chain, which nobody else can grow until the transaction ends."""
    # Without the lock, what another process appends after this look would fork the chain.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    previous, chained = last_hash(connection), []
    for row in rows:
        previous = row_hash(previous, row)
        chained.append({**row, "hash": previous})
    connection.execute(_INSERT, chained)


def last_hash(connection: Connection) -> str:
    """The hash that the next row continues."""
    found = connection.execute(_LAST_HASH).scalar()
    return found or checkpoint(connection).hash


def checkpoint(connection: Connection) -> Checkpoint:
    """Where the chain begins now; ValueError when that was made unreadable."""
    text = connection.execute(select(meta.c.value).where(meta.c.key == _CHECKPOINT)).scalar()
    if text is None:
        return Checkpoint()
    told = json.loads(text)
    if type(told) is not dict or type(told.get("count")) is not int or type(told.get("hash")) is not str:
        raise ValueError("no checkpoint")
    return Checkpoint(told["count"], told["hash"])


@dataclass(slots=True)
class _Walk:
    """Goes from row to row; remembers only the last one."""

    number: int
    hash: str
    noted: str | None
    rows: int = 0
    unresolved: int = 0
    since_noted: int | None = field(default=None)

    def __post_init__(self) -> None:
        self._look()

    def step(self, row: Row[Any]) -> str:
        """Take one row into account; what is wrong with it, '' when nothing is."""
        if row.seq != self.number + 1:
            return f"entries {self.number + 1} to {row.seq - 1} are missing before it"
        if row_hash(self.hash, row._asdict()) != row.hash:
            return "its hash does not fit: it was altered, inserted or moved, or the entry before it was"
        if row.kind == OUTCOME and not row.intended:
            return "it is the outcome of an action that has no intent"
        self.unresolved += row.kind == INTENT and row.latest in UNSETTLED
        self.number, self.hash, self.rows = row.seq, row.hash, self.rows + 1
        self._look()
        return ""

    def _look(self) -> None:
        if self.since_noted is not None:
            self.since_noted += 1
        elif self.hash == self.noted:
            self.since_noted = 0


def verify(connection: Connection, noted: str | None = None) -> Verdict:
    """Walk the whole chain in one snapshot of the file; stops at the first place where it does not hold."""
    connection.exec_driver_sql("BEGIN")
    try:
        start = checkpoint(connection)
    except ValueError:
        return Verdict(0, GENESIS, 0, 0, Broken(0, "the checkpoint of the pruned entries is unreadable"))
    walk, broken = _Walk(start.count, start.hash, noted), None
    for row in connection.execute(_steps(), execution_options=_STREAMED):
        what = walk.step(row)
        if what:
            broken = Broken(row.seq, what)
            break
    broken = broken or _cut_tail(connection, walk.number)
    return Verdict(walk.rows, walk.hash, start.count, walk.unresolved, broken, walk.since_noted)


def _steps() -> Select[Any]:
    """Every row in order, with whether its action has an intent before it, and how that action stands at last."""
    intended = exists().where(_MINE, _other.c.kind == INTENT, _other.c.seq < journal.c.seq)
    columns = (
        case((journal.c.kind == OUTCOME, intended), else_=False).label("intended"),
        case((journal.c.kind == INTENT, _LATEST), else_="-").label("latest"),
    )
    return select(journal, *columns).order_by(journal.c.seq)


def _cut_tail(connection: Connection, last: int) -> Broken | None:
    """Whether rows are gone from the end, by the number that SQLite would give the next one."""
    given = connection.exec_driver_sql("SELECT max(seq) FROM sqlite_sequence WHERE name = 'journal'").scalar() or 0
    if given <= last:
        return None
    return Broken(last + 1, f"entries {last + 1} to {given} are missing at the end")


def prune(connection: Connection, before: float) -> int:
    """Drop the settled actions at the start of the chain that are older than platform time `before`.

    Only whole actions go, from the start: an open one, or a young one, keeps everything after it. What is left
    verifies from the checkpoint that is put in place of what went. Returns how many rows went.
    """
    start = checkpoint(connection)
    cut = _cut(connection, before, start.count)
    if cut is None:
        return 0
    connection.execute(delete(journal).where(journal.c.seq <= cut.count))
    text = json.dumps({"count": cut.count, "hash": cut.hash})
    put = upsert(meta).values(key=_CHECKPOINT, value=text).on_conflict_do_update(set_={"value": text})
    connection.execute(put)
    return cut.count - start.count


def _cut(connection: Connection, before: float, first: int) -> Checkpoint | None:
    """The last place, within bounds, up to which every action is old, settled and complete."""
    last = select(func.max(_other.c.seq)).where(_MINE).scalar_subquery()
    columns = (journal.c.seq, journal.c.at, journal.c.hash, _LATEST.label("latest"), last.label("last"))
    found, complete_at = None, 0
    with connection.execute(select(*columns).order_by(journal.c.seq), execution_options=_STREAMED) as rows:
        for row in rows:
            enough = found is not None and row.seq > first + PRUNE_MAX_ROWS
            if row.at >= before or row.latest in UNSETTLED or enough:
                break
            complete_at = max(complete_at, row.last)
            if complete_at == row.seq:
                found = Checkpoint(row.seq, row.hash)
    return found

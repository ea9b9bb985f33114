"""Walks the chain, and says whether the record is as it was written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, case, exists, select

from reaper.store import chain, chained_tables, tables
from reaper.store.chain import EVENT, GENESIS, INTENT, OUTCOME, UNRESOLVED, UNSETTLED, Place, row_hash
from reaper.store.migrations import MIGRATED
from reaper.store.pruning import PRUNED
from reaper.store.signing import SIGNED, Exported, Key, read_head
from reaper.store.tables import journal

BEFORE_EVENTS: Final = 1
"""The version whose chain told of actions only: neither of prunes, nor of what the tables held."""
_STREAMED: Final = {"yield_per": 500}


@dataclass(frozen=True, slots=True)
class Broken:
    """The first row at which the chain does not hold, and what is wrong with it."""

    row: int
    what: str


@dataclass(slots=True)
class Verification:
    """What a walk along the chain found; what comes after a `broken` place was not looked at.

    `doubts` are what the chain itself cannot show: tables that are not as it says, heads from elsewhere that do not
    fit, signatures that are missing. `since_noted` is how many rows were added after the head that was noted
    elsewhere: None when none was given, or when the chain does not contain it. `signed` is the last row that the
    key's signatures vouch for, `given_up` how many actions ended as `unresolved`. With `tables_compared`
    false, the chain of this `version` says nothing of its tables, or nothing that is known here.
    """

    rows: int = 0
    head: str = GENESIS
    pruned: int = 0
    unresolved: int = 0
    broken: Broken | None = None
    since_noted: int | None = None
    doubts: tuple[str, ...] = ()
    given_up: int = 0
    signed: int | None = None
    exported: int = 0
    version: int = tables.SCHEMA_VERSION
    tables_compared: bool = True


def verify(
    connection: Connection, noted: str | None = None, exported: Sequence[Exported] = (), key: Key | None = None
) -> Verification:
    """Walk the whole chain in one snapshot of the file; stops at the first place where it does not hold."""
    chain.snapshot(connection)
    version = tables.version_in(connection) or tables.SCHEMA_VERSION
    try:
        start = chain.checkpoint(connection)
    except ValueError:
        return Verification(broken=Broken(0, "the checkpoint of the pruned entries is unreadable"))
    compared = _compared(version)
    found = Verification(head=start.hash, pruned=start.count, exported=len(exported), version=version)
    found.tables_compared = bool(compared)
    verifier = _Verifier(start, noted, _by_number(exported), key, found)
    for row in connection.execute(_all_rows(), execution_options=_STREAMED):
        what = verifier.step(row)
        if what:
            found.broken = Broken(row.seq, what)
            break
    found.broken = found.broken or _cut_tail(connection, verifier.number) or verifier.beginning()
    if found.broken is None:
        found.doubts += (*verifier.ending(), *chained_tables.altered_tables(connection, verifier.covers, compared))
    return found


def _compared(version: int) -> set[str]:
    """The tables that the chain of this version covers, as far as they are known."""
    if version == BEFORE_EVENTS or version > tables.SCHEMA_VERSION:
        return set()
    return chained_tables.COVERED.keys() - tables.unknown_to(version)


@dataclass(slots=True)
class _Verifier:
    """Goes from row to row, and writes down what is `found`; remembers only what the rows say of other things."""

    start: Place
    noted: str | None
    exported: dict[int, list[Exported]]
    key: Key | None
    found: Verification
    number: int = 0
    vouched: Place = field(default_factory=Place)
    vouched_at: int = 0
    covers: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.number = self.start.count
        self._look()

    def step(self, row: Row[Any]) -> str:
        """Take one row into account; what is wrong with it, '' when nothing is."""
        if row.seq != self.number + 1:
            return f"entries {self.number + 1} to {row.seq - 1} are missing before it"
        if row_hash(self.found.head, row._asdict()) != row.hash:
            return "its hash does not fit: it was altered, inserted or moved, or the entry before it was"
        if row.kind == OUTCOME and not row.intended and not self._was_given_up(row):
            return "it is the outcome of an action that has no intent"
        if row.kind == EVENT:
            wrong = self._event(row)
            if wrong:
                return wrong
        self.found.unresolved += row.kind == INTENT and row.latest in UNSETTLED
        self.found.given_up += row.kind == OUTCOME and row.outcome == UNRESOLVED
        self.number, self.found.head = row.seq, row.hash
        self.found.rows += 1
        self._look()
        return ""

    def beginning(self) -> Broken | None:
        """What is wrong with where the chain begins, once all that could explain it was read."""
        if self.start == self.vouched or self.found.version == BEFORE_EVENTS:
            return None
        if self.start.count > self.vouched.count:
            why = f"entries up to {self.start.count} are gone, and no entry says that they were pruned"
        else:
            why = "an entry says that others were pruned, and the record does not begin after them"
        return Broken(0, why)

    def ending(self) -> Iterable[str]:
        """What heads and signatures say that the chain does not fit, once all of it was read."""
        beyond = [one for number, found in self.exported.items() if number > self.number for one in found]
        for one in beyond:
            yield f"{one.where} has the head of entry {one.head.seq}, which is missing: the end was cut off"
        if self.key is None or not self.found.rows:
            return
        if self.found.signed is None:
            yield (
                f"nothing in it is signed with the key {self.key.id}: somebody wrote it anew, "
                "or the key is new and nothing was done since"
            )
        elif self.vouched_at > self.found.signed:
            yield f"entry {self.vouched_at}, which says that earlier ones were pruned, is not signed"

    def _event(self, row: Row[Any]) -> str:
        """Take in what an event says of the record itself."""
        try:
            body = json.loads(row.body)
            for table, cover in chained_tables.covered_digests(body).items():
                self.covers[table, row.project, row.agent] = str(cover["digest"])
            if row.rule in (PRUNED, MIGRATED):
                self.vouched, self.vouched_at = Place(int(body["count"]), str(body["hash"])), row.seq
            if row.rule == SIGNED:
                return self._signature(body)
        except (ValueError, TypeError, KeyError):
            return "it is an event that cannot be read"
        return ""

    def _signature(self, body: object) -> str:
        head = read_head(body)
        if (head.seq, head.head) != (self.number, self.found.head):
            return "it signs another entry than the one before it"
        if self.key is None or head.key != self.key.id:
            return ""
        if not self.key.signed(head):
            return "its signature is not by the key"
        self.found.signed = head.seq
        return ""

    def _was_given_up(self, row: Row[Any]) -> bool:
        """Whether it is the outcome of an intent that was pruned ahead of it."""
        if row.outcome != UNRESOLVED:
            return False
        number = json.loads(row.body).get("entry")
        return isinstance(number, int) and number <= self.start.count

    def _look(self) -> None:
        """Compare the place reached with heads from elsewhere."""
        if self.found.since_noted is not None:
            self.found.since_noted += 1
        elif self.found.head == self.noted:
            self.found.since_noted = 0
        for one in self.exported.get(self.number, ()):
            if self.key is not None and one.head.key == self.key.id and not self.key.signed(one.head):
                self.found.doubts += (f"{one.where} has a signature that is not by the key",)
            if one.head.head != self.found.head:
                self.found.doubts += (
                    f"{one.where} has another head of entry {self.number}: the record was written anew, "
                    "or that line was altered",
                )


def _by_number(exported: Sequence[Exported]) -> dict[int, list[Exported]]:
    heads: dict[int, list[Exported]] = {}
    for one in exported:
        heads.setdefault(one.head.seq, []).append(one)
    return heads


def _all_rows() -> Select[Any]:
    """Every row in order, with whether its action has an intent before it, and how that action stands at last."""
    intended = exists().where(chain.OF_ACTION, chain.OTHER.c.kind == INTENT, chain.OTHER.c.seq < journal.c.seq)
    columns = (
        case((journal.c.kind == OUTCOME, intended), else_=False).label("intended"),
        case((journal.c.kind == INTENT, chain.LATEST), else_="-").label("latest"),
    )
    return select(journal, *columns).order_by(journal.c.seq)


def _cut_tail(connection: Connection, last: int) -> Broken | None:
    """Whether rows are gone from the end, by the number that SQLite would give the next one."""
    given = connection.exec_driver_sql("SELECT max(seq) FROM sqlite_sequence WHERE name = 'journal'").scalar() or 0
    if given <= last:
        return None
    return Broken(last + 1, f"entries {last + 1} to {given} are missing at the end")

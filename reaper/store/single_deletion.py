"""One deletion for one incarnation, whoever asks: what must stand before an intent may be added."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from reaper.core.durations import show_time
from reaper.core.model import Action, OutcomeKind
from reaper.store.chain import INTENT, LATEST, OUTCOME, UNSETTLED
from reaper.store.tables import journal

THERE_AGAIN: Final = "it is there again, so it was not done"

_EARLIER: Final = (
    select(journal, LATEST.label("latest"))
    .where(journal.c.session.in_(bindparam("sessions", expanding=True)), journal.c.kind == INTENT)
    .order_by(journal.c.seq)
)

Row = Mapping[str, Any]


class AlreadyIntendedError(Exception):
    """Another intent for the same incarnation stands: open, or done. Nothing was written, nothing may be sent.

    `id`, `at` (platform time), `outcome` ('' while open) and `by` are those of the intent that stands.
    """

    def __init__(self, row: Row, outcome: str) -> None:
        self.id = str(row["action_id"])
        self.at = float(row["at"])
        self.outcome = outcome
        self.by = _by(str(row["body"]))
        state = {"": "is under way", OutcomeKind.IN_DOUBT.value: "is in doubt"}.get(outcome, f"is {outcome}")
        super().__init__(
            f"another {row['action']} of this session {state}, intended at {show_time(self.at)}"
            + (f" by {self.by}" if self.by else "")
        )


@dataclass(frozen=True, slots=True)
class WantedRow:
    """A row that somebody wants to add. `contradicts`: the id of a deed that is `done`, yet its session is there.

    `promised_at` is when what it intends was promised, None where it was not.
    """

    row: dict[str, Any]
    contradicts: str = ""
    promised_at: float | None = None


@dataclass(slots=True)
class _EarlierDeletion:
    """An intent as it stands after the rows so far."""

    row: Row
    outcome: str


def stands_in_the_way(action: str, outcome: str) -> bool:
    """Whether an action that stands like this keeps another of its kind on the same incarnation from beginning."""
    return outcome in UNSETTLED or (action == Action.DELETE.value and outcome == OutcomeKind.DONE.value)


def admit(connection: Connection, wanted: Sequence[WantedRow]) -> Iterator[list[Row] | AlreadyIntendedError]:
    """For each row, in order, the rows to be added for it, or why it must not be.

    Everything is judged as it stands after the rows before it. Nobody else may write meanwhile.
    """
    earlier = _earlier_deletions(connection, {one.row["session"] for one in wanted if one.row["kind"] == INTENT})
    for one in wanted:
        if one.row["kind"] == INTENT:
            yield _admit(one, earlier)
            continue
        for known in earlier.values():
            if one.row["kind"] == OUTCOME and known.row["action_id"] == one.row["action_id"]:
                known.outcome = one.row["outcome"]
        yield [one.row]


def _admit(one: WantedRow, earlier: dict[tuple[object, ...], _EarlierDeletion]) -> list[Row] | AlreadyIntendedError:
    rows: list[Row] = [one.row]
    key = _incarnation(one.row)
    known = earlier.get(key)
    if known is not None and stands_in_the_way(known.row["action"], known.outcome):
        is_wrong = known.outcome == OutcomeKind.DONE.value and known.row["action_id"] == one.contradicts
        if not is_wrong:
            return AlreadyIntendedError(known.row, known.outcome)
        rows.insert(0, _undone(known.row))
    earlier[key] = _EarlierDeletion(one.row, "")
    return rows


def _earlier_deletions(connection: Connection, sessions: set[str]) -> dict[tuple[object, ...], _EarlierDeletion]:
    """How the last intent that blocks stands, by incarnation and action."""
    earlier: dict[tuple[object, ...], _EarlierDeletion] = {}
    if not sessions:
        return earlier
    for found_row in connection.execute(_EARLIER, {"sessions": sorted(sessions)}):
        row = found_row._asdict()
        if stands_in_the_way(row["action"], row["latest"]):
            earlier[_incarnation(row)] = _EarlierDeletion(row, row["latest"])
    return earlier


def _incarnation(row: Row) -> tuple[object, ...]:
    return tuple(row[name] for name in ("project", "agent", "session", "created_at", "action"))


def _undone(row: Row) -> Row:
    """The outcome that replaces a `done` which was not so; at its own time: no other day's limit counts it."""
    names = ("at", "action_id", "project", "agent", "session", "created_at", "action", "rule", "approved")
    outcome = {"kind": OUTCOME, "outcome": OutcomeKind.UNVERIFIED.value, "body": json.dumps({"why": THERE_AGAIN})}
    return {name: row[name] for name in names} | outcome


def _by(body: str) -> str:
    fields = json.loads(body)
    origin = fields.get("origin") if type(fields) is dict else None
    return str(origin.get("by", "")) if type(origin) is dict else ""

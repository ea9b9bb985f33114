"""The chain through the journal: each row's hash covers the row before.

It shows that nobody altered, inserted, moved or removed rows in between. Whoever can write the file could write all
of it anew, or cut off its end: only a head noted elsewhere, or a key that is kept elsewhere, shows that.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from reaper.core.model import Action, OutcomeKind
from reaper.store.tables import journal, put_meta, read_meta

INTENT: Final = "intent"
OUTCOME: Final = "outcome"
EVENT: Final = "event"
"""A row about no session: a prune, an approval, a breaker, a configuration that came into force."""
NOTED: Final = "noted"
"""The outcome that each event has from the start: it is settled, and counts as no action."""
UNRESOLVED: Final = "unresolved"
"""The outcome of an action that nobody can look up any more."""
UNSETTLED: Final = frozenset({"", OutcomeKind.IN_DOUBT.value})
"""What the latest row of an action says while nobody knows how it ended."""
GENESIS: Final = "0" * 64

OTHER: Final = journal.alias("other")
OF_ACTION: Final = OTHER.c.action_id == journal.c.action_id
LATEST: Final = select(OTHER.c.outcome).where(OF_ACTION).order_by(OTHER.c.seq.desc()).limit(1).scalar_subquery()
"""How the action of a row stands at last, by the `OTHER` rows that are `OF_ACTION`."""

_COVERED: Final = tuple(column.name for column in journal.c if column.name not in {"seq", "hash"})
_CHECKPOINT: Final = "journal_pruned"
_INSERT: Final = insert(journal)
_LAST: Final = select(journal.c.seq, journal.c.hash).order_by(journal.c.seq.desc()).limit(1)


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
class Place:
    """A place in the chain: the number of a row, and its hash. Before the first row both are naught."""

    count: int = 0
    hash: str = GENESIS


def row_of(intent: Intent, kind: str, at: float, outcome: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a row about an action, all but its number and its hash."""
    return {
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


def row_hash(previous: str, row: Mapping[str, Any]) -> str:
    """What the hash of a row is that follows one with the hash `previous`."""
    text = json.dumps([previous, *(row[name] for name in _COVERED)], default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def lock(connection: Connection) -> None:
    """Keep every other process from writing until this transaction ends."""
    # Without it, what another process appends after a look at the last row would fork the chain.
    _begin(connection, "BEGIN IMMEDIATE")


def snapshot(connection: Connection) -> None:
    """See the file as it is now until this transaction ends, whatever others write."""
    _begin(connection, "BEGIN")


def _begin(connection: Connection, how: str) -> None:
    driver = connection.connection.driver_connection
    if driver is None or not driver.in_transaction:
        connection.exec_driver_sql(how)


def append(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows to the end of the chain, which nobody else can grow until the transaction ends."""
    lock(connection)
    previous, chained = last(connection).hash, []
    for row in rows:
        previous = row_hash(previous, row)
        chained.append({**row, "hash": previous})
    if chained:
        connection.execute(_INSERT, chained)


def note(
    connection: Connection,
    event: str,
    project: str,
    agent: str,
    at: float,
    body: Mapping[str, Any],
    session: str = "",
) -> None:
    """Add a row about an event to the end of the chain, in the transaction that carries the event out."""
    about = Intent(uuid.uuid4().hex, project, agent, session, 0, Action.KEEP, event, approved=False)
    append(connection, [row_of(about, EVENT, at, NOTED, body)])


def note_change(
    connection: Connection, event: str, about: str, at: float, body: Mapping[str, Any], origin: Mapping[str, Any]
) -> None:
    """Add an event, unless the last one of its name `about` the same thing said the same, whoever it came from."""
    lock(connection)
    key, text = f"last {json.dumps([event, about])}", json.dumps(body, sort_keys=True)
    if read_meta(connection, key) != text:
        note(connection, event, "", "", at, {**body, "origin": origin})
        put_meta(connection, key, text)


def last(connection: Connection) -> Place:
    """The end of the chain, which the next row continues."""
    row = connection.execute(_LAST).one_or_none()
    return Place(row.seq, row.hash) if row else checkpoint(connection)


def checkpoint(connection: Connection) -> Place:
    """The last row that was pruned, after which the chain begins; ValueError when that was made unreadable."""
    text = read_meta(connection, _CHECKPOINT)
    if text is None:
        return Place()
    fields = json.loads(text)
    if type(fields) is not dict or type(fields.get("count")) is not int or type(fields.get("hash")) is not str:
        raise ValueError("no checkpoint")
    return Place(fields["count"], fields["hash"])


def put_checkpoint(connection: Connection, place: Place) -> None:
    """Let the chain begin after this row."""
    put_meta(connection, _CHECKPOINT, json.dumps({"count": place.count, "hash": place.hash}))

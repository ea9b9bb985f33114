"""Rows of holds as values, and the check that keeps an action from beginning on a session that is held."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, select

from reaper.core.holds import SessionHold, holds_words, read_day
from reaper.store.chain import INTENT
from reaper.store.single_deletion import WantedRow
from reaper.store.tables import holds

PLACED: Final = "hold_placed"
RELEASED: Final = "hold_released"
FORGOTTEN: Final = "holds_forgotten"
"""What the record calls these events."""

# Those that were released are read, too: whether one was is part of what somebody may have altered.
_ON_SESSIONS: Final = select(holds).where(holds.c.session.in_(bindparam("sessions", expanding=True)))


class HeldError(Exception):
    """Somebody holds the session of an intent, or did since it was promised. Nothing was written, or may be sent."""

    def __init__(self, holding: Sequence[SessionHold]) -> None:
        self.holds = tuple(holding)
        super().__init__(holds_words(holding))


def row_of_hold(hold: SessionHold) -> dict[str, Any]:
    """A hold in the order of the table's columns."""
    return {
        "id": hold.id,
        "project": hold.project,
        "agent": hold.agent,
        "session": hold.session,
        "created_at": hold.created_at,
        "until": hold.until.isoformat() if hold.until else "",
        "legal": hold.legal,
        "reason": hold.reason,
        "by": hold.by,
        "at": hold.at,
        "released": hold.released,
        "client": hold.client,
    }


def hold_of_row(row: Row[Any]) -> SessionHold:
    """A row as a value; ValueError when it was altered so that it cannot be read: then nobody knows who is held."""
    texts = (row.id, row.project, row.agent, row.session, row.until, row.legal, row.reason, row.by, row.client)
    is_readable = (
        all(type(text) is str for text in texts)
        and (row.created_at is None or type(row.created_at) is int)
        and type(row.at) is float
        and (row.released is None or type(row.released) is float)
        and bool(row.until) != bool(row.legal)
    )
    if not is_readable:
        raise ValueError(f"a hold that cannot be read: {row.id!r}")
    return SessionHold(
        project=row.project,
        agent=row.agent,
        session=row.session,
        until=_day(row.until),
        legal=row.legal,
        reason=row.reason,
        by=row.by,
        created_at=row.created_at,
        id=row.id,
        at=row.at,
        released=row.released,
        client=row.client,
    )


def _day(text: str) -> date | None:
    return read_day(text) if text else None


def held_errors(connection: Connection, wanted: Sequence[WantedRow]) -> list[HeldError | None]:
    """For each row that is to be written, in order, the holds that forbid it; None where it may be.

    Only intents can be held. Nobody else may write meanwhile: whoever was told that a session is held is heeded.
    """
    intents = {one.row["session"] for one in wanted if one.row["kind"] == INTENT}
    found = connection.execute(_ON_SESSIONS, {"sessions": sorted(intents)}) if intents else ()
    known = [hold_of_row(row) for row in found]
    return [_held(one, known) if known and one.row["kind"] == INTENT else None for one in wanted]


def _held(one: WantedRow, known: Iterable[SessionHold]) -> HeldError | None:
    row = one.row
    about = (row["project"], row["agent"], row["session"], row["created_at"])
    holding = [hold for hold in known if hold.binds(*about) and hold.forbids(row["at"], one.promised_at)]
    return HeldError(holding) if holding else None

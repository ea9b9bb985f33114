"""One session's record as the session commands show it: a row for people, an object for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from reaper.cli.printed import safe, session_row, sessions_table
from reaper.core.model import Malformed, Session


def record_json(record: Session | Malformed) -> dict[str, Any]:
    """The record as an object; of a malformed one what is known of it."""
    if isinstance(record, Malformed):
        return {"agent_session_id": record.id, "malformed": record.reason}
    return {
        "agent_session_id": record.id,
        "status": record.status,
        "version": record.version,
        "created_at": record.created_at,
        "last_accessed_at": record.last_accessed_at,
        "expires_at": record.expires_at,
        "stopped_at": record.stopped_at,
    }


def record_cells(record: Session | Malformed, now: float | None) -> list[str]:
    """The record as cells of a table; ages are on the platform's clock."""
    if isinstance(record, Malformed):
        return [safe(record.id or "?"), f"malformed: {record.reason}"]
    return session_row(record, now)


def records_table(records: Sequence[Session | Malformed], now: float | None) -> Table:
    """The records as one table."""
    made = sessions_table(now)
    for record in records:
        made.add_row(*record_cells(record, now))
    return made

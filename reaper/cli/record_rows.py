"""One session's record as the session commands show it: a row for people, an object for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich.table import Table

from reaper.cli.printed import safe, table
from reaper.core.durations import show_duration
from reaper.core.model import Malformed, Session
from reaper.engine.status_json import instant

COLUMNS: Final = ("session", "status", "version", "created", "idle#", "expires in#")


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
    idle = "-" if now is None else show_duration(now - record.last_accessed_at)
    left = "-" if now is None else show_duration(record.expires_at - now)
    foreign = (record.id, record.status, record.version or "-")
    return [*map(safe, foreign), instant(record.created_at), idle, left]


def records_table(records: Sequence[Session | Malformed], now: float | None) -> Table:
    """The records as one table."""
    rows = table(*COLUMNS)
    for record in records:
        rows.add_row(*record_cells(record, now))
    return rows

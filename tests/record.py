"""The record of actions row by row, as only tests look at it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select

from reaper.store.chain import EVENT
from reaper.store.entries import Entry, entry_of
from reaper.store.journal import Journal
from reaper.store.tables import journal as table


def entries(journal: Journal) -> list[Entry]:
    """The rows of actions in order, events left out."""
    return _rows(journal, table.c.kind != EVENT)


def events(journal: Journal, event: str | None = None) -> list[Entry]:
    """The events in order, or those of one name."""
    return _rows(journal, table.c.kind == EVENT, *([table.c.rule == event] if event else []))


def _rows(journal: Journal, *which: ColumnElement[bool]) -> list[Entry]:
    with journal._begin() as connection:
        return [entry_of(row) for row in connection.execute(select(table).where(*which).order_by(table.c.seq))]

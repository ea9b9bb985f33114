"""Shortens the chain at its start. A row at its end says so: without it, a chain that begins later does not hold."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, case, delete, func, select

from reaper.store import chain, chained_tables
from reaper.store.chain import EVENT, LATEST, OF_ACTION, OTHER, UNRESOLVED, UNSETTLED, Place
from reaper.store.tables import journal

PRUNED: Final = "pruned"
PRUNE_MAX_ROWS: Final = 10_000
"""So many rows go at once, so that a sweep never waits long for it; the rest goes in the next ones."""

_STREAMED: Final = {"yield_per": 500}
_UPKEEP: Final = (PRUNED, chained_tables.CARRIED)


def prune(connection: Connection, before: float, at: float) -> int:
    """Drop the settled actions and events at the start of the chain that are older than platform time `before`.

    Only whole actions go, from the start: an open one, or a young one, keeps everything after it. What is left
    verifies from the checkpoint that is put in place of what went, by the row of time `at` that tells of it.
    Returns how many rows went.
    """
    chain.lock(connection)
    start = chain.checkpoint(connection)
    cut = _cut(connection, before, start.count)
    if cut is None:
        return 0
    chained_tables.repeat_digests(connection, cut.count, at)
    body = {"count": cut.count, "hash": cut.hash, "rows": cut.count - start.count, "before": before}
    chain.note(connection, PRUNED, "", "", at, body)
    connection.execute(delete(journal).where(journal.c.seq <= cut.count))
    chain.put_checkpoint(connection, cut)
    return cut.count - start.count


def _cut(connection: Connection, before: float, first: int) -> Place | None:
    """The last place, within bounds, up to which every action is old, settled and complete.

    None when nothing but the traces of earlier prunes would go: their own trace would take their place.
    """
    last = select(func.max(OTHER.c.seq)).where(OF_ACTION).scalar_subquery()
    # What was given up goes without the row that says so: that one came long after, and would hold up all between.
    ends = case((LATEST == UNRESOLVED, journal.c.seq), else_=last)
    row_itself = (journal.c.seq, journal.c.at, journal.c.hash, journal.c.kind, journal.c.rule)
    columns: tuple[Any, ...] = (*row_itself, LATEST.label("latest"), ends.label("last"))
    cut, complete_at, is_worth_it = None, 0, False
    with connection.execute(select(*columns).order_by(journal.c.seq), execution_options=_STREAMED) as rows:
        for row in rows:
            enough = cut is not None and row.seq > first + PRUNE_MAX_ROWS
            if row.at >= before or row.latest in UNSETTLED or enough:
                break
            is_worth_it = is_worth_it or row.kind != EVENT or row.rule not in _UPKEEP
            complete_at = max(complete_at, row.last)
            if complete_at == row.seq and is_worth_it:
                cut = Place(row.seq, row.hash)
    return cut

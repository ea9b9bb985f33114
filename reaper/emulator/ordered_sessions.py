"""The sessions of one agent in order of creation: found by id, paged from a cursor, emptied at leisure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator

from reaper.emulator.stored import StoredSession

COMPACT_AT_LEAST = 64
COMPACT_SHARE = 8


def _key(record: StoredSession) -> tuple[int, int]:
    return (record.created_at, record.seq)


class OrderedSessions:
    """Costs a page what the page holds, not what the agent holds.

    Removed records stay in the list as gaps until they are an eighth of it; then it is rebuilt once.
    """

    def __init__(self) -> None:
        self._records: list[StoredSession] = []
        self._by_id: dict[str, StoredSession] = {}
        self._gaps = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[StoredSession]:
        return (record for record in self._records if not record.gone)

    def find(self, session: str) -> StoredSession | None:
        return self._by_id.get(session)

    def add(self, record: StoredSession) -> None:
        """Put a record in its place; its id must be free."""
        if not self._records or _key(record) > _key(self._records[-1]):
            self._records.append(record)
        else:
            insort(self._records, record, key=_key)
        self._by_id[record.id] = record

    def remove(self, record: StoredSession) -> None:
        """Take a record out of the listing for good."""
        if record.gone:
            return
        record.gone = True
        del self._by_id[record.id]
        self._gaps += 1
        if self._gaps > COMPACT_AT_LEAST and self._gaps * COMPACT_SHARE > len(self._records):
            self._records = [kept for kept in self._records if not kept.gone]
            self._gaps = 0

    def walk(self, cursor: StoredSession | None, *, ascending: bool) -> Iterator[StoredSession]:
        """Every record beyond the cursor, from it outwards; all of them without a cursor."""
        records = self._records
        if ascending:
            start = 0 if cursor is None else bisect_right(records, _key(cursor), key=_key)
            steps = range(start, len(records))
        else:
            end = len(records) if cursor is None else bisect_left(records, _key(cursor), key=_key)
            steps = range(end - 1, -1, -1)
        return (records[i] for i in steps if not records[i].gone)

"""Many deletes verified at once: pages that show what lies before and behind them, and none of them, prove it.

They are read from a landmark before the one that must come first to one behind the last delete, and have to show each
landmark in between. Whatever is odd proves nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from reaper.core.model import TOMBSTONES, Incarnation, Malformed, Session
from reaper.core.plan import Item
from reaper.core.provider import Page, Provider, ProviderError
from reaper.listing import listing
from reaper.listing.landmarks import Landmark

DOUBTS_MAX: Final = 3
"""So many stretches whose pages proved nothing end it for a sweep: looks would be needed besides."""


@dataclass(slots=True)
class Stretch:
    """Deletes that lie behind one landmark, or where the listing begins, and before another one, by its number."""

    behind: int
    until: int
    items: list[Item]


class BulkVerification:
    """Verifies the deletes of one agent's sweep. No landmark may be acted on while it is asked."""

    def __init__(self, client: Provider, agent: str, landmarks: Sequence[Landmark]) -> None:
        self._client, self._agent, self._landmarks = client, agent, landmarks
        self._created = [landmark.created_at for landmark in landmarks]
        self._names = {landmark.incarnation for landmark in landmarks}
        self._doubts = 0

    def is_landmark(self, item: Item) -> bool:
        """Whether the item's session is one of those by which places are known."""
        return item.session.incarnation in self._names

    def worth(self, items: Iterable[Item]) -> frozenset[Incarnation]:
        """Those that take fewer pages together than looks at each."""
        return frozenset(item.session.incarnation for stretch in self._stretches(items) for item in stretch.items)

    async def gone(self, items: Iterable[Item]) -> frozenset[Incarnation]:
        """Those that are proven to be gone; of the others nothing is known."""
        proven = set[Incarnation]()
        for stretch in self._stretches(items):
            found = await self._proven(stretch)
            self._doubts += 2 * len(found) < len(stretch.items)
            proven.update(found)
        return frozenset(proven)

    def _stretches(self, items: Iterable[Item]) -> list[Stretch]:
        """Where reading pages is worth it: deletes in order, and together as long as landmarks join them.

        Whatever was created in the second of a landmark may lie on either side of it.
        """
        if self._doubts >= DOUBTS_MAX:
            return []
        found: list[Stretch] = []
        for item in sorted(items, key=lambda item: item.session.created_at):
            behind = bisect_left(self._created, item.session.created_at) - 1
            until = bisect_right(self._created, item.session.created_at)
            if until == len(self._landmarks):
                break
            if found and behind <= found[-1].until:
                found[-1].until = until
                found[-1].items.append(item)
            else:
                found.append(Stretch(behind, until, [item]))
        return [stretch for stretch in found if self._pages(stretch) < len(stretch.items)]

    def _pages(self, stretch: Stretch) -> int:
        """About how many pages show it, from its first landmark to its last one."""
        begin = self._begin(stretch)
        records = self._landmarks[stretch.until].place - (begin.place if begin else -1)
        return max(-(-records // listing.PAGE_SIZE), 1)

    def _begin(self, stretch: Stretch) -> Landmark | None:
        """Where to read from, so that the landmark before the first delete is shown; None for the beginning."""
        return self._landmarks[stretch.behind - 1] if stretch.behind > 0 else None

    async def _proven(self, stretch: Stretch) -> list[Incarnation]:
        """Those of a stretch that its pages do not show, or as a tombstone."""
        try:
            shown = await self._shown(stretch)
        except ProviderError:
            return []
        if shown is None or not self._expected(stretch) <= shown:
            return []
        names = {name for name, _ in shown}
        return [item.session.incarnation for item in stretch.items if item.session.id not in names]

    def _expected(self, stretch: Stretch) -> set[Incarnation]:
        """The landmarks that its pages have to show."""
        return {landmark.incarnation for landmark in self._landmarks[max(stretch.behind, 0) : stretch.until + 1]}

    async def _shown(self, stretch: Stretch) -> set[Incarnation] | None:
        """The living sessions from where a stretch begins to behind its end; None when pages do not fit each other.

        No more pages are read than looks would be needed.
        """
        begin = self._begin(stretch)
        end = self._landmarks[stretch.until]
        reading = Reading(edge=begin.created_at if begin else 0)
        cursor = begin.id if begin else None
        for _ in stretch.items:
            answer = await self._client.page(self._agent, order="asc", after=cursor, limit=listing.PAGE_SIZE)
            if not reading.take(answer.value):
                return None
            if end.incarnation in reading.living:
                return reading.living
            if not answer.value.has_more or listing.trouble_of(answer.value, reading.cursors):
                return None
            cursor = answer.value.last_id
            reading.cursors.add(cursor)
        return None


class Reading:
    """Pages that are read one after the other, each of which has to go on where the last one ended: at `edge`."""

    def __init__(self, edge: int) -> None:
        self.edge = edge
        self.living: set[Incarnation] = set()
        self.cursors: set[str | None] = set()

    def take(self, page: Page) -> bool:
        """Take in a page; False for one that cannot be what follows."""
        sessions = _readable(page.sessions)
        times = [self.edge, *(session.created_at for session in sessions)]
        if len(sessions) < len(page.sessions) or times != sorted(times):
            return False
        self.edge = times[-1]
        self.living.update(session.incarnation for session in sessions if session.status not in TOMBSTONES)
        return True


def _readable(records: Collection[Session | Malformed]) -> list[Session]:
    return [record for record in records if not isinstance(record, Malformed)]

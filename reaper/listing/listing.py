"""From pages to one `Snapshot` that knows whether it is complete.

A long listing is read from both of its ends at once until they meet, and proves that they did. Where it cannot, it
is read again from the oldest session on, page after page: what only that way is known to be complete, is read so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from reaper.core.model import Malformed, Session
from reaper.core.provider import Answer, Gone, Order, Page, Provider, ProviderError, Refused, Unauthenticated
from reaper.listing.index import ListingIndex
from reaper.listing.snapshot import Judge, SessionCounts, Snapshot

PAGE_SIZE: Final = 100
PAGES_MAX: Final = 20_000
RESTARTS_MAX: Final = 3
RECENT_SESSIONS: Final = 1_000
"""How far back a repeated session is recognised; beyond that it shows as broken order, and nothing is touched."""
SECOND_END_FROM_PAGES: Final = 2
"""A listing that goes on after so many pages is worth reading from its other end, too."""

OnPage = Callable[[Answer[Page]], None]
Chart = Callable[[SessionCounts], ListingIndex | None]


async def collect(
    client: Provider,
    agent: str,
    judge: Judge,
    wanted: frozenset[str],
    on_page: OnPage,
    chart: Chart = lambda _: None,
    then: float | None = None,
) -> Snapshot:
    """List all sessions of an agent and fold them; never raises for a listing that breaks off.

    Raises what the first page raises: an agent that is unknown, refused or out of reach has no snapshot. A cursor
    that the platform no longer accepts, or ends that do not meet, restart the listing from one end, at most
    `RESTARTS_MAX` times in all. `chart` makes the atlas that is to remember the listing, if one is. Times are counted
    as of the earlier platform time `then`, too, if one is given.
    """
    for attempt in range(RESTARTS_MAX):
        first = await client.page(agent, limit=PAGE_SIZE)
        census = SessionCounts(first.date, judge, wanted, then)
        listing = Listing(client, agent, census, on_page, chart(census), ends_max=2 - min(attempt, 1))
        snapshot = await listing.run(first)
        if snapshot is not None:
            return snapshot
    return SessionCounts(None, judge, wanted).snapshot(f"the listing lost its place {RESTARTS_MAX} times")


@dataclass(slots=True)
class End:
    """One end of a listing: how far it was read from there, and the sessions that were read last."""

    order: Order
    edge: int | None = None
    last: Session | None = None
    cursors: set[str] = field(default_factory=set)
    recent: dict[str, Session] = field(default_factory=dict)

    def is_behind(self, moment: int) -> bool:
        """Whether a creation at `moment` lies where this end has read already."""
        if self.edge is None:
            return False
        return moment < self.edge if self.order == "asc" else moment > self.edge

    def remember(self, sessions: list[Session]) -> None:
        """Take in sessions in the order in which they came."""
        if not sessions:
            return
        self.last = sessions[-1]
        if not self.is_behind(self.last.created_at):
            self.edge = self.last.created_at
        self.recent.update(zip([session.id for session in sessions], sessions, strict=True))
        for old in list(islice(self.recent, max(len(self.recent) - RECENT_SESSIONS, 0))):
            del self.recent[old]

    def copy_of(self, session: Session | None) -> Session | None:
        """The same incarnation as it was read at this end lately."""
        known = self.recent.get(session.id) if session else None
        return known if known and session and known.created_at == session.created_at else None


class Listing:
    """One try at reading all pages. `_why` says why it is not complete, once it is over."""

    def __init__(
        self,
        client: Provider,
        agent: str,
        census: SessionCounts,
        on_page: OnPage,
        atlas: ListingIndex | None = None,
        *,
        ends_max: int,
    ) -> None:
        self._client, self._agent, self._census, self._on_page = client, agent, census, on_page
        self._atlas = atlas
        self._oldest, self._newest = End("asc"), End("desc")
        self._ends_left = ends_max - 1
        self._is_over = self._is_lost = False
        self._why = ""

    async def run(self, first: Answer[Page]) -> Snapshot | None:
        """Read on from the first page; None when the listing lost its place."""
        try:
            async with asyncio.TaskGroup() as group:
                await self._follow(self._oldest, first, group)
        except BaseExceptionGroup as trouble:
            raise trouble.exceptions[0] from None
        return None if self._is_lost else self._census.snapshot(self._why)

    async def _follow(self, end: End, answer: Answer[Page] | None, group: asyncio.TaskGroup) -> None:
        """Read page after page from one end; a long listing gets a second end when the platform can be asked more."""
        while answer is not None and not self._is_over:
            self._fold(answer.value, end)
            self._on_page(answer)
            cursor = self._next(answer.value, end)
            if cursor is None:
                return
            if self._is_worth_a_second_end():
                self._ends_left -= 1
                group.create_task(self._second_end(group))
            answer = await self._page(end, cursor)

    def _is_worth_a_second_end(self) -> bool:
        is_long = self._census.pages >= SECOND_END_FROM_PAGES and not self._census.disorder
        return self._ends_left > 0 and is_long and self._client.spare

    async def _second_end(self, group: asyncio.TaskGroup) -> None:
        await self._follow(self._newest, await self._page(self._newest, None), group)

    async def _page(self, end: End, cursor: str | None) -> Answer[Page] | None:
        """The next page at this end; None when there is none to be had, and the listing is over."""
        try:
            return await self._client.page(self._agent, order=end.order, after=cursor, limit=PAGE_SIZE)
        except (Gone, Refused):
            self._break_off(end, None)
        except Unauthenticated:
            raise
        except ProviderError as error:
            self._break_off(end, f"page {self._census.pages + 1} could not be read: {error}")
        return None

    def _fold(self, page: Page, end: End) -> None:
        """Count what the page shows for the first time."""
        self._census.pages += 1
        sessions = [record for record in page.sessions if not isinstance(record, Malformed)]
        if len(sessions) < len(page.sessions):
            self._census.malformed.update(r.reason for r in page.sessions if isinstance(r, Malformed))
        if self._is_plain(sessions, end):
            self._count(sessions, end)
            end.remember(sessions)
        else:
            self._sort_out(sessions, end)

    def _is_plain(self, sessions: list[Session], end: End) -> bool:
        """Whether all are new and in order, as nearly always."""
        times = [session.created_at for session in sessions]
        ids = {session.id for session in sessions}
        return (
            times == sorted(times, reverse=end.order == "desc")
            and not (times and end.is_behind(times[0]))
            and len(ids) == len(sessions)
            and self._oldest.recent.keys().isdisjoint(ids)
            and self._newest.recent.keys().isdisjoint(ids)
        )

    def _sort_out(self, sessions: list[Session], end: End) -> None:
        """Count those that no page has shown before; of the others, the more recently used copy counts."""
        for session in sessions:
            earlier, kept = end.copy_of(session), session
            if earlier is None:
                self._census.disorder += end.is_behind(session.created_at)
                earlier = self._other(end).copy_of(session)
            if earlier is None:
                self._count([session], end)
            elif session.last_accessed_at > earlier.last_accessed_at:
                self._census.recount(earlier, session)
            else:
                kept = earlier
            end.remember([kept])

    def _count(self, sessions: list[Session], end: End) -> None:
        self._census.count(sessions)
        if self._atlas is not None:
            self._atlas.add(sessions, end.order)

    def _other(self, end: End) -> End:
        return self._newest if end is self._oldest else self._oldest

    def _next(self, page: Page, end: End) -> str | None:
        """The cursor to go on from; None when this page completes the listing, or shows that it cannot go on."""
        if self._other(end).edge is not None:
            self._meet()
        elif not page.has_more:
            self._end("")
        if self._is_over:
            return None
        if not page.has_more:
            self._lose()
            return None
        trouble = trouble_of(page, end.cursors)
        if not trouble and self._census.pages >= PAGES_MAX:
            trouble = f"the listing did not end within {PAGES_MAX} pages"
        if trouble or page.last_id is None:
            self._break_off(end, trouble)
            return None
        end.cursors.add(page.last_id)
        return page.last_id

    def _meet(self) -> None:
        """End the listing when its two ends have passed each other, and each has read what the other read last.

        What was created before the oldest end's edge, that end has read; what was created after the newest end's
        edge, the other has. So all was read once the first edge is the later one: sessions of one second may come
        in any order.
        """
        if self._census.disorder:
            self._lose()
        elif (self._oldest.edge or 0) > (self._newest.edge or 0):
            if self._oldest.copy_of(self._newest.last) and self._newest.copy_of(self._oldest.last):
                self._end("")
            else:
                self._lose()

    def _break_off(self, end: End, why: str | None) -> None:
        """No further page is to be had at this end: its place is lost when there is no `why`.

        The oldest end's trouble is the listing's. Without the newest one all can still be read, from the start if
        some of it was counted already.
        """
        if end is self._newest and end.edge is None:
            return
        if why is None or end is self._newest:
            self._lose()
        else:
            self._end(why)

    def _end(self, why: str) -> None:
        # The other end may be waiting for a page that no longer matters.
        if not self._is_over:
            self._is_over, self._why = True, why

    def _lose(self) -> None:
        if not self._is_over:
            self._is_over = self._is_lost = True


def trouble_of(page: Page, cursors: Collection[str | None]) -> str:
    """Why a listing cannot go on although the page says that there is more; '' when it can."""
    if not page.sessions:
        return "an empty page said that there is more"
    if page.last_id is None:
        return "a page said that there is more, and not where"
    return "the cursor repeats" if page.last_id in cursors else ""

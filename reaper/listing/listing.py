"""From pages to one `Snapshot` that knows whether it is complete.

A long listing is read from both of its ends at once until they meet, and proves that they did. Where it cannot, it
is read again from the oldest session on, page after page: what only that way is known to be complete, is read so.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

from reaper.core.model import Malformed, Session
from reaper.core.provider import Answer, Gone, Order, Page, Provider, ProviderError, Refused, Unauthenticated
from reaper.listing.page_requests import PageRequests

PAGE_SIZE: Final = 100
PAGES_MAX: Final = 20_000
RESTARTS_MAX: Final = 3
RECENT_SESSIONS: Final = 1_000
"""How far back a repeated session is recognised; beyond that it shows as broken order, and nothing is touched."""
SECOND_END_FROM_PAGES: Final = 2
"""A listing that goes on after so many pages is worth reading from its other end, too."""


class Begun(NamedTuple):
    """A listing begins at platform time `now`: what was shown before is to be forgotten."""

    now: float | None


class Change(NamedTuple):
    """Sessions that no page has shown before; or a more recently used copy of one, `instead_of` the earlier one."""

    sessions: Sequence[Session]
    instead_of: Session | None = None


class Listed(NamedTuple):
    """A page has come: what it changes, in this order, and how many of its records were older than one before."""

    answer: Answer[Page]
    order: Order
    changes: Sequence[Change]
    disorder: int


class Ended(NamedTuple):
    """The listing is over; `incomplete` says why it did not reach its end, '' when it did."""

    incomplete: str


async def list_sessions(client: Provider, agent: str) -> AsyncGenerator[Begun | Listed | Ended, None]:
    """List all sessions of an agent, page by page; `Ended` comes last, and for a listing that breaks off, too.

    Raises what the first page raises: an agent that is unknown, refused or out of reach has no listing. A cursor
    that the platform no longer accepts, or ends that do not meet, restart it from one end, at most `RESTARTS_MAX`
    times in all. Who stops reading early closes it: then nothing is asked for any more.
    """
    for attempt in range(RESTARTS_MAX):
        first = await client.page(agent, limit=PAGE_SIZE)
        yield Begun(first.date)
        listing = Listing(PageRequests(client, agent, PAGE_SIZE), ends_max=2 - min(attempt, 1))
        async with aclosing(listing.pages(first)) as pages:
            async for page in pages:
                yield page
        if listing.incomplete is not None:
            yield Ended(listing.incomplete)
            return
    yield Begun(None)
    yield Ended(f"the listing lost its place {RESTARTS_MAX} times")


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
    """One try at reading all pages. Once it is over, `incomplete` says why it is not complete, '' if it is.

    None says that it has lost its place.
    """

    def __init__(self, requests: PageRequests[End], *, ends_max: int) -> None:
        self._requests = requests
        self._oldest, self._newest = End("asc"), End("desc")
        self._ends_left = ends_max - 1
        self._pages = self._disorder = 0
        self._is_over = False
        self.incomplete: str | None = ""

    async def pages(self, first: Answer[Page]) -> AsyncGenerator[Listed, None]:
        """What each page changes, from the first one on; what is still asked for in the end is not waited for."""
        async with aclosing(self._requests) as requests:
            yield self._take(self._oldest, first)
            while not self._is_over and requests.are_pending:
                end, answer = await requests.next()
                if isinstance(answer, ProviderError):
                    self._fail(end, answer)
                else:
                    yield self._take(end, answer)

    def _take(self, end: End, answer: Answer[Page]) -> Listed:
        """Fold a page in, and ask for the next one; a long listing gets a second end where more can be asked for."""
        known = self._disorder
        changes = self._fold(answer.value, end)
        cursor = self._next(answer.value, end)
        if cursor is not None:
            is_long = self._pages >= SECOND_END_FROM_PAGES and not self._disorder
            is_worth_a_second_end = self._ends_left > 0 and is_long and self._requests.spare
            self._requests.ask(end, end.order, cursor)
            if is_worth_a_second_end:
                self._ends_left -= 1
                self._requests.ask(self._newest, self._newest.order, None)
        return Listed(answer, end.order, changes, self._disorder - known)

    def _fail(self, end: End, error: ProviderError) -> None:
        """The next page at this end could not be had."""
        if isinstance(error, Unauthenticated):
            raise error
        lost = isinstance(error, Gone | Refused)
        self._break_off(end, None if lost else f"page {self._pages + 1} could not be read: {error}")

    def _fold(self, page: Page, end: End) -> Sequence[Change]:
        """What the page shows for the first time, or anew."""
        self._pages += 1
        sessions = [record for record in page.sessions if not isinstance(record, Malformed)]
        if not self._is_plain(sessions, end):
            return self._sort_out(sessions, end)
        end.remember(sessions)
        return (Change(sessions),)

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

    def _sort_out(self, sessions: list[Session], end: End) -> list[Change]:
        """Those that no page has shown before; of the others, the more recently used copy counts."""
        changes = []
        for session in sessions:
            earlier, kept = end.copy_of(session), session
            if earlier is None:
                self._disorder += end.is_behind(session.created_at)
                earlier = self._other(end).copy_of(session)
            if earlier is None or session.last_accessed_at > earlier.last_accessed_at:
                changes.append(Change((session,), earlier))
            else:
                kept = earlier
            end.remember([kept])
        return changes

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
            self._end(None)
            return None
        trouble = trouble_of(page, end.cursors)
        if not trouble and self._pages >= PAGES_MAX:
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
        if self._disorder:
            self._end(None)
        elif (self._oldest.edge or 0) > (self._newest.edge or 0):
            proved = self._oldest.copy_of(self._newest.last) and self._newest.copy_of(self._oldest.last)
            self._end("" if proved else None)

    def _break_off(self, end: End, why: str | None) -> None:
        """No further page is to be had at this end: its place is lost when there is no `why`.

        The oldest end's trouble is the listing's. Without the newest one all can still be read, from the start if
        some of it was counted already.
        """
        if end is self._oldest:
            self._end(why)
        elif end.edge is not None:
            self._end(None)

    def _end(self, incomplete: str | None) -> None:
        if not self._is_over:
            self._is_over, self.incomplete = True, incomplete


def trouble_of(page: Page, cursors: Collection[str | None]) -> str:
    """Why a listing cannot go on although the page says that there is more; '' when it can."""
    if not page.sessions:
        return "an empty page said that there is more"
    if page.last_id is None:
        return "a page said that there is more, and not where"
    return "the cursor repeats" if page.last_id in cursors else ""

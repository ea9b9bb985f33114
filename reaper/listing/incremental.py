"""A short listing: what is new, and the stretches in which something may have become due since they were read.

Anything that does not fit what was known ends it without a result: then all is listed, and judged as always.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from reaper.core.model import Malformed, Session
from reaper.core.provider import Answer, Gone, Page, Provider, ProviderError, Refused
from reaper.listing import listing
from reaper.listing.index import ListingIndex, Stretch
from reaper.listing.page_requests import PageRequests

CURSORS_LOST_MAX: Final = 2
"""So many sessions in a row may be gone after which a stretch would begin."""


class SurpriseError(Exception):
    """The listing is not what the last one lets expect."""


class Fresh(NamedTuple):
    """Sessions that the index does not know, newest first, at platform time `now`."""

    now: float
    sessions: Sequence[Session]


class Reread(NamedTuple):
    """What was listed from where a stretch begins, or before, to its end or beyond."""

    stretch: Stretch
    sessions: Sequence[Session]


async def list_changes(
    client: Provider, agent: str, index: ListingIndex
) -> AsyncGenerator[Answer[Page] | Fresh | Reread, None]:
    """Read as little as brings the index up to date: each page as it comes, once what is `Fresh`, and each stretch.

    Who reads this takes each of them into the index before the next. `SurpriseError` or a `ProviderError` says that
    all has to be listed.
    """
    # To list all would not take more.
    budget = _Budget(len(index.stretches) + 1)
    watched, index.counts.seen = index.watched, set()
    fresh, known_at, known = list[Session](), index.newest_at, frozenset(index.newest)
    cursor = last = None
    while True:
        answer = await client.page(agent, order="desc", after=cursor, limit=listing.PAGE_SIZE)
        if answer.date is None:
            raise SurpriseError
        yield answer
        sessions = budget.sessions(answer.value, last, ascending=False)
        fresh += [one for one in sessions if one.created_at >= known_at and one.id not in known]
        if not answer.value.has_more or (sessions and sessions[-1].created_at < known_at):
            break
        cursor, last = _further(answer.value, sessions)
    yield Fresh(answer.date, fresh)
    ripe = index.ripe(answer.date)
    if 2 * len(ripe) > len(index.stretches):
        raise SurpriseError
    readings = [_Reading(index.stretches[max(place - CURSORS_LOST_MAX, 0) : place + 1]) for place in ripe]
    async with aclosing(_read(PageRequests(client, agent, listing.PAGE_SIZE), readings, budget)) as values:
        expected = found = 0
        async for value in values:
            expected += value.stretch.sessions if isinstance(value, Reread) else 0
            yield value
            found += value.stretch.sessions if isinstance(value, Reread) else 0
    if not watched <= index.watched or found < expected // 2 or not index.is_sound:
        raise SurpriseError


@dataclass(slots=True)
class _Reading:
    """One stretch that is read again, to its end.

    It is read from where the last of `begins` begins: itself, or one before it when that session is gone.
    """

    begins: list[Stretch]
    shown: list[Session] = field(default_factory=list)
    stretch: Stretch = field(init=False)

    def __post_init__(self) -> None:
        self.stretch = self.begins[-1]

    def next_page(self, answer: Answer[Page] | ProviderError, budget: _Budget) -> tuple[bool, str | None]:
        """Take in a page; returns whether another is needed, and after which session it begins."""
        if isinstance(answer, ProviderError):
            if self.shown or len(self.begins) == 1 or not isinstance(answer, Gone | Refused):
                raise answer
            self.begins.pop()
            return True, self.begins[-1].after
        page = answer.value
        last = self.shown[-1].created_at if self.shown else None
        self.shown += budget.sessions(page, last, ascending=True)
        if not page.has_more or self.stretch.ends_in(self.shown):
            return False, None
        return True, _further(page, self.shown)[0]

    def result(self) -> Reread:
        begins_there = self.shown and self.begins[-1].low <= self.shown[0].created_at <= self.stretch.high
        if self.stretch.sessions and not begins_there:
            # The platform began elsewhere, as it may when a cursor's session is gone.
            raise SurpriseError
        return Reread(self.stretch, self.shown)


async def _read(
    requests: PageRequests[_Reading], readings: Sequence[_Reading], budget: _Budget
) -> AsyncGenerator[Answer[Page] | Reread, None]:
    """Read stretches side by side."""
    async with aclosing(requests):
        for reading in readings:
            requests.ask(reading, "asc", reading.stretch.after)
        while requests.are_pending:
            reading, answer = await requests.next()
            if not isinstance(answer, ProviderError):
                yield answer
            needs_more, cursor = reading.next_page(answer, budget)
            if needs_more:
                requests.ask(reading, "asc", cursor)
            else:
                yield reading.result()


@dataclass(slots=True)
class _Budget:
    """How many more pages may be read."""

    pages_left: int

    def sessions(self, page: Page, last: int | None, *, ascending: bool) -> list[Session]:
        """A page's sessions; malformed records, broken order, and pages without end are a surprise."""
        self.pages_left -= 1
        if self.pages_left < 0:
            raise SurpriseError
        sessions = [record for record in page.sessions if not isinstance(record, Malformed)]
        times = [*([] if last is None else [last]), *(session.created_at for session in sessions)]
        if len(sessions) < len(page.sessions) or times != sorted(times, reverse=not ascending):
            raise SurpriseError
        return sessions


def _further(page: Page, sessions: Sequence[Session]) -> tuple[str, int]:
    """Where the next page begins: the cursor, and the creation from which it goes on."""
    if page.last_id is None or not sessions:
        raise SurpriseError
    return page.last_id, sessions[-1].created_at

"""A short listing: what is new, and the stretches in which something may have become due since they were read.

Anything that does not fit what was known ends it without a result: then all is listed, and judged as always.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from reaper.core.model import Malformed, Session
from reaper.core.provider import Answer, Gone, Page, Provider, ProviderError, Refused
from reaper.listing import listing
from reaper.listing.index import ListingIndex, Stretch
from reaper.listing.listing import OnPage
from reaper.listing.snapshot import Judge, Snapshot

CURSORS_LOST_MAX: Final = 2
"""So many sessions in a row may be gone after which a leaf would begin."""


class SurpriseError(Exception):
    """The listing is not what the last one lets expect."""


async def revisit(
    client: Provider, agent: str, atlas: ListingIndex, judge: Judge, on_page: OnPage
) -> Snapshot | None:
    """Bring the atlas up to date by reading as little as possible; None when all has to be listed.

    The snapshot's candidates are those read now and those known from before: each is looked at again before anything
    is done to it. What is counted of sessions that were not read is as old as `listed_at` says.
    """
    visit = _Visit(client, agent, atlas, on_page)
    atlas.census.judge = judge
    watched, atlas.census.seen = atlas.watched, set()
    try:
        await visit.newest()
        ripe = list(atlas.ripe(atlas.census.now or 0.0))
        if 2 * len(ripe) > len(atlas.leaves):
            return None
        async with asyncio.TaskGroup() as group:
            for place in ripe:
                before = atlas.leaves[max(place - CURSORS_LOST_MAX, 0) : place]
                group.create_task(visit.leaf(atlas.leaves[place], before[::-1]))
    except (SurpriseError, ProviderError):
        return None
    except BaseExceptionGroup as troubles:
        for error in troubles.exceptions:
            if not isinstance(error, SurpriseError | ProviderError):
                raise error from None
        return None
    if not watched <= atlas.census.seen or visit.found < visit.expected // 2:
        return None
    atlas.move_borders(visit.read)
    return replace(
        atlas.census.snapshot(),
        pages=visit.pages,
        sessions=atlas.sessions,
        idle=atlas.idle,
        age=atlas.age,
        listed_at=atlas.listed_at,
        then=None,
    )


class _Visit:
    """Reads pages for one atlas; counts what was found beside what was expected."""

    def __init__(self, client: Provider, agent: str, atlas: ListingIndex, on_page: OnPage) -> None:
        self._client, self._agent, self._atlas, self._on_page = client, agent, atlas, on_page
        self.pages = self.found = self.expected = 0
        self.read: list[tuple[Stretch, list[Session]]] = []
        # To list all would not take more.
        self._pages_max = len(atlas.leaves) + 1

    async def newest(self) -> None:
        """Read from the newest session back to those that are known."""
        atlas, fresh = self._atlas, list[Session]()
        known_at, known = atlas.newest_at, frozenset(atlas.newest)
        cursor = last = None
        while True:
            answer = await self._client.page(self._agent, order="desc", after=cursor, limit=listing.PAGE_SIZE)
            if answer.date is None:
                raise SurpriseError
            atlas.census.now = answer.date
            sessions = self._sessions(answer, last, ascending=False)
            fresh += [one for one in sessions if one.created_at >= known_at and one.id not in known]
            if not answer.value.has_more or (sessions and sessions[-1].created_at < known_at):
                break
            cursor, last = self._further(answer.value, sessions)
        atlas.census.judge_anew()
        atlas.census.count(fresh)
        atlas.grow(fresh)

    async def leaf(self, leaf: Stretch, before: Sequence[Stretch]) -> None:
        """Read one leaf again, to its end; those before it help when the session is gone after which it begins."""
        first, answer = await self._start((leaf, *before))
        shown = self._sessions(answer, None, ascending=True)
        while answer.value.has_more and not leaf.ends_in(shown):
            cursor, last = self._further(answer.value, shown)
            answer = await self._client.page(self._agent, after=cursor, limit=listing.PAGE_SIZE)
            shown += self._sessions(answer, last, ascending=True)
        if leaf.sessions and not (shown and first.low <= shown[0].created_at <= leaf.high):
            # The platform began elsewhere, as it may when a cursor's session is gone.
            raise SurpriseError
        self.expected += leaf.sessions
        self.read.append((leaf, self._atlas.reread(leaf, shown)))
        self.found += leaf.sessions

    async def _start(self, leaves: Sequence[Stretch]) -> tuple[Stretch, Answer[Page]]:
        """The first page of the first leaf whose cursor the platform knows."""
        for leaf in leaves:
            try:
                return leaf, await self._client.page(self._agent, after=leaf.after, limit=listing.PAGE_SIZE)
            except (Gone, Refused):
                continue
        raise SurpriseError

    def _further(self, page: Page, sessions: list[Session]) -> tuple[str, int]:
        """Where the next page begins: the cursor, and the creation from which it goes on."""
        if page.last_id is None or not sessions:
            raise SurpriseError
        return page.last_id, sessions[-1].created_at

    def _sessions(self, answer: Answer[Page], last: int | None, *, ascending: bool) -> list[Session]:
        """A page's sessions; malformed records, broken order, and pages without end are a surprise."""
        self.pages += 1
        self._on_page(answer)
        if self.pages > self._pages_max:
            raise SurpriseError
        sessions = [record for record in answer.value.sessions if not isinstance(record, Malformed)]
        times = [*([] if last is None else [last]), *(session.created_at for session in sessions)]
        if len(sessions) < len(answer.value.sessions) or times != sorted(times, reverse=not ascending):
            raise SurpriseError
        return sessions

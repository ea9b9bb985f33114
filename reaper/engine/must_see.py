"""Whether the sessions that a project must always show were seen, whichever agents have them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from reaper.core.provider import Provider, ProviderError
from reaper.listing.listing import Begun, Listed, list_sessions
from reaper.listing.snapshot import living
from reaper.logs import get_logger

log = get_logger()


class MustSee:
    """The sessions that a believable inventory of the project contains; known once every listing has ended."""

    def __init__(self, expected: frozenset[str], listings: int) -> None:
        self.missing = expected
        self._listings = listings
        self._settled = asyncio.Event()
        self._settle()

    def listed(self, seen: frozenset[str]) -> None:
        """One agent's listing has ended, having shown these of them."""
        self.missing -= seen
        self._listings -= 1
        self._settle()

    async def look(self, client: Provider, project: str, agent: str) -> None:
        """List an agent that is not swept, only for these sessions."""
        seen, expected = set[str](), self.missing
        try:
            async with aclosing(list_sessions(client, agent)) as values:
                async for value in values:
                    if isinstance(value, Begun):
                        seen.clear()
                    elif isinstance(value, Listed):
                        shown = living(session for change in value.changes for session in change.sessions)
                        seen |= expected.intersection([session.id for session in shown])
        except ProviderError as error:
            seen.clear()
            log.warning("must_see_listing_failed", project=project, agent=agent, error=str(error))
        finally:
            self.listed(frozenset(seen))

    def _settle(self) -> None:
        if not self.missing or self._listings <= 0:
            self._settled.set()

    async def settled(self) -> frozenset[str]:
        """Those that no listing has shown; returns early when all were seen."""
        await self._settled.wait()
        return self.missing

"""Whether the sessions that a project must always show were seen, whichever agents have them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing

from reaper.core.provider import Provider, ProviderError
from reaper.listing.listing import Begun, Listed, list_sessions
from reaper.listing.snapshot import living
from reaper.logs import get_logger

log = get_logger()


class MustSee:
    """The sessions that a believable inventory of the project contains; known once every listing has ended.

    `expiries` says when those that were shown expire.
    """

    def __init__(self, expected: frozenset[str], listings: int) -> None:
        self.missing = expected
        self.expiries: dict[str, float] = {}
        self._expected, self._listings = expected, listings
        self._settled = asyncio.Event()
        self._settle()

    def listed(self, seen: Mapping[str, float]) -> None:
        """One agent's listing has ended, having shown these of them, each with when it expires."""
        self.missing -= seen.keys()
        self.expiries.update((name, expiry) for name, expiry in seen.items() if name in self._expected)
        self._listings -= 1
        self._settle()

    async def look(self, client: Provider, project: str, agent: str) -> None:
        """List an agent that is not swept, only for these sessions."""
        seen, expected = dict[str, float](), self.missing
        try:
            async with aclosing(list_sessions(client, agent)) as values:
                async for value in values:
                    if isinstance(value, Begun):
                        seen.clear()
                    elif isinstance(value, Listed):
                        shown = living(session for change in value.changes for session in change.sessions)
                        seen.update((one.id, one.expires_at) for one in shown if one.id in expected)
        except ProviderError as error:
            seen.clear()
            log.warning("must_see_listing_failed", project=project, agent=agent, error=str(error))
        finally:
            self.listed(seen)

    def _settle(self) -> None:
        if not self.missing or self._listings <= 0:
            self._settled.set()

    async def settled(self) -> frozenset[str]:
        """Those that no listing has shown; returns early when all were seen."""
        await self._settled.wait()
        return self.missing

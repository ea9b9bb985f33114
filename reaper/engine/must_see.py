"""Whether the sessions that a project must always show were seen, whichever agents have them."""

from __future__ import annotations

import asyncio


class MustSee:
    """The sessions that a believable inventory of the project contains; known once every listing has ended."""

    def __init__(self, expected: frozenset[str], listings: int) -> None:
        self.missing = expected
        self._listings = listings
        self._settled = asyncio.Event()
        self._look()

    def listed(self, seen: frozenset[str]) -> None:
        """One agent's listing has ended, having shown these of them."""
        self.missing -= seen
        self._listings -= 1
        self._look()

    def _look(self) -> None:
        if not self.missing or self._listings <= 0:
            self._settled.set()

    async def settled(self) -> frozenset[str]:
        """Those that no listing has shown; returns early when all were seen."""
        await self._settled.wait()
        return self.missing

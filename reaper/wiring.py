"""Puts the parts together: how a runner reaches the platform."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from reaper.clock import Clock
from reaper.core.provider import CallRecord, Provider
from reaper.core.settings import Project, Settings
from reaper.foundry.auth import ACQUIRE_MAX_S, Tokens
from reaper.foundry.client import Client
from reaper.foundry.http_clients import Wire, load_http
from reaper.foundry.rate_limiter import RateLimiter
from reaper.foundry.transport import RETRY_MAX_S

_NEW_OBJECTS: Final = 20_000
_NEVER: Final = 1_000_000
"""So many looks at new objects no run takes."""


def settle_memory() -> None:
    """Let the collector of cycles leave alone what is loaded, all of it by then, and come less often.

    Listings make objects by the million, and none of them is part of a cycle: a tenth of their cost was looking. What
    it has looked at once it looks at again when a run has ended, and little of it is left: see `tidy_memory`.
    """
    load_http()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, _NEVER, 100)


def tidy_memory() -> None:
    """Collect what a run has left in cycles."""
    gc.collect(1)


def silence_max_s(settings: Settings) -> float:
    """How long a sweep in order says nothing: it gets a token, sits out a pause, and its request times out."""
    timeout_s = max((project.connection.requests.timeout_s for project in settings.projects), default=0)
    return ACQUIRE_MAX_S + RETRY_MAX_S + timeout_s


@dataclass(slots=True)
class Connector:
    """Opens a client for a project; what a project's rate was found to be outlives each client."""

    clock: Clock
    on_request: Callable[[str, CallRecord], None] = lambda _project, _record: None
    transport: Wire | None = None
    _paces: dict[tuple[str, int], RateLimiter] = field(default_factory=dict)
    _known: dict[str, float] = field(default_factory=dict)

    def recall(self, rates: Mapping[str, float]) -> None:
        """Begin with these rates, in requests a second by endpoint, where nothing has been asked yet."""
        self._known = dict(rates)

    def rates(self) -> dict[str, float]:
        """What has been found so far, by endpoint."""
        return {endpoint: pace.found for (endpoint, _), pace in self._paces.items() if pace.found}

    @asynccontextmanager
    async def __call__(self, project: Project) -> AsyncIterator[Provider]:
        connection = project.connection
        key = (connection.endpoint, connection.requests.max_per_second)
        pace = self._paces.get(key)
        if pace is None:
            known = self._known.get(connection.endpoint)
            pace = RateLimiter(connection.requests.max_per_second, self.clock.monotonic(), known=known)
            self._paces[key] = pace
        tokens = Tokens(connection, self.clock)
        try:
            async with Client(
                connection,
                self.clock,
                tokens,
                pace,
                transport=self.transport,
                observe=lambda record: self.on_request(project.name, record),
                known_fields=project.known_fields,
            ) as client:
                yield client
        finally:
            await tokens.aclose()

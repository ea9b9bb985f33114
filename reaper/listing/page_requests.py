"""Pages that are asked for side by side, and taken in as they come."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

from reaper.core.provider import Answer, Order, Page, Provider, ProviderError

R = TypeVar("R")


class PageRequests(Generic[R]):
    """Requests for pages of one agent, each for a reader `R`. None outlives `aclose`."""

    def __init__(self, client: Provider, agent: str, limit: int) -> None:
        self._client, self._agent, self._limit = client, agent, limit
        self._pending: dict[asyncio.Task[Answer[Page]], R] = {}
        self._done: asyncio.Queue[asyncio.Task[Answer[Page]]] = asyncio.Queue()

    @property
    def are_pending(self) -> bool:
        return bool(self._pending)

    @property
    def spare(self) -> bool:
        """Whether one more could go out at once."""
        return self._client.spare

    def ask(self, reader: R, order: Order, after: str | None) -> None:
        """Ask for a reader's next page, without waiting for it."""
        task = asyncio.create_task(self._client.page(self._agent, order=order, after=after, limit=self._limit))
        self._pending[task] = reader
        task.add_done_callback(self._done.put_nowait)

    async def next(self) -> tuple[R, Answer[Page] | ProviderError]:
        """The page that comes next, and for whom; the error where it cannot be had."""
        task = await self._done.get()
        reader = self._pending.pop(task)
        try:
            return reader, task.result()
        except ProviderError as error:
            return reader, error

    async def aclose(self) -> None:
        """Give up what is still asked for."""
        for task in self._pending:
            task.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)

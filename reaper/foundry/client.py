"""The provider: one project of the platform, as methods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import aclosing
from typing import Final, Self, TypeVar

import httpx2

from reaper.clock import Clock, give_way
from reaper.core.model import Agent, Malformed, Session, Version
from reaper.core.provider import (
    PAGE_MAX,
    Answer,
    CallRecord,
    Capabilities,
    FilesPage,
    ObserveTime,
    Order,
    Page,
    Provider,
    Retryable,
    StillRight,
    Unreadable,
    always,
)
from reaper.core.settings import Connection
from reaper.core.text import clean
from reaper.foundry import parsing, requests
from reaper.foundry.auth import Tokens
from reaper.foundry.exchange import Exchange, RawAnswer, ignore
from reaper.foundry.http_clients import Wire
from reaper.foundry.parsing import AgentsPage
from reaper.foundry.rate_limiter import RateLimiter
from reaper.foundry.transport import Transport

AGENT_PAGES_MAX: Final = 100
RECORD_MAX_BYTES: Final = 64 * 1024
DOWNLOAD_MAX_BYTES: Final = 64 * 1024 * 1024
LOG_LINE_MAX_CHARS: Final = 64 * 1024

CAPABILITIES: Final = Capabilities(
    can_stop=True,
    stop_keeps_files=True,
    knows_last_access=True,
    delete_has_precondition=False,
    has_versions=True,
    has_files=True,
)

T = TypeVar("T")


class Client(Provider):
    """One project of Foundry. The tokens stay the caller's, to be closed by it."""

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        tokens: Tokens,
        limiter: RateLimiter,
        *,
        transport: Wire | None = None,
        observe: Callable[[CallRecord], None] = ignore,
        known_fields: frozenset[str] = frozenset(),
    ) -> None:
        self._tokens, self._accepted = tokens, known_fields
        self._exchange = Exchange(connection, clock, transport, observe)
        concurrency = connection.requests.concurrency
        self._sender = Transport(self._exchange, clock, tokens, limiter, concurrency=concurrency)

    async def __aenter__(self) -> Self:
        await self._exchange.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exchange.close()

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def observe_time(self, observe: ObserveTime) -> None:
        self._sender.observe_time = observe

    @property
    def identity(self) -> Mapping[str, str]:
        return self._tokens.identity

    @property
    def spare(self) -> bool:
        return self._sender.spare

    async def list_agents(self) -> Answer[tuple[Agent, ...]]:
        agents: dict[str, Agent] = {}
        cursor: str | None = None
        seen: set[str] = set()
        is_promised = False
        for _ in range(AGENT_PAGES_MAX):
            raw = await self._sender.send(requests.list_agents(cursor))
            page = parsing.parse_agents(raw.body)
            trouble = _trouble_of(page, seen, is_promised=is_promised)
            if trouble:
                raise Unreadable(f"the list of agents was cut short: {trouble}", operation="list_agents")
            agents.update((agent.name, agent) for agent in page.agents)
            if not page.has_more or page.last_id is None:
                return _answer(raw, tuple(agents.values()))
            cursor, is_promised = page.last_id, page.promises
            seen.add(cursor)
        raise Unreadable(f"the list of agents has more than {AGENT_PAGES_MAX} pages", operation="list_agents")

    async def get_agent(self, agent: str) -> Answer[Agent]:
        raw = await self._sender.send(requests.get_agent(agent))
        return _answer(raw, parsing.parse_agent(raw.body))

    async def get_version(self, agent: str, version: str) -> Answer[Version]:
        raw = await self._sender.send(requests.get_version(agent, version))
        return _answer(raw, parsing.parse_version(raw.body, agent))

    async def page(
        self,
        agent: str,
        *,
        after: str | None = None,
        before: str | None = None,
        order: Order = "asc",
        limit: int = PAGE_MAX,
    ) -> Answer[Page]:
        call = requests.list_sessions(agent, limit=limit, order=order, after=after, before=before)
        raw = await self._sender.send(call)
        # Whoever waits for the slot just freed sends first: to read a page takes longer than to ask for one.
        await give_way()
        return _answer(raw, parsing.parse_page(raw.body, raw.now, limit, self._accepted))

    async def get(self, agent: str, session: str) -> Answer[Session | Malformed]:
        raw = await self._sender.send(requests.get_session(agent, session), RECORD_MAX_BYTES)
        return _answer(raw, parsing.parse_record(raw.body, raw.now, "get_session", self._accepted), raw.body)

    async def create(
        self, agent: str, session: str | None = None, version: str | None = None
    ) -> Answer[Session | Malformed]:
        raw = await self._sender.send(requests.create_session(agent, session, version))
        return _answer(raw, parsing.parse_record(raw.body, raw.now, "create_session", self._accepted))

    async def delete(self, agent: str, session: str, still_right: StillRight = always) -> Answer[None]:
        # The platform says yes to ids that never were, too.
        raw = await self._sender.send(requests.delete_session(agent, session), still_right=still_right)
        return _answer(raw, None)

    async def stop(self, agent: str, session: str, still_right: StillRight = always) -> Answer[None]:
        return _answer(await self._sender.send(requests.stop_session(agent, session), still_right=still_right), None)

    async def logs(
        self, agent: str, version: str, session: str, *, on_open: Callable[[], None] = lambda: None
    ) -> AsyncIterator[str]:
        call = requests.log_stream(agent, version, session)
        async with self._sender.stream(call) as response:
            on_open()
            try:
                async with aclosing(aiter(httpx2.EventSource(response))) as events:  # type: ignore[type-var]
                    async for event in events:
                        yield clean(event.data, LOG_LINE_MAX_CHARS)
            except httpx2.SSEError as error:
                raise Unreadable(clean(error), operation=call.operation) from error
            except httpx2.HTTPError as error:
                raise Retryable(f"the log broke off: {clean(error)}", operation=call.operation) from error

    async def list_files(
        self, agent: str, session: str, path: str = ".", *, after: str | None = None
    ) -> Answer[FilesPage]:
        raw = await self._sender.send(requests.list_files(agent, session, path, after))
        return _answer(raw, parsing.parse_files(raw.body))

    async def download_file(self, agent: str, session: str, path: str) -> Answer[bytes]:
        raw = await self._sender.send(requests.download_file(agent, session, path), DOWNLOAD_MAX_BYTES)
        return _answer(raw, raw.body)

    async def upload_file(self, agent: str, session: str, path: str, content: bytes) -> Answer[None]:
        return _answer(await self._sender.send(requests.upload_file(agent, session, path, content)), None)

    async def delete_file(self, agent: str, session: str, path: str, *, recursive: bool = False) -> Answer[None]:
        call = requests.delete_file(agent, session, path, recursive=recursive)
        return _answer(await self._sender.send(call), None)


def _answer(raw: RawAnswer, value: T, body: bytes = b"") -> Answer[T]:
    return Answer(value, raw.date, raw.wall, raw.monotonic, raw.sent, body, raw.request_id)


def _trouble_of(page: AgentsPage, cursors: Collection[str], *, is_promised: bool) -> str:
    """Why a page of agents cannot be the whole rest of the list, '' when it can be, or leads on.

    `is_promised` says whether the page before said that there are more.
    """
    if page.is_empty and page.promises:
        return "an empty page said that there is more"
    if page.is_empty and is_promised:
        return "an empty page where more was promised"
    if not page.has_more:
        return ""
    if page.last_id is None:
        return "a page does not say where the list goes on"
    return "the cursor repeats" if page.last_id in cursors else ""

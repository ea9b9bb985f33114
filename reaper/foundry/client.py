"""The platform as methods: what a caller may ask of one project, in the nouns of `model`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx2

from reaper.clock import Clock
from reaper.core.model import Agent, Malformed, Session, Version
from reaper.core.provider import (
    Answer,
    CallRecord,
    Capabilities,
    FilesPage,
    ObserveTime,
    Order,
    Page,
    Retryable,
    StillRight,
    Unreadable,
    always,
)
from reaper.core.settings import Connection
from reaper.core.text import clean
from reaper.foundry import parsing, requests
from reaper.foundry.auth import Tokens
from reaper.foundry.http_clients import Wire
from reaper.foundry.parsing import AgentsPage
from reaper.foundry.rate_limiter import RateLimiter
from reaper.foundry.transport import RawAnswer, Transport, ignore

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


class Client:
    """One project of the platform. Use as an asynchronous context manager.

    Every method raises a `ProviderError` whose class says what to do next, and ValueError, before
    anything is sent, for what the API forbids. The tokens stay the caller's, to be closed by it.
    """

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        tokens: Tokens,
        pace: RateLimiter,
        *,
        transport: Wire | None = None,
        observe: Callable[[CallRecord], None] = ignore,
    ) -> None:
        self._sender = Transport(connection, clock, tokens, pace, transport=transport, observe=observe)

    async def __aenter__(self) -> Self:
        await self._sender.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        await self._sender.__aexit__(kind, error, trace)

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def observe_time(self, observe: ObserveTime) -> None:
        """Tell every answer's time, whatever it was an answer to, to whoever watches the clocks."""
        self._sender.observe_time = observe

    @property
    def identity(self) -> Mapping[str, str]:
        """Whom the present token names: `tenant`, `oid`, `appid`, as far as it says; empty before there is one."""
        return self._sender.identity

    @property
    def spare(self) -> bool:
        """Whether one more request could go out at once, but for the pace."""
        return self._sender.spare

    async def list_agents(self) -> Answer[tuple[Agent, ...]]:
        """All hosted agents, each once; Unreadable when the listing is cut short, loops or does not end."""
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
        """One agent; Gone when there is none."""
        raw = await self._sender.send(requests.get_agent(agent))
        return _answer(raw, parsing.parse_agent(raw.body))

    async def get_version(self, agent: str, version: str) -> Answer[Version]:
        """One version of an agent; Gone when there is none."""
        raw = await self._sender.send(requests.get_version(agent, version))
        return _answer(raw, parsing.parse_version(raw.body, agent))

    async def page(
        self,
        agent: str,
        *,
        after: str | None = None,
        before: str | None = None,
        order: Order = "asc",
        limit: int = requests.PAGE_MAX,
    ) -> Answer[Page]:
        """One page of an agent's sessions, ordered by creation."""
        call = requests.list_sessions(agent, limit=limit, order=order, after=after, before=before)
        raw = await self._sender.send(call)
        await self._sender.step_aside()
        return _answer(raw, parsing.parse_page(raw.body, raw.now, limit))

    async def get(self, agent: str, session: str) -> Answer[Session | Malformed]:
        """One session as it is now; Gone for 404. A tombstone may come as a record that says `deleted`."""
        raw = await self._sender.send(requests.get_session(agent, session), RECORD_MAX_BYTES)
        return _answer(raw, parsing.parse_record(raw.body, raw.now, "get_session"), raw.body)

    async def create(
        self, agent: str, session: str | None = None, version: str | None = None
    ) -> Answer[Session | Malformed]:
        """A new session; the platform chooses what is not given."""
        raw = await self._sender.send(requests.create_session(agent, session, version))
        return _answer(raw, parsing.parse_record(raw.body, raw.now, "create_session"))

    async def delete(self, agent: str, session: str, still_right: StillRight = always) -> Answer[None]:
        """Ask once for a session's end. The platform says yes to ids that never were, too: verify.

        Gone for 404; Retryable when it was not sent, Outdated as it was not `still_right`; InDoubt when it may have
        happened.
        """
        raw = await self._sender.send(requests.delete_session(agent, session), still_right=still_right)
        return _answer(raw, None)

    async def stop(self, agent: str, session: str, still_right: StillRight = always) -> Answer[None]:
        """Ask once for the end of a session's sandbox; done, too, when it was stopped already."""
        return _answer(await self._sender.send(requests.stop_session(agent, session), still_right=still_right), None)

    async def logs(
        self, agent: str, version: str, session: str, *, on_open: Callable[[], None] = lambda: None
    ) -> AsyncIterator[str]:
        """The lines of a session's log as they come, made safe to show; ends when the platform ends it.

        `on_open` is called once the platform has begun to answer, before the first line.
        """
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
        """A page of one directory. May wake the sandbox."""
        raw = await self._sender.send(requests.list_files(agent, session, path, after))
        return _answer(raw, parsing.parse_files(raw.body))

    async def download_file(self, agent: str, session: str, path: str) -> Answer[bytes]:
        """One file's content, up to 64 MiB. May wake the sandbox."""
        raw = await self._sender.send(requests.download_file(agent, session, path), DOWNLOAD_MAX_BYTES)
        return _answer(raw, raw.body)

    async def upload_file(self, agent: str, session: str, path: str, content: bytes) -> Answer[None]:
        """One file written, up to 50 MB. May wake the sandbox."""
        return _answer(await self._sender.send(requests.upload_file(agent, session, path, content)), None)

    async def delete_file(self, agent: str, session: str, path: str, *, recursive: bool = False) -> Answer[None]:
        """One file deleted; a directory that is not empty needs `recursive`."""
        call = requests.delete_file(agent, session, path, recursive=recursive)
        return _answer(await self._sender.send(call), None)


def _answer(raw: RawAnswer, value: T, body: bytes = b"") -> Answer[T]:
    return Answer(value, raw.date, raw.wall, raw.monotonic, raw.sent, body, raw.request_id)


def _trouble_of(page: AgentsPage, cursors: Collection[str], *, is_promised: bool) -> str:
    """Why a page of agents cannot be the whole rest of the list, '' when it can be, or leads on.

    `is_promised` says whether the page before told that there are more.
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

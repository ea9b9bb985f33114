"""The port: what this product needs of a platform that holds sessions, and what it may be told by one.

A provider is one folder with a class that has the methods of `Provider`. Whatever goes wrong is one of these, named
by what to do next:

    ProviderError
    ├── Retryable          nothing happened; the same may be asked again later
    │   ├── Throttled      429, or the project is paused: look at the session again before acting on it
    │   └── Outdated       not sent, what it was decided on had grown too old: look again
    ├── Gone               the platform's own 404: there is no such thing (any more)
    ├── Refused            the platform understood and says no; asking again is of no use
    ├── Unauthenticated    no token, or tokens that the platform rejects
    ├── InDoubt            a change was sent and its effect is unknown: find out before anything else
    └── Unreadable         an answer that makes no sense, or is not the platform's: a page of something on the way

Messages hold text from outside only after `clean`; no message holds a token.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Generic, Literal, Protocol, TypeVar

from reaper.core.model import Action, Agent, Malformed, Session, Version
from reaper.core.policy import Policy
from reaper.core.settings import Project

PAGE_MAX: Final = 100
"""So many sessions a page holds at most."""

Order = Literal["asc", "desc"]
"""Of a listing: by creation, the oldest or the newest first."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A value with the time it is from, on three clocks.

    `date` is the platform's `Date` in Unix seconds, None when it sent none. `received_wall` and
    `received_monotonic` are the local clocks when the answer began to arrive, so that they can be
    compared with it. `sent_monotonic` is when the request went out, after every wait for its turn.
    `body` is the answer as it came, of a single session's record only. `request_id` is the platform's name for it.
    """

    value: T
    date: float | None
    received_wall: float
    received_monotonic: float
    sent_monotonic: float | None = None
    body: bytes = b""
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of sessions, in the order the platform gave. `last_id` is the cursor to the next.

    `has_more` is what the platform said; where it said nothing, whether the page held anything: the
    reader then goes on until a page is empty.
    """

    sessions: tuple[Session | Malformed, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file or directory of a session. `size` in bytes; `name` is foreign text, made safe to show."""

    name: str
    size: int
    is_directory: bool


@dataclass(frozen=True, slots=True)
class FilesPage:
    """A page of one directory."""

    entries: tuple[FileEntry, ...]
    last_id: str | None
    has_more: bool


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One request as metrics see it. `code` is the status, `timeout` or `error`."""

    operation: str
    code: str
    seconds: float
    throttled: bool


StillRight = Callable[[], bool]
"""Whether what a change was decided on is still young enough; asked again in the instant in which it leaves."""


ObserveTime = Callable[[float | None, float, float, float | None], None]
"""Takes in what an answer tells of time: its `Date`, the wall and monotonic clocks when it came, and when on the
latter it was asked for."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What providers may differ in. Agents whose policy asks for what one cannot do, or cannot tell, are not swept.

    `stop_keeps_files`: a stopped session has its files still. `knows_last_access`: records tell when a session was
    last used. `delete_has_precondition`: the platform can be told to delete only what has not changed.
    `has_versions`, `has_files`: agents have versions, and sessions a home that can be asked for.
    """

    can_stop: bool
    stop_keeps_files: bool
    knows_last_access: bool
    delete_has_precondition: bool
    has_versions: bool
    has_files: bool

    def lacks(self, policy: Policy) -> str:
        """Why nobody should act by this policy here, '' when it can be kept."""
        actions = {rule.action for rule in policy.all_rules}
        if Action.STOP in actions and not (self.can_stop and self.stop_keeps_files):
            return "the policy stops sessions, which this platform cannot do without losing their files"
        if actions - {Action.KEEP} and not self.knows_last_access:
            return "this platform does not tell when a session was last used, so nothing may be stopped or deleted"
        if policy.asks_version and not self.has_versions:
            return "the policy asks for versions, which this platform does not have"
        return ""


def always() -> bool:
    """What holds for a change that rests on nothing that grows old."""
    return True


class Provider(Protocol):
    """One project of a platform, for as long as its context lasts.

    Every method may raise any `ProviderError`, and ValueError before anything is sent for what the platform forbids.
    Reads may be repeated by the provider itself. Changes it sends once at most, and never by itself again.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this provider can do and tell; the same for as long as it lives."""

    @property
    def identity(self) -> Mapping[str, str]:
        """As whom it speaks, by the claims of its token (`tenant`, `oid`, `appid`); empty without one."""

    @property
    def spare(self) -> bool:
        """Whether one more request could go out at once, but for the rate."""

    def observe_time(self, observe: ObserveTime) -> None:
        """Tell every answer's time, whatever it was an answer to, to whoever watches the clocks."""

    async def list_agents(self) -> Answer[tuple[Agent, ...]]:
        """All agents, once each, never a part of them: one cut short, looping or endless is Unreadable."""

    async def get_agent(self, agent: str) -> Answer[Agent]:
        """One agent; Gone when there is none, and only when the platform itself says so."""

    async def get_version(self, agent: str, version: str) -> Answer[Version]:
        """One version of an agent; Gone when there is none."""

    async def page(
        self,
        agent: str,
        *,
        after: str | None = None,
        before: str | None = None,
        order: Order = "asc",
        limit: int = PAGE_MAX,
    ) -> Answer[Page]:
        """One page of an agent's sessions, by creation. A record that cannot be believed is in it as Malformed."""

    async def get(self, agent: str, session: str) -> Answer[Session | Malformed]:
        """One session as it is now, never from a cache; Gone, or the record of a tombstone, when it is no more."""

    async def create(
        self, agent: str, session: str | None = None, version: str | None = None
    ) -> Answer[Session | Malformed]:
        """A new session; the platform chooses what is not given."""

    async def delete(self, agent: str, session: str, still_right: StillRight = always) -> Answer[None]:
        """Ask once for the end of a session and its files, for ever. An answer is no proof: look afterwards.

        Outdated, and nothing sent, once it is not `still_right` in the instant in which it would leave. Gone for a
        session that is not there; InDoubt when it may have happened.
        """

    async def stop(self, agent: str, session: str, still_right: StillRight = always) -> Answer[None]:
        """Ask once for the end of a session's sandbox; done, too, when it was stopped already. Raises as a delete."""

    def logs(
        self, agent: str, version: str, session: str, *, on_open: Callable[[], None] = lambda: None
    ) -> AsyncIterator[str]:
        """The lines of a session's log as they come, safe to show; `on_open` is called before the first."""

    async def list_files(
        self, agent: str, session: str, path: str = ".", *, after: str | None = None
    ) -> Answer[FilesPage]:
        """A page of one directory. May wake the sandbox, as all that is about files may."""

    async def download_file(self, agent: str, session: str, path: str) -> Answer[bytes]:
        """One file's content; Unreadable rather than a part of it."""

    async def upload_file(self, agent: str, session: str, path: str, content: bytes) -> Answer[None]:
        """One file written."""

    async def delete_file(self, agent: str, session: str, path: str, *, recursive: bool = False) -> Answer[None]:
        """One file deleted; a directory that is not empty needs `recursive`."""


Connect = Callable[[Project], AbstractAsyncContextManager[Provider]]
"""Opens a provider for a project."""


class ProviderError(Exception):
    """A call that did not give what was asked. `operation` is the call's name, as in metrics.

    `status` is the HTTP status when there was an answer, `code` and `request_id` what the platform said of it,
    `retry_after` the seconds it asked to wait before the same is tried again. `message` is one line, safe to show.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.operation = operation
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after

    @property
    def told(self) -> str:
        """What went wrong, the same each time it does."""
        status = f" (HTTP {self.status})" if self.status is not None else ""
        return f"{self.operation}: {self.message}{status}"

    def __str__(self) -> str:
        status = f"HTTP {self.status}" if self.status is not None else None
        request = f"request {self.request_id}" if self.request_id else None
        known = ", ".join(part for part in (status, self.code, request) if part)
        return f"{self.operation}: {self.message}" + (f" ({known})" if known else "")


class Retryable(ProviderError):  # noqa: N818
    """Nothing happened: the connection was never made, or a read failed in a way that passes."""


class Throttled(Retryable):
    """Too many requests: nothing happened, and time has passed since the session was last looked at."""


class Outdated(Retryable):
    """A change that was not sent: by the time it would have left, it rested on too old a look."""


class Gone(ProviderError):  # noqa: N818
    """There is no such agent, version or session (any more)."""


class Refused(ProviderError):  # noqa: N818
    """The platform says no, and will say so again: rights, a bad request, a conflict, a redirect."""


class Unauthenticated(ProviderError):  # noqa: N818
    """No token could be had, or the platform rejected two of them. No other identity is tried."""


class InDoubt(ProviderError):  # noqa: N818
    """A change was sent and no clear answer came: it may have happened, or not, or happen yet."""


class Unreadable(ProviderError):  # noqa: N818
    """The answer cannot be understood (bad JSON, wrong shape, too large), or a 404 is not the platform's."""

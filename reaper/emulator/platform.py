"""The platform as a state machine: what its sessions API does, without the wire.

Pure: the time is what `now` says (Unix seconds). Statuses follow from times and are worked out when asked
for, so a million sessions cost nothing while nobody looks. Source: the REST reference of the sessions API.
"""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from itertools import islice
from typing import Any, Final, Literal
from uuid import UUID

from reaper.core.model import ACTIVE, CREATING, EXPIRED, FAILED, IDLE, TOMBSTONES, Session
from reaper.emulator.home import Home
from reaper.emulator.ordered_sessions import OrderedSessions
from reaper.emulator.platform_error import PlatformError
from reaper.emulator.session_log import SessionLog
from reaper.emulator.stored import (
    AgentVersion,
    Event,
    HostedAgent,
    Route,
    StoredPage,
    StoredSession,
    selector_of,
)

SESSION_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,128}", re.ASCII)

Order = Literal["asc", "desc"]
GoneCursor = Literal["error", "restart", "empty"]
"""What a cursor does whose session has left the listing: unknown of the real platform, so all are offered."""


@dataclass(eq=False, repr=False)
class Platform:
    """Agents and their sessions, with `history`: every change since the start, which tests assert on.

    `tombstone_s`: how long deleted and expired sessions linger in the list. `get_tombstones`: a GET of a
    deleted one answers it instead of 404. `creating_s`: how long a new session is being created.
    `files_touch`: working with files moves `last_accessed_at`.
    """

    now: Callable[[], float]
    _: KW_ONLY
    tombstone_s: float = 3600.0
    get_tombstones: bool = False
    creating_s: float = 1.0
    files_touch: bool = False
    gone_cursor: GoneCursor = "error"
    agents: dict[str, HostedAgent] = field(default_factory=dict, init=False)
    history: list[Event] = field(default_factory=list, init=False)
    _sessions: dict[str, OrderedSessions] = field(default_factory=dict, init=False)
    _leaving: dict[str, list[tuple[float, int, StoredSession]]] = field(default_factory=dict, init=False)
    _seq: int = field(default=0, init=False)

    # Agents

    def add_agent(self, name: str, versions: Iterable[AgentVersion] = ()) -> HostedAgent:
        """A new agent; with one version `1` unless some are given, oldest first."""
        given = list(versions) or [AgentVersion("1", int(self.now()))]
        agent = HostedAgent(name, given[0].created_at, {version.name: version for version in given})
        self.agents[name] = agent
        self._sessions[name] = OrderedSessions()
        self._leaving[name] = []
        return agent

    def add_version(self, agent: str, version: AgentVersion) -> None:
        """A deployment: the newest version from now on."""
        self.agent(agent).versions[version.name] = version

    def remove_version(self, agent: str, name: str) -> None:
        """A version is taken back; the newest of the others is the latest then. Its sessions stay as they are."""
        if len(self.agent(agent).versions) == 1:
            raise PlatformError(409, "last_version", f"{name} is the only version of agent {agent}", "agent_version")
        del self.agent(agent).versions[self.version(agent, name).name]

    def route(self, agent: str, selector: Any, at: float | None = None) -> None:
        """From now on, or from a moment to come, new sessions get their version by this selector; None: the latest.

        Taken as it is, whatever it says: only its shares of versions that are there have an effect.
        """
        routes, moment = self.agent(agent).routes, self.now() if at is None else at
        # What was to come after it is called off.
        routes[:] = [*(route for route in routes if route.at < moment), Route(moment, selector)]

    def rollout(self, agent: str, steps: Iterable[tuple[float, Mapping[str, int] | None]]) -> None:
        """A canary, switch or rollback to come: so many seconds from now, this share of traffic for each version."""
        now = self.now()
        for after_s, traffic in steps:
            self.route(agent, None if traffic is None else selector_of(traffic), now + after_s)

    def describe(self, agent: str, metadata: object) -> None:
        """The developers give the newest version this metadata instead."""
        versions = self.agent(agent).versions
        latest = self.agent(agent).latest
        versions[latest.name] = replace(latest, metadata=metadata)

    def agent(self, name: str) -> HostedAgent:
        if name not in self.agents:
            raise PlatformError(404, "not_found", f"Agent {name} was not found", "agent_name")
        return self.agents[name]

    def version(self, agent: str, name: str) -> AgentVersion:
        versions = self.agent(agent).versions
        if name not in versions:
            raise PlatformError(404, "not_found", f"Agent {agent} has no version {name}", "agent_version")
        return versions[name]

    # Sessions, as the API offers them

    def create(
        self, agent: str, session: str | None = None, version: str | None = None, actor: str = "user"
    ) -> Session:
        """A new session; 409 while its id is taken, a new incarnation when the former one is gone."""
        hosted = self.agent(agent)
        backing = hosted.next_version(self.now()) if version is None else self.version(agent, version)
        now, sessions = self._at(agent)
        name = self._fresh_id() if session is None else session
        if not SESSION_ID.fullmatch(name):
            raise PlatformError(400, "invalid_session_id", f"{name!r} is no session id", "agent_session_id")
        former = sessions.find(name)
        if former is not None:
            self._note_expiry(agent, former, now)
            if former.status(now) not in TOMBSTONES:
                raise PlatformError(409, "session_already_exists", f"Session {name} already exists")
            sessions.remove(former)
        record = StoredSession(name, backing, int(now), int(now), held=CREATING, held_until=now + self.creating_s)
        self.place(agent, record)
        self._log(record).write(now, "status", "Successfully connected to container")
        self._note("created", agent, record, now, actor)
        return record.view(now)

    def get(self, agent: str, session: str) -> Session:
        """The session; 404 when it never was or is deleted (unless `get_tombstones`)."""
        now, sessions = self._at(agent)
        record = sessions.find(session)
        if record is None or (record.deleted_at is not None and not self.get_tombstones):
            raise _not_found(session)
        self._note_expiry(agent, record, now)
        return record.view(now)

    def page(
        self,
        agent: str,
        *,
        limit: int = 20,
        order: Order = "desc",
        after: str | None = None,
        before: str | None = None,
        keep: Callable[[str], bool] | None = None,
    ) -> StoredPage:
        """One page by creation, tombstones included; `before` gives the page that ends right before a cursor.

        `keep` hides sessions, by id, from this caller.
        """
        if after is not None and before is not None:
            raise PlatformError(400, "invalid_request", "after and before exclude each other", "after")
        if not 1 <= limit <= 100:
            raise PlatformError(400, "invalid_request", "limit must be between 1 and 100", "limit")
        now, sessions = self._at(agent)
        cursor_id = before if after is None else after
        cursor = None if cursor_id is None else sessions.find(cursor_id)
        if cursor_id is not None and cursor is None and self.gone_cursor != "restart":
            if self.gone_cursor == "empty":
                return StoredPage((), has_more=False)
            raise PlatformError(400, "invalid_cursor", f"No session {cursor_id} to page from", "after")
        ascending = (order == "asc") != (before is not None)
        seen = self._present(agent, sessions.walk(cursor, ascending=ascending), now, keep)
        taken = [record.view(now) for record in islice(seen, limit + 1)]
        shown = taken[:limit]
        return StoredPage(tuple(shown if before is None else reversed(shown)), len(taken) > limit)

    def delete(self, agent: str, session: str, actor: str = "user") -> bool:
        """Delete it with its home; False (and no error) when there was nothing to delete."""
        now, sessions = self._at(agent)
        record = sessions.find(session)
        if record is None or record.status(now) in TOMBSTONES:
            return False
        self._note("deleted", agent, record, now, actor)
        record.deleted_at = now
        record.home = record.log = None
        self._leave(agent, record, now + self.tombstone_s)
        return True

    def stop(self, agent: str, session: str, actor: str = "user") -> None:
        """Suspend an active session, its home kept; 409 when it does not run."""
        now, record = self._living(agent, session)
        if record.status(now) != ACTIVE:
            raise PlatformError(409, "session_already_stopped", f"Session {session} is not active")
        self._note("stopped", agent, record, now, actor)
        record.held, record.stopped, record.stopped_at = None, True, int(now)

    # What people do to sessions outside this API

    def use(self, agent: str, session: str, actor: str = "user") -> Session:
        """Somebody calls the agent in this session: it is active again from now."""
        now, record = self._living(agent, session)
        if record.status(now) == FAILED:
            raise PlatformError(409, "session_failed", f"Session {session} has failed")
        self._note("used", agent, record, now, actor)
        self._touch(record, now)
        self._log(record).write(now, "stdout", "request served")
        return record.view(now)

    def busy(self, agent: str, session: str, seconds: float, actor: str = "user") -> Session:
        """One long call: active until it ends, while `last_accessed_at` stays at its start."""
        self.use(agent, session, actor)
        now, record = self._living(agent, session)
        record.held, record.held_until = ACTIVE, now + seconds
        self._note("busy", agent, record, now, actor)
        return record.view(now)

    def fail(self, agent: str, session: str, actor: str = "platform") -> None:
        """Its life cycle failed; only a delete helps."""
        now, record = self._living(agent, session)
        self._note("failed", agent, record, now, actor)
        record.held, record.held_until = FAILED, math.inf

    # Its files and its log

    def home(self, agent: str, session: str) -> Home:
        """The files of a session that is there; 404 otherwise."""
        now, record = self._living(agent, session)
        if self.files_touch:
            self._touch(record, now)
        if record.home is None:
            record.home = Home()
        return record.home

    def log(self, agent: str, session: str) -> SessionLog:
        """The log of a session that is there; 404 otherwise."""
        return self._log(self._living(agent, session)[1])

    # The record of truth, and what a population or a wire needs

    def sessions(self, agent: str) -> Iterator[Session]:
        """Everything the listing holds, oldest first."""
        now, sessions = self._at(agent)
        return (record.view(now) for record in self._present(agent, iter(sessions), now, None))

    def find(self, agent: str, session: str) -> Session | None:
        """What the listing holds under this id, tombstones included."""
        now, sessions = self._at(agent)
        record = sessions.find(session)
        return None if record is None else record.view(now)

    def forbidden(self, agent: str, session: str, actor: str) -> None:
        """A call came that nobody may send; it has no effect but this entry."""
        self.history.append(Event(self.now(), "forbidden", agent, session, 0, 0, "", actor))

    def place(self, agent: str, record: StoredSession) -> None:
        """Put a ready-made session in its place, without an entry in the history."""
        self._seq += 1
        record.seq = self._seq
        self._sessions[agent].add(record)
        if record.deleted_at is not None:
            self._leave(agent, record, record.deleted_at + self.tombstone_s)

    # Inside

    def _at(self, agent: str) -> tuple[float, OrderedSessions]:
        """The time and the agent's sessions, after the tombstones whose time is up have left it."""
        self.agent(agent)
        now, sessions, leaving = self.now(), self._sessions[agent], self._leaving[agent]
        while leaving and leaving[0][0] <= now:
            sessions.remove(heapq.heappop(leaving)[2])
        return now, sessions

    def _living(self, agent: str, session: str) -> tuple[float, StoredSession]:
        now, sessions = self._at(agent)
        record = sessions.find(session)
        if record is None or record.status(now) in TOMBSTONES:
            raise _not_found(session)
        return now, record

    def _present(
        self, agent: str, walk: Iterator[StoredSession], now: float, keep: Callable[[str], bool] | None
    ) -> Iterator[StoredSession]:
        for record in walk:
            if now >= record.expires_at:
                self._note_expiry(agent, record, now)
                if now >= record.expires_at + self.tombstone_s:
                    continue
            if keep is None or keep(record.id):
                yield record

    def _note_expiry(self, agent: str, record: StoredSession, now: float) -> None:
        if record.expiry_noted or record.status(now) != EXPIRED:
            return
        record.expiry_noted = True
        self._note("expired", agent, record, float(record.expires_at), "platform", status=IDLE)
        self._leave(agent, record, record.expires_at + self.tombstone_s)

    def _leave(self, agent: str, record: StoredSession, at: float) -> None:
        heapq.heappush(self._leaving[agent], (at, record.seq, record))

    def _touch(self, record: StoredSession, now: float) -> None:
        record.stopped_at, record.stopped = record.stopped_at_as(record.status(now)), False
        record.last_accessed_at = int(now)

    def _log(self, record: StoredSession) -> SessionLog:
        if record.log is None:
            record.log = SessionLog()
            record.log.write(record.created_at, "stdout", "Starting server on port 8088")
        return record.log

    def _fresh_id(self) -> str:
        self._seq += 1
        return UUID(int=(self._seq * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128).hex

    def _note(
        self, kind: str, agent: str, record: StoredSession, at: float, actor: str, *, status: str | None = None
    ) -> None:
        before = record.status(at) if status is None else status
        created, accessed = record.created_at, record.last_accessed_at
        self.history.append(Event(at, kind, agent, record.id, created, accessed, before, actor))


def _not_found(session: str) -> PlatformError:
    return PlatformError(404, "session_not_found", f"Session {session} was not found", "session_id")

"""What the emulated platform stores and answers: agents, sessions, pages and its record of truth.

Times are Unix seconds on the platform's own clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reaper.core.model import ACTIVE, DELETED, EXPIRED, EXPIRY_S, IDLE, Session
from reaper.emulator.home import Home
from reaper.emulator.session_log import SessionLog

_SUSPENDED = frozenset({IDLE, EXPIRED})


@dataclass(frozen=True, slots=True)
class AgentVersion:
    """One version of a hosted agent; its sessions fall idle after its own timeout.

    `metadata` is a mapping of texts on the real platform; what is not one stands for an API that has changed.
    """

    name: str
    created_at: int
    idle_timeout_s: int = 900
    status: str = ACTIVE
    cpu: str = "1"
    memory: str = "2Gi"
    metadata: Any = field(default_factory=dict, hash=False)


@dataclass(slots=True)
class HostedAgent:
    """A hosted agent with its versions, oldest first, by name."""

    name: str
    created_at: int
    versions: dict[str, AgentVersion]
    routes: list[Route] = field(default_factory=list)
    split: int = 0

    @property
    def latest(self) -> AgentVersion:
        return next(reversed(self.versions.values()))

    def selector(self, now: float) -> Any:
        """The version selector in force, None without one."""
        return next((route.selector for route in reversed(self.routes) if route.at <= now), None)

    def next_version(self, now: float) -> AgentVersion:
        """What a new session gets: each hundred of them are spread as the selector says, else it is the latest."""
        shares = traffic_of(self.selector(now), self.versions)
        place, self.split = self.split * SPREAD % 100, self.split + 1
        for name, percent in shares.items():
            if place < percent:
                return self.versions[name]
            place -= percent
        return self.latest


@dataclass(frozen=True, slots=True)
class Route:
    """A version selector that is in force from `at` on, as it is on the wire; None: without one."""

    at: float
    selector: Any


SPREAD = 37
"""Has no factor in common with 100: neighbours get different versions, and a hundred sessions each place once."""


def selector_of(traffic: Mapping[str, int]) -> dict[str, Any]:
    """The version selector that gives each version so many percent."""
    rules = [
        {"type": "FixedRatio", "agent_version": name, "traffic_percentage": percent}
        for name, percent in traffic.items()
    ]
    return {"version_selection_rules": rules}


def traffic_of(selector: Any, versions: Mapping[str, AgentVersion]) -> dict[str, int]:
    """The shares that a selector gives to versions that are there; nothing of one that makes no sense."""
    rules = selector.get("version_selection_rules") if isinstance(selector, dict) else None
    found: dict[str, int] = {}
    for rule in rules if isinstance(rules, list) else ():
        told = rule if isinstance(rule, dict) else {}
        name, percent = told.get("agent_version"), told.get("traffic_percentage")
        if isinstance(name, str) and name in versions and type(percent) is int:
            found[name] = percent
    return found


@dataclass(frozen=True, slots=True)
class Event:
    """One change the platform went through, with what was true of the session just before it.

    Kinds: created, used, stopped, deleted, expired, failed, busy, forbidden (a call that must never come).
    An expiry is entered when it is first seen, with the time at which it happened.
    """

    time: float
    kind: str
    agent: str
    session: str
    created_at: int
    last_accessed_at: int
    status: str
    actor: str


@dataclass(frozen=True, slots=True)
class StoredPage:
    """One page of a listing, in the order asked for."""

    sessions: tuple[Session, ...]
    has_more: bool


@dataclass(slots=True, eq=False)
class StoredSession:
    """One incarnation of a session as the platform keeps it; its status follows from the time.

    `held` is a status that wins until `held_until`: creating, updating, failed, or active in one long call.
    `gone` records have left the listing for good.
    """

    id: str
    version: AgentVersion
    created_at: int
    last_accessed_at: int
    seq: int = 0
    held: str | None = None
    held_until: float = 0.0
    stopped: bool = False
    stopped_at: int | None = None
    deleted_at: float | None = None
    expiry_noted: bool = False
    gone: bool = False
    home: Home | None = None
    log: SessionLog | None = None

    @property
    def expires_at(self) -> int:
        return self.last_accessed_at + EXPIRY_S

    @property
    def suspends_at(self) -> int:
        call_ends = math.ceil(self.held_until) if self.held == ACTIVE else 0
        return max(self.last_accessed_at + self.version.idle_timeout_s, call_ends)

    def status(self, now: float) -> str:
        if self.deleted_at is not None:
            return DELETED
        if now >= self.expires_at:
            return EXPIRED
        if self.held is not None and now < self.held_until:
            return self.held
        return IDLE if self.stopped or now >= self.suspends_at else ACTIVE

    def stopped_at_as(self, status: str) -> int | None:
        """When the sandbox was last seen to stop, None while it never did."""
        return self.suspends_at if status in _SUSPENDED and not self.stopped else self.stopped_at

    def view(self, now: float) -> Session:
        """The session as the API shows it at `now`."""
        status = self.status(now)
        return Session(
            self.id,
            status,
            self.version.name,
            self.created_at,
            self.last_accessed_at,
            self.expires_at,
            self.stopped_at_as(status),
        )

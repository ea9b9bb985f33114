"""Conditions of a rule. Each is a function from a session to the moment from which it holds.

Time only ever moves a session towards a rule (idle and age grow, expiry nears), so one number says both
whether a condition holds now and when it will: `NEVER` and `ALWAYS` are its ends, None is "cannot be judged".
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from reaper.core.durations import exact_duration, show_duration
from reaper.core.model import Agent, Session

ALWAYS: Final = -math.inf
NEVER: Final = math.inf

LATEST: Final = "latest"
SUPERSEDED: Final = "superseded"


class Condition(Protocol):
    """One line under `when`."""

    @property
    def name(self) -> str:
        """The key under `when`."""

    def holds_from(self, session: Session, agent: Agent) -> float | None:
        """Unix seconds from which it holds; None when it cannot be judged."""

    def wanted(self) -> str:
        """What the policy asks for, in its own words."""

    def actual(self, session: Session, agent: Agent, now: float) -> str:
        """The session's value that is compared with it."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Time since the last access is at least `seconds`."""

    seconds: int
    name: str = "idle"

    def holds_from(self, session: Session, agent: Agent) -> float:
        return session.last_accessed_at + self.seconds

    def wanted(self) -> str:
        return f"at least {exact_duration(self.seconds)}"

    def actual(self, session: Session, agent: Agent, now: float) -> str:
        return show_duration(now - session.last_accessed_at)


@dataclass(frozen=True, slots=True)
class Age:
    """Time since the creation is at least `seconds`."""

    seconds: int
    name: str = "age"

    def holds_from(self, session: Session, agent: Agent) -> float:
        return session.created_at + self.seconds

    def wanted(self) -> str:
        return f"at least {exact_duration(self.seconds)}"

    def actual(self, session: Session, agent: Agent, now: float) -> str:
        return show_duration(now - session.created_at)


@dataclass(frozen=True, slots=True)
class ExpiresWithin:
    """Time until the platform expires the session is at most `seconds`."""

    seconds: int
    name: str = "expires_within"

    def holds_from(self, session: Session, agent: Agent) -> float:
        return session.expires_at - self.seconds

    def wanted(self) -> str:
        return f"at most {exact_duration(self.seconds)}"

    def actual(self, session: Session, agent: Agent, now: float) -> str:
        return show_duration(session.expires_at - now)


@dataclass(frozen=True, slots=True)
class StatusIn:
    """The status is one of `statuses`."""

    statuses: frozenset[str]
    name: str = "status"

    def holds_from(self, session: Session, agent: Agent) -> float:
        return ALWAYS if session.status in self.statuses else NEVER

    def wanted(self) -> str:
        return _one_of(sorted(self.statuses))

    def actual(self, session: Session, agent: Agent, now: float) -> str:
        return session.status


@dataclass(frozen=True, slots=True)
class IdMatches:
    """The id matches one of the globs."""

    globs: tuple[str, ...]
    name: str = "id"
    _regex: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_regex", glob_regex(self.globs))

    def holds_from(self, session: Session, agent: Agent) -> float:
        return ALWAYS if self._regex.match(session.id) else NEVER

    def wanted(self) -> str:
        return _one_of(self.globs)

    def actual(self, session: Session, agent: Agent, now: float) -> str:
        return session.id


@dataclass(frozen=True, slots=True)
class VersionIs:
    """The agent version is `latest`, `superseded`, or one of the names given."""

    versions: frozenset[str]
    name: str = "version"

    def holds_from(self, session: Session, agent: Agent) -> float | None:
        if session.version is None:
            return None
        if session.version in self.versions - {LATEST, SUPERSEDED}:
            return ALWAYS
        if not self.versions & {LATEST, SUPERSEDED}:
            return NEVER
        if agent.latest is None:
            return None
        place = LATEST if session.version == agent.latest else SUPERSEDED
        return ALWAYS if place in self.versions else NEVER

    def wanted(self) -> str:
        return _one_of(sorted(self.versions))

    def actual(self, session: Session, agent: Agent, now: float) -> str:
        latest = "unreadable" if agent.latest is None else agent.latest
        return f"{session.version or 'unreadable'}, latest {latest}"


def glob_regex(globs: Iterable[str]) -> re.Pattern[str]:
    """One pattern that matches what any of the shell globs matches, case and all."""
    return re.compile("|".join(fnmatch.translate(glob) for glob in globs) or r"(?!)")


def _one_of(values: Iterable[str]) -> str:
    return " or ".join(values)

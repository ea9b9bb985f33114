"""Conditions of a rule: the one home of each, from which its key, schema, words, display and shadowing follow.

Each is a function from a session to the moment from which it holds. Time only ever moves a session towards a rule
(idle and age grow, expiry nears), so one number says both whether a condition holds now and when it will: `NEVER` and
`ALWAYS` are its ends, None is "cannot be judged".
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, ClassVar, Final, Self

from reaper.core.durations import exact_duration, parse_duration, show_duration
from reaper.core.globs import covers, glob_regex
from reaper.core.model import EXPIRY_S, STATUSES, Agent, Session

ALWAYS: Final = -math.inf
NEVER: Final = math.inf

LATEST: Final = "latest"
SERVING: Final = "serving"
SUPERSEDED: Final = "superseded"


class Values(Enum):
    """What is written behind a condition's key: one duration, or one or several words of a kind."""

    DURATION = auto()
    STATUSES = auto()
    GLOBS = auto()
    VERSIONS = auto()


class Condition(ABC):
    """One line under `when`: its key `name`, and the `values` that stand there. Its docstring describes it to users.

    One that `needs_versions` compares versions of the agent, and cannot be judged where these cannot be read.
    """

    __slots__ = ()

    name: ClassVar[str]
    values: ClassVar[Values]
    needs_versions: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def read(cls, written: Any) -> Self:
        """The condition that valid `values` mean: the text of a duration, or a list of words."""

    @abstractmethod
    def written(self) -> str | list[str]:
        """The values that read back as this condition."""

    @abstractmethod
    def holds_from(self, session: Session, agent: Agent) -> float | None:
        """Unix seconds from which it holds; None when it cannot be judged."""

    @abstractmethod
    def wanted(self) -> str:
        """What the policy asks for, in its own words."""

    @abstractmethod
    def actual(self, session: Session, agent: Agent, now: float) -> str:
        """The session's value that is compared with it."""

    def blind(self, session: Session, agent: Agent) -> str:
        """Why it cannot be judged, where it cannot."""
        return ""

    def covers(self, other: Condition) -> bool:
        """Whether this one provably holds wherever `other` does."""
        return False


_OLD_AND_UNUSED: Final = Session("", "", None, created_at=-(10**12), last_accessed_at=0, expires_at=EXPIRY_S)


@dataclass(frozen=True, slots=True)
class TimeCondition(Condition):
    """A session's `moment` is at least `seconds` past; for one that counts down, it is at most so long to come."""

    seconds: int

    values = Values.DURATION
    counts_down: ClassVar[bool] = False

    @classmethod
    def read(cls, written: Any) -> Self:
        return cls(parse_duration(written))

    def written(self) -> str:
        return exact_duration(self.seconds)

    @abstractmethod
    def moment(self, session: Session) -> int:
        """The time of the session, in Unix seconds, that is compared with now."""

    def holds_from(self, session: Session, agent: Agent) -> float:
        return self.moment(session) + (-self.seconds if self.counts_down else self.seconds)

    def actual(self, session: Session, agent: Agent, now: float) -> str:
        passed = now - self.moment(session)
        return show_duration(-passed if self.counts_down else passed)

    def wanted(self) -> str:
        return f"at {'most' if self.counts_down else 'least'} {exact_duration(self.seconds)}"

    @property
    def unused_s(self) -> float:
        """So long at the least a session lies unused before it holds; negative when use does not put it off."""
        return self.holds_from(_OLD_AND_UNUSED, Agent(""))

    def covers(self, other: Condition) -> bool:
        if not isinstance(other, type(self)):
            return False
        return other.seconds <= self.seconds if self.counts_down else other.seconds >= self.seconds


class Idle(TimeCondition):
    """Time since the last access, at least. Under 30d, when the platform expires a session."""

    name = "idle"

    def moment(self, session: Session) -> int:
        return session.last_accessed_at


class Age(TimeCondition):
    """Time since the creation, at least."""

    name = "age"

    def moment(self, session: Session) -> int:
        return session.created_at

    def covers(self, other: Condition) -> bool:
        # A session is never idle for longer than it exists.
        return isinstance(other, Age | Idle) and other.seconds >= self.seconds


class ExpiresWithin(TimeCondition):
    """Time until the platform expires the session, at most."""

    name = "expires_within"
    counts_down = True

    def moment(self, session: Session) -> int:
        return session.expires_at


@dataclass(frozen=True, slots=True)
class WordCondition(Condition):
    """A session's word is one of `words`."""

    words: frozenset[str]

    @classmethod
    def read(cls, written: Any) -> Self:
        return cls(frozenset(written))

    def written(self) -> list[str]:
        return sorted(self.words)

    def wanted(self) -> str:
        return " or ".join(sorted(self.words))

    def covers(self, other: Condition) -> bool:
        return isinstance(other, type(self)) and other.words <= self.words


class StatusIn(WordCondition):
    """One or several. By default idle and failed for a delete, active for a stop, any for a keep."""

    name = "status"
    values = Values.STATUSES

    def written(self) -> list[str]:
        return sorted(self.words, key=STATUSES.index)

    def holds_from(self, session: Session, agent: Agent) -> float:
        return ALWAYS if session.status in self.words else NEVER

    def actual(self, session: Session, agent: Agent, now: float) -> str:
        return session.status


@dataclass(frozen=True, slots=True)
class IdMatches(Condition):
    """One or several patterns for the session id, with * ? and [abc]."""

    globs: tuple[str, ...]
    _regex: re.Pattern[str] = field(init=False, repr=False, compare=False)

    name = "id"
    values = Values.GLOBS

    def __post_init__(self) -> None:
        object.__setattr__(self, "_regex", glob_regex(self.globs))

    @classmethod
    def read(cls, written: Any) -> Self:
        return cls(tuple(written))

    def written(self) -> list[str]:
        return list(self.globs)

    def holds_from(self, session: Session, agent: Agent) -> float:
        return ALWAYS if self._regex.match(session.id) else NEVER

    def wanted(self) -> str:
        return " or ".join(self.globs)

    def actual(self, session: Session, agent: Agent, now: float) -> str:
        return session.id

    def covers(self, other: Condition) -> bool:
        return isinstance(other, IdMatches) and all(covers(self.globs, glob) for glob in other.globs)


class VersionIs(WordCondition):
    """`latest`, `serving`, `superseded`, or names of versions; one or several."""

    name = "version"
    values = Values.VERSIONS
    needs_versions = True

    def holds_from(self, session: Session, agent: Agent) -> float | None:
        version, words = session.version, self.words
        if version is None:
            return None
        if version in words and version not in PLACES:
            return ALWAYS
        moments = [PLACES[word](version, agent) for word in words if word in PLACES]
        if ALWAYS in moments:
            return ALWAYS
        # Of several words, one that cannot be judged may be the one that holds.
        judged = [moment for moment in moments if moment is not None]
        return min(judged, default=NEVER) if len(judged) == len(moments) else None

    def actual(self, session: Session, agent: Agent, now: float) -> str:
        version = session.version
        parts = [version or "unreadable", _left_behind_for(version, agent, now), agent.routing]
        return ", ".join(part for part in parts if part)

    def blind(self, session: Session, agent: Agent) -> str:
        if session.version is None:
            return "its version is unreadable"
        if agent.latest is None and self.words & {LATEST, SUPERSEDED}:
            return "its agent's versions are unreadable"
        if agent.serving.unclear:
            return f"where traffic goes cannot be judged ({agent.serving.unclear})"
        return "it is not known since when its version is without traffic"


def _latest(version: str, agent: Agent) -> float | None:
    if agent.latest is None:
        return None
    return ALWAYS if version == agent.latest else NEVER


def _serving(version: str, agent: Agent) -> float | None:
    reaches = agent.serving.reaches(version)
    if reaches is None:
        return None
    return ALWAYS if reaches else NEVER


def _superseded(version: str, agent: Agent) -> float | None:
    """The latest never is, nor one that traffic reaches; any other is once it was left behind for long enough."""
    if agent.latest is None:
        return None
    if version == agent.latest or agent.serving.reaches(version):
        return NEVER
    if agent.serving.unclear or agent.unserved is None:
        return None
    return agent.unserved.superseded_from(version)


PLACES: Final[Mapping[str, Callable[[str, Agent], float | None]]] = {
    LATEST: _latest,
    SERVING: _serving,
    SUPERSEDED: _superseded,
}
"""The words for what a version is to its agent now, each with the moment from which a version is it."""


def _left_behind_for(version: str | None, agent: Agent, now: float) -> str:
    """Since when a version is without traffic, in words; '' when it is not, or nobody knows."""
    unserved = agent.unserved
    if version is None or unserved is None or agent.latest is None or agent.serving.unclear:
        return ""
    if version == agent.latest or agent.serving.reaches(version):
        return ""
    passed = max(now - unserved.began(version), 0)
    wait = f" of {exact_duration(unserved.wait_s)}" if passed < unserved.wait_s else ""
    return f"unserved for {show_duration(passed)}{wait}"


CONDITIONS: Final[tuple[type[Condition], ...]] = (Idle, Age, ExpiresWithin, StatusIn, IdMatches, VersionIs)
"""Every condition of the language, in the order in which they are written, shown and tried."""

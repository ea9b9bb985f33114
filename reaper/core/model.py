"""The nouns: what the platform shows of a session, and what can be done to one.

Frozen values only; every other module speaks in these words.
Times are Unix seconds on the platform's clock, durations are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from reaper.core.routing import Selector, Serving, Unserved, serving_by, show_routing

MINUTE_S: Final = 60
DAY_S: Final = 86_400

EXPIRY_S: Final = 30 * DAY_S
"""The platform expires a session this long after its last activity."""

AGE_FLOOR_S: Final = 5 * MINUTE_S
"""No session younger than this is ever stopped or deleted, whatever a policy says."""


class Action(StrEnum):
    """What a rule asks for."""

    KEEP = "keep"
    STOP = "stop"
    DELETE = "delete"


CREATING: Final = "creating"
ACTIVE: Final = "active"
IDLE: Final = "idle"
UPDATING: Final = "updating"
FAILED: Final = "failed"
DELETING: Final = "deleting"
DELETED: Final = "deleted"
EXPIRED: Final = "expired"

STATUSES: Final = (CREATING, ACTIVE, IDLE, UPDATING, FAILED, DELETING, DELETED, EXPIRED)
"""The statuses this version knows. The platform's enumeration is open: others may appear."""

TOMBSTONES: Final = frozenset({DELETING, DELETED, EXPIRED})
"""Listed, but no longer there: never touched, never counted as inventory."""

ELIGIBLE: Final = {
    Action.DELETE: frozenset({IDLE, FAILED, ACTIVE}),
    Action.STOP: frozenset({ACTIVE}),
}
"""The statuses each action may ever be applied to. A rule can narrow this, nothing widens it."""


Incarnation: TypeAlias = tuple[str, int]
"""A session's id and when it was created: ids are reused after a delete."""


class Session(NamedTuple):
    """One incarnation of a session, as the platform's record shows it.

    A tuple, since listings make them by the million. `strange` names fields of the record that this version does
    not know: such a session is kept.
    Source: `AgentSessionResource` of the REST reference.
    """

    id: str
    status: str
    version: str | None
    created_at: int
    last_accessed_at: int
    expires_at: int
    stopped_at: int | None = None
    strange: tuple[str, ...] = ()

    @property
    def incarnation(self) -> Incarnation:
        return (self.id, self.created_at)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A record that cannot be believed: its session is kept, and counted under `reason`."""

    id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """What an agent's developers say to a reaper: the pairs of its newest version whose key begins with `reaper.`.

    `said` is safe to show. `fault` says why it is not known, '' when it is: the record made no sense or was not
    `read`, which is `refused` where the platform lets this identity read no agents.
    """

    said: tuple[tuple[str, str], ...] = ()
    fault: str = ""
    read: bool = True
    refused: bool = False

    @property
    def asked(self) -> tuple[tuple[tuple[str, str], ...], str]:
        """What two readings are compared by: where nobody may be heard, nothing is asked for."""
        return self.said, "" if self.refused else self.fault


@dataclass(frozen=True, slots=True)
class Agent:
    """A hosted agent. `latest` is its newest version, None when that could not be read.

    `selector` spreads traffic over versions, None without one. `unserved` is what is remembered of versions that are
    left behind, None while nobody looked that up. `serving` follows: which versions traffic reaches.
    """

    name: str
    latest: str | None = None
    metadata: Metadata = Metadata()
    selector: Selector | None = None
    unserved: Unserved | None = None
    serving: Serving = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Made once: every session of every listing is asked.
        object.__setattr__(self, "serving", serving_by(self.latest, self.selector))

    @property
    def routing(self) -> str:
        """Where traffic goes, in a few words."""
        return show_routing(self.latest, self.selector)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an agent. `status` is open: creating, active, failed, deleting, deleted, …"""

    agent: str
    name: str
    status: str
    idle_timeout_s: int | None = None


class OutcomeKind(StrEnum):
    """How an action ended; the values of `actions_total{outcome}`."""

    DONE = "done"
    ALREADY_GONE = "already_gone"
    CHANGED = "changed"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    UNVERIFIED = "unverified"

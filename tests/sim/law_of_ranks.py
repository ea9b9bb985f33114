"""What a policy that ranks sessions allows, judged by counting over what was there, with code of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

RANKS_COUNT_S = 900
"""So long after its listing began may a sweep still act on how sessions ranked in it."""


class Ranked(Protocol):
    """A session at one moment."""

    id: str
    status: str
    version: str
    created_at: float
    last_accessed_at: float


class Ranking(Protocol):
    """How many of the newest stay, and how many may be idle."""

    newest: int | None
    newest_per_version: bool
    at_most: int | None


def is_one_of_newest(law: Ranking, one: Ranked, there: Iterable[Ranked]) -> bool:
    """Whether fewer than so many, of its version where that is asked, were made after it."""
    if law.newest is None:
        return False
    mine = (int(one.created_at), one.id)
    peers = [other for other in there if not law.newest_per_version or other.version == one.version]
    return (
        len({(other.id, other.created_at) for other in peers if (int(other.created_at), other.id) > mine})
        < law.newest
    )


def is_within_limit(law: Ranking, one: Ranked, there: Iterable[Ranked]) -> bool:
    """Whether fewer idle ones than may be were used after it."""
    if law.at_most is None:
        return True
    mine = (int(one.last_accessed_at), one.id)
    idle = [other for other in there if other.status == "idle"]
    later = {(other.id, other.created_at) for other in idle if (int(other.last_accessed_at), other.id) > mine}
    return len(later) < law.at_most


def why_not(law: Ranking, one: Ranked, line: str, there: Collection[Ranked]) -> str:
    """Why a session must not be deleted by this line, of all that were there at some moment of a listing."""
    if is_one_of_newest(law, one, there):
        return "one of the newest"
    if line == "at_most" and is_within_limit(law, one, there):
        return "within the limit of idle sessions"
    return ""

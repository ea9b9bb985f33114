"""Whether an inventory is believable beside what earlier sweeps saw. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from reaper.core.model import DAY_S

MALFORMED_MAX_PERCENT: Final = 5
BASELINE_VALID_S: Final = DAY_S
BAND_LOW, BAND_HIGH = 0.5, 4
BAND_SLACK_LOW: Final = 20
EMPTY_MAX: Final = 10
"""An agent with more sessions than these does not lose all of them between two sweeps."""
BAND_SLACK_HIGH: Final = 200
STALE_JUMP_PERCENT: Final = 10
STALE_JUMP_MIN: Final = 20


class Doubt(StrEnum):
    """Why an inventory is not believed."""

    EMPTY = "empty"
    SHRUNK = "shrunk"
    GROWN = "grown"
    MUST_SEE = "must_see"
    ORDER = "order"
    MALFORMED = "malformed"


class StaleCounts(NamedTuple):
    """How many sessions had been unused, and how many had existed, for longer than each of some bounds.

    Counted as of platform time `at`, at which there were so many `sessions`.
    """

    at: float
    idle: tuple[int, ...]
    age: tuple[int, ...]
    sessions: int = 0


@dataclass(frozen=True, slots=True)
class Baseline:
    """The last believed sweep of an agent. `spread` is of the last one that listed all sessions.

    `deleted_since` counts our own deletions after it.
    """

    now: float
    sessions: int
    spread: StaleCounts | None = None
    deleted_since: int = 0


def doubts(
    *, sessions: int, malformed: int, disorder: int, missing: frozenset[str], now: float, base: Baseline | None
) -> list[Doubt]:
    """Every reason not to believe a listing; none when it is believable.

    A baseline older than a day proves nothing: what has stayed away that long is the new normal, but for `must_see`.
    """
    found = [Doubt.MUST_SEE] if missing else []
    if disorder:
        found.append(Doubt.ORDER)
    if malformed * 100 > MALFORMED_MAX_PERCENT * (sessions + malformed):
        found.append(Doubt.MALFORMED)
    if base is not None and now - base.now <= BASELINE_VALID_S:
        found += _outside_band(sessions, max(base.sessions - base.deleted_since, 0))
    return found


def _outside_band(sessions: int, expected: int) -> list[Doubt]:
    if not sessions and expected > EMPTY_MAX:
        return [Doubt.EMPTY]
    if sessions < expected * BAND_LOW - BAND_SLACK_LOW:
        return [Doubt.SHRUNK]
    if sessions > expected * BAND_HIGH + BAND_SLACK_HIGH:
        return [Doubt.GROWN]
    return []


def moved_back(then: StaleCounts | None, now: StaleCounts | None, sessions: int) -> int:
    """How many more sessions are said to have been stale at an earlier moment than were so then; 0 when few.

    `now` is counted today, as of the moment of `then`. What was used or created before some moment can only become
    less: sessions are used again, or go. No change of a status explains more of them, only times that moved back, and
    sessions that were there and not shown: as before the identity had its role.
    """
    if then is None or now is None or now.at != then.at:
        return 0
    not_shown = max(now.sessions - then.sessions, 0)
    risen = max(after - before for after, before in zip(now.idle + now.age, then.idle + then.age, strict=True))
    surplus = max(risen - not_shown, 0)
    return surplus if surplus > max(STALE_JUMP_MIN, sessions * STALE_JUMP_PERCENT // 100) else 0

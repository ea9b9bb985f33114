"""Whether an inventory is believable beside what earlier sweeps saw. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from reaper.model import DAY_S
from reaper.planner import Candidate

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


@dataclass(frozen=True, slots=True)
class Baseline:
    """The last believed sweep of an agent. `key` stands for its policy and newest version.

    `deleted_since` counts our own deletions after it.
    """

    now: float
    sessions: int
    candidates: int
    key: str
    deleted_since: int = 0


def doubts(
    *,
    sessions: int,
    malformed: int,
    disorder: int,
    missing: frozenset[str],
    now: float,
    base: Baseline | None,
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


def stale_jump(candidates: Sequence[Candidate], sessions: int, key: str, base: Baseline | None) -> int:
    """How many more sessions are overdue since before the last sweep than that sweep saw; 0 when few.

    The past cannot get staler: under the same policy and version, what was not due then can only have become due
    since. More than a few that claim otherwise mean that records or clocks were changed under us.
    """
    if base is None or base.key != key:
        return 0
    overdue = sum(candidate.decision.since <= base.now for candidate in candidates)
    surplus = overdue - max(base.candidates - base.deleted_since, 0)
    return surplus if surplus > max(STALE_JUMP_MIN, sessions * STALE_JUMP_PERCENT // 100) else 0

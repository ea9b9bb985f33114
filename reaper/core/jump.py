"""Whether an agent has suddenly many more candidates than before, while limits work a backlog off alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from reaper.core.policy import Beyond, Mode, Policy


class Level(NamedTuple):
    """How many candidates an agent had in its last believed sweep that was no jump.

    While there is one: since when (platform time), and how many candidates were `found` then.
    """

    candidates: int
    jumped_at: float | None = None
    found: int = 0


@dataclass(frozen=True, slots=True)
class Jump:
    """More candidates than came slowly: a changed policy, or a platform that tells other times, look like this."""

    candidates: int
    before: int
    written: str
    allowed: int | None = None

    def __str__(self) -> str:
        allows = f" allows {self.allowed:,} more" if self.allowed is not None else ""
        return f"{self.candidates:,} candidates where {self.before:,} were, limit jump: {self.written}{allows}"


class Counted(NamedTuple):
    """How many candidates nobody approved: all, and those that may be acted on, whose records have no new fields."""

    candidates: int
    touchable: int


def count(candidates: Iterable[tuple[bool, bool]]) -> Counted:
    """Count candidates by whether each is approved, and whether its record is strange."""
    found = touchable = 0
    for approved, strange in candidates:
        found += not approved
        touchable += not (approved or strange)
    return Counted(found, touchable)


def judge(
    level: Level | None, counted: Counted, inventory: int, policy: Policy, now: float
) -> tuple[Level, Jump | None]:
    """The level from now on, and the jump that keeps a policy from spreading what it wants done.

    A policy that asks a person anyway, or only observes, makes any number the level: it acts on none by itself. A
    jump that was found stays one whatever the policy says meanwhile, until it is approved or the number falls.
    """
    if level is None:
        return Level(counted.candidates), None
    limit = policy.limits.jump
    allowed = limit.of(inventory, policy.limits.at_least)
    spreads = policy.limits.beyond is Beyond.SPREAD
    watched = level.jumped_at is not None or (spreads and policy.mode is Mode.ENFORCE)
    if not watched or counted.candidates <= level.candidates + allowed:
        return Level(counted.candidates), None
    if counted.touchable <= level.candidates + allowed:
        return Level(level.candidates), None
    if level.jumped_at is None:
        level = Level(level.candidates, now, counted.touchable)
    return level, Jump(counted.touchable, level.candidates, str(limit), allowed) if spreads else None


def standing_jump(level: Level | None, policy: Policy) -> Jump | None:
    """The jump that the last sweep left, as it was found, to a policy that it holds back."""
    if level is None or level.jumped_at is None or policy.limits.beyond is not Beyond.SPREAD:
        return None
    return Jump(level.found, level.candidates, str(policy.limits.jump))

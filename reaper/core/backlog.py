"""A backlog that limits work off: what goes first, and about how long the rest takes. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from reaper.core.model import Action, Incarnation, Session
from reaper.core.policy import Beyond, Decision, Limits

DAYS_MAX: Final = 366
"""So many days are counted one by one; beyond, all are taken to be like the last."""


class Due(Protocol):
    """What is ready for its action, and has been since `ripe_at`."""

    @property
    def session(self) -> Session: ...
    @property
    def decision(self) -> Decision: ...
    @property
    def ripe_at(self) -> float: ...


class TooMany(Protocol):
    """A limit that more of an `action` are planned than it has `room` for; alone it would allow `limit`."""

    @property
    def action(self) -> Action: ...
    @property
    def planned(self) -> int: ...
    @property
    def limit(self) -> int: ...
    @property
    def room(self) -> int: ...


class Inventory(Protocol):
    """How many sessions there are, and were before today's deletes, and the actions of the last 24 hours."""

    @property
    def inventory(self) -> int: ...
    @property
    def inventory_today(self) -> int: ...
    @property
    def used_today(self) -> Mapping[Action, int]: ...


Excess = TypeVar("Excess", bound=TooMany)
DueT = TypeVar("DueT", bound=Due)

Turn: TypeAlias = tuple[float, float, Incarnation]
"""When something is due, since when its rule has caught it, and which incarnation it is: no two have the same."""
NOBODY: Final[Turn] = (-math.inf, -math.inf, ("", 0))
"""Before anybody's turn."""
AFTER_ALL: Final[Turn] = (math.inf, math.inf, ("", 0))
CHOSEN_MAX: Final = 50_000
AT_A_TIME: Final = 5_000


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many actions limits leave for later, and about how many sweeps and days of their shares that takes.

    No `days`: what today still allows is enough.
    """

    action: Action
    left: int
    sweeps: int
    days: int

    def __str__(self) -> str:
        return f"{self.left:,} {self.action}{'' if self.left == 1 else 's'} left: {self.pace('more sweep')}"

    def pace(self, sweep: str = "sweep") -> str:
        """About how long it takes, in words."""
        days = [_several(self.days, "day")] if self.days else []
        return f"about {', '.join([_several(self.sweeps, sweep), *days])}"


class Turns(Generic[DueT]):
    """Who goes first when no more than `most` may, of all that are offered: it remembers no more than that, and some.

    The longest overdue are those that have been ripe for longest. Of those that ripened together, as all do that one
    sweep marked, first goes what its rule has caught for longest, then by id. No more than tens of thousands go at
    once, whatever a limit allows: a sweep does not get further.
    """

    def __init__(self, most: int) -> None:
        self._most = min(most, CHOSEN_MAX)
        self._last: Turn = AFTER_ALL if self._most else NOBODY
        self._held: list[tuple[Turn, DueT]] = []

    def offer(self, due: DueT) -> None:
        """Take it into account."""
        turn = place_of(due)
        if turn < self._last:
            self._held.append((turn, due))
            if len(self._held) >= self._most + AT_A_TIME:
                self._sort()
                self._last = self._held[-1][0]

    @property
    def chosen(self) -> list[DueT]:
        """They, in their order."""
        self._sort()
        return [due for _, due in self._held]

    def _sort(self) -> None:
        # Most of them stand in order already.
        self._held.sort(key=lambda pair: pair[0])
        del self._held[self._most :]


def spreads(limits: Limits, excess: Sequence[TooMany]) -> bool:
    """Whether a plan that is larger than these limits is worked off, instead of withheld: one of 0 lets none go."""
    return limits.beyond is Beyond.SPREAD and bool(excess) and all(one.limit for one in excess)


def tightest_of(excess: Iterable[Excess]) -> dict[Action, Excess]:
    """The limit with the least room for each action; the first of two alike."""
    found: dict[Action, Excess] = {}
    for one in excess:
        if one.action not in found or one.room < found[one.action].room:
            found[one.action] = one
    return found


def backlogs(
    limits: Limits, excess: Iterable[TooMany], known: Inventory, *, begun: bool = False
) -> tuple[Backlog, ...]:
    """What becomes of plans that are larger than limits; of those that have `begun`, what one sweep lets through is
    done."""
    found = []
    for action, tightest in tightest_of(excess).items():
        done = tightest.room if begun else 0
        inventory = known.inventory - (done if action is Action.DELETE else 0)
        today = limits.per_day.of(known.inventory_today, limits.at_least) - known.used_today.get(action, 0)
        found.append(backlog(action, tightest.planned - done, limits, inventory, today - done))
    return tuple(found)


def place_of(due: Due) -> Turn:
    """When its turn is, among others."""
    return due.ripe_at, due.decision.since, due.session.incarnation


def backlog(action: Action, left: int, limits: Limits, inventory: int, room: int) -> Backlog:
    """How long limits take for what is left, of which `room` may still go today.

    Shares are of an inventory that deleting makes smaller, so that each day allows a little less than the one before.
    """
    open_, sweeps, days = left, 0, 0
    while open_ > 0:
        sweep = limits.per_sweep.of(inventory, limits.at_least)
        if days and not (room > 0 and sweep > 0):
            break  # so few are left that their share is none: they wait for a person
        going = open_ if days >= DAYS_MAX else min(open_, max(room, 0))
        sweeps += -(-going // max(sweep, 1))
        days += -(-(going - room) // room) if going > room > 0 else 0
        open_ -= going
        inventory -= going if action is Action.DELETE else 0
        if open_:
            days, room = days + 1, limits.per_day.of(inventory, limits.at_least)
    return Backlog(action, left, sweeps, days)


def _several(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"

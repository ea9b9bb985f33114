"""Windows: the hours in which deleting is allowed, on the wall clock of a time zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_STEP_S: Final = 60
_SEARCH_S: Final = 8 * 86_400


@dataclass(frozen=True, slots=True)
class Window:
    """Open from `start` until before `end`, on `days`; `end` at or before `start` is on the next day.

    The day is the one on which the window opens: Friday 22:00 to 06:00 lasts into Saturday.
    Judged on what a wall clock in `zone` shows, so daylight saving moves it as people expect.
    """

    days: frozenset[str]
    start: time
    end: time
    zone: ZoneInfo

    def is_open(self, now: float) -> bool:
        """Whether `now` (Unix seconds) falls in the window."""
        local = datetime.fromtimestamp(now, self.zone)
        clock = local.time()
        today = DAYS[local.weekday()] in self.days
        if self.start < self.end:
            return today and self.start <= clock < self.end
        yesterday = DAYS[local.weekday() - 1] in self.days
        return (today and clock >= self.start) or (yesterday and clock < self.end)


def is_open(windows: Sequence[Window], now: float) -> bool:
    """Whether deleting is allowed at `now`: always without windows, else inside any of them."""
    return not windows or any(window.is_open(now) for window in windows)


def opens_at(windows: Sequence[Window], now: float) -> float | None:
    """The next minute at or after `now` in which a window is open; None when none is within eight days."""
    if is_open(windows, now):
        return now
    first = now - now % _STEP_S + _STEP_S
    steps = range(0, _SEARCH_S, _STEP_S)
    return next((first + step for step in steps if is_open(windows, first + step)), None)

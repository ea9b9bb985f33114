"""Windows: the hours in which deleting is allowed, on the wall clock of a time zone, but for some dates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SEARCH_DAYS: Final = 400
"""So far ahead an opening is looked for: longer than any range of dates that a window may skip."""

_STEP_S: Final = 60
_LEAP_S: Final = 12 * 3_600
_AGREED_S: Final = 8 * 86_400
_ONE_DAY: Final = timedelta(days=1)


class Dates(NamedTuple):
    """Some days one after another, the last one included, on which a window does not open."""

    first: date
    last: date

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    def __str__(self) -> str:
        """As people write it: `24 Dec 2026 to 2 Jan 2027`, `24 to 26 Dec 2026`, `25 Dec 2026`."""
        first, last = self.first, self.last
        if first == last:
            return _day_text(last)
        if first.year != last.year:
            return f"{_day_text(first)} to {_day_text(last)}"
        return f"{first.day}{f' {first:%b}' if first.month != last.month else ''} to {_day_text(last)}"

    @property
    def written(self) -> str:
        """As a configuration writes it."""
        return f"{self.first}..{self.last}" if self.first != self.last else str(self.first)


def _day_text(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


@dataclass(frozen=True, slots=True)
class Window:
    """Open from `start` until before `end`, on `days`; `end` at or before `start` is on the next day.

    The day is the one on which the window opens: Friday 22:00 to 06:00 lasts into Saturday, and where that Friday
    is among the dates of `skips`, the night is skipped whole.
    Judged on what a wall clock in `zone` shows, so daylight saving moves it as people expect.
    """

    days: frozenset[str]
    start: time
    end: time
    zone: ZoneInfo
    skips: tuple[Dates, ...] = ()

    def opens_on(self, day: date) -> bool:
        """Whether the window opens on this day of its zone's calendar."""
        return DAYS[day.weekday()] in self.days and not any(day in dates for dates in self.skips)

    def is_open(self, now: float) -> bool:
        """Whether `now` (Unix seconds) falls in the window."""
        local = datetime.fromtimestamp(now, self.zone)
        clock, today = local.time(), local.date()
        if self.start < self.end:
            return self.start <= clock < self.end and self.opens_on(today)
        if clock >= self.start and self.opens_on(today):
            return True
        return clock < self.end and self.opens_on(today - _ONE_DAY)

    def is_near(self, now: float) -> bool:
        """Whether it opens yesterday, today or tomorrow: if not, it is closed for half a day at least."""
        today = datetime.fromtimestamp(now, self.zone).date()
        return any(self.opens_on(day) for day in (today - _ONE_DAY, today, today + _ONE_DAY))


def is_open(windows: Sequence[Window], now: float) -> bool:
    """Whether deleting is allowed at `now`: always without windows, else inside any of them."""
    return not windows or any(window.is_open(now) for window in windows)


def opens_at(windows: Sequence[Window], now: float) -> float | None:
    """The next minute at or after `now` in which a window is open; None when none is within SEARCH_DAYS days."""
    if is_open(windows, now):
        return now
    moment = now - now % _STEP_S + _STEP_S
    last = now + SEARCH_DAYS * _ONE_DAY.total_seconds()
    while moment <= last:
        if not any(window.is_near(moment) for window in windows):
            moment += _LEAP_S
        elif is_open(windows, moment):
            return moment
        else:
            moment += _STEP_S
    return None


def skipped(windows: Iterable[Window], now: float, opening: float | None) -> list[Dates]:
    """The dates for which windows do not open between `now` and the `opening`, None: never, in their order."""
    return sorted({dates for window in windows for dates in _skipped(window, now, opening)})


def _skipped(window: Window, now: float, opening: float | None) -> Iterator[Dates]:
    local = datetime.fromtimestamp(now, window.zone)
    # A night that began yesterday would still be open in the morning.
    is_night = window.end <= window.start and local.time() < window.end
    first = local.date() - _ONE_DAY if is_night else local.date()
    until = first + SEARCH_DAYS * _ONE_DAY if opening is None else datetime.fromtimestamp(opening, window.zone).date()
    always = replace(window, skips=())
    for dates in window.skips:
        start, days = max(first, dates.first), (min(until, dates.last) - max(first, dates.first)).days + 1
        if any(always.opens_on(start + number * _ONE_DAY) for number in range(days)):
            yield dates


def opens_for_all(policies: Sequence[Sequence[Window]], now: float) -> float | None:
    """The next moment at or after `now` at which all of these policies allow deleting; None when none is in sight.

    Once each has opened by itself, one at which all are open is looked for over eight days.
    """
    moment = now
    end: float | None = None
    while True:
        found = [opens_at(windows, moment) for windows in policies]
        latest = now
        for one in found:
            if one is None:
                return None
            latest = max(latest, one)
        if latest <= moment:
            return moment
        end = latest + _AGREED_S if end is None else end
        if latest > end:
            return None
        moment = latest


@lru_cache(maxsize=64)
def closed_text(policies: tuple[tuple[Window, ...], ...], now: float) -> str:
    """Why not all of them are open at `now`: `outside every window`, and which dates they skip, if that is why.

    Thousands of candidates ask the same of one sweep.
    """
    windows = [window for one in policies for window in one]
    dates = skipped(windows, now, opens_for_all(policies, now))
    return f"outside every window{f', closed {dates_text(dates)}' if dates else ''}"


def dates_text(dates: Iterable[Dates]) -> str:
    """Several ranges as people say them."""
    return ", ".join(map(str, dates))

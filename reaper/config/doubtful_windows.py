"""Windows that say more than they do: dates that are over, or were never theirs, and windows that never open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from reaper.config.problem import Finding, Path
from reaper.core.policy import Policy
from reaper.core.windows import SEARCH_DAYS, Dates, Window, opens_at


def window_findings(policy: Policy, path: Path, now: float) -> Iterator[Finding]:
    """What is doubtful about a policy's windows at `now`, Unix seconds."""
    for place, window in enumerate(policy.windows):
        yield from _dates(window, (*path, "windows", place, "except"), now)
    if opens_at(policy.windows, now) is None:
        message = f"no window opens in the next {SEARCH_DAYS} days, so nothing is deleted"
        yield Finding((*path, "windows"), message, "look at the days and at `except`", False, at_key=True)


def _dates(window: Window, path: Path, now: float) -> Iterator[Finding]:
    today = datetime.fromtimestamp(now, window.zone).date()
    for place, dates in enumerate(window.skips):
        # The night of the last date lasts into the day after it.
        if dates.last < today - timedelta(days=1):
            yield Finding((*path, place), "is over", "remove it")
        elif not _opens_in(window, dates):
            message = "skips nothing: on these dates the window would not open anyway"
            yield Finding((*path, place), message, "look at `days`, or remove it")
        elif any(_covers(other, dates) for other in window.skips) or dates in window.skips[:place]:
            yield Finding((*path, place), "lies within another of these dates", "remove it")


def _opens_in(window: Window, dates: Dates) -> bool:
    """Whether the window would open on any of the dates, if it skipped none."""
    always, days = replace(window, skips=()), min((dates.last - dates.first).days + 1, 7)
    return any(always.opens_on(dates.first + timedelta(days=number)) for number in range(days))


def _covers(one: Dates, other: Dates) -> bool:
    """Whether one holds all of the other, and more."""
    return one != other and one.first <= other.first and other.last <= one.last

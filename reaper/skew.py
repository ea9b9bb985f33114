"""Whether the platform's clock can be believed: beside the local one, and against time that only grows. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reaper.times import show_duration

SKEW_REPORTED_S: Final = 120
SKEW_MAX_S: Final = 600
JUMP_MAX_S: Final = 120


@dataclass(slots=True)
class ClockGuard:
    """Watches one project's `Date` headers. `skew` is platform minus local time, None until one was seen."""

    skew: float | None = None
    _offset: float | None = None
    _jumped_at: float | None = None
    _jump: float = 0.0

    def observe(self, date: float | None, wall: float, monotonic: float) -> None:
        """Take in one answer: its `Date`, and the local clocks when it came."""
        if date is None:
            return
        self.skew = date - wall
        offset = date - monotonic
        if self._offset is not None and abs(offset - self._offset) > JUMP_MAX_S:
            self._jumped_at, self._jump = monotonic, offset - self._offset
        self._offset = offset

    def doubt(self, since: float) -> str:
        """Why no session can be judged by the clock in a sweep that began at monotonic `since`; '' if it can."""
        if self.skew is None:
            return "no answer carried the platform's time"
        if abs(self.skew) > SKEW_MAX_S:
            return f"the platform's clock and the local one are {show_duration(abs(self.skew))} apart"
        if self._jumped_at is not None and self._jumped_at >= since:
            return f"the platform's clock jumped by {show_duration(self._jump)}"
        return ""

"""Whether the platform's clock can be believed: beside the local one, and against time that only grows. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reaper.core.durations import show_duration

SKEW_MAX_S: Final = 600
JUMP_MAX_S: Final = 120
PAUSE_MIN_S: Final = 2
DATE_STEP_S: Final = 1
"""A `Date` has whole seconds: the moment it stands for may be so much later."""


@dataclass(slots=True)
class ClockGuard:
    """Watches one project's `Date` headers. `skew` is platform minus local time, None until one was seen."""

    skew: float | None = None
    _offset: float | None = None
    _jumped_at: float | None = None
    _jump: float = 0.0
    _ahead_at_most: float | None = None
    _paused_at: float | None = None

    def observe(self, date: float | None, wall: float, monotonic: float, sent: float | None = None) -> None:
        """Take in one answer: its `Date`, the local clocks when it came, and the monotonic one when it was asked for.

        A platform that is further ahead of the monotonic clock than it can have been shows that this process, or the
        machine under it, stood still with its clock.
        """
        if date is None:
            return
        at_most = date + DATE_STEP_S - (monotonic if sent is None else sent)
        if self._ahead_at_most is not None and date - monotonic - self._ahead_at_most > PAUSE_MIN_S:
            self._paused_at, self._ahead_at_most = monotonic, at_most
        self._ahead_at_most = at_most if self._ahead_at_most is None else min(self._ahead_at_most, at_most)
        self.skew = date - wall
        offset = date - monotonic
        if self._offset is not None and abs(offset - self._offset) > JUMP_MAX_S:
            self._jumped_at, self._jump = monotonic, offset - self._offset
        self._offset = offset

    def paused_since(self, monotonic: float) -> bool:
        """Whether an answer after that moment showed that a pause had gone unnoticed."""
        return self._paused_at is not None and self._paused_at > monotonic

    def doubt(self, since: float) -> str:
        """Why no session can be judged by the clock in a sweep that began at monotonic `since`; '' if it can."""
        if self.skew is None:
            return "no answer carried the platform's time"
        if abs(self.skew) > SKEW_MAX_S:
            return f"the platform's clock and the local one are {show_duration(abs(self.skew))} apart"
        if self._jumped_at is not None and self._jumped_at >= since:
            return f"the platform's clock jumped by {show_duration(self._jump)}"
        return ""

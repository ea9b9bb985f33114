"""What a person has set, each with a switch that lets it be overlooked; see `mutants`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reaper.core.windows import DAYS, Window
from reaper.foundry import parsing
from tests.sim import scenes_settings
from tests.sim.switches import Mutant, Patch, around, put


def _one_accepts_all(patch: Patch) -> None:
    """Where any field is accepted, all are."""
    kept = parsing._strange
    patch.setattr(parsing, "_strange", lambda obj, accepted: () if accepted else kept(obj, accepted))


def _nothing_is_accepted(patch: Patch) -> None:
    kept = parsing._strange
    patch.setattr(parsing, "_strange", lambda obj, _: kept(obj, frozenset()))
    patch.setattr(parsing, "read_page", lambda *_: None)


def _morning_is_its_own_day(kept: Any) -> Any:
    """A night counts as open in the morning when that day is none of the dates."""

    def is_open(self: Window, now: float) -> bool:
        local = datetime.fromtimestamp(now, self.zone)
        is_night = self.end <= self.start and local.time() < self.end
        return self.opens_on(local.date()) if is_night else bool(kept(self, now))

    return is_open


SETTINGS = [
    Mutant("a field is accepted by its name alone", _one_accepts_all, scenes_settings.with_another_field),
    Mutant("a field that was accepted stops nothing", _nothing_is_accepted, scenes_settings.with_accepted_field),
    Mutant(
        "no window opens on a date that it skips",
        put(Window, "opens_on", lambda self, day: DAYS[day.weekday()] in self.days),
        scenes_settings.on_skipped_day,
    ),
    Mutant(
        "a night belongs to the day on which it begins",
        around(Window, "is_open", _morning_is_its_own_day),
        scenes_settings.in_skipped_night,
    ),
]

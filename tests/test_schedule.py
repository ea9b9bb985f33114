"""The schedule: how far apart two sweeps can be, which is what alerts and `/livez` measure in."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from reaper.core.settings import Schedule
from reaper.schedule import longest_gap_s, trigger
from tests.world import NOW

HOUR_S = 3_600
OFFICE = "*/15 8-18 * * mon-fri"


def cron(expression: str, timezone: str = "UTC") -> Schedule:
    return Schedule(every_s=None, cron=expression, timezone=timezone)


@pytest.mark.parametrize(("every_s", "jitter_s", "longest_s"), [(900, 0, 900), (900, 30, 930), (86_400, 0, 86_400)])
def test_an_interval_is_as_long_as_it_says_and_its_jitter(every_s: int, jitter_s: int, longest_s: int) -> None:
    assert longest_gap_s(Schedule(every_s, jitter_s=jitter_s), NOW) == longest_s


@pytest.mark.parametrize(
    ("schedule", "hours"),
    [
        (cron("* * * * *"), 1 / 60),
        (cron("0 3 * * *"), 24),
        (cron("0 3 * * *", "Europe/Madrid"), 25),  # clocks are put back once a year
        (cron("15 1,13 * * *"), 12),
        (cron("*/5 8-18 * * *"), 24 - 10 - 55 / 60),
        (cron(OFFICE), 2 * 24 + 13.25),
        (cron("0 12 * * sun"), 7 * 24),
        (cron("0 0 1 * *"), 31 * 24),
    ],
)
def test_the_longest_gap_of_a_cron_expression_is_its_nights_and_weekends(schedule: Schedule, hours: float) -> None:
    assert longest_gap_s(schedule, NOW) == hours * HOUR_S


@pytest.mark.parametrize("hour", range(0, 7 * 24, 5))
def test_the_longest_gap_does_not_depend_on_when_one_asks(hour: int) -> None:
    assert longest_gap_s(cron(OFFICE), NOW + hour * HOUR_S) == 61.25 * HOUR_S


@pytest.mark.parametrize("expression", [OFFICE, "7 */6 * * *", "0 4 1,15 * *", "30 22 * * tue,fri", "0 0-8 * * sat"])
def test_the_longest_gap_that_the_scheduler_makes_in_a_year_is_found_but_for_an_hour_put_back(
    expression: str,
) -> None:
    schedule = cron(expression, "Europe/Madrid")
    starts, moment = trigger(schedule), datetime.fromtimestamp(NOW, ZoneInfo("Europe/Madrid"))
    end, last, longest = moment + timedelta(days=366), None, 0.0
    while moment < end:
        start = starts.get_next_fire_time(last, moment)
        assert start is not None
        longest = max(longest, start.timestamp() - last.timestamp() if last else 0.0)
        last, moment = start, start + timedelta(microseconds=1)
    assert longest - HOUR_S <= longest_gap_s(schedule, NOW) <= longest


def test_an_expression_that_never_fires_is_measured_by_days() -> None:
    assert longest_gap_s(cron("0 0 30 2 *"), NOW) == 24 * HOUR_S

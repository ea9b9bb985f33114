"""Cron is read as cron reads it, and APScheduler fires on those days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.triggers.cron import CronTrigger
from hypothesis import given, settings
from hypothesis import strategies as st

from reaper.config.cron import shortest_gap_s, standard_cron
from reaper.config.problem import BadValue


@pytest.mark.parametrize(
    ("written", "standard"),
    [
        ("*/15 * * * *", "*/15 * * * *"),
        ("0 3 * * 0", "0 3 * * sun"),
        ("0 3 * * 7", "0 3 * * sun"),
        ("0 3 * * 1", "0 3 * * mon"),
        ("0 3 * * 1-5", "0 3 * * mon,tue,wed,thu,fri"),
        ("0 3 * * 5-7", "0 3 * * sun,fri,sat"),
        ("0 3 * * */2", "0 3 * * sun,tue,thu,sat"),
        ("0 3 * * MON-FRI", "0 3 * * mon,tue,wed,thu,fri"),
        ("0  3 *  JAN,jul *", "0 3 * jan,jul *"),
        ("0 3 * * 0-7", "0 3 * * *"),
        ("0 3 29 2 *", "0 3 29 2 *"),
        ("0,30 8-18/2 1,15 * *", "0,30 8-18/2 1,15 * *"),
    ],
)
def test_weekdays_become_names_with_sunday_as_zero_and_seven(written: str, standard: str) -> None:
    assert standard_cron(written) == standard
    assert standard_cron(standard) == standard


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *",
     "* * * * 8", "*/0 * * * *", "5/10 * * * *", "5-1 * * * *", "a * * * *", "* * * * mon-", "1,,2 * * * *",
     ", * * * *", "-1 * * * *", "* * L * *", "* * ? * *", "* * 1 * 1", "0 0 31 2,4 *", "@hourly",
     "*-5 * * * *", "٣ * * * *", "* * * * fri-mon"],
)  # fmt: skip
def test_what_cron_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        standard_cron(text)


@given(
    st.lists(st.integers(0, 7), min_size=1, max_size=3), st.integers(0, 23), st.integers(0, 59), st.integers(0, 9_999)
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_apscheduler_fires_on_the_days_that_cron_means(days: list[int], hour: int, minute: int, start: int) -> None:
    text = standard_cron(f"{minute} {hour} * * {','.join(map(str, days))}")
    trigger = CronTrigger.from_crontab(text, timezone=UTC)
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=start)
    fired = trigger.get_next_fire_time(None, moment)
    assert fired is not None
    assert fired.isoweekday() % 7 in {day % 7 for day in days}
    assert (fired.hour, fired.minute) == (hour, minute)


@pytest.mark.parametrize(
    ("text", "gap"),
    [
        ("* * * * *", 60),
        ("*/15 * * * *", 900),
        ("0 3 * * *", 86_400),
        ("0 1,23 * * *", 7_200),
        ("50,10 * * * *", 1_200),
    ],
)
def test_the_shortest_gap_between_two_sweeps_is_known(text: str, gap: int) -> None:
    assert shortest_gap_s(text) == gap

"""A window is open exactly when the clock on the wall says so, whatever daylight saving does."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reaper.core.windows import DAYS, Window, opens_at

ZONES = ("Europe/Madrid", "America/New_York", "Australia/Lord_Howe")
WINDOWS = (
    ("22:00", "06:00", DAYS[:5]),
    ("02:15", "02:45", DAYS),
    ("01:30", "03:00", ("sun",)),
    ("23:00", "02:30", ("sat",)),
    ("00:00", "23:59", ("sun", "mon")),
)


def changes(zone: ZoneInfo) -> list[datetime]:
    """The first moment after each change of the zone's offset in ten years."""
    found = []
    moment, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2034, 1, 1, tzinfo=UTC)
    while moment < end:
        later = moment + timedelta(days=1)
        if moment.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
            at = moment
            while at.astimezone(zone).utcoffset() == moment.astimezone(zone).utcoffset():
                at += timedelta(minutes=30)
            found.append(at)
        moment = later
    return found


def open_on_the_wall(shown: str, opens: str, closes: str, days: tuple[str, ...]) -> bool:
    """What a person reads from a wall clock such as `sun 02:30`, without any arithmetic of time."""
    day, clock = shown.lower().split()
    before = DAYS[DAYS.index(day) - 1]
    if opens < closes:
        return day in days and opens <= clock < closes
    return (day in days and clock >= opens) or (before in days and clock < closes)


@pytest.mark.parametrize("name", ZONES)
def test_a_window_follows_the_wall_clock_through_every_change_in_ten_years(name: str) -> None:
    zone = ZoneInfo(name)
    moments = changes(zone)
    assert len(moments) == 20
    for opens, closes, days in WINDOWS:
        window = Window(frozenset(days), time.fromisoformat(opens), time.fromisoformat(closes), zone)
        for change in moments:
            for minutes in range(-240, 240, 5):
                now = change + timedelta(minutes=minutes)
                shown = now.astimezone(zone).strftime("%a %H:%M")
                assert window.is_open(now.timestamp()) is open_on_the_wall(shown, opens, closes, days), (name, shown)


CLOCKS = st.times().map(lambda moment: moment.replace(second=0, microsecond=0))


@given(
    st.sampled_from(ZONES),
    st.sets(st.sampled_from(DAYS), min_size=1),
    CLOCKS,
    CLOCKS,
    st.integers(1_700_000_000, 2_000_000_000),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_window_at_any_moment_agrees_with_the_wall_clock(
    name: str, days: set[str], start: time, end: time, now: int
) -> None:
    zone = ZoneInfo(name)
    shown = datetime.fromtimestamp(now, zone).strftime("%a %H:%M")
    expected = open_on_the_wall(shown, f"{start:%H:%M}", f"{end:%H:%M}", tuple(days))
    assert Window(frozenset(days), start, end, zone).is_open(now) is expected


@pytest.mark.parametrize("name", ZONES)
def test_the_next_opening_is_a_minute_in_which_the_window_is_open_and_none_before_is(name: str) -> None:
    window = Window(frozenset({"sun"}), time(1, 45), time(3), ZoneInfo(name))
    for change in changes(ZoneInfo(name))[:4]:
        before = (change - timedelta(hours=3)).timestamp()
        opened = opens_at([window], before)
        assert opened is not None
        assert window.is_open(opened)
        assert not any(window.is_open(moment) for moment in range(int(before), int(opened), 60))

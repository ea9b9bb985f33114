"""A window is open exactly when the clock on the wall says so, whatever daylight saving does."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reaper.core.windows import DAYS, Dates, Window, closed_text, is_open, opens_at, skipped

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


HOLIDAYS = Dates(date(2026, 12, 24), date(2027, 1, 2))
DATES = st.builds(
    lambda first, days: Dates(first, first + timedelta(days=days)),
    st.dates(date(2026, 1, 1), date(2026, 2, 20)),
    st.integers(0, 20),
)


def begun_on_the_wall(shown: str, opens: str, closes: str) -> tuple[str, bool]:
    """The day, as the calendar on the wall writes it, on which the hours of a window began, if it is within them."""
    day, clock = shown.split()
    if opens < closes:
        return day, opens <= clock < closes
    if clock >= opens:
        return day, True
    return str(date.fromisoformat(day) - timedelta(days=1)), clock < closes


@given(
    st.sampled_from(ZONES),
    st.sets(st.sampled_from(DAYS), min_size=1),
    CLOCKS,
    CLOCKS,
    st.lists(DATES, max_size=3),
    st.integers(1_767_200_000, 1_772_500_000),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_a_window_with_dates_is_open_when_it_would_be_and_the_day_on_which_it_opened_is_none_of_them(
    name: str, days: set[str], start: time, end: time, skips: list[Dates], now: int
) -> None:
    zone = ZoneInfo(name)
    always, window = (Window(frozenset(days), start, end, zone, tuple(some)) for some in ((), skips))
    shown = datetime.fromtimestamp(now, zone).strftime("%Y-%m-%d %H:%M")
    begun, _ = begun_on_the_wall(shown, f"{start:%H:%M}", f"{end:%H:%M}")
    closed = any(str(dates.first) <= begun <= str(dates.last) for dates in skips)
    assert window.is_open(now) is (always.is_open(now) and not closed)


@given(
    st.lists(
        st.builds(
            Window,
            st.sets(st.sampled_from(DAYS), min_size=1).map(frozenset),
            CLOCKS,
            CLOCKS,
            st.sampled_from(ZONES).map(ZoneInfo),
            st.lists(DATES, max_size=2).map(tuple),
        ),
        min_size=1,
        max_size=2,
    ),
    st.integers(1_767_200_000, 1_770_000_000),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_next_opening_is_open_and_no_quarter_of_an_hour_before_it_is(windows: list[Window], now: int) -> None:
    opened = opens_at(windows, now)
    assert opened is not None
    assert is_open(windows, opened)
    assert opened >= now
    assert not any(is_open(windows, moment) for moment in range(now, int(opened), 900))
    for dates in skipped(windows, now, opened):
        assert any(dates in window.skips for window in windows)


def moment(shown: str, zone: str = "Europe/Madrid") -> float:
    return datetime.fromisoformat(shown).replace(tzinfo=ZoneInfo(zone)).timestamp()


NIGHTS = Window(frozenset(DAYS), time(22), time(6), ZoneInfo("Europe/Madrid"), (HOLIDAYS,))


@pytest.mark.parametrize(
    ("shown", "opened"),
    [
        ("2026-12-24 05:59", "2026-12-24 05:59"),
        ("2026-12-24 06:00", "2027-01-03 22:00"),
        ("2026-12-24 23:00", "2027-01-03 22:00"),
        ("2027-01-03 05:00", "2027-01-03 22:00"),
        ("2027-01-03 22:00", "2027-01-03 22:00"),
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins_for_dates_too(shown: str, opened: str) -> None:
    assert opens_at([NIGHTS], moment(shown)) == moment(opened)


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ("2026-12-23 12:00", "outside every window"),
        ("2026-12-24 12:00", "outside every window, closed 24 Dec 2026 to 2 Jan 2027"),
        ("2027-01-03 05:00", "outside every window, closed 24 Dec 2026 to 2 Jan 2027"),
        ("2027-01-03 12:00", "outside every window"),
    ],
)
def test_words_name_the_dates_where_they_are_why_nothing_is_open(shown: str, text: str) -> None:
    assert closed_text(((NIGHTS,),), moment(shown)) == text


def test_windows_that_skip_every_day_for_longer_than_anybody_looks_never_open() -> None:
    years = tuple(Dates(date(year, 1, 1), date(year, 12, 31)) for year in range(2026, 2030))
    window = Window(frozenset(DAYS), time(1), time(5), ZoneInfo("UTC"), years)
    assert opens_at([window], moment("2026-06-01 00:00")) is None
    assert "closed 1 Jan to 31 Dec 2026" in closed_text(((window,),), moment("2026-06-01 00:00"))


def test_beside_a_window_that_skips_dates_another_one_may_be_open() -> None:
    other = Window(frozenset(DAYS), time(3), time(4), ZoneInfo("UTC"))
    assert is_open([NIGHTS, other], moment("2026-12-26 03:30", "UTC"))


@pytest.mark.parametrize(
    ("dates", "said", "written"),
    [
        (HOLIDAYS, "24 Dec 2026 to 2 Jan 2027", "2026-12-24..2027-01-02"),
        (Dates(date(2026, 12, 24), date(2026, 12, 26)), "24 to 26 Dec 2026", "2026-12-24..2026-12-26"),
        (Dates(date(2026, 4, 30), date(2026, 5, 1)), "30 Apr to 1 May 2026", "2026-04-30..2026-05-01"),
        (Dates(date(2026, 12, 25), date(2026, 12, 25)), "25 Dec 2026", "2026-12-25"),
    ],
)
def test_dates_read_as_people_say_them_and_write_as_a_configuration_does(
    dates: Dates, said: str, written: str
) -> None:
    assert (str(dates), dates.written) == (said, written)

"""Whether the platform's clock can be believed, beside the local one and against time that only grows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper.core.clock_check import JUMP_MAX_S, SKEW_MAX_S, ClockGuard
from tests.world import NOW, examples


def guard(*answers: tuple[float | None, float, float]) -> ClockGuard:
    watching = ClockGuard()
    for date, wall, monotonic in answers:
        watching.observe(date, wall, monotonic)
    return watching


@pytest.mark.parametrize("sign", [1, -1])
def test_ten_minutes_apart_are_borne_and_a_second_more_is_not(sign: int) -> None:
    assert guard((NOW + sign * SKEW_MAX_S, NOW, 0)).doubt(0) == ""
    assert guard((NOW + sign * (SKEW_MAX_S + 1), NOW, 0)).doubt(0) == (
        "the platform's clock and the local one are 10m1s apart"
    )


def test_the_skew_is_the_platforms_time_less_the_local_one() -> None:
    assert guard((NOW + 30, NOW, 0)).skew == 30
    assert guard((NOW - 30, NOW, 0)).skew == -30


def test_without_any_date_nothing_is_judged() -> None:
    assert guard((None, NOW, 0)).doubt(0) == "no answer carried the platform's time"
    assert ClockGuard().doubt(0) != ""


def test_an_answer_without_a_date_changes_nothing_that_is_known() -> None:
    watching = guard((NOW + 5, NOW, 0), (None, NOW + 9_000, 10))
    assert watching.skew == 5
    assert watching.doubt(0) == ""


@pytest.mark.parametrize("sign", [1, -1])
def test_a_jump_of_more_than_two_minutes_against_the_monotonic_clock_is_doubted(sign: int) -> None:
    def after(jump: float) -> str:
        return guard((NOW, NOW, 0), (NOW + 10 + jump, NOW + 10 + jump, 10)).doubt(0)

    assert after(sign * JUMP_MAX_S) == ""
    assert after(sign * (JUMP_MAX_S + 1)).startswith(
        "the platform's clock jumped by " + ("-" if sign < 0 else "2m1s")
    )


def test_a_local_clock_that_jumps_alone_shows_as_skew_only() -> None:
    assert guard((NOW, NOW, 0), (NOW + 10, NOW + 310, 10)).doubt(0) == ""
    assert guard((NOW, NOW, 0), (NOW + 10, NOW - 86_390, 10)).doubt(0) != ""


def test_a_frozen_local_clock_is_noticed_once_it_is_ten_minutes_behind() -> None:
    frozen = guard(*((NOW + passed, NOW, passed) for passed in range(0, 601, 60)))
    assert frozen.doubt(0) == ""
    frozen.observe(NOW + 660, NOW, 660)
    assert frozen.doubt(0) != ""


def test_a_jump_is_doubted_for_the_sweep_it_fell_into_and_forgotten_by_the_next() -> None:
    watching = guard((NOW, NOW, 0), (NOW + 310, NOW + 310, 10), (NOW + 320, NOW + 320, 20))
    assert watching.doubt(since=5) != ""
    assert watching.doubt(since=10) != ""
    assert watching.doubt(since=15) == ""


def test_a_jump_between_two_sweeps_is_seen_by_the_first_answer_of_the_next() -> None:
    watching = guard((NOW, NOW, 0))
    watching.observe(NOW + 900 + 3_600, NOW + 900 + 3_600, 900)
    assert watching.doubt(since=899) != ""


@examples
@given(st.lists(st.tuples(st.floats(0, 3_600), st.floats(-60, 60)), min_size=1, max_size=20))
def test_clocks_that_agree_to_a_minute_are_never_doubted(answers: list[tuple[float, float]]) -> None:
    watching, passed = ClockGuard(), 0.0
    for wait, error in answers:
        passed += wait
        watching.observe(NOW + passed + error, NOW + passed, passed)
    assert watching.doubt(0) == ""

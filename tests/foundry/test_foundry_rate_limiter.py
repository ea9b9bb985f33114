import random

import pytest
from bench.limiter import simulate

from reaper.foundry.rate_limiter import RateLimiter


@pytest.mark.parametrize("retry_after", [1.0, None, 0.0])
@pytest.mark.parametrize(("per_second", "burst"), [(2, 5), (5, 5), (20, 5), (45, 5), (2, 2), (5, 2), (20, 2)])
def test_a_limit_nobody_told_is_found_and_used(per_second, burst, retry_after):
    used, refused = simulate(lambda _: per_second, 720, retry_after=retry_after, since=120, burst=burst)
    assert used >= 0.9
    assert refused <= 0.02


@pytest.mark.parametrize(("before", "after"), [(40, 8), (8, 40)])
def test_a_limit_that_changes_is_followed(before, after):
    used, refused = simulate(lambda t: before if t < 300 else after, 900, since=480)
    assert used >= 0.9
    assert refused <= 0.02


def test_the_configured_maximum_is_never_exceeded():
    used, refused = simulate(lambda _: 1000, 60)
    assert used <= 0.0502
    assert refused == 0


def test_a_burst_of_refusals_is_one_signal():
    once, often = RateLimiter(50, 0.0), RateLimiter(50, 0.0)
    once.throttled(1.0, 2.0, 0.9)
    for n in range(16):
        often.throttled(1.0 + n / 1000, 2.0, 0.9)
    assert once.rate == often.rate == pytest.approx(46)


def test_a_refusal_pauses_everything_until_the_platform_wants_more():
    limiter = RateLimiter(50, 0.0)
    limiter.throttled(1.0, 30.0, 0.9)
    assert limiter.reserve(2.0) == pytest.approx(29)
    assert limiter.pause_left(2.0) == pytest.approx(29)
    turns = [limiter.reserve(31.0) for _ in range(4)]
    assert turns[0] == 0
    assert turns[-1] > 0


def test_refusals_without_a_time_pause_longer_and_longer_and_never_loop_hot():
    for said in (None, 0.0):
        limiter, now, pauses = RateLimiter(50, 0.0, jitter=lambda: 0.5), 1.0, []
        for _ in range(10):
            limiter.throttled(now, said, now)
            pauses.append(limiter.pause_left(now))
            now += pauses[-1] + 0.01
        assert pauses == sorted(pauses)
        assert pauses[1] == pytest.approx(2)
        assert pauses[-1] == pytest.approx(60)


def test_a_rate_that_nobody_uses_does_not_rise():
    limiter = RateLimiter(50, 0.0)
    limiter.throttled(1.0, 0.0, 0.9)
    lowered = limiter.rate
    for now in range(2, 1000):
        assert limiter.reserve(now) == 0
        limiter.answered(now + 0.1)
    assert limiter.rate == lowered


LIMITS = [
    (1000, 150, 30),
    (1000, 150, 10),
    (1000, 150, 150),
    (1000, 20, 5),
    (1000, 400, 40),
    (200, 60, 300),
    (50, 45, 5),
    (50, 20, 5),
    (50, 5, 5),
]
"""The most that may be asked for in a second, the limit of the platform, and how many requests its bucket holds."""


@pytest.mark.parametrize("retry_after", [1.0, None, 0.0])
@pytest.mark.parametrize(("most", "per_second", "burst"), LIMITS)
def test_a_limit_far_below_what_may_be_asked_for_is_found_in_seconds(most, per_second, burst, retry_after):
    used, refused = simulate(
        lambda _: per_second,
        100,
        since=10,
        max_per_second=most,
        burst=burst,
        retry_after=retry_after,
        workers=64 if most > 100 else 16,
    )
    assert used >= 0.9
    assert refused <= 0.02


def test_a_limit_of_150_with_a_bucket_of_30_is_well_used_from_the_start_when_1000_may_be_asked_for():
    used, refused = simulate(lambda _: 150, 23, max_per_second=1000, burst=30, workers=64)
    assert used >= 0.8
    assert refused <= 0.02


def test_where_nothing_is_refused_all_that_may_be_asked_for_is_asked_within_seconds():
    used, refused = simulate(lambda _: 1e6, 12, since=6, burst=1e6, max_per_second=1000, workers=128)
    assert used * 1e6 >= 900
    assert refused == 0


@pytest.mark.parametrize("retry_after", [1.0, None, 0.0])
@pytest.mark.parametrize(("most", "per_second", "burst"), [(50, 45, 5), (50, 20, 5), (50, 2, 5), (1000, 150, 30)])
@pytest.mark.parametrize("left", [0.0, 0.1])
def test_after_ten_minutes_of_refusals_the_rate_is_back_within_minutes(most, per_second, burst, retry_after, left):
    used, refused = simulate(
        lambda t: left if 60 <= t < 660 else per_second,
        1260,
        since=840,
        max_per_second=most,
        burst=burst,
        retry_after=retry_after,
    )
    assert used >= 0.9
    assert refused <= 0.02


def test_a_platform_that_was_closed_is_asked_slowly_at_first_and_then_as_before():
    limiter, now = RateLimiter(50, 0.0, jitter=lambda: 0.5), 1.0
    for _ in range(20):
        limiter.throttled(now, None, now)
        now += limiter.pause_left(now) + 0.01
    assert limiter.rate <= 4
    for _ in range(100):
        while wait := limiter.reserve(now):
            now += wait
        limiter.answered(now)
    assert limiter.rate >= 40


def test_a_refusal_pauses_for_a_moment_even_if_the_platform_wants_none():
    limiter = RateLimiter(50, 0.0)
    limiter.throttled(1.0, 0.0, 0.9)
    assert limiter.pause_left(1.0) == pytest.approx(0.25)


def test_a_rate_that_was_found_is_where_the_next_process_begins():
    limiter = RateLimiter(1000, 0.0)
    assert (limiter.rate, limiter.found) == (50, None)
    first = RateLimiter(1000, 0.0, known=140.0)
    assert (first.rate, first.found) == (140, None)
    used, refused = simulate(
        lambda _: 150, 10, max_per_second=1000, burst=30, workers=64, pacing=RateLimiter(1000, 0.0, known=140.0)
    )
    assert used >= 0.9
    assert refused <= 0.01
    assert RateLimiter(50, 0.0, known=140.0).rate == 50


def test_a_rate_that_was_found_is_told_and_one_that_is_only_guessed_is_not():
    limiter = RateLimiter(1000, 0.0, jitter=random.Random(1).random)
    simulate(lambda _: 150, 60, max_per_second=1000, burst=30, workers=64, pacing=limiter)
    assert 130 <= limiter.found <= 165
    limiter = RateLimiter(1000, 0.0)
    simulate(lambda _: 1e9, 60, max_per_second=1000, burst=1e9, workers=64, pacing=limiter)
    assert limiter.found is None


def test_who_has_no_patience_takes_the_next_turn_at_once_and_others_wait_for_it():
    limiter = RateLimiter(50, 0.0, known=0.2)
    assert limiter.reserve(0.0) == 0
    assert limiter.reserve(0.1) == pytest.approx(4.9)
    assert limiter.reserve(0.1, 0.5) == 0
    assert limiter.reserve(0.2) == pytest.approx(9.8)


def test_patience_is_asked_for_only_where_the_rate_is_low_and_never_in_a_pause():
    quick, paused = RateLimiter(50, 0.0, known=4.0), RateLimiter(50, 0.0)
    assert quick.reserve(0.0) == 0
    assert quick.reserve(0.0, 0.5) == pytest.approx(0.25)
    paused.throttled(1.0, 30.0, 0.9)
    assert paused.reserve(2.0, 0.5) == pytest.approx(29)

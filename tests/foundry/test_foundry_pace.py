import pytest
from bench.limiter import simulate

from reaper.foundry.pace import Pace


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
    once, often = Pace(50, 0.0), Pace(50, 0.0)
    once.throttled(1.0, 2.0, 0.9)
    for n in range(16):
        often.throttled(1.0 + n / 1000, 2.0, 0.9)
    assert once.rate == often.rate == pytest.approx(46)


def test_a_refusal_pauses_everything_until_the_platform_wants_more():
    pace = Pace(50, 0.0)
    pace.throttled(1.0, 30.0, 0.9)
    assert pace.reserve(2.0) == pytest.approx(29)
    assert pace.pause_left(2.0) == pytest.approx(29)
    turns = [pace.reserve(31.0) for _ in range(4)]
    assert turns[0] == 0
    assert turns[-1] > 0


def test_refusals_without_a_time_pause_longer_and_longer_and_never_loop_hot():
    for said in (None, 0.0):
        pace, now, pauses = Pace(50, 0.0, jitter=lambda: 0.5), 1.0, []
        for _ in range(10):
            pace.throttled(now, said, now)
            pauses.append(pace.pause_left(now))
            now += pauses[-1] + 0.01
        assert pauses == sorted(pauses)
        assert pauses[1] == pytest.approx(2)
        assert pauses[-1] == pytest.approx(60)


def test_a_rate_that_nobody_uses_does_not_rise():
    pace = Pace(50, 0.0)
    pace.throttled(1.0, 0.0, 0.9)
    lowered = pace.rate
    for now in range(2, 1000):
        assert pace.reserve(now) == 0
        pace.answered(now + 0.1)
    assert pace.rate == lowered

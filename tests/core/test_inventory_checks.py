"""When an inventory is not believed, and when times have moved back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper.core.inventory_checks import Baseline, Doubt, StaleCounts, doubts, moved_back
from reaper.core.model import ACTIVE, DAY_S, FAILED, IDLE, Session
from reaper.listing.snapshot import Durations
from tests.world import HOUR_S, NOW, examples, session

LAST_SWEEP = NOW - HOUR_S


def base(sessions: int = 1000, **changes: Any) -> Baseline:
    return Baseline(**{"now": LAST_SWEEP, "sessions": sessions, **changes})


def doubted(sessions: int, before: Baseline | None = None, **found: Any) -> list[Doubt]:
    clean: dict[str, Any] = {"malformed": 0, "disorder": 0, "missing": frozenset(), "now": NOW}
    return doubts(sessions=sessions, base=before, **(clean | found))


def test_the_first_inventory_is_believed_whatever_its_size() -> None:
    assert doubted(0) == []
    assert doubted(1_000_000) == []


def test_an_empty_list_after_a_thousand_sessions_is_not_believed() -> None:
    assert doubted(0, base(1000)) == [Doubt.EMPTY]


@pytest.mark.parametrize(("sessions", "doubt"), [(480, []), (479, [Doubt.SHRUNK]), (50, [Doubt.SHRUNK])])
def test_less_than_half_less_twenty_of_what_was_is_not_believed(sessions: int, doubt: list[Doubt]) -> None:
    assert doubted(sessions, base(1000)) == doubt


@pytest.mark.parametrize(("sessions", "doubt"), [(4200, []), (4201, [Doubt.GROWN])])
def test_more_than_four_times_and_two_hundred_of_what_was_is_not_believed(sessions: int, doubt: list[Doubt]) -> None:
    assert doubted(sessions, base(1000)) == doubt


def test_our_own_deletions_are_no_shrinking() -> None:
    assert doubted(100, base(1000)) == [Doubt.SHRUNK]
    assert doubted(100, base(1000, deleted_since=900)) == []
    assert doubted(0, base(1000, deleted_since=1000)) == []


def test_more_deletions_than_sessions_do_not_turn_the_band_around() -> None:
    assert doubted(0, base(10, deleted_since=50)) == []
    assert doubted(201, base(10, deleted_since=50)) == [Doubt.GROWN]


def test_a_small_agent_may_come_and_go() -> None:
    assert doubted(0, base(10)) == []
    assert doubted(0, base(11)) == [Doubt.EMPTY]
    assert doubted(1, base(40)) == []
    assert doubted(200, base(0)) == []


def test_a_baseline_older_than_a_day_proves_nothing() -> None:
    assert doubted(0, base(1000, now=NOW - DAY_S)) == [Doubt.EMPTY]
    assert doubted(0, base(1000, now=NOW - DAY_S - 1)) == []


def test_a_session_that_must_be_seen_is_missed_even_without_a_baseline() -> None:
    assert doubted(10, missing=frozenset({"canary-000001"})) == [Doubt.MUST_SEE]
    assert doubted(10, base(10, now=NOW - 9 * DAY_S), missing=frozenset({"canary-000001"})) == [Doubt.MUST_SEE]


@pytest.mark.parametrize(("sessions", "malformed", "doubt"), [(95, 5, []), (94, 6, [Doubt.MALFORMED]), (0, 0, [])])
def test_more_than_five_percent_of_malformed_records_are_not_believed(
    sessions: int, malformed: int, doubt: list[Doubt]
) -> None:
    assert doubted(sessions, malformed=malformed) == doubt


def test_a_list_of_nothing_but_malformed_records_is_not_believed() -> None:
    assert doubted(0, malformed=1) == [Doubt.MALFORMED]


def test_one_record_out_of_order_is_enough_to_doubt() -> None:
    assert doubted(1000, base(1000), disorder=1) == [Doubt.ORDER]


def test_every_doubt_is_told() -> None:
    found = doubted(0, base(1000), malformed=3, disorder=1, missing=frozenset({"canary-000001"}))
    assert found == [Doubt.MUST_SEE, Doubt.ORDER, Doubt.MALFORMED, Doubt.EMPTY]


@examples
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_an_unchanged_inventory_less_our_deletions_is_always_believed(
    sessions: int, deleted: int, spare: int
) -> None:
    before = base(sessions + deleted, deleted_since=deleted)
    assert doubted(sessions, before) == []
    assert doubted(sessions + min(spare, 200), before) == []


def spread(sessions: Iterable[Session], at: float = LAST_SWEEP) -> StaleCounts:
    """The sessions as a listing counts them, as of a moment."""
    idle, age = Durations(), Durations()
    idle.add(sorted(at - each.last_accessed_at for each in sessions))
    age.add(sorted(at - each.created_at for each in sessions))
    return StaleCounts(at, idle.beyond, age.beyond)


def crowd(count: int, idle: int, age: int | None = None) -> list[Session]:
    return [session(f"session-{number:05d}", idle=idle, age=age) for number in range(count)]


def test_what_was_used_before_some_moment_does_not_become_more() -> None:
    busy, stale = spread(crowd(500, 2 * HOUR_S, 30 * DAY_S)), spread(crowd(500, 9 * DAY_S, 30 * DAY_S))
    assert moved_back(busy, stale, 1000) == 500
    assert moved_back(stale, busy, 1000) == 0


def test_what_was_created_before_some_moment_does_not_become_more() -> None:
    young, old = spread(crowd(300, 2 * HOUR_S, 3 * DAY_S)), spread(crowd(300, 2 * HOUR_S, 20 * DAY_S))
    assert moved_back(young, old, 300) == 300


@pytest.mark.parametrize(
    ("surplus", "inventory", "latches"), [(20, 100, False), (21, 100, True), (100, 1000, False), (101, 1000, True)]
)
def test_a_few_that_claim_otherwise_are_let_pass(surplus: int, inventory: int, latches: bool) -> None:
    found = moved_back(spread([]), spread(crowd(surplus, 9 * DAY_S)), inventory)
    assert found == (surplus if latches else 0)


def test_a_first_sweep_and_one_of_another_moment_have_nothing_to_compare_with() -> None:
    stale = spread(crowd(500, 9 * DAY_S))
    assert moved_back(None, stale, 1000) == moved_back(spread([]), None, 1000) == 0
    assert moved_back(spread([], at=LAST_SWEEP - 1), stale, 1000) == 0


def test_sessions_that_were_there_and_not_shown_have_not_moved_back() -> None:
    """As before the identity had its role: the next listing shows all at once what is old already."""
    own = spread(crowd(3, 9 * DAY_S))._replace(sessions=3)
    all_of_them = spread(crowd(500, 9 * DAY_S))._replace(sessions=500)
    assert moved_back(own, all_of_them, 500) == 0
    reset = spread(crowd(500, 20 * DAY_S))._replace(sessions=500)
    assert moved_back(all_of_them, reset, 500) == 500


@examples
@given(st.data(), st.lists(st.tuples(st.integers(0, 29 * DAY_S), st.integers(0, DAY_S)), max_size=60))
def test_whatever_users_and_the_platform_do_no_time_seems_to_have_moved_back(data: Any, told: list[Any]) -> None:
    before = [
        session(f"session-{n:05d}", idle=HOUR_S + idle, age=HOUR_S + idle + more)
        for n, (idle, more) in enumerate(told)
    ]
    kept = [each for each in before if data.draw(st.booleans())]
    used = [each._replace(last_accessed_at=NOW - 1) if data.draw(st.booleans()) else each for each in kept]
    statuses = st.sampled_from([ACTIVE, IDLE, FAILED])
    after = [each._replace(status=data.draw(statuses)) for each in used]
    new = crowd(data.draw(st.integers(0, 30)), idle=60, age=120)
    assert moved_back(spread(before), spread([*after, *new]), 1) == 0

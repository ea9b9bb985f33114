"""When an inventory is not believed, and when the past has become staler than it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper.model import DAY_S
from reaper.trust import Baseline, Doubt, doubts, stale_jump

from .virtual import HOUR_S, NOW, candidate, examples, session

LAST_SWEEP = NOW - HOUR_S


def base(sessions: int = 1000, candidates: int = 0, **changes: Any) -> Baseline:
    fields = {"now": LAST_SWEEP, "key": "same", "deleted_since": 0}
    return Baseline(**{**fields, "sessions": sessions, "candidates": candidates, **changes})


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


def overdue(count: int) -> list[Any]:
    """Candidates that were due a day before the last sweep already."""
    return [candidate(session(f"session-{number:05d}", idle=9 * DAY_S)) for number in range(count)]


def test_the_past_does_not_get_staler() -> None:
    assert stale_jump(overdue(500), 1000, "same", base(candidates=100)) == 400


@pytest.mark.parametrize(
    ("surplus", "inventory", "latches"), [(20, 100, False), (21, 100, True), (100, 1000, False), (101, 1000, True)]
)
def test_a_few_that_claim_otherwise_are_let_pass(surplus: int, inventory: int, latches: bool) -> None:
    assert stale_jump(overdue(surplus), inventory, "same", base(candidates=0)) == (surplus if latches else 0)


def test_what_has_become_due_since_the_last_sweep_is_no_jump() -> None:
    due_now = [candidate(session(f"session-{n:05d}", idle=7 * DAY_S + HOUR_S - 1)) for n in range(500)]
    due_then = [candidate(session(f"session-{n:05d}", idle=7 * DAY_S + HOUR_S)) for n in range(500)]
    assert stale_jump(due_now, 1000, "same", base()) == 0
    assert stale_jump(due_then, 1000, "same", base()) == 500


def test_another_policy_another_version_and_a_first_sweep_have_nothing_to_compare_with() -> None:
    assert stale_jump(overdue(500), 1000, "other", base()) == 0
    assert stale_jump(overdue(500), 1000, "same", None) == 0


def test_our_own_deletions_do_not_hide_a_jump() -> None:
    before = base(candidates=400, deleted_since=400)
    assert stale_jump(overdue(400), 1000, "same", before) == 400

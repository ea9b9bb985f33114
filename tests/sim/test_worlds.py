"""What users can rely on when time, the platform or something on the way to it does what it should not."""

from __future__ import annotations

import pytest

from reaper.core.plan import Plan
from tests.clock import run
from tests.sim import scenes_state, scenes_time, scenes_wire
from tests.sim.soak import attempt


def test_a_session_used_while_the_process_was_suspended_is_kept() -> None:
    run(scenes_time.suspended_after_look)


def test_a_session_used_while_the_disk_hung_is_kept() -> None:
    run(scenes_time.hung_in_write)


def test_a_session_used_while_a_connection_was_made_is_kept() -> None:
    run(scenes_time.hung_in_connecting)


def test_an_answer_that_lay_unread_is_as_old_as_its_request() -> None:
    run(scenes_time.looked_slowly)


def test_nothing_is_sent_when_every_look_comes_too_late() -> None:
    run(scenes_time.looked_slowly_in_vain)


def test_a_machine_that_stood_still_is_found_out_by_the_next_date() -> None:
    run(scenes_time.on_paused_machine)


def test_a_version_that_is_taken_back_in_mid_sweep_protects_the_one_before() -> None:
    run(scenes_time.taken_back_in_sweep)
    run(scenes_time.taken_back_between_looks)


def test_a_version_that_a_sweep_saw_come_and_go_restarts_the_grace_and_one_that_none_saw_does_not() -> None:
    run(scenes_time.taken_back_in_grace)
    run(scenes_time.taken_back_unseen_in_grace)


def test_a_gateways_404_is_neither_gone_nor_done() -> None:
    run(scenes_wire.with_foreign_look)
    run(scenes_wire.with_foreign_delete)
    run(scenes_wire.with_lost_agent)


def test_what_is_listed_is_not_gone_whatever_a_look_at_it_is_told() -> None:
    run(scenes_wire.in_doubt_and_listed)


def test_deletes_that_are_refused_or_redirected_end_the_sweep_as_failed_after_few() -> None:
    run(scenes_wire.refused_by_all)
    run(scenes_wire.redirected)


def test_a_delete_that_is_refused_for_a_day_is_begun_a_few_times_and_not_forgotten() -> None:
    run(scenes_wire.refused_for_a_day)


def test_relief_that_is_refused_is_a_failed_sweep() -> None:
    run(scenes_wire.relief_refused)


def test_an_idle_timeout_of_four_hours_opens_no_breaker() -> None:
    run(scenes_wire.idle_after_four_hours)


def test_our_own_relief_opens_no_breaker() -> None:
    run(scenes_wire.relieved_by_ourselves)


def test_a_deploy_that_fails_a_quarter_of_the_sessions_opens_no_breaker() -> None:
    run(scenes_wire.after_bad_deploy)


def test_a_role_that_is_granted_after_the_first_sweep_opens_no_breaker() -> None:
    run(scenes_wire.after_role_was_granted)


def test_a_record_that_expired_before_it_was_used_is_kept() -> None:
    run(scenes_wire.expired_before_used)
    run(scenes_wire.expired_long_ago)


def test_nothing_is_touched_without_the_state_and_all_goes_on_once_it_is_back() -> None:
    run(scenes_state.whole_again)
    run(scenes_state.whole_again_after_observing)


def test_a_state_that_is_removed_or_replaced_in_mid_sweep_ends_the_sweep() -> None:
    run(scenes_state.removed_in_sweep)
    run(scenes_state.replaced_in_sweep)


def test_an_older_copy_of_the_state_does_not_give_the_days_limit_back() -> None:
    run(scenes_state.older_copy_put_back)


def test_without_a_lock_that_keeps_others_out_nobody_sweeps() -> None:
    run(scenes_state.lock_removed)
    run(scenes_state.lock_removed_in_sweep)
    run(scenes_state.linked)
    run(scenes_state.lock_not_to_be_had)


def test_a_soak_counts_sweeps_and_tells_what_was_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    seed, sweeps, wrong = attempt(3)
    assert (seed, wrong) == (3, "")
    assert sweeps > 6
    monkeypatch.setattr(Plan, "act", ())
    assert "stale sessions are still there" in attempt(3)[2]


def test_a_deletion_by_hand_beside_a_sweep_is_told_once() -> None:
    run(scenes_wire.beside_a_person)
    run(scenes_wire.beside_a_person_while_looks_are_slow)


def test_two_people_who_delete_the_same_sessions_leave_one_record_of_each() -> None:
    run(scenes_wire.two_people)

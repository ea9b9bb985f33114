"""What users can rely on when candidates do not fit into memory."""

from __future__ import annotations

from tests.clock import run
from tests.sim import scenes_memory


def test_a_limit_holds_for_candidates_on_disk() -> None:
    run(scenes_memory.over_limit_on_disk)


def test_candidates_on_disk_keep_their_grace_and_go_after_it() -> None:
    run(scenes_memory.in_grace_on_disk)


def test_a_session_that_a_policy_keeps_for_an_hour_begins_its_grace_anew() -> None:
    run(scenes_memory.kept_in_between)


def test_a_kill_between_marks_shortens_no_grace_and_loses_no_session() -> None:
    run(scenes_memory.died_between_marks)


def test_a_sweep_without_room_on_disk_for_its_candidates_says_so_and_touches_nothing() -> None:
    run(scenes_memory.without_room_on_disk)

"""Each guard of migrations and restorations is needed: without it, its test fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import test_migrations as migrations
import test_state_copies as copies

from reaper.store import chain, database, restoring
from reaper.store.held_state import HeldState
from reaper.store.verification import Verification
from tests.sim.switches import Patch, Unguarded, put

OF_A_STATE = [
    Unguarded(
        "nobody else writes from before the copy on",
        put(chain, "lock", lambda _: None),
        migrations.test_while_a_state_is_copied_and_migrated_nobody_else_writes_to_it,
    ),
    Unguarded(
        "the version is looked at in each transaction that writes",
        put(database, "check_version", lambda *_: None),
        migrations.test_a_process_that_has_a_state_open_writes_nothing_once_another_version_has_migrated_it,
    ),
    Unguarded(
        "a version that was taken back is found out",
        put(database, "altered_version", lambda *_: ""),
        migrations.test_who_takes_the_version_back_makes_nobody_forget_what_was_there,
        ("levels", 2),
    ),
    Unguarded(
        "only who may sweep migrates",
        put(HeldState, "migration_is_due", property(lambda held: held.store.is_outdated)),
        migrations.test_a_process_that_stands_by_does_not_migrate,
    ),
    Unguarded(
        "a copy whose record does not hold is not restored",
        put(restoring, "verify", lambda _: Verification()),
        copies.test_a_copy_that_cannot_be_relied_on_is_not_restored,
        ("UPDATE marks SET ripe_at = 0", "its record does not hold"),
    ),
]
OF_A_PROCESS = [
    Unguarded(
        "nothing is restored beside a process that sweeps",
        put(restoring, "_claim_unless_at_fault", lambda _: None),
        copies.test_while_somebody_sweeps_on_a_state_nothing_is_restored_in_its_place,
    ),
    Unguarded(
        "how far the record had come is looked up before it is given up",
        put(restoring, "_how_far", lambda _: 0),
        copies.test_a_daemon_that_knew_more_goes_on_with_a_copy_that_a_person_restored_and_with_no_other,
    ),
]


def _each(mutants: list[Unguarded]) -> Any:
    return pytest.mark.parametrize("mutant", mutants, ids=[mutant.guard for mutant in mutants])


@_each(OF_A_STATE)
def test_a_state_is_not_safe_without_the_guard(mutant: Unguarded, path: Path, monkeypatch: Patch) -> None:
    mutant.must_fail(monkeypatch, path)


@_each(OF_A_PROCESS)
def test_a_process_is_not_safe_without_the_guard(mutant: Unguarded, url: str, path: Path, monkeypatch: Patch) -> None:
    mutant.must_fail(monkeypatch, url, path)

"""The guards of the state's files, each with a switch that removes it; see `mutants`."""

from __future__ import annotations

import os
from typing import Any

from reaper.store import database
from reaper.store.claim import Claim
from reaper.store.database import Database
from reaper.store.held_state import HeldState
from reaper.store.state_files import OpenedFile
from tests.sim import scenes_state
from tests.sim.switches import Mutant, Patch, around, put


def _any_file_will_do(patch: Patch) -> None:
    """Whatever lies at the state's place, or nothing: what was opened is written on."""
    patch.setattr(OpenedFile, "changed", lambda _: "")
    patch.setattr(OpenedFile, "settled", lambda _: "")


def _sweeps_anyway(kept: Any) -> Any:
    def check(self: Any, *, busy: bool) -> bool:
        kept(self, busy=busy)
        return True

    return check


STATE = [
    Mutant("the state is the file that was opened", _any_file_will_do, scenes_state.removed_in_sweep),
    Mutant("the state is no copy of what was opened", _any_file_will_do, scenes_state.replaced_in_sweep),
    Mutant(
        "an older copy is not believed", put(database, "why_behind", lambda *_: ""), scenes_state.older_copy_put_back
    ),
    Mutant("a claim is the lock that is there", put(Claim, "lost", lambda _: ""), scenes_state.lock_removed),
    Mutant(
        "no intent is written once the claim is lost",
        put(Database, "check_exclusive", lambda _: None),
        scenes_state.lock_removed_in_sweep,
    ),
    Mutant("one claim, whatever the state is called", put(os.path, "realpath", os.path.abspath), scenes_state.linked),
    Mutant("no sweep without a claim", around(HeldState, "check", _sweeps_anyway), scenes_state.lock_not_to_be_had),
]

"""Each guard is needed: without it, and it alone, a world exists in which the simulator sees the loss."""

from __future__ import annotations

import pytest

from tests.clock import run
from tests.sim.guards import GUARDS
from tests.sim.law import ViolationError
from tests.sim.mutants import MUTANTS, Mutant

EACH = pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.guard for mutant in MUTANTS])


@EACH
def test_its_world_is_quiet_while_the_guard_is_there(mutant: Mutant) -> None:
    run(mutant.scene)


@EACH
def test_its_world_breaks_the_law_without_the_guard(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.remove(monkeypatch)
    with pytest.raises(ViolationError) as broken:
        run(mutant.scene)
    assert "crashed" not in str(broken.value), "it does not fit what it replaces, so the guard was not missed"


def test_every_guard_has_a_world_in_which_it_stands_alone() -> None:
    assert sorted(GUARDS) == sorted(mutant.guard for mutant in MUTANTS)

"""Seeded histories: weeks of users, faults and crashes in virtual time, judged on the platform's own record."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any

import pytest

from reaper.core.plan import Plan
from tests.sim.history import live
from tests.sim.law import ViolationError

SEEDS, AT_ONCE = range(200), 5
BLOCKS = [SEEDS[first : first + AT_ONCE] for first in SEEDS[::AT_ONCE]]
LIVED_TWICE = range(1_000, 1_006)


def some_long(values: Sequence[Any], short: int) -> list[Any]:
    """Each of them a case; those after so many are for `make test-long`."""
    return [*values[:short], *(pytest.param(value, marks=pytest.mark.long) for value in values[short:])]


@pytest.mark.parametrize("seeds", some_long(BLOCKS, 8), ids=str)
def test_no_history_breaks_the_law_and_every_stale_session_goes(seeds: range) -> None:
    for seed in seeds:
        live(seed)


@pytest.mark.parametrize("seed", some_long(LIVED_TWICE, 3))
def test_a_seed_is_one_history(seed: int) -> None:
    """Lived through again, everything is injected again, and every event comes again at the same moment."""
    first, again = live(seed), live(seed)
    assert first.told == again.told
    assert first.world.platform.history == again.world.platform.history


def test_a_reaper_that_never_deletes_is_caught_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plan, "act", ())
    with pytest.raises(ViolationError, match="stale sessions are still there"):
        collections.deque(map(live, range(10)), maxlen=0)

"""Seeded histories: weeks of users, faults and crashes in virtual time, judged on the platform's own record."""

from __future__ import annotations

import collections

import pytest

from reaper.core.plan import Plan
from tests.sim.history import live
from tests.sim.law import ViolationError

SEEDS = range(40)
BLOCKS = 8


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_history_breaks_the_law_and_every_stale_session_goes(block: int) -> None:
    for seed in SEEDS[block::BLOCKS]:
        live(seed)


def test_a_seed_is_one_history() -> None:
    """Lived through again, everything is injected again, and every event comes again at the same moment."""
    for seed in range(1_000, 1_003):
        first, again = live(seed), live(seed)
        assert first.told == again.told
        assert first.world.platform.history == again.world.platform.history


def test_a_reaper_that_never_deletes_is_caught_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plan, "act", ())
    with pytest.raises(ViolationError, match="stale sessions are still there"):
        collections.deque(map(live, range(10)), maxlen=0)

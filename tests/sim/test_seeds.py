"""Seeded histories: weeks of users, faults and crashes in virtual time, judged on the platform's own record."""

from __future__ import annotations

import pytest

from tests.sim.history import live

SEEDS = 200
BLOCKS = 20


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_history_breaks_the_law_and_every_stale_session_goes(block: int) -> None:
    for seed in range(block, SEEDS, BLOCKS):
        live(seed)


def test_a_seed_is_one_history() -> None:
    """Lived through again, every event comes again."""
    first, second = live(7), live(7)
    assert first.world.platform.history == second.world.platform.history
    assert first.told == second.told

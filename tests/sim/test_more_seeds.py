"""More seeded histories than there is time for while somebody waits."""

from __future__ import annotations

import pytest

from tests.sim.history import live

SEEDS = range(40, 200)
BLOCKS = 20


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_further_history_breaks_the_law_and_every_stale_session_goes(block: int) -> None:
    for seed in SEEDS[block::BLOCKS]:
        live(seed)


def test_each_further_seed_is_one_history() -> None:
    for seed in range(1_003, 1_006):
        assert live(seed).told == live(seed).told

"""One small history, cut short at every single step: what was promised must hold from wherever it died."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from reaper.emulator import Fault
from tests.clock import run, true_time
from tests.sim.law import DAY_S, Law
from tests.sim.scenes import BROKEN, RUNAWAY, STALE, VIP
from tests.sim.steps import Steps
from tests.sim.world import HOUR_S, World

STEPS_MAX = 120
LAW = Law(since=0.0, lines=(VIP, BROKEN, STALE, RUNAWAY))


def _populate(world: World) -> None:
    world.put("vip-000001", idle_s=5 * DAY_S)
    world.put("fresh-0001", idle_s=2 * HOUR_S)
    world.put("stale-0001", idle_s=3 * DAY_S)
    world.put("stale-0002", idle_s=2 * DAY_S)
    world.put("broken-001", idle_s=2 * HOUR_S, status="failed")
    world.put("runaway-01", idle_s=3 * HOUR_S, status="active")


async def _die(die_at: int, grace_s: int, which: int) -> bool:
    """Two sweeps, one of which dies at its so-many-th step, then health; returns whether it was reached."""
    async with World(replace(LAW, grace_s=grace_s), page_size=4) as world:
        _populate(world)
        since = true_time()
        steps = [Steps(), Steps()]
        steps[which].die_at = die_at
        for taken in steps:
            await world.sweep(world.process(taken))
            await world.wait(7)
        if steps[which].dead:
            for _ in range(2):
                await world.sweep()
                await world.wait(7)
        world.check_gone(since)
        world.check_journal()
        return steps[which].dead


@pytest.mark.parametrize(
    ("grace_s", "which"),
    [(0, 0), (6 * HOUR_S, 0), (6 * HOUR_S, 1)],
    ids=["deleting", "marking", "deleting what is marked"],
)
def test_a_process_may_die_at_any_step(grace_s: int, which: int) -> None:
    """At every request before and after its effect, and at every transaction, in the first or the second sweep."""
    for die_at in range(1, STEPS_MAX):
        if not run(partial(_die, die_at, grace_s, which)):
            break
    else:
        pytest.fail(f"it takes more than {STEPS_MAX} steps")
    assert die_at > 20


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_process_may_die_at_any_step_while_no_delete_is_answered(drop: str) -> None:
    for die_at in range(1, STEPS_MAX):
        if not run(partial(_die_in_doubt, die_at, drop)):
            break
    assert die_at > 20


async def _die_in_doubt(die_at: int, drop: str) -> bool:
    async with World(LAW, page_size=4) as world:
        _populate(world)
        since, steps = true_time(), Steps(die_at=die_at)
        await world.sweep(world.process(steps), faults=[Fault("delete", drop=drop), Fault("stop", drop=drop)])
        for _ in range(2):
            await world.wait(1)
            await world.sweep()
        world.check_gone(since)
        world.check_journal()
        return steps.dead

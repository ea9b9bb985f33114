"""Small worlds in which it matters how sessions rank: who is one of the newest, who is one idle session too many."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reaper.core import ranks
from reaper.emulator import AgentVersion, Fault
from tests.clock import true_time
from tests.sim.scenes import EAGER, VIP, fresh, require, stale
from tests.sim.world import HOUR_S, World

NEWEST = replace(EAGER, newest=3)
OF_EACH = replace(EAGER, newest=1, newest_per_version=True)
FEW = replace(EAGER, at_most=3)
FEW_GRACED = replace(FEW, grace_s=24 * HOUR_S)
FULL_EVERY_S = 48 * HOUR_S


def left(world: World) -> set[str]:
    return {facts.id for facts in world.living()}


async def among_newest() -> None:
    async with World(NEWEST) as world:
        stale(world, 8)
        await world.sweep()
        require(left(world) == {"stale-000000", "stale-000001", "stale-000002"}, "all but the newest should be gone")


async def among_newest_beyond_limit() -> None:
    """What is one idle session too many may still be one of the newest."""
    async with World(replace(NEWEST, at_most=1)) as world:
        fresh(world, 8)
        await world.sweep()
        require(len(left(world)) == 3, "all but the newest should be gone")


async def with_unreadable_version() -> None:
    async with World(OF_EACH) as world:
        stale(world, 1)
        await world.sweep(faults=[Fault("*", lie="drop_field", field="version_indicator")])
        require(len(left(world)) == 1, "its version may be one of which it is the newest")


async def kept_beyond_limit() -> None:
    """Those that a rule keeps count, and are the longest idle."""
    async with World(FEW) as world:
        for number in range(3):
            world.put(f"vip-{number:06d}", idle_s=9 * HOUR_S)
        fresh(world, 5)
        await world.sweep()
        require(len(left(world)) == 6, "two that no rule keeps should be gone")


async def made_in_one_second() -> None:
    async with World(NEWEST) as world:
        for number in range(8):
            world.put(f"stale-{number:06d}", idle_s=48 * HOUR_S)
        await world.sweep()


async def used_in_one_second() -> None:
    async with World(FEW) as world:
        for number in range(8):
            world.put(f"fresh-{number:06d}", idle_s=2 * HOUR_S)
        await world.sweep()


async def beside_strange_records() -> None:
    """Records that are not understood make no other session one too many."""
    async with World(FEW) as world:
        fresh(world, 3)
        for number in range(4):
            world.put(f"odd-{number:06d}", idle_s=HOUR_S)
        await world.sweep(faults=[Fault("*", session="odd-*", lie="add_field", field="unheard_of", value=1)])
        require(len(left(world)) == 7, "nobody is beyond the limit for sure")


async def with_crowded_versions() -> None:
    """More versions than are remembered, each with one session, which is its newest."""
    async with World(replace(OF_EACH, at_most=1)) as world:
        for number in range(6):
            name = f"crowd-{number}"
            world.deploy(world.agent, AgentVersion(name, int(true_time())))
            world.put(f"fresh-{number:06d}", idle_s=2 * HOUR_S + number, version=name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ranks, "REMEMBERED_MAX", 2)
            await world.sweep()


async def deleted_slowly() -> None:
    """Each delete takes twenty-five seconds: the last of them would come long after everything was ranked."""
    async with World(FEW) as world:
        fresh(world, 200)
        await world.sweep(faults=[Fault("delete", delay_seconds=25)])


async def listed_in_full() -> None:
    """Most of those within the limit are busy by the time of the second sweep, so that few are beyond it any more."""
    async with World(replace(FEW_GRACED, lines=(VIP,), at_most=30), page_size=10, full_every_s=FULL_EVERY_S) as world:
        fresh(world, 60)
        process = world.process()
        await world.sweep(process)
        for number in range(25):
            world.platform.busy(world.agent, f"fresh-{number:06d}", 48 * HOUR_S)
        await world.wait(25)
        await world.sweep(process)
        require(len(left(world)) == 55, "five are beyond the limit")

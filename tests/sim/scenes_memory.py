"""Worlds in which hardly anything fits into memory: what a sweep decided lies on disk before it acts."""

from __future__ import annotations

from dataclasses import replace

from tests.sim.scenes import EAGER, GRACED, STALE, VIP, require, stale
from tests.sim.steps import Steps
from tests.sim.world import HOUR_S, World


async def over_limit_on_disk() -> None:
    async with World(replace(EAGER, per_sweep=(3, False)), little_memory=True) as world:
        stale(world, 5)
        await world.sweep()


async def in_grace_on_disk() -> None:
    async with World(GRACED, little_memory=True) as world:
        stale(world, 3)
        await world.sweep()
        await world.wait(25)
        for number in range(3):
            world.put(f"later-{number:06d}", idle_s=48 * HOUR_S)
        await world.sweep()
        require(len(world.living(world.agent)) == 3, "what was not marked for a day should be there")
        await world.wait(25)
        await world.sweep()
        require(not world.living(world.agent), "what was marked should be gone once its grace is over")


async def kept_in_between() -> None:
    """A policy keeps for an hour what the one before it had marked, and the one after it marks again."""
    async with World(GRACED) as world:
        stale(world)
        await world.sweep()
        await world.wait(6)
        world.reload(replace(GRACED, lines=(replace(VIP, ids=("vip-*", "canary-*", "stale-*")), STALE)))
        await world.sweep()
        await world.wait(1)
        world.reload(GRACED)
        await world.sweep()
        await world.wait(18)
        await world.sweep()
        require(len(world.living(world.agent)) == 3, "their grace began anew")


async def died_between_marks() -> None:
    """However far the marks were written, the next sweep goes on from there, and no grace is shorter for it."""
    for step in range(8, 24, 2):
        async with World(GRACED, little_memory=True) as world:
            stale(world, 7)
            await world.sweep(world.process(Steps(die_at=step)))
            await world.wait(20)
            await world.sweep()
            await world.wait(5)
            await world.sweep()
            await world.wait(25)
            await world.sweep()
            require(not world.living(world.agent), "all should be gone in the end")


async def without_room_on_disk() -> None:
    """A sweep that can put its candidates nowhere fails, says why, and touches nothing."""
    said = ""
    for step in range(1, 16):
        async with World(EAGER, little_memory=True) as world:
            stale(world, 5)
            said += "".join(
                one.why for one in await world.sweep(world.process(Steps(full_at=step)), nothing="no room")
            )
            await world.sweep()
            require(not world.living(world.agent), "all should be gone in the end")
    require("no room for candidates" in said, f"a report should say why: {said}")

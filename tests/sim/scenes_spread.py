"""Small worlds with a backlog larger than the limits, which they spread over sweeps and days, and with jumps."""

from __future__ import annotations

from dataclasses import replace

from tests.sim.law import Line
from tests.sim.scenes import EAGER, VIP, require, stale
from tests.sim.world import HOUR_S, World

SPREAD = replace(EAGER, spread=True, jump=(100, True))
WARY = replace(SPREAD, jump=(3, False))


async def beyond_the_sweep() -> None:
    """Six are overdue where three may go: the three that have been so for longest go, and nobody is asked."""
    async with World(replace(SPREAD, per_sweep=(3, False))) as world:
        stale(world, 6)
        report = (await world.sweep())[0]
        require(report.result == "ok", f"nobody needs to be asked: {report.why}")
        require(len(world.living()) == 3, f"three should be gone: {world.living()}")
        await world.wait(1)
        await world.sweep()
        require(not world.living(), "the rest should be gone")


async def beyond_the_day() -> None:
    """Ten are overdue where a day allows four, in whatever many sweeps."""
    async with World(replace(SPREAD, per_sweep=(3, False), per_day=(4, False))) as world:
        stale(world, 10)
        process = world.process()
        for _ in range(3):
            await world.sweep(process)
            await world.wait(1)
        require(len(world.living()) == 6, f"four should be gone: {len(world.living())} are left")
        await world.wait(25)
        await world.sweep(process)
        require(len(world.living()) == 3, "the next day allows more")


async def with_grace() -> None:
    """All that one sweep marked ripens together: then it is the idle time that says who goes first."""
    async with World(replace(SPREAD, per_sweep=(3, False), grace_s=24 * HOUR_S)) as world:
        stale(world, 6)
        process = world.process()
        await world.sweep(process)
        await world.wait(25)
        await world.sweep(process)
        require(len(world.living()) == 3, "three should be gone")


async def caught_by_another_law() -> None:
    """A law that catches two comes to catch all ten: nothing goes until a person says so."""
    async with World(WARY) as world:
        stale(world, 2)
        for number in range(8):
            world.put(f"later-{number:06d}", idle_s=5 * HOUR_S)
        process = world.process()
        await world.sweep(process)
        require(len(world.living()) == 8, "two should be gone")
        world.reload(replace(WARY, lines=(VIP, Line("stale", "delete", idle_s=HOUR_S))))
        await world.wait(1)
        for _ in range(2):
            await world.sweep(process)
            require(len(world.living()) == 8, "a jump should be withheld, whole")
            await world.wait(1)
        world.approve_all()
        await world.sweep(process)
        require(not world.living(), "approved, it should run")


async def jumped_before_a_restart() -> None:
    """Another process must know the level, or it has nothing to compare with."""
    async with World(WARY) as world:
        stale(world, 2)
        await world.sweep(world.process())
        for number in range(8):
            world.put(f"later-{number:06d}", idle_s=40 * HOUR_S)
        await world.sweep(world.process())
        require(len(world.living()) == 8, "a jump should be withheld by a process that saw none of it, too")


async def jumped_and_waited() -> None:
    """A jump is none the less one in the sweep after it."""
    async with World(WARY) as world:
        stale(world, 2)
        process = world.process()
        await world.sweep(process)
        for number in range(8):
            world.put(f"later-{number:06d}", idle_s=40 * HOUR_S)
        for _ in range(3):
            await world.sweep(process)
            await world.wait(1)
        require(len(world.living()) == 8, "a jump should stay one")


async def jumped_and_observed() -> None:
    """Who observes for a while to find out what happened does not accept it by that."""
    async with World(WARY) as world:
        stale(world, 2)
        process = world.process()
        await world.sweep(process)
        for number in range(8):
            world.put(f"later-{number:06d}", idle_s=40 * HOUR_S)
        for law in (WARY, replace(WARY, enforce=False), WARY):
            world.reload(law)
            await world.wait(1)
            await world.sweep(process)
        require(len(world.living()) == 8, "a jump should stay one while somebody looks")

"""Small worlds in which time goes on without the reaper: it is suspended, its disk hangs, its machine pauses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from reaper.core.settings import Requests
from reaper.emulator import AgentVersion, Fault
from tests.clock import true_time
from tests.sim.law import Line
from tests.sim.process import Process
from tests.sim.scenes import EAGER, STALE, VIP, before, fresh, require, stale
from tests.sim.world import HOUR_S, World

LATEST = Line("latest", "keep", latest=True)
VERSIONED = replace(EAGER, lines=(VIP, LATEST, STALE))
SECOND = AgentVersion("second", 1_800_000_000)
ONE = Requests(1, 30, 1_000)
SLOW_LISTING = Fault("list", delay_seconds=25, times=8)
"""With it eight pages take so long that the look at the agent with which a sweep begins is more than a minute old."""


def _use_meanwhile(world: World, session: str = "stale-000000") -> None:
    world.meanwhile = lambda: world.platform.use(world.agent, session) and None


def _after(world: World, operation: str, act: Callable[[], object], session: str = "*", turn: int = 1) -> None:
    """Let something happen as soon as the reaper waits for something after this request of its."""
    soon = asyncio.get_running_loop().call_soon
    before(world, operation, lambda: soon(act), session, turn)


def _hang(process: Process, steps: int) -> None:
    """Suspend the process so many steps from now."""
    process.steps.suspended |= {process.steps.taken + steps}


async def suspended_after_look() -> None:
    """The process is suspended for six seconds after its last look; somebody comes back in them."""
    async with World(EAGER) as world:
        stale(world, 1)
        _use_meanwhile(world)
        _after(world, "get", lambda: world.leap(6))
        await world.sweep()


async def hung_in_write() -> None:
    """The write of the intent takes ninety seconds."""
    async with World(EAGER) as world:
        stale(world, 1)
        _use_meanwhile(world)
        process = world.process()
        world.suspend = lambda: world.leap(90)
        before(world, "get", lambda: _hang(process, 2))
        await world.sweep(process)


async def hung_in_connecting() -> None:
    """All is checked, and then the connection for the delete takes ten seconds to be made."""
    async with World(EAGER) as world:
        stale(world, 1)
        _use_meanwhile(world)
        process = world.process()
        world.suspend = lambda: world.leap(10)
        before(world, "get", lambda: _hang(process, 3))
        await world.sweep(process)


async def looked_slowly() -> None:
    """The last look's answer takes ten seconds on its way, or lies unread for as long."""
    async with World(EAGER) as world:
        stale(world, 1)
        slow = Fault("get", delay_seconds=10, times=1)
        await asyncio.gather(world.sweep(faults=[slow]), _use_at(world, 5))
        require(len(world.living()) == 1, "it should have been seen to be in use")


async def looked_slowly_in_vain() -> None:
    """No look comes in time, and nobody uses the session: nothing is sent, and that is told."""
    async with World(EAGER) as world:
        stale(world, 1)
        await world.sweep(faults=[Fault("get", delay_seconds=3)], nothing="looks that are all too old")


async def _use_at(world: World, seconds: float) -> None:
    await asyncio.sleep(seconds)
    world.platform.use(world.agent, "stale-000000")


async def on_paused_machine() -> None:
    """The machine stands still for half a minute, its clocks too; an answer to another agent's sweep tells of it."""
    async with World(EAGER, agents_count=2, page_size=2) as world:
        stale(world, 1)
        for number in range(60):
            world.put(f"fresh-{number:06d}", idle_s=600 + number, agent=world.agents[1])
        _use_meanwhile(world)
        _after(world, "get", lambda: world.leap(30, still=True))
        await world.sweep()
        require(world.emulator.api.requests["get"] > 1, "it should have looked again")


# The agent is looked at again, too


async def taken_back_in_sweep() -> None:
    """While a slow listing lasts the newest version is removed: the one before is the latest again, and kept."""
    async with World(VERSIONED, page_size=1) as world:
        _two_versions(world)
        before(world, "list", lambda: world.take_back(world.agent))
        await world.sweep(faults=[SLOW_LISTING])


async def taken_back_between_looks() -> None:
    """The platform has the look at the session wait for longer than the look at its agent before it counts."""
    async with World(VERSIONED, requests=ONE) as world:
        _two_versions(world)
        wait = Fault("get", status=429, code="too_many_requests", retry_after_seconds=90, times=1)
        before(world, "get", lambda: _take_back_at(world, 30))
        await world.sweep(faults=[wait])


async def taken_back_in_grace() -> None:
    """The version that keeps these sessions is the newest again in mid-grace, as a sweep sees, and then it is not."""
    async with World(replace(VERSIONED, grace_s=24 * HOUR_S)) as world:
        _two_versions(world)
        process = world.process()
        await world.sweep(process)
        await world.wait(10)
        world.take_back(world.agent)
        await world.sweep(process)
        world.deploy(world.agent, replace(SECOND, name="third", created_at=int(true_time())))
        for _ in range(2):
            await world.wait(15)
            await world.sweep(process)


async def taken_back_unseen_in_grace() -> None:
    """The same, while nobody looks; the newest version decides by another rule for an hour, which nobody sees."""
    async with World(replace(VERSIONED, grace_s=24 * HOUR_S)) as world:
        _two_versions(world)
        since, process = true_time(), world.process()
        await world.sweep(process)
        world.take_back(world.agent)
        await world.wait(1)
        world.deploy(world.agent, replace(SECOND, name="third", created_at=int(true_time())))
        await world.wait(24)
        await world.sweep(process)
        world.check_gone(since)


def _take_back_at(world: World, seconds: float) -> None:
    asyncio.get_running_loop().call_later(seconds, world.take_back, world.agent)


def _versioned() -> World:
    return World(VERSIONED)


def _two_versions(world: World) -> None:
    stale(world, 3)
    fresh(world, 5)
    world.deploy(world.agent, replace(SECOND, created_at=int(true_time())))

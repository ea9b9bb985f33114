"""Small worlds of rollouts: canaries, switches and rollbacks, and selectors that nobody understands."""

from __future__ import annotations

from dataclasses import replace

from reaper.emulator import AgentVersion
from tests.clock import true_time
from tests.sim.law import Line
from tests.sim.scenes import EAGER, STALE, VIP, before, fresh, stale
from tests.sim.scenes_time import SLOW_LISTING
from tests.sim.world import HOUR_S, World

LEFT = replace(STALE, superseded=True)
VERSIONED = replace(EAGER, lines=(VIP, LEFT))
GRACED = replace(VERSIONED, grace_s=24 * HOUR_S)
SERVED = Line("served", "keep", serving=True)


def rollout(world: World, **shares: int) -> None:
    """Sessions of the latest version, which is `stable` from now on; a second one has its share of traffic."""
    stale(world, 3)
    fresh(world, 5)
    world.deploy(world.agent, AgentVersion("second", int(true_time())))
    if shares:
        world.route(world.agent, {_name(world, word): share for word, share in shares.items()})


def _name(world: World, word: str) -> str:
    return list(world.platform.agent(world.agent).versions)[-2] if word == "stable" else word


async def during_canary() -> None:
    """Nine of ten new sessions still come to the version before the latest."""
    async with World(VERSIONED) as world:
        rollout(world, stable=90, second=10)
        await world.sweep()
        await world.wait(30)
        await world.sweep()


async def kept_while_served() -> None:
    """What traffic reaches is kept by a rule, and everything else goes by its idleness."""
    async with World(replace(EAGER, lines=(SERVED, STALE))) as world:
        rollout(world, stable=90, second=10)
        await world.sweep()
        world.route(world.agent, {"second": 100})
        since = true_time()
        await world.wait(1)
        await world.sweep()
        world.check_gone(since)


async def with_unknown_selector() -> None:
    """A rule of a type that is to come: who knows which version it chooses?"""
    async with World(VERSIONED) as world:
        rollout(world)
        world.route(world.agent, {"second": 100}, kind="ByHeader")
        await world.sweep()


async def with_version_nowhere() -> None:
    """Half of the traffic goes to a version that is not there: where does it go?"""
    async with World(VERSIONED) as world:
        rollout(world, second=50, nowhere=50)
        await world.sweep()


async def just_left_behind() -> None:
    """A version is left behind; what nobody used goes, but not before it was so for the grace, and marked for it."""
    async with World(GRACED) as world:
        rollout(world)
        since, process = true_time(), world.process()
        for _ in range(4):
            await world.sweep(process)
            await world.wait(13)
        await world.sweep(process)
        world.check_gone(since + 24 * HOUR_S)


async def rolled_back_for_an_hour() -> None:
    """In mid-grace traffic goes back for an hour, as a sweep sees; then the version is left behind once more."""
    async with World(GRACED) as world:
        rollout(world)
        process = world.process()
        await world.sweep(process)
        await world.wait(23)
        world.route(world.agent, {_name(world, "stable"): 100})
        await world.sweep(process)
        await world.wait(2)
        world.route(world.agent, None)
        for _ in range(3):
            await world.sweep(process)
            await world.wait(24.5)
        await world.sweep(process)
        world.check_gone(true_time() - 40 * HOUR_S)


async def restarted_while_left_behind() -> None:
    """How long a version has been left behind outlives each process: or nothing would ever be superseded."""
    async with World(GRACED) as world:
        rollout(world)
        since = true_time()
        for _ in range(5):
            await world.sweep()
            await world.wait(13)
        world.check_gone(since + 24 * HOUR_S)


async def rolled_back_in_sweep() -> None:
    """While a slow listing lasts, traffic goes back to the version whose sessions were found left behind."""
    async with World(VERSIONED, page_size=1) as world:
        rollout(world)
        before(world, "list", lambda: world.route(world.agent, {_name(world, "stable"): 100}))
        await world.sweep(faults=[SLOW_LISTING])

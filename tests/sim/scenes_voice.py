"""Small worlds in which an agent's developers ask for something in their version's metadata."""

from __future__ import annotations

from dataclasses import replace

from reaper.emulator import Fault
from tests.clock import true_time
from tests.sim.law import Law, Line
from tests.sim.scenes import EAGER, VIP, before, fresh, require, stale
from tests.sim.scenes_time import SLOW_LISTING
from tests.sim.voices import day_text
from tests.sim.world import HOUR_S, World

_GENTLE = Law(since=0.0, lines=(Line("old", "delete", idle_s=100 * HOUR_S),))
_BOLD = Law(since=0.0, lines=(Line("young", "delete", idle_s=HOUR_S),))
CHOOSING = replace(EAGER, gentle=_GENTLE)
REFUSED = Fault("get_agent", status=403, code="forbidden")


def hold(world: World, days: float = 3) -> None:
    """The developers ask to keep all of it for some days."""
    world.say(world.agent, {"reaper.hold": day_text(true_time(), days)})


async def held_by_developers() -> None:
    """A demo next week: until then nothing is to go; afterwards all that is stale does."""
    async with World(EAGER) as world:
        stale(world)
        hold(world)
        for _ in range(3):
            await world.sweep()
            await world.wait(20)
        await world.wait(48)
        await world.sweep()
        require(not world.living(), "a hold that is over holds nothing")


async def choosing_gentle() -> None:
    """The developers chose the gentle policy: what it keeps is kept, what both ask for goes."""
    async with World(CHOOSING) as world:
        stale(world)
        world.put("ancient-000001", idle_s=200 * HOUR_S)
        world.say(world.agent, {"reaper.policy": "gentle"})
        await world.sweep()
        require(len(world.living()) == 3, "what both policies ask for should be gone, and nothing else")


async def choosing_bold() -> None:
    """The policy that they may choose asks for more than the configured one: only what both ask for goes."""
    async with World(replace(EAGER, lines=(VIP, EAGER.lines[-1]), gentle=_BOLD)) as world:
        stale(world)
        fresh(world, 3)
        world.say(world.agent, {"reaper.policy": "gentle"})
        await world.sweep()
        require(len(world.living()) == 3, "what both policies ask for should be gone")


async def asking_unclearly() -> None:
    async with World(EAGER) as world:
        stale(world)
        world.say(world.agent, {"reaper.hold": "until the demo is over"})
        await world.sweep()


async def speaking_in_sweep() -> None:
    """They ask while the sessions are being listed, which takes so long that the first look at the agent is old."""
    async with World(EAGER, page_size=1) as world:
        stale(world)
        before(world, "list", lambda: hold(world))
        await world.sweep(faults=[SLOW_LISTING])


async def heard_no_more() -> None:
    """They asked to keep it, and then the role is lost with which agents are read."""
    async with World(EAGER, plain=True) as world:
        stale(world)
        hold(world)
        await world.sweep()
        await world.sweep(world.process(), faults=[REFUSED])
        require(len(world.living()) == 3, "it forgot what was asked for")


async def never_heard() -> None:
    """Where agents may not be read, and nobody ever asked for anything, sweeps go on as they always did."""
    async with World(EAGER, plain=True) as world:
        stale(world)
        await world.sweep(faults=[REFUSED])
        require(not world.living(), "what is stale should be gone")


async def unheard_and_unsaid() -> None:
    """The agent cannot be read for another reason: nobody knows what is asked for, and a hold may be."""
    async with World(EAGER, plain=True) as world:
        stale(world)
        report = (await world.sweep(faults=[Fault("get_agent", status=500)]))[0]
        require(report.blocked["hold"] == 3, f"the report should say that they are held: {report.blocked}")

"""A person who deletes sessions with the command, on the same platform and state as a sweep."""

from __future__ import annotations

from collections.abc import Sequence

from reaper.cli.delete_by_hand import Deletion
from reaper.cli.delete_results import DeleteResult
from reaper.cli.filters import Filter
from reaper.cli.interrupts import Interrupts
from reaper.emulator import EmulatorTransport
from reaper.wiring import Connector
from tests.sim.steps import Steps
from tests.sim.wire import Wire
from tests.sim.world import PROJECT, World

HAND = "hand"


async def delete_by_hand(world: World, names: Sequence[str], agent: str = "") -> list[DeleteResult]:
    """What became of each of these sessions."""
    agent = agent or world.agent
    transport = EmulatorTransport(world.emulator.answer, world.clock.sleep, actor=HAND)
    connect = Connector(world.clock, transport=Wire(transport, Steps()))
    sessions = [found for name in names if (found := world.platform.find(agent, name)) is not None]
    async with connect(world.settings().projects[0]) as client:
        deletion = Deletion(agent, PROJECT, client, world.state().journal, Filter(), 2)
        return await deletion.run(sessions, Interrupts())


def deleted_by(world: World, *actors: str) -> int:
    """How many sessions these have deleted, by the platform's record."""
    return sum(event.kind == "deleted" and event.actor in actors for event in world.platform.history)

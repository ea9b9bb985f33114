"""A person who deletes sessions with the command, on the same platform and state as a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from reaper.cli.delete_by_hand import Deletion
from reaper.cli.delete_choice import by_ids
from reaper.cli.delete_results import DeleteResult
from reaper.cli.filters import Filter
from reaper.cli.interrupts import Interrupts
from reaper.core.clock_check import ClockGuard
from reaper.emulator import EmulatorTransport
from reaper.engine.connected_project import ConnectedProject
from reaper.wiring import Connector
from tests.sim.steps import Steps
from tests.sim.wire import Wire
from tests.sim.world import World

HAND = "hand"


async def delete_by_hand(world: World, names: Sequence[str], agent: str = "") -> list[DeleteResult]:
    """What became of each of these sessions."""
    agent = agent or world.agent
    transport = EmulatorTransport(world.emulator.answer, world.clock.sleep, actor=HAND)
    connect = Connector(world.clock, transport=Wire(transport, Steps()))
    project, guard = world.settings().projects[0], ClockGuard()
    started = world.clock.monotonic()
    async with connect(project) as client:
        client.observe_time(guard.observe)
        choice = await by_ids(client, agent, names)
        site = ConnectedProject(project, client, guard)
        elsewhere = partial(world.settings().holds_on, project.name, agent)
        deletion = Deletion(site, agent, world.state(), world.clock, started, Filter(), elsewhere)
        results, _ = await deletion.run(choice.found, Interrupts())
    return [*choice.settled, *results]


def deleted_by(world: World, *actors: str) -> int:
    """How many sessions these have deleted, by the platform's record."""
    return sum(event.kind == "deleted" and event.actor in actors for event in world.platform.history)

"""Small worlds in which deletes are verified together, by pages."""

from __future__ import annotations

from reaper.emulator import Fault
from reaper.emulator.routing import RoutedCall
from tests.sim.scenes import EAGER, require
from tests.sim.world import HOUR_S, World

PAGE, STALE = 7, 60
GHOST = Fault("delete", lie="ghost_delete", after=16)
"""What has been proven by then lets the others wait for pages."""


def _world() -> World:
    return World(EAGER, page_size=PAGE, proven_first=1)


def _backlog(world: World) -> None:
    """Stale sessions, with one in use at either end and after each six of them."""
    for number in range(STALE + STALE // 6 + 2):
        name, idle_h = ("used", 2) if number % PAGE == 0 else ("stale", 48)
        world.put(f"{name}-{number:06d}", idle_s=idle_h * HOUR_S, age_s=200 * HOUR_S - 60 * number)


def _when_verified(world: World, *faults: Fault) -> None:
    """These faults, too, from the first page on that is asked for after a delete."""
    watch, left = world.emulator.api.on_call, [*faults]

    def on_call(call: RoutedCall) -> None:
        if call.operation == "list" and world.emulator.api.requests["delete"]:
            world.emulator.faults.add(*left)
            left.clear()
        if watch is not None:
            watch(call)

    world.emulator.api.on_call = on_call


async def _judged(*lies: Fault) -> None:
    """Deletes that have no effect, and pages that lie while they are verified."""
    async with _world() as world:
        _backlog(world)
        _when_verified(world, *lies)
        await world.sweep(faults=[GHOST])
        require(world.living(), "nothing of it can be gone")
        world.check_journal()


async def shown_still() -> None:
    """The pages show what was not deleted."""
    await _judged()


async def on_empty_pages() -> None:
    await _judged(Fault("list", lie="empty_list"))


async def on_pages_without_landmarks() -> None:
    """The pages show those that must be there but one, and nobody else."""
    await _judged(Fault("list", lie="only_own", session="used-*[!8]", share=1.0))


async def ignoring_all() -> None:
    """No delete has any effect, from the first one on."""
    async with _world() as world:
        _backlog(world)
        await world.sweep(faults=[Fault("delete", lie="ghost_delete")])
        sent = world.emulator.api.requests["delete"]
        require(sent <= 6, f"{sent} deletes were accepted before anybody noticed that none has an effect")


async def found_worthwhile() -> None:
    """A backlog takes fewer looks than deletes."""
    async with _world() as world:
        _backlog(world)
        await world.sweep()
        require(len(world.living()) < STALE, "most of it must be gone")
        sent = world.emulator.api.requests
        require(sent["get"] - sent["delete"] < sent["delete"] // 2, f"pages must have spared looks: {dict(sent)}")
        world.check_journal()

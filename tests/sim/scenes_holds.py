"""Small worlds in which people hold sessions; see `scenes`."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from reaper.emulator import Fault
from reaper.engine.report import Swept
from tests.sim.hand import delete_by_hand
from tests.sim.people_hold import configure, place, release
from tests.sim.scenes import EAGER, GRACED, RUNAWAY, before, require, stale
from tests.sim.world import HOUR_S, World

HELD = "stale-000001"


async def held_while_planning() -> None:
    """The intent would be refused too, so nothing would be deleted: only a look made in vain, and a report."""
    async with World(EAGER) as world:
        stale(world)
        place(world, HELD)
        (report,) = await world.sweep()
        require(isinstance(report, Swept) and report.blocked["hold"] == 1, "nobody is told that it is held")
        require(not report.outcomes or len(world.living()) == 1, "the others should be gone")


async def held_in_mid_sweep() -> None:
    """Held once the plan is made: right before the last look."""
    async with World(EAGER) as world:
        stale(world)
        before(world, "get", lambda: place(world, HELD), session=HELD)
        await world.sweep()
        require(len(world.living()) == 1, "the others should be gone")


async def held_while_it_waits() -> None:
    """Held once its intent is on disk, while the platform asks for patience: it is looked at again before it goes."""
    async with World(EAGER) as world:
        stale(world, 1)

        async def later() -> None:
            await asyncio.sleep(10)
            place(world, "stale-000000")

        patience = Fault("delete", times=1, status=429, retry_after_seconds=30)
        await world.sweep(faults=[patience], also=[later()])
        require(world.judge.claims.known[0].late, "nobody was told that the hold came after the intent")


async def held_by_the_configuration_alone() -> None:
    """A person deletes by hand: no plan stands before the last look."""
    async with World(EAGER) as world:
        stale(world)
        configure(world, HELD)
        await delete_by_hand(world, ["stale-000000", HELD])
        require(HELD in {facts.id for facts in world.living()}, "deleted by hand although it is held")


async def made_anew_after_it_was_held() -> None:
    """What is held is one incarnation: another one under its id is nobody's."""
    async with World(EAGER) as world:
        stale(world)
        place(world, HELD, days=None)
        world.platform.delete(world.agent, HELD)
        world.platform.create(world.agent, HELD)
        await asyncio.sleep(48 * HOUR_S)
        await world.sweep()
        require(not world.living(), "what is not held should be gone")


async def another_under_an_id_that_is_held() -> None:
    async with World(EAGER) as world:
        place(world, HELD, days=None, id_only=True)
        stale(world)
        await world.sweep()


async def held_for_a_case() -> None:
    """A year later it is held still."""
    async with World(EAGER) as world:
        stale(world)
        place(world, HELD, days=None)
        await world.sweep()
        for _ in range(12):
            await asyncio.sleep(30 * 24 * HOUR_S)
            world.put(HELD, idle_s=48 * HOUR_S, age_s=400 * 24 * HOUR_S)
            place(world, HELD, days=None)
            await world.sweep()


async def held_to_the_end_of_a_day() -> None:
    """Worlds begin at 08:00 UTC: held for today it is there at 23:00, and gone by one in the morning."""
    async with World(EAGER) as world:
        stale(world)
        place(world, HELD, days=0)
        await asyncio.sleep(15 * HOUR_S)
        await world.sweep()
        require(len(world.living()) == 1, "held for the whole day")
        await asyncio.sleep(2 * HOUR_S)
        await world.sweep()
        require(not world.living(), "its day is over")


async def unreadable() -> None:
    """Somebody altered the holds: nobody knows who is held."""
    async with World(EAGER) as world:
        stale(world)
        place(world, HELD)
        with world.disk.look() as connection:
            connection.exec_driver_sql("UPDATE holds SET until = 'whenever'")
        await world.sweep()
        require(len(world.living()) == 3, "it deleted without knowing who is held")


async def unreadable_in_mid_sweep() -> None:
    """They can be read when the plan is made, and not any more at the last look."""

    def alter() -> None:
        with world.disk.look() as connection:
            connection.exec_driver_sql("UPDATE holds SET until = 'whenever'")

    async with World(EAGER) as world:
        stale(world)
        before(world, "get", lambda: (place(world, HELD), alter()))
        await world.sweep()
        require(HELD in {facts.id for facts in world.living()}, "it deleted without knowing who is held")


async def released_between_sweeps() -> None:
    """Marked and ripe, then held and released before any sweep saw that: its grace begins with the release."""
    async with World(GRACED) as world:
        await _ripen(world)
        _hold_for_a_moment(world)
        (report,) = await world.sweep()
        require(isinstance(report, Swept) and report.blocked["grace"] == 1, "it was planned by a mark that is void")
        require(len(world.living()) == 1, "the others should be gone")


async def held_for_a_moment_in_mid_sweep() -> None:
    """Marked and ripe, then held and released between the plan and the last look: its grace begins anew."""
    async with World(GRACED) as world:
        await _ripen(world)
        before(world, "get", lambda: _hold_for_a_moment(world), session=HELD)
        await world.sweep()
        require(len(world.living()) == 1, "the others should be gone")


async def held_for_a_moment_while_it_waits() -> None:
    """The same once its intent is on disk, while the platform asks for patience."""
    async with World(GRACED) as world:
        await _ripen(world, 1)

        async def later() -> None:
            await asyncio.sleep(10)
            _hold_for_a_moment(world, "stale-000000")

        patience = Fault("delete", times=1, status=429, retry_after_seconds=30)
        await world.sweep(faults=[patience], also=[later()])
        require(len(world.living()) == 1, "deleted on a mark from before it was held")


async def _ripen(world: World, count: int = 3) -> None:
    """So many stale sessions are marked, and their grace is over."""
    stale(world, count)
    await world.sweep()
    await world.wait(25)


def _hold_for_a_moment(world: World, session: str = HELD) -> None:
    hold = place(world, session)
    require(hold is not None, "nobody could hold it")
    if hold is not None:
        release(world, hold)


async def held_by_the_configuration_for_a_while() -> None:
    """Marked and ripe, then held by the configuration, of which nobody knows any more once it is removed there."""
    async with World(GRACED) as world:
        stale(world)
        await world.sweep()
        configure(world, HELD)
        await world.wait(25)
        await world.sweep()
        configure(world)
        await world.wait(1)
        await world.sweep()
        require(len(world.living()) == 1, "the others should be gone")


async def held_while_doubted() -> None:
    """The same while no listing is believed: a hold is no part of one."""
    async with World(GRACED, canary=True) as world:
        stale(world)
        await world.sweep()
        configure(world, HELD)
        await world.wait(25)
        await world.sweep(faults=[Fault("list", lie="only_own", share=0.0)])
        configure(world)
        await world.wait(1)
        await world.sweep()
        require(HELD in {facts.id for facts in world.living()}, "deleted on a mark from before it was held")


async def relief_without_the_held() -> None:
    """A full quota is relieved by sessions that nobody holds: to choose a held one would stop none in its place."""
    law = replace(EAGER, lines=(), relief_s=300)
    async with World(law) as world:
        for number in range(4):
            world.put(f"busy-{number:06d}", idle_s=HOUR_S + 100 * (4 - number), status="active")
        for number in range(3):
            place(world, f"busy-{number:06d}")
        await world.sweep()
        stopped = {event.session for event in world.platform.history if event.kind == "stopped"}
        require(stopped == {"busy-000003"}, f"stopped {stopped}, where one was to be had that nobody holds")


async def approved_and_then_held() -> None:
    """A plan that waits for a person names no held session: released, it is not approved unseen."""
    async with World(replace(EAGER, per_sweep=(1, False), at_least=0)) as world:
        stale(world)
        hold = place(world, HELD)
        await world.sweep()
        world.approve_all()
        if hold is not None:
            release(world, hold)
        await world.sweep()
        approved = {seen[0] for _, _, seen in world.judge.approved}
        require(HELD not in approved, "somebody approved what was held")


STOPS = replace(EAGER, lines=(RUNAWAY,))


async def held_from_stops() -> None:
    async with World(STOPS) as world:
        for number in range(3):
            world.put(f"busy-{number:06d}", idle_s=2 * HOUR_S, status="active")
        before(world, "get", lambda: place(world, "busy-000001"), session="busy-000001")
        await world.sweep()

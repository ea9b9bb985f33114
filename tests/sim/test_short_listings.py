"""Sweeps between full listings: they ask for little, delete what is due, and list all when in doubt."""

from __future__ import annotations

import gc
from dataclasses import replace

from reaper.emulator import AgentVersion, Fault
from reaper.engine.report import Result
from reaper.engine.sweep import Sweep
from reaper.foundry.client import Client
from tests.clock import run, true_time
from tests.sim.law import Line
from tests.sim.process import Process
from tests.sim.scenes import EAGER
from tests.sim.world import HOUR_S, World

SESSIONS, PAGE = 200, 10


def _world(full_every_s: int | None = 13 * HOUR_S) -> World:
    return World(EAGER, page_size=PAGE, full_every_s=full_every_s)


def _one_due_every_three_minutes(world: World) -> None:
    for number in range(SESSIONS):
        world.put(f"session-{number:06d}", idle_s=24 * HOUR_S - 90 - number * 180)


async def _listed(world: World, process: Process) -> int:
    """How many pages one sweep asks for."""
    before = world.emulator.api.requests["list"]
    await world.sweep(process)
    return world.emulator.api.requests["list"] - before


def _left(world: World) -> int:
    return len(world.living(world.agent))


def test_a_sweep_in_between_reads_a_few_pages_and_deletes_all_that_is_due() -> None:
    async def scene() -> None:
        async with _world() as world:
            _one_due_every_three_minutes(world)
            process = world.process()
            assert await _listed(world, process) >= SESSIONS // PAGE
            for hour in range(1, 4):
                await world.wait(1)
                assert await _listed(world, process) < SESSIONS // PAGE // 2
                assert _left(world) == SESSIONS - 20 * hour
            assert world.heard.latest[world.agent].result is Result.OK

    run(scene)


def test_a_new_process_and_an_old_listing_mean_a_full_one() -> None:
    async def scene() -> None:
        async with _world() as world:
            _one_due_every_three_minutes(world)
            process = world.process()
            await world.sweep(process)
            assert await _listed(world, world.process()) >= SESSIONS // PAGE
            await world.wait(13)
            assert await _listed(world, process) >= SESSIONS // PAGE
            assert _left(world) == 0

    run(scene)


def test_without_the_setting_every_sweep_lists_all() -> None:
    async def scene() -> None:
        async with _world(full_every_s=None) as world:
            _one_due_every_three_minutes(world)
            process = world.process()
            assert await _listed(world, process) >= SESSIONS // PAGE
            assert await _listed(world, process) >= SESSIONS // PAGE

    run(scene)


def test_a_role_that_is_lost_in_between_is_noticed_and_nothing_is_deleted() -> None:
    async def scene() -> None:
        async with _world() as world:
            _one_due_every_three_minutes(world)
            process = world.process()
            await world.sweep(process)
            await world.wait(1)
            await world.sweep(process, faults=[Fault("list", lie="only_own")])
            assert world.heard.latest[world.agent].result is Result.UNTRUSTED
            assert _left(world) == SESSIONS

    run(scene)


def test_the_listing_says_how_old_it_is() -> None:
    async def scene() -> None:
        async with _world() as world:
            _one_due_every_three_minutes(world)
            process = world.process()
            for hour in range(3):
                await world.sweep(process)
                snapshot = world.heard.latest[world.agent].snapshot
                assert snapshot is not None
                assert snapshot.now is not None
                assert snapshot.listed_at is not None
                assert round((snapshot.now - snapshot.listed_at) / HOUR_S) == hour
                await world.wait(1)

    run(scene)


def test_a_report_counts_as_many_sessions_in_its_histograms_as_in_all() -> None:
    async def scene() -> None:
        async with _world() as world:
            _one_due_every_three_minutes(world)
            process = world.process()
            for hour in range(4):
                world.put(f"newcomer-{hour}", idle_s=60)
                await world.sweep(process)
                snapshot = world.heard.latest[world.agent].snapshot
                assert snapshot is not None
                assert sum(snapshot.idle.counts) == sum(snapshot.age.counts) == snapshot.sessions
                await world.wait(1)

    run(scene)


def test_a_change_of_routing_means_a_full_listing_and_what_it_makes_due_is_found_in_time() -> None:
    async def scene() -> None:
        left = replace(EAGER, lines=(Line("left", "delete", idle_s=HOUR_S, superseded=True),), grace_s=3 * HOUR_S)
        async with World(left, page_size=PAGE, full_every_s=24 * HOUR_S) as world:
            for number in range(SESSIONS):
                world.put(f"session-{number:06d}", idle_s=2 * HOUR_S + number * 60)
            process = world.process()
            await world.sweep(process)
            await world.wait(1)
            assert await _listed(world, process) < SESSIONS // PAGE // 2
            world.deploy(world.agent, AgentVersion("next", int(true_time())))
            assert await _listed(world, process) >= SESSIONS // PAGE
            since = true_time()
            await world.wait(1)
            assert await _listed(world, process) < SESSIONS // PAGE // 2, "what was remembered is no change"
            for _ in range(6):
                await world.wait(1)
                await world.sweep(process)
            assert _left(world) == 0
            world.check_gone(since)

    run(scene)


def test_when_a_sweep_is_over_its_process_holds_neither_it_nor_its_client() -> None:
    def alive() -> list[int]:
        gc.collect()
        return [id(one) for one in gc.get_objects() if isinstance(one, Sweep | Client)]

    async def scene() -> None:
        async with _world() as world:
            _one_due_every_three_minutes(world)
            process, before = world.process(), alive()
            for _ in range(2):
                await world.sweep(process)
                assert set(alive()) <= set(before)
                await world.wait(1)

    run(scene)

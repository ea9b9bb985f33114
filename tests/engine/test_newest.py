"""Who may be one of the newest is told by the newest end of a listing; who is not shown to be older may be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reaper.core.model import DAY_S, Session
from reaper.core.policy import KeepNewest
from reaper.emulator import Fault
from reaper.engine.newest import may_be_newest
from reaper.foundry.client import Client
from tests.world import AGENT, HOUR_S, World, examples


def asked(world: World, sessions: list[Session], newest: KeepNewest) -> set[str]:
    async def work(client: Client) -> set[str]:
        return {one.id for one in await may_be_newest(client, AGENT.name, sessions, newest)}

    found: set[str] = world.run(work)
    return found


def world_of(count: int) -> World:
    world = World()
    for number in range(count):
        world.put(f"session-{number:04d}", idle=DAY_S + number * HOUR_S)
    return world


@given(st.integers(1, 60), st.integers(1, 70))
@examples
def test_the_newest_and_no_others_may_be_among_them(sessions: int, count: int) -> None:
    world = world_of(sessions)
    expected = {f"session-{number:04d}" for number in range(min(sessions, count))}
    assert asked(world, world.listed(), KeepNewest(count)) == expected


def test_no_more_is_read_than_it_takes() -> None:
    world = world_of(450)
    listed = world.listed()
    oldest = min(listed, key=lambda one: one.created_at)
    assert not asked(world, [oldest], KeepNewest(3))
    assert world.emulator.api.requests["list"] == 1
    assert asked(world, [oldest], KeepNewest(450)) == {oldest.id}


def test_where_the_listing_says_too_little_everybody_may_be_one_of_them() -> None:
    world = world_of(20)
    everybody = {one.id for one in world.listed()}
    for lie in ("empty_list", "only_own"):
        world.emulator.faults.replace([Fault("list", lie=lie)])
        assert asked(world, world.listed(), KeepNewest(3)) == everybody
    world.emulator.faults.replace([Fault("list", lie="add_field", field="unheard_of", value=1)])
    assert asked(world, world.listed(), KeepNewest(3)) == everybody


def test_a_cursor_that_goes_round_ends_it() -> None:
    world = world_of(250)
    world.emulator.faults.replace([Fault("list", lie="loop_cursor")])
    oldest = min(world.listed(), key=lambda one: one.created_at)
    assert asked(world, [oldest], KeepNewest(240)) == {oldest.id}

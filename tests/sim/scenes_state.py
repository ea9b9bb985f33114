"""Small worlds on a real state file, which is removed, replaced or put back from a copy under the running process."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from reaper.store.held_state import HeldState
from tests.sim.filed import FiledWorld
from tests.sim.scenes import EAGER, before, require, stale
from tests.sim.world import HOUR_S


async def removed_in_sweep() -> None:
    """The state is removed while the first delete is verified: nothing that follows would be found in the record."""
    async with FiledWorld(EAGER) as world:
        stale(world, 6)
        process = world.process()
        before(world, "get", world.path.unlink, turn=2)
        await world.sweep(process)
        await world.wait(1)
        await world.sweep(process)
        require(world.living(), "it went on deleting without a record that anybody could find")


async def replaced_in_sweep() -> None:
    """Another file with the same content takes its place: the reaper would write on into the one that is gone."""
    async with FiledWorld(EAGER) as world:
        stale(world, 6)
        before(world, "get", world.replace, turn=2)
        await world.sweep()


async def older_copy_put_back() -> None:
    """A copy from before today's deletes forgets that the day's limit is used up."""
    async with FiledWorld(replace(EAGER, per_day=(4, False))) as world:
        stale(world, 3)
        process = world.process()
        copy = world.copied()
        await world.sweep(process)
        await world.wait(1)
        world.put_back(copy)
        for number in range(3):
            world.put(f"later-{number:06d}", idle_s=48 * HOUR_S)
        for _ in range(2):
            await world.sweep(process)
            await world.wait(1)


async def lock_removed() -> None:
    """The lock is removed, and another process takes it anew: only one of the two may sweep."""
    async with FiledWorld(EAGER) as world:
        world.custody.check(busy=False)
        world.lock.unlink()
        await _only_one_sweeps(world, world.url)


async def linked() -> None:
    """Two processes know the state by two names."""
    async with FiledWorld(EAGER) as world:
        world.custody.check(busy=False)
        link = world.path.with_name("link.db")
        link.symlink_to(world.path)
        await _only_one_sweeps(world, f"sqlite:///{link}")


async def _only_one_sweeps(world: FiledWorld, url: str) -> None:
    """The process that has the state already, and one that finds it at `url`."""
    mine, other, acted = world.custody, HeldState(url), []
    for number, custody in enumerate((other, mine)):
        world.custody, deeds = custody, len(world.judge.deeds)
        world.put(f"stale-9{number:05d}", idle_s=48 * HOUR_S)
        await world.sweep()
        acted.append(len(world.judge.deeds) > deeds)
    other.close()
    require(sum(acted) == 1, f"{sum(acted)} processes swept on one state")


async def lock_removed_in_sweep() -> None:
    """The lock is removed while the first delete is verified: from then on another process might sweep, too."""
    async with FiledWorld(EAGER) as world:
        stale(world, 6)
        before(world, "get", world.lock.unlink, turn=2)
        await world.sweep()
        require(len(world.living()) == 5, "it went on although it kept nobody else out any more")


async def lock_not_to_be_had() -> None:
    """Where the lock should be is something that cannot be locked: nobody can know who else sweeps."""
    async with FiledWorld(EAGER) as world:
        stale(world, 6)
        world.lock.mkdir()
        await world.sweep()
        require(len(world.living()) == 6, "it swept without a claim")


async def whole_again() -> None:
    """The very file comes back to its place: the daemon goes on by itself."""
    async with FiledWorld(EAGER) as world:
        stale(world, 3)
        process = world.process()
        world.custody.check(busy=False)
        away = _moved(world.path, world.path.with_suffix(".away"))
        await world.sweep(process)
        require(len(world.living()) == 3, "it deleted without its state")
        _moved(away, world.path)
        await world.sweep(process)
        require(not world.living(), "it should have gone on once its state was back")


async def whole_again_after_observing() -> None:
    """Without its state the daemon makes plans in memory; what these add up to says nothing about the file."""
    async with FiledWorld(replace(EAGER, per_sweep=(1, False))) as world:
        stale(world, 3)
        process = world.process()
        world.custody.check(busy=False)
        world.move_away()
        for _ in range(3):
            await world.sweep(process)
            await world.wait(1)
        world.move_back()
        await world.sweep(process)
        require(not world.custody.fault, f"its state is back, and refused: {world.custody.fault}")


def _moved(file: Path, where: Path) -> Path:
    return Path(shutil.move(file, where))

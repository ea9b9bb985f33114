"""Small worlds about what a person has set: fields that are accepted, and dates on which no window opens."""

from __future__ import annotations

from dataclasses import replace

from reaper.emulator import Fault
from tests.clock import EPOCH
from tests.sim.law import DAY_S
from tests.sim.scenes import EAGER, GRACED, require, stale
from tests.sim.world import World

TODAY = int(EPOCH // DAY_S)
ACCEPTED = "region_hint"


async def with_another_field() -> None:
    """One new field is accepted; another one that comes later may say: hold this one back."""
    async with World(EAGER, accepts=ACCEPTED) as world:
        stale(world)
        world.judge.sacred.add("stale-000001")
        await world.sweep(
            faults=[Fault("*", session="stale-000001", lie="add_field", field="legal_hold", value=True)]
        )
        require(len(world.living()) == 1, "the others should be gone")


async def with_accepted_field() -> None:
    """All records have a field that a person has accepted, with another value each time."""
    async with World(GRACED, accepts=ACCEPTED) as world:
        stale(world)
        await world.sweep()
        await world.wait(25)
        await world.sweep()
        require(not world.living(), "a field that was accepted should stop nothing")


async def on_skipped_day() -> None:
    """The window is open at this hour of every other day."""
    law = replace(EAGER, open_hours=(6, 20), closed_days=((TODAY, TODAY),))
    async with World(law) as world:
        stale(world)
        report = (await world.sweep())[0]
        require(report.blocked["window"] == 3, f"the report should say what they wait for: {report.blocked}")
        await world.wait(24)
        await world.sweep()
        require(not world.living(), "the next day is none of the dates")


async def in_skipped_night() -> None:
    """It is the morning after a date that is skipped: the night that began on it would still be open."""
    law = replace(EAGER, open_hours=(22, 10), closed_days=((TODAY - 1, TODAY - 1),))
    async with World(law) as world:
        stale(world)
        await world.sweep()
        require(len(world.living()) == 3, "the night should have been skipped whole")
        await world.wait(15)
        await world.sweep()
        require(not world.living(), "the next night is none of the dates")

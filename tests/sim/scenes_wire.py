"""Small worlds in which the platform refuses, or something on the way answers in its place."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from reaper.emulator import AgentVersion, Fault
from reaper.engine.report import Result
from tests.clock import true_time
from tests.sim.hand import HAND, delete_by_hand, deleted_by
from tests.sim.law import DAY_S, Line
from tests.sim.scenes import EAGER, STALE, VIP, fresh, require, stale
from tests.sim.world import HOUR_S, World

FOREIGN = Fault("get", lie="gateway")
NOT_FOUND = {"status": 404, "code": "not_found", "message": "no such resource"}
REFUSED = Fault("delete", status=403, code="session_not_accessible")
REFUSED_TOLD = 5
"""So many refusals in a row are enough to know that the next ones would be refused, too."""


# Answers of something on the way


async def with_foreign_look() -> None:
    """A gateway does not find the way to the session, which is there."""
    async with World(EAGER) as world:
        stale(world, 1)
        await world.sweep(faults=[FOREIGN], nothing="looks that a gateway answers")


async def with_foreign_delete() -> None:
    """The gateway answers the delete: what it came to is looked up, and done the next time."""
    async with World(EAGER) as world:
        stale(world, 1)
        await world.sweep(faults=[Fault("delete", lie="gateway")])
        require(world.living(), "nothing can have been deleted")
        await world.wait(1)
        await world.sweep()
        world.check_journal()


async def with_lost_agent() -> None:
    """The platform itself answers 404 to whatever belongs to the agent, as one does that has lost its way."""
    lost = [Fault("get", **NOT_FOUND), Fault("get_agent", **NOT_FOUND)]
    async with World(EAGER) as world:
        stale(world, 1)
        await world.sweep(faults=lost, nothing="an agent that does not answer")


async def in_doubt_and_listed() -> None:
    """A delete in doubt, had no effect; the next sweep lists its session, and is told 404 when it looks at it."""
    async with World(EAGER) as world:
        stale(world, 1)
        fresh(world, 2)
        process = world.process()
        await world.sweep(process, faults=[Fault("delete", drop="before"), Fault("get", status=500, after=1)])
        require(world.living(), "nothing can have been deleted")
        await world.wait(1)
        await world.sweep(process, faults=[Fault("get", **NOT_FOUND, times=1)])


# Refusals


async def refused_by_all() -> None:
    """Forty sessions are due, and each delete is refused: few are tried, and the sweep says that it failed."""
    # No small round of deletes that are yet to be proven holds it up first.
    async with World(EAGER, proven_first=40) as world:
        stale(world, 40)
        report = (await world.sweep(faults=[REFUSED]))[0]
        require(report.result is Result.FAILED, f"{report.result} is no word for a sweep that was refused")
        tried = world.emulator.api.requests["delete"]
        require(tried <= REFUSED_TOLD, f"it was refused {tried} times")


async def redirected() -> None:
    """Each delete is answered with a redirect, to where nothing must ever be sent."""
    away = Fault("delete", status=307, headers={"location": "https://elsewhere.example/"})
    async with World(EAGER) as world:
        stale(world, 40)
        report = (await world.sweep(faults=[away]))[0]
        require(report.result is Result.FAILED, f"{report.result} is no word for a sweep that was redirected")


async def refused_for_a_day() -> None:
    """One session of some is refused each hour of a day: it is tried less and less often, and never forgotten."""
    async with World(EAGER) as world:
        stale(world, 4)
        for number in range(4):
            world.put(f"vip-{number:06d}", idle_s=48 * HOUR_S)
        since, process = true_time(), world.process()
        for _ in range(24):
            report = (await world.sweep(process, faults=[replace(REFUSED, session="stale-000000")]))[0]
            require(report.result is Result.FAILED, f"{report.result}, with an action that is refused")
            await world.wait(1)
        times = world.ledger.most_intents(since)
        require(times <= REFUSED_TOLD, f"one delete was begun {times} times in a day")
        await world.wait(24)
        await world.sweep(process)
        require(not any(facts.id.startswith("stale") for facts in world.living()), "it was forgotten")


async def relief_refused() -> None:
    """A quota is full, and each stop that would relieve it is refused."""
    async with World(replace(EAGER, relief_s=300)) as world:
        for number in range(6):
            world.put(f"active-{number:06d}", idle_s=600, status="active")
        await world.sweep(faults=[Fault("stop", status=403, code="session_not_accessible")])
        require(world.heard.relieved_reports, "relief should have been tried")


# Two who delete


async def beside_a_person() -> None:
    """A person deletes by hand what a sweep is about to delete."""
    async with World(EAGER) as world:
        stale(world, 6)
        names = [facts.id for facts in world.living()]
        await world.sweep(also=[delete_by_hand(world, names)])
        _each_told_once(world)


async def beside_a_person_while_looks_are_slow() -> None:
    """Both have looked, and neither knows of the other but by the record."""
    async with World(EAGER) as world:
        stale(world, 6)
        names = [facts.id for facts in world.living()]
        slow = Fault("delete", delay_seconds=1)
        await world.sweep(faults=[slow], also=[delete_by_hand(world, names)])
        _each_told_once(world)


async def two_people() -> None:
    async with World(EAGER) as world:
        stale(world, 6)
        names = [facts.id for facts in world.living()]
        await asyncio.gather(delete_by_hand(world, names), delete_by_hand(world, names))
        _each_told_once(world)


def _each_told_once(world: World) -> None:
    told, deleted = world.ledger.deletes_done(), deleted_by(world, "reaper", HAND)
    require(told == deleted, f"{told} deletes are said to be done, {deleted} were")
    require(not world.living(), "all were asked to go")


# What is true must not open a breaker


async def idle_after_four_hours() -> None:
    """The platform lets sessions rest four hours after their last use: all of them are due as soon as they do."""
    async with World(replace(EAGER, lines=(VIP, replace(STALE, idle_s=HOUR_S)))) as world:
        _resting_after(world, 4 * HOUR_S)
        process = world.process()
        await world.sweep(process, nothing="sessions that are active")
        await world.wait(2)
        since = true_time()
        await world.sweep(process)
        world.check_gone(since)


async def relieved_by_ourselves() -> None:
    """Stopped by us for their quota: idle from then on, and due for longer than that."""
    law = replace(EAGER, lines=(VIP, replace(STALE, idle_s=HOUR_S)), relief_s=300)
    async with World(law) as world:
        _resting_after(world, 4 * HOUR_S)
        process = world.process()
        await world.sweep(process)
        await world.wait(1)
        since = true_time()
        await world.sweep(process)
        world.check_gone(since)


async def after_bad_deploy() -> None:
    """A quarter of the sessions fail at once; by a rule they are due an hour after they were made."""
    broken = Line("broken", "delete", age_s=HOUR_S, status=frozenset({"failed"}))
    async with World(replace(EAGER, lines=(broken, STALE))) as world:
        fresh(world, 100)
        process = world.process()
        await world.sweep(process)
        await world.wait(1)
        for number in range(25):
            world.platform.fail(world.agent, f"fresh-{number:06d}")
        since = true_time()
        await world.sweep(process)
        world.check_gone(since)


async def after_role_was_granted() -> None:
    """The first sweep sees only what is the reaper's own; then it is given the role that shows it everything."""
    async with World(EAGER, page_size=20) as world:
        fresh(world, 60)
        stale(world, 40)
        process = world.process()
        await world.sweep(process, faults=[Fault("list", lie="only_own", session="fresh-*", share=0.1)])
        await world.wait(1)
        since = true_time()
        await world.sweep(process)
        world.check_gone(since)


def _resting_after(world: World, seconds: int) -> None:
    world.deploy(world.agent, AgentVersion("patient", int(true_time()), idle_timeout_s=seconds))
    for number in range(40):
        world.put(f"patient-{number:06d}", idle_s=3 * HOUR_S + number)


# Records that contradict themselves


async def expired_before_used() -> None:
    """A record says that it expired before it was last used: of nothing in it one knows what is true."""
    await _with_expiry(-DAY_S)


async def expired_long_ago() -> None:
    """Its expiry lies two days back, and it is shown as idle."""
    await _with_expiry(-2 * DAY_S, idle_h=24 * 33)


async def _with_expiry(seconds: float, idle_h: float = 48) -> None:
    async with World(EAGER) as world:
        fresh(world, 40)
        world.put("strange-0001", idle_s=26 * HOUR_S)
        world.judge.sacred.add("strange-0001")
        told = int(true_time() + seconds - (26 * HOUR_S if seconds == -DAY_S else 0))
        lie = Fault("*", session="strange-0001", lie="bad_field", field="expires_at", value=told)
        faults = [lie]
        if idle_h > 48:
            used = int(true_time() - idle_h * HOUR_S)
            faults += [
                Fault("*", session="strange-0001", lie="bad_field", field=name, value=used)
                for name in ("created_at", "last_accessed_at")
            ]
        await world.sweep(faults=faults)

"""Small worlds, each made for one guard. With the product whole they end quietly; without the guard they cannot.

Most end in a ViolationError of the judge. Where losing a guard harms nobody but whoever reads the report, the scene
looks at the report and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from reaper.core.conditions import Idle
from reaper.core.model import IDLE, UPDATING, Action, OutcomeKind
from reaper.core.policy import Rule
from reaper.core.settings import Requests
from reaper.emulator import Fault
from reaper.emulator.routing import RoutedCall
from reaper.engine.report import Result
from reaper.store.claim import Claim, ClaimedElsewhereError
from reaper.store.store import Breaker
from tests.clock import EPOCH, true_time
from tests.sim.law import DAY_S, Law, Line, ViolationError
from tests.sim.policies import policy_of
from tests.sim.steps import Steps
from tests.sim.world import HOUR_S, PROJECT, World

VIP = Line("vip", "keep", ids=("vip-*", "canary-*"))
STALE = Line("stale", "delete", idle_s=24 * HOUR_S)
SOON = Line("stale", "delete", idle_s=HOUR_S)
OLD = Line("old", "delete", age_s=HOUR_S)
BROKEN = Line("broken", "delete", age_s=HOUR_S, status=frozenset({"failed"}))
RUNAWAY = Line("runaway", "stop", idle_s=HOUR_S, status=frozenset({"active"}))

EAGER = Law(since=0.0, lines=(VIP, STALE))
GRACED = replace(EAGER, grace_s=24 * HOUR_S)
SOON_GRACED = replace(EAGER, lines=(VIP, SOON), grace_s=24 * HOUR_S)

OFF_HOURS = (22, 6)
"""Midnight is open, the morning is not; worlds begin at 08:00 UTC."""
assert EPOCH % DAY_S == 8 * HOUR_S


def stale(world: World, count: int = 3, idle_h: float = 48) -> None:
    for i in range(count):
        world.put(f"stale-{i:06d}", idle_s=idle_h * HOUR_S + i)


def fresh(world: World, count: int) -> None:
    for i in range(count):
        world.put(f"fresh-{i:06d}", idle_s=2 * HOUR_S + i)


def before(world: World, operation: str, act: Callable[[], object], session: str = "*", turn: int = 1) -> None:
    """Let somebody act right before the reaper's request of this kind for the so-many-th time."""
    watch, seen = world.emulator.api.on_call, 0

    def on_call(call: RoutedCall) -> None:
        nonlocal seen
        if call.operation == operation and session in {"*", call.session}:
            seen += 1
            if seen == turn:
                act()
        if watch is not None:
            watch(call)

    world.emulator.api.on_call = on_call


def require(holds: object, what: str) -> None:
    if not holds:
        raise ViolationError(what)


# Holds and doubts


async def on_lost_state() -> None:
    async with World(EAGER) as world:
        stale(world)
        await world.sweep(world.process(fault="the file is damaged"), nothing="an unreadable state")


async def with_breaker_open() -> None:
    async with World(EAGER) as world:
        stale(world)
        process = world.process()
        process.sweeper.store.open_breaker(PROJECT, world.agent, Breaker(true_time(), "by hand"))
        await world.sweep(process, nothing="an open breaker")


async def observing() -> None:
    async with World(replace(EAGER, enforce=False)) as world:
        stale(world)
        await world.sweep()


async def with_unknown_field() -> None:
    """A later API may have a field that says: hold this one back."""
    async with World(EAGER) as world:
        stale(world)
        world.judge.sacred.add("stale-000001")
        await world.sweep(
            faults=[Fault("*", session="stale-000001", lie="add_field", field="legal_hold", value=True)]
        )
        require(len(world.living()) == 1, "the others should be gone")


async def in_grace() -> None:
    async with World(GRACED) as world:
        stale(world)
        await world.sweep()
        await world.wait(12)
        await world.sweep()


async def outside_windows() -> None:
    """The last look asks for the window too, so nothing would be deleted: only looks made in vain, and a report
    that does not say what the sessions wait for.
    """
    async with World(replace(EAGER, open_hours=OFF_HOURS)) as world:
        stale(world)
        report = (await world.sweep())[0]
        require(report.blocked["window"] == 3, f"the report should say what they wait for: {report.blocked}")
        require(not world.emulator.api.requests["get"], "looks in vain")


async def over_limit_of_sweep() -> None:
    async with World(replace(EAGER, per_sweep=(3, False))) as world:
        stale(world, 5)
        await world.sweep()


async def over_limit_of_day() -> None:
    await _two_portions(restarted=False)


async def over_limit_of_day_after_restart() -> None:
    await _two_portions(restarted=True)


async def _two_portions(*, restarted: bool) -> None:
    """Three sessions now and three an hour later, where a day allows four."""
    async with World(replace(EAGER, per_day=(4, False))) as world:
        stale(world, 3)
        process = world.process()
        await world.sweep(process)
        await world.wait(1)
        for i in range(3):
            world.put(f"later-{i:06d}", idle_s=48 * HOUR_S)
        await world.sweep(world.process() if restarted else process)


async def with_shifted_listing() -> None:
    """A listing dated three days ago would start a grace three days ago."""
    async with World(GRACED) as world:
        stale(world, idle_h=100)
        process = world.process()
        await world.sweep(process, faults=[Fault("list", date_shift_seconds=-3 * DAY_S)])
        for _ in range(3):
            await world.wait(1)
            await world.sweep(process)


async def with_untrusted_inventory() -> None:
    async with World(EAGER, canary=True) as world:
        stale(world)
        lie = Fault("list", lie="only_own", session="stale-*", share=1.0)
        await world.sweep(faults=[lie], nothing="a missing canary")


async def after_empty_list() -> None:
    """An empty list believed once is what the next short one is compared with."""
    async with World(EAGER, page_size=20) as world:
        await _become_stale(world)
        await world.sweep(faults=[Fault("list", lie="empty_list")], nothing="an empty list")
        await world.sweep(faults=[Fault("list", lie="only_own", share=0.1)], nothing="a short list")


async def with_short_list() -> None:
    async with World(EAGER, page_size=20) as world:
        await _become_stale(world)
        await world.sweep(faults=[Fault("list", lie="only_own", share=0.1)], nothing="a short list")


async def _become_stale(world: World) -> None:
    """Sixty sessions that were believed an hour ago, and are due since."""
    stale(world, 60, idle_h=23.5)
    await world.sweep()
    await world.wait(1)


async def with_long_list() -> None:
    async with World(EAGER) as world:
        world.put("stale-000000", idle_s=23.5 * HOUR_S)
        await world.sweep()
        await world.wait(1)
        for i in range(230):
            world.put(f"fresh-{i:06d}", idle_s=30 * 60 - i)
        await world.sweep(nothing="a list that has grown beyond belief")


async def out_of_order() -> None:
    async with World(EAGER) as world:
        stale(world)
        fresh(world, 2)
        lie = Fault("list", session="fresh-000000", lie="bad_field", field="created_at", value=1_700_000_000)
        await world.sweep(faults=[lie], nothing="a list out of order")


async def with_many_malformed() -> None:
    async with World(EAGER) as world:
        stale(world, 10)
        lie = Fault("list", session="stale-00000[0-2]", lie="bad_field", field="last_accessed_at", value=0)
        await world.sweep(faults=[lie], nothing="malformed records")


# Limits and approvals


async def with_zero_limit() -> None:
    async with World(replace(EAGER, per_sweep=(0, True))) as world:
        stale(world)
        await world.sweep()


async def approved_before_used() -> None:
    """Five approved sessions are used, and stale again a day later: that is another plan."""
    async with World(replace(EAGER, per_sweep=(1, False))) as world:
        stale(world, 5)
        process = world.process()
        await world.sweep(process)
        world.approve_all()
        for facts in world.living():
            world.platform.use(world.agent, facts.id)
        await world.wait(30)
        await world.sweep(process)


async def approved_to_stop() -> None:
    """A person approved to stop them; by a new policy they are to be deleted."""
    stops = replace(RUNAWAY, idle_s=2 * HOUR_S)
    law = replace(EAGER, lines=(stops,), per_sweep=(1, False))
    async with World(law) as world:
        for i in range(3):
            world.put(f"active-{i:06d}", idle_s=3 * HOUR_S, status="active")
        await world.sweep()
        world.approve_all()
        ends = Line("ends", "delete", idle_s=HOUR_S, status=frozenset({"active"}))
        world.reload(replace(law, lines=(ends,)))
        await world.sweep()


async def approved_in_file() -> None:
    """What stands in the configuration for months must not close each breaker that opens."""
    async with World(EAGER) as world:
        stale(world)
        process = world.process()
        store = process.sweeper.store
        store.open_breaker(PROJECT, world.agent, Breaker(true_time(), "by hand"))
        report = (await world.sweep(process, nothing="an open breaker"))[0]
        world.approvals = (report.plan.id if report.plan else "",)
        await world.sweep(process)
        require(not world.living(), "the approval should have let it run")
        store.open_breaker(PROJECT, world.agent, Breaker(true_time(), "by hand again"))
        world.put("another-one", idle_s=48 * HOUR_S)
        await world.sweep(process, nothing="an open breaker")


# What may ever be touched


async def just_created() -> None:
    async with World(
        replace(EAGER, lines=(Line("broken", "delete", age_s=60, status=frozenset({"failed"})),))
    ) as world:
        world.put("failed-0001", idle_s=120, status="failed")
        await world.sweep()


async def in_one_long_call() -> None:
    """Busy for two days, and so not used for two days; the rule says nothing of statuses."""
    rule = Rule("stale", Action.DELETE, (Idle(24 * HOUR_S),))
    async with World(replace(EAGER, lines=(STALE,))) as world:
        world.policy = replace(policy_of(EAGER), rules=(rule,))
        world.put("busy-000001", idle_s=48 * HOUR_S, status="active")
        await world.sweep()


async def while_updating() -> None:
    rule = policy_of(replace(EAGER, lines=(replace(STALE, status=frozenset({UPDATING, IDLE})),)))
    async with World(EAGER) as world:
        world.policy = rule
        stale(world)
        world.put("updating-01", idle_s=48 * HOUR_S, status=UPDATING)
        await world.sweep()


async def beside_kept() -> None:
    async with World(EAGER) as world:
        stale(world)
        world.put("vip-000001", idle_s=48 * HOUR_S)
        await world.sweep()


async def kept_by_version() -> None:
    """The latest version's sessions are kept, and the platform does not say which those are."""
    async with World(replace(EAGER, lines=(Line("latest", "keep", latest=True), STALE))) as world:
        stale(world)
        await world.sweep(faults=[Fault("*", lie="drop_field", field="version_indicator")])


async def deleted_by_version() -> None:
    async with World(replace(EAGER, lines=(replace(STALE, superseded=True),))) as world:
        stale(world)
        await world.sweep(faults=[Fault("*", lie="drop_field", field="version_indicator")])


async def with_two_rules() -> None:
    """An active session that is first to be stopped, and only by a later rule deleted."""
    ends = replace(STALE, status=frozenset({"active", "idle"}))
    async with World(replace(EAGER, lines=(RUNAWAY, ends))) as world:
        world.put("runaway-01", idle_s=48 * HOUR_S, status="active")
        await world.sweep()


# The last look


async def used_before_last_look() -> None:
    async with World(EAGER) as world:
        stale(world, 1)
        before(world, "get", lambda: world.platform.use(world.agent, "stale-000000"))
        await world.sweep()


async def made_anew_before_last_look() -> None:
    """Any change stops the action, a new incarnation too: only the reason given would be another."""
    async with World(EAGER) as world:
        stale(world, 1)
        before(world, "get", lambda: _make_anew(world, "stale-000000"))
        report = (await world.sweep())[0]
        require("created again" in report.outcomes[0].why, "the report should say that it was made anew")


def _make_anew(world: World, session: str) -> None:
    world.platform.delete(world.agent, session)
    world.platform.create(world.agent, session)


async def gone_before_last_look() -> None:
    """A tombstone differs from what was listed, so it is never touched: only the outcome would be another."""
    async with World(EAGER, get_tombstones=True) as world:
        stale(world, 1)
        before(world, "get", lambda: world.platform.delete(world.agent, "stale-000000"))
        report = (await world.sweep())[0]
        require(report.outcomes[0].kind is OutcomeKind.ALREADY_GONE, "the report should say that it was gone")


async def changed_before_last_look() -> None:
    """Used and stopped again: a rule by age still asks for it, yet somebody came back to it."""
    async with World(replace(EAGER, lines=(OLD,))) as world:
        stale(world, 1)

        def come_back() -> None:
            world.platform.use(world.agent, "stale-000000")
            world.platform.stop(world.agent, "stale-000000")

        before(world, "get", come_back)
        await world.sweep()


async def at_edge_of_rule() -> None:
    """Half a minute passes between list and look, in which the rule that keeps it begins to hold."""
    kept = Line("treasured", "keep", idle_s=48 * HOUR_S)
    async with World(replace(EAGER, lines=(kept, STALE))) as world:
        world.put("stale-000000", idle_s=48 * HOUR_S - 10)
        await world.sweep(faults=[Fault("list", delay_seconds=25)])


async def at_edge_of_window() -> None:
    async with World(replace(EAGER, open_hours=(6, 9))) as world:
        stale(world, 1)
        await asyncio.sleep(HOUR_S - 10)
        await world.sweep(faults=[Fault("list", delay_seconds=25)])


async def with_shifted_look() -> None:
    async with World(EAGER) as world:
        stale(world, 1)
        shifted = [Fault(operation, date_shift_seconds=3 * DAY_S) for operation in ("get_agent", "get")]
        await world.sweep(faults=shifted, nothing="a clock that jumped")


async def with_undated_look() -> None:
    async with World(EAGER) as world:
        stale(world, 1)
        await world.sweep(faults=[Fault("get", lie="no_date")], nothing="looks without a date")


async def with_malformed_look() -> None:
    async with World(EAGER) as world:
        stale(world, 1)
        lie = Fault("get", lie="bad_field", field="last_accessed_at", value=0)
        await world.sweep(faults=[lie], nothing="malformed looks")


async def with_failing_look() -> None:
    async with World(EAGER) as world:
        stale(world, 1)
        await world.sweep(faults=[Fault("get", status=500)], nothing="looks that fail")


# Marks


async def used_while_marked() -> None:
    """Used twenty hours into its grace, and stale again at its end."""
    async with World(SOON_GRACED) as world:
        stale(world, 1)
        process = world.process()
        await world.sweep(process)
        await world.wait(20)
        world.platform.use(world.agent, "stale-000000")
        await world.wait(6)
        await world.sweep(process)


async def made_anew_while_marked() -> None:
    async with World(SOON_GRACED) as world:
        stale(world, 1)
        process = world.process()
        await world.sweep(process)
        await world.wait(20)
        _make_anew(world, "stale-000000")
        await world.wait(6)
        await world.sweep(process)


async def judged_by_new_rule() -> None:
    """A new rule, an hour before the grace of the old one ends: whoever wrote it has the whole grace to see it."""
    async with World(GRACED) as world:
        stale(world, 1)
        process = world.process()
        await world.sweep(process)
        await world.wait(23)
        world.reload(replace(GRACED, lines=(Line("brand-new", "delete", idle_s=HOUR_S),)))
        await world.wait(2)
        await world.sweep(process)


async def with_longer_grace() -> None:
    async with World(GRACED) as world:
        stale(world, 1)
        process = world.process()
        await world.sweep(process)
        await world.wait(23)
        world.reload(replace(GRACED, grace_s=72 * HOUR_S))
        await world.wait(2)
        await world.sweep(process)


async def doubted_in_grace() -> None:
    """One bad listing half-way must not start the grace anew: else a bad one a day would keep everything."""
    async with World(GRACED, page_size=5) as world:
        for i in range(6):
            world.put(f"vip-{i:06d}", idle_s=100 * HOUR_S)
        stale(world, 1)
        since, process = true_time(), world.process()
        for faults in ([], [Fault("list", status=500, after=1)], []):
            await world.sweep(process, faults=faults)
            await world.wait(12.5)
        world.check_gone(since)


async def restarted_in_grace() -> None:
    async with World(GRACED) as world:
        stale(world, 1)
        since = true_time()
        for _ in range(3):
            await world.sweep(world.process())
            await world.wait(12.5)
        world.check_gone(since)


# The breaker


async def all_stale_at_once() -> None:
    """The platform loses its times of use: everything looks as if nobody had used it since it was made."""
    async with World(EAGER) as world:
        for i in range(30):
            world.put(f"used-{i:06d}", idle_s=2 * HOUR_S, age_s=100 * HOUR_S)
        process = world.process()
        await world.sweep(process)
        await world.wait(1)
        await world.sweep(process, faults=[Fault("*", lie="stale_read")])


async def without_effect() -> None:
    """The platform says yes and does nothing; a person must look before anything more is asked of it."""
    await _without_effect(restarted=False)


async def without_effect_then_restarted() -> None:
    await _without_effect(restarted=True)


async def _without_effect(*, restarted: bool) -> None:
    async with World(replace(EAGER, per_day=(1_000, False))) as world:
        stale(world, 10)
        process = world.process()
        await world.sweep(process, faults=[Fault("delete", lie="ghost_delete")])
        await world.wait(1)
        await world.sweep(world.process() if restarted else process, nothing="a breaker that should be open")


# Actions and their record


async def with_one_delete() -> None:
    async with World(EAGER) as world:
        stale(world, 1)
        await world.sweep()
        world.check_journal()


async def on_full_disk() -> None:
    """The disk is full when the first intent is to be written."""
    for step in range(1, 30):
        async with World(EAGER) as world:
            stale(world, 2)
            await world.sweep(world.process(Steps(full_at=step)))
            await world.wait(1)
            await world.sweep()
            world.check_journal()


async def with_ghost() -> None:
    async with World(EAGER) as world:
        stale(world, 1)
        await world.sweep(faults=[Fault("delete", lie="ghost_delete")])
        world.check_journal()


async def without_answer() -> None:
    """No answer, and no effect either."""
    async with World(EAGER) as world:
        stale(world, 1)
        await world.sweep(faults=[Fault("delete", drop="before")])
        world.check_journal()


async def killed_after_delete() -> None:
    async with World(EAGER) as world:
        stale(world, 1)
        dying = world.process(Steps())
        before(world, "delete", lambda: setattr(dying.steps, "die_at", dying.steps.taken + 1))
        await world.sweep(dying)
        require(not world.living(), "it should have died after the effect")
        await world.wait(1)
        await world.sweep()
        world.check_journal()


async def in_doubt_for_the_day() -> None:
    """Three deletes without an answer, nor one to any look, may have been done: they use up the day."""
    async with World(replace(EAGER, per_day=(4, False))) as world:
        stale(world, 3)
        process = world.process()
        silent = [Fault("get", status=500, session=f"stale-{i:06d}", after=1) for i in range(3)]
        await world.sweep(process, faults=[Fault("delete", drop="after"), *silent])
        await world.wait(1)
        for i in range(3):
            world.put(f"later-{i:06d}", idle_s=48 * HOUR_S)
        await world.sweep(process, faults=[Fault("get", status=500, session="stale-*")])


async def used_while_throttled() -> None:
    async with World(EAGER) as world:
        stale(world, 1)
        throttled = Fault("delete", times=1, status=429, retry_after_seconds=30)
        await asyncio.gather(world.sweep(faults=[throttled]), _use_soon(world, "stale-000000", 10))


async def _use_soon(world: World, session: str, seconds: float) -> None:
    await asyncio.sleep(seconds)
    world.platform.use(world.agent, session)


async def answered_late() -> None:
    """The answer to a delete is lost after its effect."""
    async with World(EAGER) as world:
        stale(world, 1)
        await world.sweep(faults=[Fault("delete", drop="after", times=1)])


async def beside_another() -> None:
    """Two processes start to sweep at the same moment; each takes the claim first, as the commands do.

    The record lets nothing be deleted twice, but each would count only its own against the limits.
    """
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'state.db'}"
        async with World(EAGER) as world:
            stale(world, 3)
            claims, allowed = [], []
            for process in (world.process(), world.process()):
                try:
                    claims.append(Claim(url))
                    allowed.append(process)
                except ClaimedElsewhereError:
                    pass
            await world.sweep(allowed[0], beside=allowed[1] if len(allowed) > 1 else None)
            for claim in claims:
                claim.release()
            require(len(allowed) == 1, f"{len(allowed)} processes swept on one state")


async def asked_to_stop() -> None:
    """SIGTERM comes with the first delete: what was begun is finished, nothing else is begun."""
    async with World(EAGER, requests=Requests(1, 30, 1_000)) as world:
        stale(world, 5)
        asked: list[str] = []
        before(world, "delete", lambda: asked.append("asked to stop"))
        await world.sweep(stopping=lambda: "".join(asked[:1]))
        require(len(world.judge.deeds) == 1, f"{len(world.judge.deeds)} actions after being asked to stop")


# Listings


async def with_looping_cursor() -> None:
    await _with_broken_listing(Fault("list", lie="loop_cursor"), "a cursor that loops")


async def with_endless_pages() -> None:
    """Three pages where two are the bound: whoever stops there has not seen all."""
    async with World(EAGER, page_size=5, pages_max=2) as world:
        stale(world, 12)
        await world.sweep(nothing="more pages than there may be")


async def with_failing_page() -> None:
    await _with_broken_listing(Fault("list", status=500, after=1), "a page that fails")


async def with_empty_page() -> None:
    body = '{"object": "list", "data": [], "has_more": true}'
    await _with_broken_listing(Fault("list", body=body, after=1), "an empty page that says there is more")


async def with_lost_cursor() -> None:
    """The second page is refused each time the listing starts over."""
    lost = [Fault("list", status=400, code="invalid_cursor", after=turn, times=1) for turn in (1, 3, 5)]
    async with World(EAGER, page_size=5) as world:
        stale(world, 12)
        report = (await world.sweep(faults=lost, nothing="a listing that lost its place"))[0]
        require(report.result is Result.INCOMPLETE, f"{report.result} is no word for a listing that lost its place")


async def _with_broken_listing(fault: Fault, what: str) -> None:
    async with World(EAGER, page_size=5) as world:
        stale(world, 12)
        await world.sweep(faults=[fault], nothing=what)


async def with_duplicates() -> None:
    """Twenty sessions on ten pages, and nine of them twice: a fifth of them is four, not five."""
    async with World(replace(EAGER, per_sweep=(20, True), at_least=0), page_size=2) as world:
        fresh(world, 15)
        stale(world, 5)
        await world.sweep(faults=[Fault("list", lie="duplicate")])


async def among_tombstones() -> None:
    """Ten living sessions and twenty tombstones: a tenth of them is one."""
    async with World(replace(EAGER, per_sweep=(10, True), at_least=0)) as world:
        fresh(world, 27)
        for i in range(20):
            world.platform.delete(world.agent, f"fresh-{i:06d}")
        stale(world, 3)
        await world.sweep()


# Records and time


async def with_bad_time() -> None:
    """One of forty records says that it was never used."""
    await _with_one_bad(last_accessed_at=0)


async def with_future_time() -> None:
    """Created in the year 2096, it says: a record that cannot be believed in anything."""
    await _with_one_bad(last_accessed_at=4_000_000_000, expires_at=4_002_592_000)


async def _with_one_bad(**told: int) -> None:
    async with World(replace(EAGER, lines=(STALE, Line("made", "delete", age_s=90 * HOUR_S)))) as world:
        for i in range(40):
            world.put(f"used-{i:06d}", idle_s=2 * HOUR_S, age_s=80 * HOUR_S)
        world.put("used-000099", idle_s=2 * HOUR_S, age_s=100 * HOUR_S)
        world.judge.sacred.add("used-000099")
        lies = [Fault("*", session="used-000099", lie="bad_field", field=f, value=v) for f, v in told.items()]
        await world.sweep(faults=lies)


async def with_skewed_clock() -> None:
    async with World(EAGER) as world:
        stale(world)
        world.clock.error = 5.0 * HOUR_S
        await world.sweep(nothing="clocks five hours apart")


async def with_jumping_clock() -> None:
    async with World(EAGER, page_size=5) as world:
        stale(world, 12)
        await world.sweep(faults=[Fault("*", date_shift_seconds=300, after=2)], nothing="a clock that jumped")


async def without_dates() -> None:
    """Without the platform's time, ages would follow a local clock that is five days ahead."""
    async with World(EAGER) as world:
        fresh(world, 3)
        world.clock.error = 5.0 * DAY_S
        await world.sweep(faults=[Fault("*", lie="no_date")])

"""Scenarios 25 to 30: clocks, reloads, state, hostile input."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from reaper.core.conditions import Idle, IdMatches, StatusIn
from reaper.core.model import Action
from reaper.core.policy import Limit, Limits, Mode, Rule
from reaper.core.windows import DAYS, Window
from reaper.emulator import Fault
from reaper.emulator.routing import RoutedCall
from reaper.engine.report import Result
from reaper.store.database import Database, StateError
from reaper.store.store import Store
from tests.scenarios.story import DAY_S, HOUR_S, STALE, Story, one, tell


@pytest.mark.parametrize("hours", [-30 * 24, -1, 1, 30 * 24])
def test_a_local_clock_that_is_wrong_touches_nothing(hours: int) -> None:
    @tell
    async def told() -> None:
        story = Story()
        await story.stale_and_fresh(5, 5)
        story.clock.error = hours * HOUR_S
        report = one(await story.sweep())
        assert (report.result, list(report.doubts)) == (Result.UNTRUSTED, ["clock"])
        assert report.skew is not None
        assert round(-report.skew / HOUR_S) == hours
        assert story.deleted() == []
        story.clock.error = 0.0
        await asyncio.sleep(HOUR_S)
        await story.sweep()
        assert len(story.deleted()) == 5

    told()


@tell
async def test_ages_are_judged_on_the_platforms_clock_when_ours_is_a_little_off() -> None:
    story = Story()
    story.create(3, "nearly")
    await asyncio.sleep(7 * DAY_S - 100)
    story.clock.error = 300
    await story.sweep()
    assert story.deleted() == []


@pytest.mark.parametrize("hours", [-200, 200])
def test_a_platform_clock_that_jumps_between_two_sweeps_touches_nothing(hours: int) -> None:
    @tell
    async def told() -> None:
        story = Story()
        story.create(10, "daily")
        await asyncio.sleep(DAY_S)
        await story.sweep()
        story.fault(Fault("*", date_shift_seconds=hours * HOUR_S))
        story.clock.error = hours * HOUR_S
        report = one(await story.sweep())
        assert report.result is Result.UNTRUSTED
        assert story.deleted() == []

    told()


@tell
async def test_a_platform_clock_that_jumps_in_mid_sweep_stops_it() -> None:
    story = Story()
    await story.stale_and_fresh(10, 10)

    def jump(call: RoutedCall) -> None:
        if story.sent()["get"] == 5:
            story.fault(Fault("*", date_shift_seconds=2 * DAY_S))

    story.emulator.api.on_call = jump
    report = one(await story.sweep())
    assert len(story.deleted()) < 10
    assert "clock" in report.why


@tell
async def test_answers_without_a_date_touch_nothing() -> None:
    story = Story()
    await story.stale_and_fresh(5, 5)
    story.fault(Fault("*", lie="no_date"))
    report = one(await story.sweep())
    assert report.result is Result.UNTRUSTED
    assert story.deleted() == []


@tell
async def test_outside_every_window_nothing_is_deleted_and_stops_go_on() -> None:
    story = Story()
    runaway = Rule("runaway", Action.STOP, (StatusIn(frozenset({"active"})), Idle(600)))
    story.rules = (STALE, runaway)
    night = Window(frozenset(DAYS), time(22), time(6), ZoneInfo("Europe/Madrid"))
    story.options["windows"] = (night,)
    await story.stale_and_fresh(5, 5)
    await story.until(lambda now: not night.is_open(now))
    story.platform.create("a", "runaway-01")
    story.platform.busy("a", "runaway-01", DAY_S)
    await asyncio.sleep(HOUR_S)
    report = one(await story.sweep())
    assert report.blocked["window"] == 5
    assert story.deleted() == []
    assert story.sent()["stop"] == 1
    await story.until(night.is_open)
    await story.sweep()
    assert len(story.deleted()) == 5


@tell
async def test_a_stricter_policy_starts_the_grace_anew_for_what_it_newly_catches() -> None:
    story = Story()
    story.options["grace_s"] = 24 * HOUR_S
    story.create(3, "old")
    await asyncio.sleep(5 * DAY_S)
    story.create(3, "young")
    await asyncio.sleep(2 * DAY_S)
    await story.sweep()
    story.rules = (Rule("stale", Action.DELETE, (StatusIn(frozenset({"idle"})), Idle(DAY_S))),)
    await asyncio.sleep(23 * HOUR_S)
    await story.sweep()
    await asyncio.sleep(2 * HOUR_S)
    await story.sweep()
    assert sorted(story.deleted()) == ["old-000000", "old-000001", "old-000002"]
    await asyncio.sleep(24 * HOUR_S)
    await story.sweep()
    assert story.left() == set()


@tell
async def test_a_mark_does_not_outlive_a_rule_that_was_made_laxer_while_nothing_was_believed() -> None:
    story = Story()
    story.options["grace_s"] = 24 * HOUR_S
    story.rules = (replace(STALE, when=(StatusIn(frozenset({"idle"})), Idle(6 * HOUR_S))),)
    story.create(3, "used")
    await asyncio.sleep(7 * HOUR_S)
    await story.sweep()
    story.rules = (replace(STALE, when=(StatusIn(frozenset({"idle"})), Idle(30 * HOUR_S))),)
    await asyncio.sleep(26 * HOUR_S)
    await story.sweep()
    assert story.deleted() == []
    await asyncio.sleep(25 * HOUR_S)
    await story.sweep()
    assert len(story.deleted()) == 3


@tell
async def test_a_policy_that_makes_many_more_eligible_is_withheld_by_its_limits() -> None:
    story = Story()
    story.options["limits"] = Limits()
    story.create(100, "daily")
    await asyncio.sleep(2 * DAY_S)
    await story.sweep()
    story.rules = (Rule("stale", Action.DELETE, (StatusIn(frozenset({"idle"})), Idle(DAY_S))),)
    report = one(await story.sweep())
    assert report.result is Result.WITHHELD
    assert report.blocked["limit_sweep"] == 100
    assert story.deleted() == []


@tell
async def test_turning_from_observe_to_enforce_starts_the_grace_then() -> None:
    story = Story()
    story.options |= {"grace_s": 24 * HOUR_S, "mode": Mode.OBSERVE}
    await story.stale_and_fresh(5, 5)
    await story.sweep()
    await asyncio.sleep(3 * DAY_S)
    story.options["mode"] = Mode.ENFORCE
    await story.sweep()
    assert story.deleted() == []
    await asyncio.sleep(25 * HOUR_S)
    await story.sweep()
    assert len(story.deleted()) == 5


@tell
async def test_a_limit_of_zero_means_none() -> None:
    story = Story()
    await story.stale_and_fresh(2, 2)
    for none in (Limit(0), Limit(0, percent=True)):
        story.options["limits"] = Limits(none, none)
        assert one(await story.sweep()).result is Result.WITHHELD
    assert story.deleted() == []


@tell
async def test_an_approval_lets_exactly_its_plan_run_and_is_used_up_by_it() -> None:
    story = Story()
    story.options["limits"] = Limits()
    await story.stale_and_fresh(40, 60)
    plan = one(await story.sweep()).plan
    assert plan is not None
    story.platform.use("a", "stale-000007")
    story.approvals = (plan.id,)
    await story.sweep()
    assert len(story.deleted()) == 39
    assert "stale-000007" in story.left()
    await asyncio.sleep(10 * DAY_S)
    report = one(await story.sweep())
    assert report.result is Result.WITHHELD
    assert len(story.deleted()) == 39


@tell
async def test_a_state_at_fault_is_observed_with_loudly_and_nothing_is_touched() -> None:
    story = Story()
    await story.stale_and_fresh(5, 5)
    story.restart(fault="state sqlite:///x: the file is damaged")
    report = one(await story.sweep())
    assert (report.result, report.blocked) == (Result.UNTRUSTED, {"state": 5})
    assert "damaged" in report.why
    assert story.deleted() == []


@tell
async def test_names_that_need_quoting_reach_the_right_agent_and_no_other() -> None:
    odd = ["a b", "a/b", "a%2Fb", "é", "a?x=1#y", "a;b", "../a", "a\x1b[31m"]
    story = Story("a", *odd)
    for agent in odd:
        story.create(1, "stale", agent)
    await story.stale_and_fresh(0, 3)
    run = await story.sweep()
    assert {report.agent for report in run.reports} == {"a", *odd}
    for agent in odd:
        assert story.deleted(agent) == ["stale-000000"]
    assert story.left() == {"fresh-000000", "fresh-000001", "fresh-000002"}


@tell
async def test_a_keep_rule_before_a_delete_rule_always_wins() -> None:
    story = Story()
    story.rules = (Rule("vip", Action.KEEP, (IdMatches(("stale-00000[0-4]",)),)), STALE)
    await story.stale_and_fresh(10, 5)
    await story.sweep()
    assert len(story.deleted()) == 5
    assert {"stale-000000", "stale-000004"} <= story.left()


class FailingState(Database):
    """A state of which one transaction fails."""

    def __init__(self) -> None:
        super().__init__("sqlite://")
        self.left = 10**9

    def begin(self) -> Any:
        self.left -= 1
        if not self.left:
            raise StateError("state: database or disk is full")
        return super().begin()


@tell
async def test_a_state_that_fails_for_one_agent_keeps_no_other_waiting_for_ever() -> None:
    for transaction in range(1, 30):
        story = Story("a", "b")
        story.must_see = frozenset({"canary-000000"})
        story.create(1, "canary", "b")
        await story.stale_and_fresh(2, 10)
        failing = FailingState()
        story.sweeper.store = Store(failing)
        await story.sweep(observe=True)
        failing.left = transaction
        async with asyncio.timeout(HOUR_S):
            await story.sweep()

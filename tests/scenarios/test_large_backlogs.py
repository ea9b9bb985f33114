"""A backlog larger than the limits, worked off sweep by sweep and day by day; and candidates that jump."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from reaper.cli.endings import Exit
from reaper.cli.sweep_commands import exit_of
from reaper.core.conditions import Idle, StatusIn
from reaper.core.model import Action
from reaper.core.policy import Beyond, Limit, Limits, Mode, Rule
from reaper.emulator.stored import StoredSession
from reaper.engine.report import Result, Swept
from reaper.engine.status_json import decisions, summary_json
from reaper.store.entries import ActionFilter, Entry
from tests.clock import true_time
from tests.scenarios.story import DAY_S, HOUR_S, STALE, Story, one, tell

SPREAD = Limits(Limit(10), Limit(25), beyond=Beyond.SPREAD)
STRICTER = Rule("stale", Action.DELETE, (StatusIn(frozenset({"idle", "failed"})), Idle(DAY_S)))


def backlog(story: Story, count: int, *, first: int = 0, days: float = 10) -> list[str]:
    """Sessions of which each was used an hour after the one before it; the names do not tell."""
    version, names = story.platform.agent("a").latest, []
    for number in range(first, first + count):
        used = int(true_time() - days * DAY_S + number * HOUR_S / 60)
        names.append(f"old-{number * 7919 % 10_007:06d}")
        story.platform.place("a", StoredSession(names[-1], version, used - HOUR_S, used))
    return names


def spreading(**limits: Any) -> Story:
    story = Story()
    story.options["limits"] = replace(SPREAD, **limits)
    return story


async def swept(story: Story, **scope: Any) -> Swept:
    report = one(await story.sweep(**scope))
    assert isinstance(report, Swept)
    return report


@tell
async def test_a_backlog_is_worked_off_longest_overdue_first_and_never_beyond_the_limits() -> None:
    story = spreading()
    names = backlog(story, 60)
    story.create(100, "fresh")
    days: list[int] = []
    for _ in range(3):
        began = len(story.deleted())
        for _ in range(8):
            before = len(story.deleted())
            report = await swept(story)
            assert report.result is Result.OK
            went = story.deleted()[before:]
            assert len(went) <= 10
            assert sorted(went) == sorted(names[before : before + len(went)])
            story.restart()
            for name in [session for session in story.left() if session.startswith("fresh")]:
                story.platform.use("a", name)
            await asyncio.sleep(3 * HOUR_S)
        days.append(len(story.deleted()) - began)
    assert days == [25, 25, 10]
    assert len(story.deleted()) == len(names)


@tell
async def test_with_a_grace_the_first_sweep_says_how_long_it_will_take_and_the_oldest_still_go_first() -> None:
    story = spreading()
    story.options["grace_s"] = DAY_S
    names = backlog(story, 60)
    first = await swept(story)
    told = "once due, 60 deletes go by the limits, the longest overdue first: about 7 sweeps, 2 days"
    assert first.notes == (told,)
    await asyncio.sleep(DAY_S)
    second = await swept(story)
    assert second.notes == ("50 deletes left: about 6 more sweeps, 2 days",)
    assert sorted(story.deleted()) == sorted(names[:10])


@tell
async def test_a_spread_plan_waits_for_nobody() -> None:
    story = spreading()
    backlog(story, 60)
    run = await story.sweep()
    report = one(run)
    assert isinstance(report, Swept)
    assert (report.result, report.why, report.waiting) == (Result.OK, "", {})
    assert report.blocked == {"limit_sweep": 50}
    told = summary_json(report)
    assert told["backlog"] == [{"action": "delete", "left": 50, "sweeps": 6, "days": 2}]
    assert (told["jump"], told["notes"]) == (None, ["50 deletes left: about 6 more sweeps, 2 days"])
    assert exit_of(run) is Exit.DONE
    assert exit_of(await story.sweep(rehearsal=True), planned=True) is Exit.PLANNED
    assert story.store.plans.latest(9) == []


@tell
async def test_what_goes_by_turns_is_shown_before_what_waits_for_its_turn() -> None:
    story = spreading()
    backlog(story, 60)
    report = await swept(story)
    assert [each["outcome"] for each in decisions(report)] == ["done"] * 10 + ["limit_sweep"] * 50


@tell
async def test_one_setting_lets_a_plan_that_waits_be_worked_off() -> None:
    story = spreading(beyond=Beyond.WITHHOLD)
    backlog(story, 60)
    assert (await swept(story)).result is Result.WITHHELD
    story.options["limits"] = SPREAD
    assert (await swept(story)).result is Result.OK
    assert len(story.deleted()) == 10


@tell
async def test_what_was_approved_goes_beside_what_the_limits_let_through() -> None:
    story = spreading(beyond=Beyond.WITHHOLD)
    backlog(story, 15)
    waiting = await swept(story)
    assert story.store.plans.approve(waiting.plan.id, true_time())
    story.options["limits"] = SPREAD
    backlog(story, 12, first=15)
    assert (await swept(story)).result is Result.OK
    assert len(story.deleted()) == 25


async def jumped(story: Story) -> Swept:
    """A policy that catches ten of a hundred is changed, and catches all."""
    backlog(story, 10)
    story.create(90, "fresh")
    await asyncio.sleep(2 * DAY_S)
    await swept(story)
    assert len(story.deleted()) == 10
    story.rules = (STRICTER,)
    return await swept(story)


@tell
async def test_a_changed_policy_that_newly_catches_much_is_withheld_whole_across_restarts() -> None:
    story = spreading()
    report = await jumped(story)
    assert (report.result, report.blocked) == (Result.WITHHELD, {"jump": 90})
    assert summary_json(report)["jump"] == "90 candidates where 10 were, limit jump: 25% allows 22 more"
    assert report.why.startswith("90 candidates where 10 were, limit jump: 25% allows 22 more. Look: ")
    for _ in range(3):
        story.restart()
        await asyncio.sleep(DAY_S)
        assert (await swept(story)).result is Result.WITHHELD
    assert exit_of(await story.sweep()) is Exit.WITHHELD
    assert len(story.deleted()) == 10


@tell
async def test_an_approval_of_a_jump_lets_its_plan_run_and_the_next_ones_are_spread() -> None:
    story = spreading()
    report = await jumped(story)
    assert story.store.plans.approve(report.plan.id, true_time())
    story.restart()
    assert (await swept(story)).result is Result.OK
    assert len(story.deleted()) == 100
    await asyncio.sleep(2 * DAY_S)
    story.create(90, "later")
    backlog(story, 20)
    report = await swept(story)
    assert (report.result, len(story.deleted())) == (Result.OK, 110)


@tell
async def test_a_jump_is_over_when_the_number_falls_again() -> None:
    story = spreading()
    await jumped(story)
    story.rules = (STALE,)
    assert (await swept(story)).result is Result.OK
    assert len(story.deleted()) == 10
    told = [entry.intent.rule for entry in story.store.journal.history(ActionFilter()) if isinstance(entry, Entry)]
    assert [event for event in told if event.startswith("jump")] == ["jump_found", "jump_over"]
    assert story.store.journal.verify().doubts == ()


@tell
async def test_grace_gives_no_leave_to_jump_and_a_person_is_asked_before_it_is_over() -> None:
    story = spreading()
    story.options["grace_s"] = DAY_S
    story.create(90, "fresh")
    await asyncio.sleep(2 * DAY_S)
    await swept(story)
    story.rules = (STRICTER,)
    assert (await swept(story)).blocked == {"jump": 90}
    await asyncio.sleep(DAY_S)
    report = await swept(story)
    assert report.blocked == {"jump": 90}
    assert story.store.plans.approve(report.plan.id, true_time())
    await swept(story)
    assert len(story.deleted()) == 90


@tell
async def test_a_sweep_that_is_not_believed_makes_no_level() -> None:
    story = spreading()
    story.must_see = frozenset({"canary-000001"})
    story.create(90, "fresh")
    await asyncio.sleep(2 * DAY_S)
    story.rules = (STRICTER,)
    assert (await swept(story)).result is Result.UNTRUSTED
    assert story.store.level("p", "a") is None


@tell
async def test_a_rehearsal_tells_of_a_jump_and_remembers_nothing() -> None:
    story = spreading()
    backlog(story, 10)
    story.create(90, "fresh")
    await asyncio.sleep(2 * DAY_S)
    await swept(story)
    known = story.store.level("p", "a")
    story.rules = (STRICTER,)
    assert (await swept(story, rehearsal=True)).blocked == {"jump": 90}
    assert story.store.level("p", "a") == known


@tell
async def test_observing_by_hand_forgets_no_jump() -> None:
    story = spreading()
    await jumped(story)
    for scope in ({"observe": True}, {}):
        report = await swept(story, **scope)
        assert report.plan.jump is not None
    story.options["mode"] = Mode.OBSERVE
    assert (await swept(story)).plan.jump is not None
    story.options["mode"] = Mode.ENFORCE
    assert (await swept(story)).blocked == {"jump": 90}

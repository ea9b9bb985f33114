"""A sweep whose candidates lie on disk: it decides, tells and does what one does that has them in memory."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from reaper.core.conditions import Idle, StatusIn
from reaper.core.model import Action
from reaper.core.plan import Items
from reaper.core.policy import Limit, Limits, Rule
from reaper.engine.report import Result, Swept
from reaper.engine.runner import Run
from reaper.engine.status_json import run_json, run_text
from reaper.listing.spool import Spool
from reaper.web.page.detail import candidates
from reaper.web.page.digest import digest
from tests.scenarios.story import DAY_S, HOUR_S, STALE, Story, tell

BROKEN = Rule("broken", Action.DELETE, (StatusIn(frozenset({"failed"})), Idle(3 * DAY_S)))
RUNAWAY = Rule("runaway", Action.STOP, (StatusIn(frozenset({"active"})), Idle(HOUR_S // 2)))
STRICT = Limits(Limit(3), Limit(100))


async def story_of(little: bool, **options: Any) -> Story:
    """Ninety sessions, most of them stale, and a process that has little memory or enough."""
    story = Story()
    story.rules = (BROKEN, STALE, RUNAWAY)
    story.options |= options
    await story.stale_and_fresh(70, 20)
    for number, name in enumerate(sorted(story.left())):
        if number % 9 == 4:
            story.platform.fail("a", name)
    if little:
        story.sweeper.spooling = lambda _: Spool(in_memory_max=0, run_min=7)
        story.store.marks_at_a_time, story.store.plans.lines_at_a_time = 5, 7
    return story


def swept(run: Run) -> Swept:
    (report,) = run.swept
    return report


def told(run: Run) -> dict[str, Any]:
    """What is the same in two worlds: all but names of sweeps and how long they took."""
    shown = run_json(run)
    for sweep in shown["sweeps"]:
        del sweep["sweep_id"], sweep["duration_seconds"]
    return shown


@pytest.mark.parametrize("grace_h", [0, 48])
@pytest.mark.parametrize("limits", [STRICT, Limits(Limit(100), Limit(100))], ids=["withheld", "allowed"])
def test_a_sweep_with_its_candidates_on_disk_says_and_does_what_one_in_memory_does(
    grace_h: int, limits: Limits
) -> None:
    seen: dict[bool, list[Any]] = {False: [], True: []}

    def live(little: bool) -> None:
        @tell
        async def lived() -> None:
            story = await story_of(little, grace_s=grace_h * HOUR_S, limits=limits)
            for _ in range(3):
                run = await story.sweep()
                report = swept(run)
                assert not report.plan.tally.total or isinstance(report.plan.items, Items) is not little
                seen[little] += [
                    told(run),
                    [mark.seen.id for mark in report.plan.marks or ()],
                    digest(report).groups,
                    candidates(report, report.plan.now),
                    candidates(report.settled(), report.plan.now),
                    story.store.marks("p", "a"),
                    story.store.plans.known(run.plan_id),
                    sorted(story.deleted()),
                ]
                await asyncio.sleep(25 * HOUR_S)

        lived()

    live(little=False)
    live(little=True)
    assert seen[True] == seen[False]
    assert seen[True][0]["sweeps"][0]["decisions"]


@tell
async def test_a_plan_on_disk_is_approved_and_carried_out() -> None:
    story = await story_of(little=True, limits=STRICT)
    run = await story.sweep()
    report = swept(run)
    assert (report.result, len(story.deleted())) == (Result.WITHHELD, 0)
    assert story.store.plans.approve(run.plan_id, story.emulator.now())
    again = swept(await story.sweep())
    assert (again.result, len(again.outcomes)) == (Result.OK, report.plan.tally.total)
    assert len(story.deleted()) == report.totals["delete"]


@tell
async def test_what_the_daemon_remembers_of_a_sweep_is_bounded_and_says_how_many_there_were() -> None:
    story = await story_of(little=True, grace_s=DAY_S)
    report = swept(await story.sweep())
    kept = story.live.latest["p", "a"]
    assert isinstance(kept, Swept)
    assert isinstance(kept.plan.items, Items)
    assert (kept.totals, kept.blocked, kept.by_rule) == (report.totals, report.blocked, report.by_rule)
    assert kept.oldest_overdue_s == report.oldest_overdue_s > 0
    assert {item.session.id for item in kept.plan.items} == {item.session.id for item in report.plan.items}


@tell
async def test_the_json_of_a_run_is_written_as_it_is_read() -> None:
    story = await story_of(little=True, limits=STRICT)
    run = await story.sweep()
    pieces = run_text(run)
    assert len(next(pieces)) < 50
    text = "{" + "".join(pieces)
    assert json.loads(text) == run_json(run)
    assert text == json.dumps(run_json(run), indent=2) + "\n"


@tell
async def test_the_json_of_a_run_that_met_nobody_is_whole() -> None:
    story = Story()
    run = await story.sweep()
    assert "".join(run_text(run)) == json.dumps(run_json(run), indent=2) + "\n"
    assert (
        "".join(run_text(replace(run, reports=()))) == json.dumps(run_json(replace(run, reports=())), indent=2) + "\n"
    )


@tell
async def test_a_sweep_that_can_put_its_candidates_nowhere_fails_and_says_where_it_wanted_to() -> None:
    story = await story_of(little=True)
    story.sweeper.spooling = lambda _: Spool("/nowhere/at-all", in_memory_max=0, run_min=7)
    (report,) = (await story.sweep()).reports
    assert report.result is Result.FAILED
    assert "cannot be put on disk in /nowhere/at-all: No such file" in report.why
    assert not story.deleted()

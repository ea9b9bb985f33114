"""Approvals, by a person at any moment and in a file: what they let through, and what is said of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from structlog.testing import capture_logs

from reaper.core.plan import Plan
from reaper.core.policy import Limits, Mode
from reaper.engine.events import Event, Planned, SweepEnded, UnknownApprovals, to_all
from reaper.engine.report import Result, Swept
from reaper.engine.runner import Scope
from tests.scenarios.story import DAY_S, HOUR_S, Story, one, tell
from tests.scenarios.test_lists_that_lie import turned_stale

NOBODY = "0" * 32


class Told:
    """Looks up every plan that is told, at that moment."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.unknown: list[str] = []
        self.told: list[str] = []
        self.doubted: list[list[str]] = []

    def hear(self, event: Event) -> None:
        match event:
            case Planned(plan=plan) | SweepEnded(Swept(plan=plan)):
                self._look(plan)
            case UnknownApprovals(names):
                self.doubted.append(list(names))

    def _look(self, plan: Plan) -> None:
        if plan.foreseen:
            self.told.append(plan.id)
            if not self.story.store.plans.known(plan.id):
                self.unknown.append(plan.id)


def heard(story: Story) -> Told:
    told = Told(story)
    story.sweeper.listener = to_all(story.live.hear, told.hear)
    return told


async def backlog(story: Story) -> None:
    """More than the limits allow, and a plan that waits for a person."""
    story.options["limits"] = Limits()
    await story.stale_and_fresh(40, 60)


@tell
async def test_an_id_can_be_approved_at_the_moment_in_which_it_is_told() -> None:
    story = Story("a", "b")
    await backlog(story)
    story.create(30, "other", "b")
    told = heard(story)
    for scope in ({"rehearsal": True}, {"observe": True}, {}):
        run = await story.sweep(**scope)
        assert story.store.plans.known(run.plan_id)
    assert len(told.told) >= 6
    assert told.unknown == []


@tell
async def test_a_plan_is_approved_while_another_agents_sweep_still_runs() -> None:
    story = Story("a", "b", latency_s=1.0)
    await backlog(story)
    plan = one(await story.sweep(agent="a")).plan
    assert plan is not None
    running = asyncio.create_task(story.sweep())
    await asyncio.sleep(3)
    assert not running.done()
    assert story.store.plans.approve(plan.id, story.clock.wall())
    await running
    await story.sweep()
    assert len(story.deleted()) == 40


@tell
async def test_an_approval_in_a_file_holds_when_many_sweeps_came_between() -> None:
    story = Story()
    await backlog(story)
    plan = one(await story.sweep()).plan
    assert plan is not None
    for number in range(30):
        story.platform.use("a", f"stale-{number % 5:06d}")
        await asyncio.sleep(HOUR_S)
        report = one(await story.sweep())
        assert report.plan is not None
        assert report.result is Result.WITHHELD
    story.approvals = (plan.id,)
    await story.sweep()
    assert len(story.deleted()) == 35


@tell
async def test_a_rehearsal_judges_with_the_approvals_of_the_file_and_gives_none() -> None:
    story = Story()
    await backlog(story)
    plan = one(await story.sweep()).plan
    assert plan is not None
    story.approvals = (plan.id,)
    shown = one(await story.sweep(rehearsal=True))
    assert shown.result is Result.OK
    assert shown.plan is not None
    assert sum(item.approved and item.hold is None for item in shown.plan.items) == 40
    assert story.deleted() == []
    story.approvals = ()
    assert one(await story.sweep()).result is Result.WITHHELD
    assert story.deleted() == []


@tell
async def test_a_rehearsal_shows_the_breaker_closed_that_the_files_approval_will_close_and_leaves_it_open() -> None:
    story = Story()
    report = await turned_stale(story)
    assert report.plan is not None
    story.fault()
    story.approvals = (report.plan.id,)
    assert one(await story.sweep(rehearsal=True)).breaker is None
    story.approvals = ()
    assert one(await story.sweep()).breaker is not None


@tell
async def test_an_approval_that_no_plan_has_is_told_until_its_plan_is_made_or_it_is_removed() -> None:
    story = Story()
    await backlog(story)
    told = heard(story)
    story.approvals = (NOBODY,)
    await story.sweep()
    assert list(story.live.approvals_unknown) == [NOBODY]
    story.approvals = ()
    await story.sweep()
    assert list(story.live.approvals_unknown) == []
    assert told.doubted == [[NOBODY], []]


@tell
async def test_an_unknown_approval_is_logged_once_for_each_configuration_and_not_in_every_sweep() -> None:
    story = Story()
    story.create(3, "fresh")
    story.approvals = (NOBODY,)
    for fingerprint, logged in (("one", 1), ("one", 0), ("two", 1), ("two", 0)):
        with capture_logs() as lines:
            await story.sweeper.run(replace(story.settings, fingerprint=fingerprint), Scope())
        said = [line for line in lines if line["event"] == "unknown_approvals"]
        assert [line["plans"] for line in said] == [[NOBODY]] * logged


@tell
async def test_an_approval_that_was_used_up_and_forgotten_is_not_told_to_be_unknown() -> None:
    story = Story()
    await backlog(story)
    plan = one(await story.sweep()).plan
    assert plan is not None
    story.approvals = (plan.id,)
    await story.sweep()
    (standing,) = story.store.plans.standing_approvals(story.approvals)
    assert (standing.begun, standing.actions) == (40, 40)
    story.options["mode"] = Mode.OBSERVE
    await asyncio.sleep(15 * DAY_S)
    await story.sweep()
    assert story.store.plans.known(plan.id) == []
    assert list(story.live.approvals_unknown) == []
    (standing,) = story.store.plans.standing_approvals(story.approvals)
    assert standing.plans == ()
    assert standing.given is not None

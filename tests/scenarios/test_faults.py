"""Scenarios 17 to 23: the platform, the network or the token fails."""

from __future__ import annotations

import asyncio

import pytest

from reaper.core.model import OutcomeKind
from reaper.emulator import Fault
from reaper.emulator.routing import RoutedCall
from reaper.engine.report import Report, Result
from tests.record import entries
from tests.scenarios.story import HOUR_S, Story, one, tell


def kinds(report: Report) -> set[OutcomeKind]:
    return {outcome.kind for outcome in report.outcomes}


@pytest.mark.parametrize(("wait", "form"), [(None, "seconds"), (5, "seconds"), (5, "date"), (0, "seconds")])
def test_a_storm_of_429_is_waited_out_with_few_requests(wait: float | None, form: str) -> None:
    @tell
    async def told() -> None:
        story = Story()
        await story.stale_and_fresh(20, 20)
        story.fault(Fault("*", status=429, times=12, retry_after_seconds=wait, retry_after_form=form))
        began = story.clock.monotonic()
        for _ in range(4):
            await story.sweep()
        assert len(story.deleted()) == 20
        assert story.clock.monotonic() - began > (5 if wait else 0.5)
        assert sum(story.sent().values()) < 12 + 4 * 5 + 3 * 20 * 2

    told()


@tell
async def test_after_being_throttled_a_session_is_looked_at_again_before_it_is_deleted() -> None:
    story = Story()
    await story.stale_and_fresh(1, 3)
    story.fault(Fault("delete", status=429, times=1, retry_after_seconds=30))
    seen: list[str] = []

    def use_while_waiting(call: RoutedCall) -> None:
        seen.append(call.operation)
        if seen.count("delete") == 1 and call.operation == "get":
            story.platform.use("a", "stale-000000")

    story.emulator.api.on_call = use_while_waiting
    report = one(await story.sweep())
    assert kinds(report) == {OutcomeKind.CHANGED}
    assert story.deleted() == []


@tell
async def test_without_a_fresh_look_nothing_is_deleted() -> None:
    story = Story()
    await story.stale_and_fresh(5, 5)
    story.fault(Fault("get", status=500))
    report = one(await story.sweep())
    assert kinds(report) == {OutcomeKind.FAILED}
    assert story.sent()["delete"] == 0


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("delete", drop="after"), OutcomeKind.DONE),
        (Fault("delete", drop="before"), OutcomeKind.FAILED),
        (Fault("delete", hang="after"), OutcomeKind.DONE),
        (Fault("delete", hang="before"), OutcomeKind.FAILED),
        (Fault("delete", status=500, effect=True), OutcomeKind.DONE),
    ],
)
def test_a_delete_without_an_answer_is_resolved_by_a_look_and_counted_once(fault: Fault, kind: OutcomeKind) -> None:
    @tell
    async def told() -> None:
        story = Story()
        await story.stale_and_fresh(2, 3)
        story.fault(fault)
        assert kinds(one(await story.sweep())) == {kind}
        story.fault()
        await story.sweep()
        assert sorted(story.deleted()) == ["stale-000000", "stale-000001"]
        outcomes = [e.outcome for e in entries(story.store.journal) if e.kind == "outcome"]
        assert outcomes.count("done") == 2

    told()


@tell
async def test_a_delete_that_cannot_be_looked_into_stays_in_doubt_until_a_later_sweep_finds_out() -> None:
    story = Story()
    await story.stale_and_fresh(1, 3)
    story.fault(Fault("delete", drop="after"), Fault("get", status=500, after=1))
    assert kinds(one(await story.sweep())) == {OutcomeKind.IN_DOUBT}
    story.fault()
    await story.sweep()
    outcomes = [e.outcome for e in entries(story.store.journal) if e.kind == "outcome"]
    assert outcomes == ["in_doubt", "done"]
    assert story.store.journal.open("p", "a") == []


@tell
async def test_deletes_without_effect_are_unverified_and_open_the_breaker() -> None:
    story = Story()
    await story.stale_and_fresh(10, 10)
    story.fault(Fault("delete", lie="ghost_delete"))
    report = one(await story.sweep())
    assert kinds(report) == {OutcomeKind.UNVERIFIED}
    assert report.breaker is not None
    tried = story.sent()["delete"]
    assert tried < 10
    story.restart()
    story.fault()
    await story.sweep()
    assert story.sent()["delete"] == tried


@tell
async def test_a_token_that_ends_in_mid_sweep_fails_the_sweep_and_nothing_more_is_sent() -> None:
    story = Story()
    await story.stale_and_fresh(10, 10)

    def expire(call: RoutedCall) -> None:
        story.emulator.api.require_token = story.emulator.api.require_token or call.operation == "get"

    story.emulator.api.on_call = expire
    report = one(await story.sweep())
    assert report.result is Result.FAILED
    assert story.sent()["delete"] == 0
    assert story.deleted() == []


@tell
async def test_a_403_on_one_agent_names_the_missing_role_and_the_others_go_on() -> None:
    story = Story("a", "b")
    story.create(5, "stale", "b")
    await story.stale_and_fresh(5, 5)
    story.fault(Fault("list", agent="a", status=403, code="session_not_accessible"))
    run = await story.sweep()
    assert one(run, "a").result is Result.FAILED
    assert "Foundry User" in one(run, "a").why
    assert len(story.deleted("b")) == 5


@tell
async def test_a_connection_that_hangs_ends_at_its_deadline() -> None:
    story = Story("a", "b")
    story.create(5, "stale", "b")
    await story.stale_and_fresh(5, 5)
    story.fault(Fault("list", agent="a", hang=True))
    began = story.clock.monotonic()
    run = await story.sweep()
    assert story.clock.monotonic() - began < HOUR_S
    assert one(run, "a").result in {Result.FAILED, Result.INCOMPLETE}
    assert len(story.deleted("b")) == 5


@tell
async def test_a_look_that_hangs_ends_at_its_deadline_and_nothing_is_deleted() -> None:
    story = Story()
    await story.stale_and_fresh(2, 5)
    story.fault(Fault("get", hang=True))
    began = story.clock.monotonic()
    await story.sweep()
    assert story.clock.monotonic() - began < HOUR_S
    assert story.sent()["delete"] == 0
    await asyncio.sleep(0)


@tell
async def test_the_next_process_asks_as_fast_as_the_last_one_found_that_it_may() -> None:
    story = Story()
    await story.stale_and_fresh(300, 0)
    [project] = story.settings.projects
    story.store.put_rates({project.connection.endpoint: 120.0, "https://gone.example": 7.0})
    story.fault(Fault("get", status=429, retry_after_seconds=1, after=250, times=1))
    await story.sweep()
    [(endpoint, found)] = story.store.rates().items()
    assert endpoint == project.connection.endpoint
    assert 1 < found < 120
    story.restart()
    await story.sweep()
    [pace] = story.sweeper.connect._paces.values()  # type: ignore[attr-defined]
    assert pace.found is None
    assert pace.rate == pytest.approx(found, rel=0.1)


@tell
async def test_a_rehearsal_keeps_no_rates() -> None:
    story = Story()
    await story.stale_and_fresh(300, 0)
    [project] = story.settings.projects
    story.store.put_rates({project.connection.endpoint: 120.0})
    story.fault(Fault("list", status=429, retry_after_seconds=1, after=10, times=1))
    await story.sweep(observe=True, rehearsal=True)
    assert story.store.rates() == {project.connection.endpoint: 120.0}
    await story.sweep(observe=True)
    assert story.store.rates() != {project.connection.endpoint: 120.0}


@tell
async def test_while_the_agents_of_a_project_are_being_found_no_further_run_asks_for_them() -> None:
    story = Story()
    await story.stale_and_fresh(3, 3)
    story.fault(Fault("list_agents", hang="before"))
    first = asyncio.create_task(story.sweep())
    await asyncio.sleep(5)
    asked = story.sent()["list_agents"]
    assert (await story.sweep()).reports == ()
    assert story.sent()["list_agents"] == asked == 1
    await first
    story.fault()
    assert one(await story.sweep()).result is Result.OK

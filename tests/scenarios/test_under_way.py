"""What is told of a sweep while it is under way: its plan once that stands, and nothing too early."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest

from reaper.core.policy import Limits, Mode
from reaper.emulator import Fault
from reaper.engine.report import Result, Swept
from reaper.engine.status_json import decisions, status_json
from reaper.store.database import StateError
from reaper.telemetry import PREFIX, Metrics
from tests.clock import true_time
from tests.scenarios.story import HOUR_S, Story, one, tell
from tests.scenarios.test_liveness import House, in_house

Key = ("p", "a")


def exported(story: Story, name: str) -> dict[str, float]:
    """The samples of one metric, by their labels as they are written."""
    lines = generate_latest(Metrics(story.live).registry).decode().splitlines()
    split = (line.removeprefix(PREFIX).rpartition(" ") for line in lines if line.startswith(f"{PREFIX}{name}"))
    return {labels.removeprefix(name): float(value) for labels, _, value in split}


async def backlog(story: Story) -> None:
    """Forty sessions more than the limits allow."""
    story.options["limits"] = Limits()
    await story.stale_and_fresh(40, 60)


async def while_deleting(story: Story) -> asyncio.Task[None]:
    """A sweep that has deleted something, and has more to delete."""

    async def go() -> None:
        await story.sweep()

    sweeping = asyncio.create_task(go())
    for _ in range(1_000):
        if not story.live.recent:
            await asyncio.sleep(0.1)
    assert not sweeping.done()
    return sweeping


@tell
async def test_an_approved_plan_that_is_being_carried_out_waits_no_longer() -> None:
    story = Story(latency_s=1.0)
    await backlog(story)
    withheld = one(await story.sweep())
    assert isinstance(withheld, Swept)
    assert exported(story, "withheld")['{agent="a",project="p",reason="limit_sweep"}'] == 40
    story.store.plans.approve(withheld.plan.id, story.clock.wall())
    sweeping = await while_deleting(story)
    assert set(exported(story, "withheld").values()) == {0}
    assert set(exported(story, "blocked").values()) == {0}
    told = [planned["outcome"] for planned in status_json(story.live)["planned"]]
    assert told.count("done") == len(story.live.recent) > 0
    assert set(told) == {"planned", "done"}
    assert "being carried out" in " ".join(status_json(story.live)["agents"][0]["notes"])
    await sweeping
    assert len(story.deleted()) == 40
    assert status_json(story.live)["agents"][0]["notes"] == []


@tell
async def test_a_plan_waits_from_the_moment_on_that_it_is_made() -> None:
    story = Story(latency_s=1.0)
    story.options["mode"] = Mode.OBSERVE
    await backlog(story)
    await story.sweep()
    assert exported(story, "blocked")['{agent="a",project="p",reason="observe"}'] == 40
    story.options["mode"] = Mode.ENFORCE
    await story.sweep()
    assert exported(story, "blocked")['{agent="a",project="p",reason="observe"}'] == 0
    assert exported(story, "withheld")['{agent="a",project="p",reason="limit_sweep"}'] == 40


@tell
async def test_a_sweep_that_is_under_way_is_no_success_yet_and_makes_nothing_ready() -> None:
    story = Story(latency_s=1.0)
    await story.stale_and_fresh(40, 60)
    sweeping = await while_deleting(story)
    assert isinstance(story.live.latest[Key], Swept)
    assert not story.live.succeeded
    assert not story.live.ready
    await sweeping
    assert story.live.succeeded
    assert story.live.ready


@tell
async def test_when_a_sweep_began_is_told_only_while_it_is_under_way() -> None:
    story = Story(latency_s=1.0)
    await story.stale_and_fresh(40, 60)
    assert exported(story, "sweep_started_timestamp_seconds") == {}
    began = story.clock.wall()
    sweeping = await while_deleting(story)
    assert exported(story, "sweep_started_timestamp_seconds") == {
        '{agent="a",project="p"}': pytest.approx(began, abs=5)
    }
    assert [(one["project"], one["agent"]) for one in status_json(story.live)["sweeping"]] == [Key]
    await sweeping
    assert exported(story, "sweep_started_timestamp_seconds") == {}
    assert status_json(story.live)["sweeping"] == []


@pytest.mark.parametrize("fault", [Fault(operation="list", status=403), Fault(operation="list", drop="before")])
def test_a_sweep_that_fails_is_under_way_no_more(fault: Fault) -> None:
    @tell
    async def told() -> None:
        story = Story()
        story.create(3, "one")
        await asyncio.sleep(HOUR_S)
        story.fault(fault)
        assert one(await story.sweep()).result is not Result.OK
        assert story.live.sweeping == {}

    told()


@tell
async def test_a_sweep_that_crashes_is_under_way_no_more_and_what_it_planned_is_forgotten() -> None:
    story = Story()
    await story.stale_and_fresh(4, 60)

    def full(*_: object) -> None:
        raise StateError("no room")

    story.store.put_level = full  # type: ignore[method-assign]
    assert one(await story.sweep()).result is Result.FAILED
    assert story.live.sweeping == {}
    assert exported(story, "blocked") == {}


@tell
async def test_the_last_progress_is_told_once_something_has_ended_and_grows_within_a_sweep() -> None:
    story = Story(latency_s=1.0)
    await story.stale_and_fresh(40, 60)
    assert exported(story, "last_progress_timestamp_seconds") == {}
    sweeping = await while_deleting(story)
    first = exported(story, "last_progress_timestamp_seconds")[""]
    await sweeping
    last = exported(story, "last_progress_timestamp_seconds")[""]
    assert first < last <= true_time() + 5


def test_the_interval_is_that_of_the_schedule_and_a_process_that_stands_by_makes_no_progress(tmp_path: Path) -> None:
    async def told(house: House) -> None:
        live = house.daemon.live
        assert live.sweep_interval_s == 900
        assert [(project, policy.name) for project, policy in live.policies] == [("p", "p")]
        await asyncio.sleep(600)
        progressed = live.progressed_on
        assert progressed is not None
        live.standby = "another process sweeps"
        house.daemon._ending = "no more sweeps for now"
        await asyncio.sleep(HOUR_S)
        assert not house.stuck
        assert live.progressed_on == progressed

    in_house(tmp_path, told, 900)


@pytest.mark.long
@tell
async def test_a_sweep_that_deletes_until_its_hour_is_over_is_a_success_and_the_next_one_goes_on() -> None:
    story = Story()
    await story.stale_and_fresh(900, 3)
    story.fault(Fault(operation="delete", delay_seconds=25))
    first = one(await story.sweep())
    assert isinstance(first, Swept)
    assert first.result is Result.OK
    assert 0 < len(story.deleted()) < 900
    assert "left to the next sweep" in " ".join(first.notes)
    left = [each for each in decisions(first) if each["outcome"] == "not_tried"]
    assert len(left) == 900 - len(first.outcomes)
    assert all("left to the next sweep" in each["reason"] for each in left)
    assert story.live.succeeded
    while len(story.deleted()) < 900:
        assert one(await story.sweep()).result is Result.OK

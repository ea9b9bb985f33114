"""Scenarios 1 to 10: the list lies."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

from reaper.core.conditions import Age, StatusIn
from reaper.core.model import Action
from reaper.core.policy import Rule
from reaper.emulator import Fault
from reaper.emulator.routing import RoutedCall
from reaper.engine.discovery import ASKED_MAX
from reaper.engine.report import Report, Result
from reaper.listing import listing
from tests.scenarios.story import DAY_S, HOUR_S, Story, one, tell


@tell
async def test_an_empty_list_after_many_sessions_is_not_believed_and_the_marks_stay() -> None:
    story = Story()
    story.options["grace_s"] = 24 * HOUR_S
    await story.stale_and_fresh(30, 60)
    await story.sweep()
    marks = story.store.marks("p", "a")
    story.fault(Fault("list", lie="empty_list"))
    report = one(await story.sweep())
    assert (report.result, list(report.doubts)) == (Result.UNTRUSTED, ["empty"])
    assert story.store.marks("p", "a") == marks
    assert len(marks) == 30
    assert story.deleted() == []


@tell
async def test_a_lost_role_shrinks_the_list_and_nothing_is_deleted() -> None:
    story = Story()
    await story.stale_and_fresh(60, 140)
    await story.sweep(observe=True)
    story.fault(Fault("list", lie="only_own"))
    report = one(await story.sweep())
    assert (report.result, list(report.doubts)) == (Result.UNTRUSTED, ["shrunk"])
    assert list(story.live.trusted()) == []
    assert story.deleted() == []


@tell
async def test_a_missing_must_see_session_makes_every_agent_of_the_project_unbelieved() -> None:
    story = Story("a", "b")
    story.must_see = frozenset({"canary-000001"})
    story.create(5, "stale", "b")
    await story.stale_and_fresh(5, 5)
    run = await story.sweep()
    assert {report.result for report in run.reports} == {Result.UNTRUSTED}
    assert all("must_see" in report.doubts and "canary-000001" in report.why for report in run.reports)
    assert story.deleted() == []
    story.platform.create("b", "canary-000001")
    await story.sweep()
    assert len(story.deleted()) == 10


@tell
async def test_a_list_that_grew_beyond_belief_is_only_observed() -> None:
    story = Story()
    await story.stale_and_fresh(5, 5)
    await story.sweep()
    story.create(400, "flood")
    await asyncio.sleep(HOUR_S)
    report = one(await story.sweep())
    assert list(report.doubts) == ["grown"]


@tell
async def test_our_own_deletions_do_not_make_a_list_look_shrunk() -> None:
    story = Story()
    await story.stale_and_fresh(200, 20)
    await story.sweep()
    report = one(await story.sweep())
    assert len(story.deleted()) == 200
    assert report.result is Result.OK


@tell
async def test_a_cursor_that_loops_ends_the_sweep_incomplete() -> None:
    story = Story()
    await story.stale_and_fresh(20, 20)
    story.fault(Fault("list", lie="loop_cursor"))
    report = one(await story.sweep())
    assert report.result is Result.INCOMPLETE
    assert "cursor repeats" in report.why
    assert story.deleted() == []


@tell
async def test_pages_that_never_end_end_the_sweep_incomplete() -> None:
    story = Story()
    await story.stale_and_fresh(20, 20)
    story.fault(Fault("list", lie="endless"))
    kept = listing.PAGES_MAX
    listing.PAGES_MAX = 50  # type: ignore[misc]
    try:
        report = one(await story.sweep())
    finally:
        listing.PAGES_MAX = kept  # type: ignore[misc]
    assert report.result is Result.INCOMPLETE
    assert "did not end within 50 pages" in report.why
    assert story.deleted() == []


@tell
async def test_a_session_on_two_pages_is_counted_and_deleted_once() -> None:
    story = Story()
    await story.stale_and_fresh(25, 25)
    story.fault(Fault("list", lie="duplicate"))
    report = one(await story.sweep())
    assert report.snapshot is not None
    assert report.snapshot.sessions == 50
    assert sorted(story.deleted()) == sorted(set(story.deleted()))
    assert len(story.deleted()) == 25


@tell
async def test_of_two_copies_the_more_recently_used_one_counts() -> None:
    story = Story()
    await story.stale_and_fresh(25, 5)
    story.fault(Fault("list", lie="duplicate"))

    def use_between_pages(call: RoutedCall) -> None:
        if call.operation == "list" and story.sent()["list"] == 2:
            story.platform.use("a", "stale-000009")

    story.emulator.api.on_call = use_between_pages
    await story.sweep()
    assert "stale-000009" not in story.deleted()
    assert len(story.deleted()) == 24


@tell
async def test_a_session_created_while_paging_is_below_the_floor_of_age_whatever_the_rule_says() -> None:
    story = Story()
    story.rules = (Rule("young", Action.DELETE, (StatusIn(frozenset({"failed", "idle"})), Age(1))),)
    await story.stale_and_fresh(15, 5)

    def create_between_pages(call: RoutedCall) -> None:
        if call.operation == "list" and not story.platform.find("a", "newborn-01"):
            story.platform.create("a", "newborn-01")
            story.platform.fail("a", "newborn-01")

    story.emulator.api.on_call = create_between_pages
    await story.sweep()
    assert "newborn-01" in story.left()
    await asyncio.sleep(299 - 60)
    await story.sweep()
    assert "newborn-01" in story.left()
    await asyncio.sleep(120)
    await story.sweep()
    assert "newborn-01" not in story.left()


@tell
async def test_a_cursor_whose_session_is_deleted_while_paging_restarts_the_listing() -> None:
    story = Story(tombstone_s=0.0)
    await story.stale_and_fresh(20, 20)

    def delete_the_cursor(call: RoutedCall) -> None:
        if call.operation == "list" and story.sent()["list"] == 2:
            story.platform.delete("a", "stale-000009")

    story.emulator.api.on_call = delete_the_cursor
    report = one(await story.sweep())
    assert report.result is Result.OK
    assert len(story.deleted()) == 19


@tell
async def test_a_cursor_that_is_lost_again_and_again_ends_the_sweep_incomplete() -> None:
    story = Story()
    await story.stale_and_fresh(20, 20)
    story.fault(*(Fault("list", status=400, code="invalid_cursor", after=after, times=1) for after in (1, 3, 5)))
    report = one(await story.sweep())
    assert report.result is Result.INCOMPLETE
    assert story.deleted() == []


@tell
async def test_a_page_that_fails_for_good_spares_that_agent_and_leaves_the_others_alone() -> None:
    story = Story("a", "b")
    story.create(20, "stale", "b")
    await story.stale_and_fresh(20, 20)
    story.fault(Fault("list", agent="a", status=500, after=2))
    run = await story.sweep()
    assert one(run, "a").result is Result.INCOMPLETE
    assert "page 3" in one(run, "a").why
    assert story.deleted("a") == []
    assert len(story.deleted("b")) == 20


@tell
async def test_a_few_malformed_records_are_kept_and_counted_by_reason() -> None:
    story = Story()
    await story.stale_and_fresh(40, 60)
    story.fault(Fault("*", session="stale-000001", lie="bad_field", field="last_accessed_at", value="yesterday"))
    report = one(await story.sweep())
    assert report.snapshot is not None
    assert dict(report.snapshot.malformed) == {"time_not_a_number": 1}
    assert len(story.deleted()) == 39
    assert "stale-000001" in story.left()


@tell
async def test_more_malformed_records_than_one_in_twenty_are_not_believed() -> None:
    for field, value in (
        ("created_at", None),
        ("last_accessed_at", 0),
        ("expires_at", 10**13),
        ("created_at", 9_999_999_999),
    ):
        story = Story()
        await story.stale_and_fresh(40, 60)
        story.fault(Fault("*", session="stale-00000*", lie="bad_field", field=field, value=value))
        report = one(await story.sweep())
        assert (report.result, list(report.doubts)) == (Result.UNTRUSTED, ["malformed"])
        assert story.deleted() == []


async def turned_stale(story: Story) -> Report:
    """A hundred sessions in daily use, of which the platform then says that nobody ever came back."""
    story.create(100, "daily")
    await asyncio.sleep(8 * DAY_S)
    for name in story.left():
        story.platform.use("a", name)
    await asyncio.sleep(HOUR_S)
    await story.sweep()
    story.fault(Fault("*", lie="stale_read"))
    return one(await story.sweep())


@tell
async def test_sessions_that_all_turn_stale_at_once_latch_the_breaker() -> None:
    story = Story()
    report = await turned_stale(story)
    assert report.result is Result.WITHHELD
    assert report.breaker is not None
    assert story.deleted() == []
    story.restart()
    assert one(await story.sweep()).breaker is not None
    story.fault()
    assert one(await story.sweep()).breaker is not None
    assert story.deleted() == []


@tell
async def test_an_approval_closes_the_breaker() -> None:
    story = Story()
    report = await turned_stale(story)
    assert report.plan is not None
    story.fault()
    story.approvals = (report.plan.id,)
    report = one(await story.sweep())
    assert report.breaker is None
    assert report.result is Result.OK
    assert story.deleted() == []


@tell
async def test_a_renamed_field_keeps_every_session() -> None:
    story = Story()
    await story.stale_and_fresh(20, 20)
    story.fault(
        Fault("*", lie="drop_field", field="last_accessed_at"),
        Fault("*", lie="add_field", field="last_used_at", value=1),
    )
    assert one(await story.sweep()).result is Result.UNTRUSTED
    assert story.deleted() == []


@tell
async def test_a_new_field_keeps_the_sessions_that_carry_it() -> None:
    story = Story()
    await story.stale_and_fresh(20, 20)
    story.fault(Fault("*", session="stale-00000*", lie="add_field", field="legal_hold", value=True))
    report = one(await story.sweep())
    assert report.blocked == {"strange_record": 10}
    assert report.snapshot is not None
    assert report.snapshot.strange == {"legal_hold"}
    assert len(story.deleted()) == 10


@tell
async def test_a_new_status_keeps_the_sessions_that_have_it() -> None:
    story = Story()
    await story.stale_and_fresh(20, 20)
    story.fault(Fault("*", session="stale-00000*", lie="bad_field", field="status", value="hibernating"))
    report = one(await story.sweep())
    assert report.snapshot is not None
    assert report.snapshot.unknown_statuses == {"hibernating"}
    assert len(story.deleted()) == 10


@tell
async def test_agents_missing_from_a_list_of_agents_that_the_platform_still_knows_make_it_unbelieved() -> None:
    story = Story(*"abcdef")
    await story.stale_and_fresh(5, 5)
    await story.sweep(observe=True)
    story.fault(_agents_told("a", "b"))
    run = await story.sweep()
    assert {report.agent for report in run.reports} == set("abcdef")
    assert {report.result for report in run.reports} == {Result.FAILED}
    assert all("the list of agents was cut short: it lacks 'c'" in report.why for report in run.reports)
    assert story.deleted() == []
    story.fault()
    assert {report.result for report in (await story.sweep()).reports} == {Result.OK}


@tell
async def test_a_new_process_remembers_the_agents_that_a_list_of_agents_lacks() -> None:
    story = Story(*"abcdef")
    await story.stale_and_fresh(5, 5)
    await story.sweep(observe=True)
    story.restart()
    story.fault(_agents_told())
    run = await story.sweep()
    assert [(report.result, "cut short" in report.why) for report in run.reports] == [(Result.FAILED, True)]


@tell
async def test_an_agent_that_cannot_be_asked_for_counts_as_one_that_is_still_there() -> None:
    story = Story("a", "b")
    await story.stale_and_fresh(5, 5)
    await story.sweep(observe=True)
    for doubtful in (
        Fault("get_agent", agent="b", status=403),
        Fault("get_agent", agent="b", status=404, body="<html>not here</html>"),
    ):
        story.fault(_agents_told("a"), doubtful)
        assert {report.result for report in (await story.sweep()).reports} == {Result.FAILED}
    assert story.deleted() == []


@tell
async def test_agents_that_were_deleted_are_no_reason_to_doubt_the_list_of_agents() -> None:
    story = Story(*"abc")
    await story.stale_and_fresh(5, 5)
    await story.sweep(observe=True)
    del story.platform.agents["b"], story.platform.agents["c"]
    asked = _agents_asked_for(story)
    run = await story.sweep()
    assert [(report.agent, report.result) for report in run.reports] == [("a", Result.OK)]
    assert len(story.deleted()) == 5
    await story.sweep()
    assert {name: count for name, count in asked.items() if name != "a"} == {"b": 1, "c": 1}


@tell
async def test_of_many_vanished_agents_some_are_asked_for_at_once_and_the_list_is_believed_after_all_were() -> None:
    story = Story("a", *(f"old-{number}" for number in range(ASKED_MAX + 5)))
    await story.sweep(observe=True)
    for name in [name for name in story.platform.agents if name != "a"]:
        del story.platform.agents[name]
    asked = _agents_asked_for(story)
    first = await story.sweep()
    assert len(asked) == ASKED_MAX
    assert {report.result for report in first.reports} == {Result.FAILED}
    second = await story.sweep()
    assert len(asked - Counter({"a": asked["a"]})) == ASKED_MAX + 5
    assert [(report.agent, report.result) for report in second.reports] == [("a", Result.OK)]


def _agents_asked_for(story: Story) -> Counter[str]:
    """How often each agent is asked for by name from now on."""
    asked: Counter[str] = Counter()

    def note(call: RoutedCall) -> None:
        if call.operation == "get_agent":
            asked[call.agent] += 1

    story.emulator.api.on_call = note
    return asked


def _agents_told(*names: str) -> Fault:
    """A list of agents that ends early, with nothing odd about it."""
    records = [{"id": name, "name": name, "versions": {"latest": {"version": "1"}}} for name in names]
    return Fault("list_agents", body=json.dumps({"object": "list", "data": records, "has_more": False}))

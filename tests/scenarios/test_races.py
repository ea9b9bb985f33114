"""Scenarios 11 to 16: somebody else acts at the same time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from reaper.core.model import Action, OutcomeKind
from reaper.core.policy import Limit, Limits
from reaper.emulator import Fault
from reaper.emulator.routing import RoutedCall
from reaper.engine.report import Result
from reaper.engine.runner import Scope
from tests.record import entries
from tests.scenarios.story import DAY_S, HOUR_S, Story, one, tell


@tell
async def test_a_session_used_between_list_and_delete_is_kept_and_unmarked() -> None:
    story = Story()
    story.options["grace_s"] = 6 * HOUR_S
    await story.stale_and_fresh(3, 3)
    await story.sweep()
    await asyncio.sleep(7 * HOUR_S)

    def use_before_the_last_look(call: RoutedCall) -> None:
        if (call.operation, call.session) == ("get", "stale-000001"):
            story.platform.use("a", "stale-000001")

    story.emulator.api.on_call = use_before_the_last_look
    report = one(await story.sweep())
    assert {o.item.session.id: o.kind for o in report.outcomes}["stale-000001"] is OutcomeKind.CHANGED
    assert sorted(story.deleted()) == ["stale-000000", "stale-000002"]
    assert "stale-000001" not in {key[0] for key in story.store.marks("p", "a")}


@tell
async def test_a_session_busy_in_one_long_call_is_not_deleted_although_its_last_access_is_old() -> None:
    story = Story()
    story.create(3, "stale")
    story.platform.busy("a", "stale-000001", 20 * DAY_S)
    await asyncio.sleep(10 * DAY_S)
    await story.sweep()
    assert sorted(story.deleted()) == ["stale-000000", "stale-000002"]


@tell
async def test_a_session_made_anew_under_the_same_id_does_not_inherit_the_mark() -> None:
    story = Story()
    story.options["grace_s"] = 24 * HOUR_S
    await story.stale_and_fresh(3, 3)
    await story.sweep()
    marked = set(story.store.marks("p", "a"))
    story.platform.delete("a", "stale-000001")
    story.platform.create("a", "stale-000001")
    await story.sweep()
    assert {key[0] for key in story.store.marks("p", "a")} == {"stale-000000", "stale-000002"}
    await asyncio.sleep(25 * HOUR_S)
    await story.sweep()
    assert len(marked) == 3
    assert "stale-000001" in story.left()


@tell
async def test_a_session_made_anew_between_list_and_delete_is_kept() -> None:
    story = Story()
    await story.stale_and_fresh(3, 3)

    def make_anew(call: RoutedCall) -> None:
        known = story.platform.find("a", "stale-000001")
        if call.operation == "get" and known and known.created_at < story.emulator.now() - DAY_S:
            story.platform.delete("a", "stale-000001")
            story.platform.create("a", "stale-000001")

    story.emulator.api.on_call = make_anew
    await story.sweep()
    assert "stale-000001" in story.left()


@pytest.mark.parametrize("tombstones", [False, True])
def test_a_session_that_somebody_else_deleted_first_is_already_gone_not_done(tombstones: bool) -> None:
    @tell
    async def told() -> None:
        story = Story(get_tombstones=tombstones)
        await story.stale_and_fresh(3, 3)

        def delete_first(call: RoutedCall) -> None:
            if call.operation == "get":
                story.platform.delete("a", "stale-000001")

        story.emulator.api.on_call = delete_first
        report = one(await story.sweep())
        kinds = {o.item.session.id: o.kind for o in report.outcomes}
        assert kinds["stale-000001"] is OutcomeKind.ALREADY_GONE
        assert sorted(story.deleted()) == ["stale-000000", "stale-000002"]

    told()


@tell
async def test_marks_the_days_limit_and_the_breaker_survive_a_restart() -> None:
    story = Story()
    story.options |= {"grace_s": 6 * HOUR_S, "limits": Limits(Limit(4), Limit(5))}
    await story.stale_and_fresh(4, 30)
    await story.sweep()
    story.restart()
    await asyncio.sleep(7 * HOUR_S)
    await story.sweep()
    assert len(story.deleted()) == 4
    story.restart()
    assert story.store.journal.used_today("p", "a", story.emulator.now()) == {Action.DELETE: 4}
    story.options["grace_s"] = 0
    await asyncio.sleep(8 * DAY_S)
    story.restart()
    await story.sweep()
    assert len(story.deleted()) == 4


@tell
async def test_a_kill_at_any_step_of_a_sweep_loses_nothing_and_repeats_nothing() -> None:
    stale = ["stale-000000", "stale-000001"]
    for step in range(1, 200):
        story = Story()
        await story.stale_and_fresh(len(stale), 0)
        died = await story.killed_sweep(step)
        assert one(await story.sweep()).result is Result.OK
        assert sorted(story.deleted()) == stale
        rows = entries(story.store.journal)
        intents = {e.intent.id: e.intent.session for e in rows if e.kind == "intent"}
        assert set(intents) == {e.intent.id for e in rows if e.kind == "outcome"}
        assert set(intents.values()) == set(stale)
        if not died:
            return
    raise AssertionError("the sweep never came to its end")


@tell
async def test_every_entry_says_who_acted_as_whom_on_which_configuration_and_how_the_platform_names_its_answer() -> (
    None
):
    story = Story()
    await story.stale_and_fresh(2, 10)
    settings = replace(story.settings, fingerprint="digest-1")
    story.fault(Fault("delete", session="stale-000001", status=403))
    await story.sweeper.run(settings, Scope())
    rows = entries(story.store.journal)
    origins = [entry.body["origin"] for entry in rows if entry.kind == "intent"]
    assert [origin["configuration"] for origin in origins] == ["digest-1", "digest-1"]
    assert {origin["endpoint"] for origin in origins} == {settings.projects[0].connection.endpoint}
    assert all(origin["by"] and origin["host"] and origin["version"] for origin in origins)
    answers = {entry.outcome: entry.body["request_id"] for entry in rows if entry.kind == "outcome"}
    assert sorted(answers) == ["done", "failed"]
    assert len(set(answers.values())) == 2

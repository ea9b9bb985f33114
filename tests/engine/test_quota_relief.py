"""A pool that is too full loses its longest idle running sessions, to a stop and never to a delete."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from reaper.core.jump import Level
from reaper.core.model import Action, OutcomeKind
from reaper.core.policy import Beyond, Limit, Limits, Mode, Policy
from reaper.core.windows import DAYS, Window, is_open
from reaper.emulator.faults import Fault
from reaper.engine.events import ActionEnded, Event
from reaper.engine.report import Report, Result
from reaper.engine.runner import Scope
from reaper.engine.status_json import report_json, status_json
from reaper.store.store import Breaker
from tests.engine.quota_world import NOW, POLICY, RULE, UNLIMITED, World, policy
from tests.record import entries

TWO_AGENTS: dict[tuple[str, str], Policy] = {("prod", "desk"): POLICY, ("prod", "shop"): POLICY}
TWO_PROJECTS: dict[tuple[str, str], Policy] = {("prod", "desk"): POLICY, ("test", "lab"): POLICY}


def decided(report: Report) -> dict[str, tuple[str, str]]:
    """Rule and outcome of each decision, by session."""
    told = report_json(report)["decisions"]
    return {row["session"]: (row["rule"], row["outcome"]) for row in told}


def test_at_the_line_nothing_is_stopped() -> None:
    world = World()
    world.actives(*range(20, 28))
    run = world.sweep()
    assert world.did() == []
    assert world.heard.relieved_reports == []
    assert run.reports[0].result is Result.OK


def test_above_the_line_exactly_the_longest_idle_go_until_the_lower_line_is_reached() -> None:
    world = World()
    world.actives(1, 20, 21, 22, 23, 24, 25, 26, 27)
    run = world.sweep()
    assert world.did() == ["session-025", "session-026", "session-027"]
    assert world.did("deleted") == []
    assert decided(run.reports[0]) == {f"session-0{minutes}": (RULE, "done") for minutes in (25, 26, 27)}
    assert run.reports[0].totals == {"keep": 6, "stop": 3, "delete": 0}


def test_the_next_run_finds_the_pool_relieved() -> None:
    world = World()
    world.actives(*range(20, 29))
    world.sweep()
    world.sweep()
    assert len(world.did()) == 3


def test_sessions_used_lately_stay_however_full_the_pool_is() -> None:
    world = World()
    world.actives(*range(1, 10), 10)
    world.sweep()
    assert world.did() == ["session-010"]


def test_all_agents_and_projects_of_the_pool_are_one_queue() -> None:
    world = World(agents={**TWO_AGENTS, **TWO_PROJECTS})
    world.actives(20, 30, 40, agent="desk")
    world.actives(21, 31, 41, agent="shop")
    world.actives(22, 32, 42, 52, project="test", agent="lab")
    world.sweep()
    assert world.did() == ["session-040", "session-041", "session-042", "session-052"]


def test_a_project_outside_the_pool_neither_counts_nor_gives() -> None:
    world = World(agents={("prod", "desk"): POLICY, ("other", "lab"): POLICY})
    world.actives(*range(20, 26))
    world.actives(*range(30, 36), project="other", agent="lab")
    world.sweep()
    assert world.did() == []


def test_creating_and_updating_sessions_count_but_are_never_taken() -> None:
    world = World()
    world.actives(20, 21, 22, 23, 24, 25)
    for _ in range(3):
        world.platform().create("desk")
    world.sweep()
    assert world.did() == ["session-023", "session-024", "session-025"]


def test_what_a_keep_rule_names_stays_though_it_is_the_longest_idle() -> None:
    world = World()
    world.active("vip-000001", 110)
    world.active("vip-000002", 115)
    world.actives(*range(20, 27))
    world.sweep()
    assert world.did() == ["session-024", "session-025", "session-026"]


def test_a_rule_that_deletes_is_not_turned_into_a_stop_nor_a_stop_into_a_delete() -> None:
    world = World(agents={("prod", "desk"): policy(grace_s=86_400)})
    world.actives(*range(20, 29))
    world.idle("stale-0001", 9)
    run = world.sweep()
    assert world.did("deleted") == []
    assert decided(run.reports[0])["stale-0001"] == ("stale", "grace")
    assert len(world.did()) == 3


def test_stops_that_a_rule_made_in_the_same_run_already_count_as_room() -> None:
    world = World()
    world.actives(20, 21, 22, 23, 24, 25, 26, 130, 131)
    run = world.sweep()
    assert world.did() == ["session-130", "session-131"]
    assert {rule for rule, _ in decided(run.reports[0]).values()} == {"runaway"}


def test_a_session_used_between_the_listing_and_the_stop_is_not_stopped() -> None:
    world = World()
    world.actives(*range(20, 29))
    world.on_sweep = lambda: world.platform().use("desk", "session-028")
    run = world.sweep()
    assert world.did() == ["session-026", "session-027"]
    assert decided(run.reports[0])["session-028"] == (RULE, "changed")


@pytest.mark.parametrize("scope", [{"observe": True}, {"rehearsal": True}])
def test_observing_and_planning_tell_what_relief_would_do_and_touch_nothing(scope: dict[str, bool]) -> None:
    world = World()
    world.actives(*range(20, 29))
    run = world.sweep(**scope)
    told = report_json(run.reports[0], planned="rehearsal" in scope)["decisions"]
    outcome = "planned" if "rehearsal" in scope else "observe"
    assert [(row["session"], row["rule"], row["outcome"]) for row in told] == [
        (f"session-0{minutes}", RULE, outcome) for minutes in (28, 27, 26)
    ]
    assert world.emulators["prod"].api.requests["stop"] == 0
    assert world.emulators["prod"].api.requests["get"] == 0
    assert entries(world.store.journal) == []


@pytest.mark.parametrize("scope", [{"observe": True}, {"rehearsal": True}])
def test_what_a_rule_would_stop_counts_as_room_while_nothing_is_stopped(scope: dict[str, bool]) -> None:
    world = World()
    world.actives(20, 21, 22, 23, 24, 25, 26, 130, 131)
    run = world.sweep(**scope)
    assert {rule for rule, _ in decided(run.reports[0]).values()} == {"runaway"}


def test_an_agent_that_observes_counts_and_shows_its_part_while_the_others_make_all_the_room() -> None:
    world = World(agents={**TWO_AGENTS, ("prod", "shop"): policy(mode=Mode.OBSERVE)})
    world.actives(20, 21, 22, 23, agent="desk")
    world.actives(30, 31, 32, 33, 34, agent="shop")
    run = world.sweep()
    assert world.did() == ["session-021", "session-022", "session-023"]
    shop = next(report for report in run.reports if report.agent == "shop")
    assert decided(shop) == {f"session-0{minutes}": (RULE, "observe") for minutes in (32, 33, 34)}


@pytest.mark.parametrize("limits", [replace(UNLIMITED, per_sweep=Limit(2)), replace(UNLIMITED, per_day=Limit(2))])
def test_limits_cap_what_is_taken_of_an_agent_and_withhold_nothing(limits: Limits) -> None:
    world = World(agents={("prod", "desk"): policy(limits=limits)})
    world.actives(*range(20, 29))
    run = world.sweep()
    assert world.did() == ["session-027", "session-028"]
    assert run.reports[0].result is Result.OK


def test_an_agent_whose_candidates_jumped_counts_but_gives_nothing() -> None:
    spread = policy(limits=replace(UNLIMITED, beyond=Beyond.SPREAD, jump=Limit(3)))
    world = World(agents={("prod", "desk"): spread})
    world.store.put_level("prod", "desk", Level(0), NOW)
    world.actives(*range(20, 29))
    for number in range(9):
        world.idle(f"stale-{number:06d}", 9)
    (report,) = world.sweep().reports
    assert (report.result, world.did()) == (Result.WITHHELD, [])


def test_relief_is_no_jump_and_no_level() -> None:
    spread = policy(limits=replace(UNLIMITED, beyond=Beyond.SPREAD, jump=Limit(2)))
    world = World(agents={("prod", "desk"): spread})
    world.store.put_level("prod", "desk", Level(0), NOW)
    world.actives(*range(20, 29))
    (report,) = world.sweep().reports
    assert (report.result, len(world.did())) == (Result.OK, 3)
    assert world.store.level("prod", "desk") == Level(0)


def test_the_limit_of_the_day_counts_the_relief_of_earlier_runs() -> None:
    world = World(agents={("prod", "desk"): policy(limits=replace(UNLIMITED, per_day=Limit(4)))})
    world.actives(*range(20, 29))
    world.sweep()
    world.actives(*range(30, 40))
    world.sweep()
    assert len(world.did()) == 4
    assert world.store.journal.used_today("prod", "desk", NOW + 60) == {Action.STOP: 4}


def test_stops_of_the_same_sweep_leave_less_of_the_limit() -> None:
    world = World(agents={("prod", "desk"): policy(limits=replace(UNLIMITED, per_sweep=Limit(3)))})
    world.actives(*range(20, 30), 130, 131)
    world.sweep()
    assert world.did() == ["session-029", "session-130", "session-131"]


def test_where_one_agent_may_give_no_more_the_next_in_line_gives() -> None:
    world = World(agents={**TWO_AGENTS, ("prod", "shop"): policy(limits=replace(UNLIMITED, per_sweep=Limit(0)))})
    world.actives(20, 21, 22, 23, agent="desk")
    world.actives(30, 31, 32, 33, 34, agent="shop")
    world.sweep()
    assert world.did() == ["session-021", "session-022", "session-023"]


def test_an_agent_whose_listing_is_not_believed_neither_counts_nor_gives_while_the_others_do() -> None:
    world = World(agents=TWO_AGENTS)
    world.actives(*range(20, 29), agent="desk")
    world.actives(*range(30, 36), agent="shop")
    world.emulators["prod"].faults.add(Fault(operation="list", agent="shop", lie="drop_field", field="status"))
    run = world.sweep()
    assert world.did() == ["session-026", "session-027", "session-028"]
    assert {report.agent: report.result for report in run.reports} == {"desk": Result.OK, "shop": Result.UNTRUSTED}


def test_an_agent_whose_breaker_is_open_counts_but_gives_nothing() -> None:
    world = World(agents=TWO_AGENTS)
    world.actives(20, 21, 22, 23, agent="desk")
    world.actives(30, 31, 32, 33, 34, agent="shop")
    world.store.open_breaker("prod", "shop", Breaker(NOW, "a test"))
    world.sweep()
    assert world.did() == ["session-021", "session-022", "session-023"]


def test_strange_records_are_held_and_make_no_room() -> None:
    world = World()
    world.actives(*range(20, 29))
    strange = Fault(lie="add_field", field="do_not_stop", value=True, session="session-028")
    world.emulators["prod"].faults.add(strange)
    run = world.sweep()
    assert world.did() == ["session-025", "session-026", "session-027"]
    assert decided(run.reports[0])["session-028"] == (RULE, "strange_record")


def test_grace_and_closed_windows_are_for_deletes_and_do_not_hold_relief_back() -> None:
    hour = datetime.fromtimestamp(NOW, UTC).hour
    closed = Window(frozenset(DAYS), time((hour + 6) % 24), time((hour + 7) % 24), ZoneInfo("UTC"))
    assert not is_open([closed], NOW)
    world = World(agents={("prod", "desk"): policy(grace_s=86_400, windows=(closed,))})
    world.actives(*range(20, 29))
    world.sweep()
    assert len(world.did()) == 3


def test_a_canary_is_still_looked_for_and_relief_still_works() -> None:
    world = World(must_see=frozenset({"session-020"}))
    world.actives(*range(20, 29))
    world.sweep()
    assert len(world.did()) == 3


def test_a_run_that_is_told_to_end_begins_no_relief() -> None:
    world = World()
    world.actives(*range(20, 29))
    world.stopping = lambda: "stopping on SIGTERM" if world.heard.reports else ""
    world.sweep()
    assert world.did() == []


def test_a_stop_that_the_platform_refuses_is_told_as_failed() -> None:
    world = World()
    world.actives(*range(20, 29))
    world.emulators["prod"].faults.add(Fault(operation="stop", session="session-028", status=403))
    run = world.sweep()
    assert decided(run.reports[0])["session-028"] == (RULE, "failed")
    assert world.did() == ["session-026", "session-027"]


def test_a_session_whose_stop_was_refused_makes_way_for_the_next_longest_idle() -> None:
    world = World()
    world.actives(*range(20, 29))
    world.emulators["prod"].faults.add(Fault(operation="stop", session="session-028", status=403))
    sweeper = world.sweeper()
    asyncio.run(sweeper.run(world.settings, Scope()))
    assert world.did() == ["session-026", "session-027"]
    world.actives(30, 31)
    asyncio.run(sweeper.run(world.settings, Scope()))
    assert world.did() == [f"session-0{minutes}" for minutes in (25, 26, 27, 30, 31)]
    assert world.emulators["prod"].api.requests["stop"] == 6


def test_an_identity_that_is_refused_during_relief_fails_the_sweep() -> None:
    world = World()
    world.actives(*range(20, 29))
    world.emulators["prod"].faults.add(Fault(operation="get", status=401))
    run = world.sweep()
    assert world.did() == []
    assert run.reports[0].result is Result.FAILED
    assert run.reports[0].why
    assert {outcome for _, outcome in decided(run.reports[0]).values()} == {"not_tried"}


@pytest.mark.parametrize("must_see", [frozenset(), frozenset({"session-020"})])
def test_two_runs_at_once_stop_no_more_than_one(must_see: frozenset[str]) -> None:
    world = World(agents={**TWO_AGENTS, **TWO_PROJECTS}, must_see=must_see)
    world.actives(20, project="test", agent="lab")
    world.actives(*range(20, 29))
    sweeper = world.sweeper()

    async def both() -> None:
        await asyncio.gather(sweeper.run(world.settings, Scope()), sweeper.run(world.settings, Scope()))

    asyncio.run(both())
    assert world.did() == ["session-025", "session-026", "session-027", "session-028"]
    assert sweeper._busy == set()


def test_without_a_journal_to_count_by_nothing_is_stopped(tmp_path: Path) -> None:
    world = World(state=f"sqlite:///{tmp_path}/state.db")
    world.actives(*range(20, 29))

    def lose_the_journal() -> None:
        with closing(sqlite3.connect(tmp_path / "state.db")) as database:
            database.execute("DROP TABLE journal")

    world.on_sweep = lose_the_journal
    world.sweep()
    assert world.did() == []


def test_a_sweep_is_counted_once_and_the_live_status_shows_the_report_with_the_relief() -> None:
    world = World()
    world.actives(*range(20, 29))
    run = world.sweep()
    assert len(world.heard.reports) == 1
    assert world.heard.relieved_reports == list(run.reports) == list(world.live.latest.values())
    assert world.metric("sweeps_total", project="prod", agent="desk", result="ok") == 1
    labels = {"project": "prod", "agent": "desk", "rule": RULE, "action": "stop"}
    assert world.metric("actions_total", **labels, outcome="done") == 3
    assert world.metric("actions_total", **labels, outcome="failed") == 0
    assert world.metric("candidates", **labels, policy="standard") == 3
    assert world.metric("oldest_overdue_seconds", project="prod", agent="desk") == 0
    assert [row["session"] for row in status_json(world.live)["planned"]] == sorted(world.did(), reverse=True)


def test_a_pool_that_is_not_too_full_shows_its_rule_at_zero() -> None:
    world = World()
    world.actives(20)
    world.sweep()
    labels = {"project": "prod", "agent": "desk", "rule": RULE, "action": "stop"}
    assert world.metric("candidates", **labels, policy="standard") == 0
    assert world.metric("actions_total", **labels, outcome="done") == 0


def test_the_journal_holds_why_each_session_had_to_go() -> None:
    world = World()
    world.actives(*range(20, 29))
    run = world.sweep()
    intents = [entry for entry in entries(world.store.journal) if entry.kind == "intent"]
    assert {entry.intent.rule for entry in intents} == {RULE}
    assert all(entry.body["sweep"] == run.reports[0].sweep_id for entry in intents)
    assert {outcome.kind for outcome in run.reports[0].outcomes} == {OutcomeKind.DONE}


def test_the_plan_keeps_its_name_for_relief_waits_for_no_approval() -> None:
    world = World()
    world.actives(*range(20, 29))
    run = world.sweep()
    assert run.plan_id == world.heard.reports[0].plan.id


def test_what_relief_takes_is_not_told_among_the_kept() -> None:
    world = World()
    world.actives(*range(20, 29))
    run = world.sweep(keeps=True, rehearsal=True)
    told = [row["session"] for row in report_json(run.reports[0], planned=True)["decisions"]]
    assert len(told) == len(set(told)) == 9


def test_what_relief_did_to_an_agent_is_reported_though_the_state_is_lost_at_anothers_end(
    tmp_path: Path,
) -> None:
    ended: list[str] = []

    def lose_the_breakers_at_last(event: Event) -> None:
        ended.extend([event.agent] if isinstance(event, ActionEnded) else [])
        if len(ended) == 3:
            with closing(sqlite3.connect(tmp_path / "state.db")) as database:
                database.execute("DROP TABLE IF EXISTS breakers")

    agents = {("prod", "desk"): POLICY, ("prod", "phone"): POLICY}
    world = World(agents, state=f"sqlite:///{tmp_path}/state.db", listeners=[lose_the_breakers_at_last])
    world.actives(40)
    world.actives(20, 21, 22, 23, 24, 35, 36, 37, agent="phone")
    run = world.sweep()
    assert ended == ["desk", "phone", "phone"]
    assert [outcome.kind for outcome in run.reports[0].outcomes] == [OutcomeKind.DONE]

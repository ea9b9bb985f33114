"""Rollouts, canaries and rollbacks: a version is left behind when traffic does not reach it, and not before."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reaper.cli import explain_command
from reaper.config import parse
from reaper.core.conditions import SERVING, SUPERSEDED, Idle, StatusIn, VersionIs
from reaper.core.model import Action, Agent, Malformed
from reaper.core.policy import Rule
from reaper.core.settings import Settings
from reaper.emulator import AgentVersion, Fault
from reaper.engine.discovery import read_agent
from reaper.engine.explain import Circumstances, explain
from reaper.engine.report import Result, Swept
from reaper.engine.routed_agent import KNOWN_S, KnownVersions, remembered, routed
from reaper.engine.status_json import summary_json
from reaper.store.journal import ActionFilter
from reaper.wiring import Connector
from tests.clock import true_time
from tests.record import events
from tests.scenarios.story import DAY_S, HOUR_S, Story, one, tell
from tests.worked import worked_example

IDLE = StatusIn(frozenset({"idle"}))
LEFT_BEHIND = Rule("left-behind", Action.DELETE, (IDLE, Idle(2 * DAY_S), VersionIs(frozenset({SUPERSEDED}))))
SERVED = Rule("served", Action.KEEP, (VersionIs(frozenset({SERVING})),))


def rollout(traffic: dict[str, int] | None = None, grace_s: int = 0) -> Story:
    """Three sessions of version 1, then version 2 with its share of the traffic; what is left behind is to go."""
    story = Story()
    story.rules, story.options["grace_s"] = (LEFT_BEHIND,), grace_s
    story.create(3, "first")
    story.platform.add_version("a", AgentVersion("2", int(true_time())))
    if traffic is not None:
        story.platform.rollout("a", [(0, traffic)])
    return story


def versions(story: Story) -> dict[str, float]:
    """Since when versions are remembered to be left behind."""
    return story.store.unserved.of("p", "a")


def found(run: Any) -> Swept:
    report = one(run)
    assert isinstance(report, Swept)
    return report


@tell
async def test_sessions_of_a_version_that_traffic_still_reaches_are_not_left_behind() -> None:
    story = rollout({"1": 90, "2": 10})
    await asyncio.sleep(10 * DAY_S)
    report = found(await story.sweep())
    assert (report.result, story.deleted(), versions(story)) == (Result.OK, [], {})
    shown = summary_json(report)["routing"]
    assert shown["serving"] == {"1": 90, "2": 10}
    assert shown["shown"] == "1: 90 %, 2: 10 %, latest 2"
    story.platform.route("a", None)
    await story.sweep()
    assert len(story.deleted()) == 3


@tell
async def test_a_rolled_back_version_keeps_its_sessions_although_a_newer_one_exists() -> None:
    story = rollout({"1": 100, "2": 0})
    story.platform.create("a", "second-000000", "2")
    await asyncio.sleep(10 * DAY_S)
    await story.sweep()
    assert story.deleted() == [], "the latest version is what comes next, though no traffic reaches it"


@tell
async def test_a_version_is_superseded_once_sweeps_of_any_process_saw_it_unserved_for_the_grace() -> None:
    story = rollout(grace_s=DAY_S)
    await asyncio.sleep(10 * DAY_S)
    since = true_time()
    await story.sweep()
    assert versions(story) == {"1": pytest.approx(since, abs=2)}
    for passed_h, deleted in ((23, 0), (1, 0), (23, 0), (2, 3)):
        await asyncio.sleep(passed_h * HOUR_S)
        story.restart()
        await story.sweep()
        assert len(story.deleted()) == deleted


@tell
async def test_a_rollback_that_a_sweep_saw_begins_the_grace_of_a_version_anew_and_drops_the_marks() -> None:
    story = rollout(grace_s=DAY_S)
    await asyncio.sleep(10 * DAY_S)
    await story.sweep()
    await asyncio.sleep(25 * HOUR_S)
    await story.sweep()
    assert len(story.store.marks("p", "a")) == 3
    story.platform.rollout("a", [(0, {"1": 100}), (3 * HOUR_S, None)])
    await story.sweep()
    assert (story.store.marks("p", "a"), versions(story)) == ({}, {})
    await asyncio.sleep(4 * HOUR_S)
    left_again = true_time()
    await story.sweep()
    assert versions(story) == {"1": pytest.approx(left_again, abs=2)}
    await asyncio.sleep(23 * HOUR_S)
    await story.sweep()
    assert (story.store.marks("p", "a"), story.deleted()) == ({}, [])


@pytest.mark.parametrize(
    ("selector", "why"),
    [
        ({"version_selection_rules": []}, "no rules"),
        ({"version_selection_rules": [{"type": "ByHeader", "agent_version": "2"}]}, "type ByHeader"),
        (
            {"version_selection_rules": [{"type": "FixedRatio", "agent_version": "2", "traffic_percentage": 90}]},
            "come to 90 %",
        ),
        (
            {"version_selection_rules": [{"type": "FixedRatio", "agent_version": "9", "traffic_percentage": 100}]},
            "names version 9, which is not there",
        ),
        (
            {"version_selection_rules": [{"type": "FixedRatio", "agent_version": "2", "traffic_percentage": 99.9}]},
            "no share",
        ),
        ({"version_selection_rules": [], "sticky": True}, "fields that are not known: sticky"),
        ({"rules": []}, "not in a form that is known"),
        ("all to version 2", "not in a form that is known"),
        (False, "not in a form that is known"),
    ],
)
def test_a_selector_that_cannot_be_judged_stops_and_deletes_nothing_and_says_why(selector: object, why: str) -> None:
    @tell
    async def told() -> None:
        story = rollout()
        await asyncio.sleep(10 * DAY_S)
        await story.sweep(rehearsal=True)
        story.platform.route("a", selector)
        report = found(await story.sweep())
        assert (report.result, story.deleted(), versions(story)) == (Result.OK, [], {})
        assert any(why in note for note in report.notes)
        assert why in summary_json(report)["routing"]["unclear"]
        story.rules = (SERVED, Rule("stale", Action.DELETE, (IDLE, Idle(DAY_S))))
        await story.sweep()
        assert story.deleted() == [], "a rule that keeps what is served keeps what may be served"

    told()


@tell
async def test_a_version_of_the_selector_that_cannot_be_looked_up_keeps_until_it_can() -> None:
    story = rollout({"2": 90, "1": 10})
    story.platform.add_version("a", AgentVersion("3", int(true_time())))
    story.platform.create("a", "second-000000", "3")
    story.platform.add_version("a", AgentVersion("4", int(true_time())))
    await asyncio.sleep(10 * DAY_S)
    story.fault(Fault("get_version", status=403))
    report = found(await story.sweep())
    assert "could not be read" in report.plan.agent.serving.unclear
    assert story.deleted() == []
    story.fault()
    await story.sweep()
    assert story.deleted() == ["second-000000"]


@tell
async def test_versions_of_a_selector_are_looked_up_again_only_after_a_while_and_the_latest_never() -> None:
    story = rollout({"1": 90, "2": 10})
    for _ in range(3):
        await story.sweep()
    assert story.sent()["get_version"] == 1
    await asyncio.sleep(KNOWN_S)
    await story.sweep()
    assert story.sent()["get_version"] == 2
    story.rules = (Rule("stale", Action.DELETE, (IDLE, Idle(DAY_S))),)
    await asyncio.sleep(KNOWN_S)
    await story.sweep()
    assert story.sent()["get_version"] == 2, "no rule asks about versions"


@tell
async def test_only_a_sweep_that_is_believed_remembers_what_is_left_behind() -> None:
    story = rollout(grace_s=DAY_S)
    await story.sweep(rehearsal=True)
    assert versions(story) == {}
    story.must_see = frozenset({"canary-000001"})
    assert one(await story.sweep()).result is Result.UNTRUSTED
    assert versions(story) == {}
    story.must_see = frozenset()
    await story.sweep()
    since = versions(story)
    assert list(since) == ["1"]
    await asyncio.sleep(HOUR_S)
    await story.sweep()
    assert versions(story) == since
    assert [event.body["unserved"] for event in events(story.store.journal, "versions")] == [["1"]]
    story.rules = (Rule("stale", Action.DELETE, (IDLE, Idle(DAY_S))),)
    await story.sweep()
    assert versions(story) == {}, "no rule asks, so what happens from here on is not seen"


@tell
async def test_a_version_without_sessions_is_forgotten_and_begins_anew_when_it_has_some() -> None:
    story = rollout(grace_s=DAY_S)
    await story.sweep()
    for session in story.left():
        story.platform.delete("a", session)
    await story.sweep()
    assert versions(story) == {}


@tell
async def test_an_agent_that_cannot_be_read_deletes_nothing_by_version_and_forgets_nothing() -> None:
    story = rollout(grace_s=DAY_S)
    await asyncio.sleep(10 * DAY_S)
    await story.sweep()
    since = versions(story)
    story.fault(Fault("list_agents", status=200, body='{"data": [{"name": "a", "versions": {}}], "has_more": false}'))
    report = found(await story.sweep())
    assert report.plan.agent.latest is None
    assert (versions(story), story.deleted()) == (since, [])


@tell
async def test_a_canary_begun_in_mid_sweep_keeps_what_it_reaches() -> None:
    story = rollout()
    await asyncio.sleep(10 * DAY_S)
    story.fault(Fault("get", status=429, code="too_many_requests", retry_after_seconds=90, times=1))
    story.platform.rollout("a", [(30, {"1": 90, "2": 10})])
    report = found(await story.sweep())
    assert [str(outcome.kind) for outcome in report.outcomes] == ["changed"] * 3
    assert story.deleted() == []


@tell
async def test_the_evidence_of_a_deletion_says_where_traffic_went() -> None:
    story = rollout({"2": 100})
    await asyncio.sleep(10 * DAY_S)
    await story.sweep()
    (first, *_) = [action.intent for action in story.store.journal.actions(ActionFilter())]
    assert first.body["routing"] == "2: 100 %, latest 2"
    assert any("unserved for" in check["actual"] for check in first.body["compared"])


BASE: dict[str, Any] = {
    "version": 1,
    "projects": {
        "p": {
            "endpoint": "http://127.0.0.1/api/projects/p",
            "credential": "none",
            "agents": [{"name": "*", "policy": "standard"}],
        }
    },
}


class Written(Story):
    """A story whose settings are written in YAML."""

    text = ""

    @property
    def settings(self) -> Settings:
        return parse(self.text, "example", {}).settings


@tell
async def test_the_example_of_a_canary_shows_what_it_says() -> None:
    example = worked_example("canary")
    story = Written()
    story.text = example.laid_over(BASE)
    story.create(1, "session")
    story.platform.add_version("a", AgentVersion("2", int(true_time())))
    story.platform.rollout("a", [(0, {"1": 90, "2": 10}), (8 * DAY_S, {"2": 100})])
    for hours in (0, 7 * 24, 24, 3):
        await asyncio.sleep(hours * HOUR_S)
        await story.sweep()
    assert story.deleted() == []
    assert _explained(await _agent(story), story, "session-000000").endswith(example.shown)
    for _ in range(4):
        await asyncio.sleep(12 * HOUR_S)
        await story.sweep()
    assert story.deleted() == ["session-000000"]


async def _agent(story: Story) -> Agent:
    (policy,), now = story.settings.policies, true_time()
    transport = story.emulator.transport()
    async with Connector(story.clock, transport=transport)(story.settings.projects[0]) as client:
        agent = await routed(await read_agent("a", client), policy, client, KnownVersions(), "p", 0.0)
    return remembered(agent, policy, story.store, "p", now)


def _explained(agent: Agent, story: Story, session: str) -> str:
    """What `reaper explain` prints of a session."""
    seen = story.platform.find("a", session)
    assert seen is not None
    assert not isinstance(seen, Malformed)
    out, kept = explain_command.console(), explain_command.console
    explain_command.console = lambda: out  # type: ignore[assignment]
    try:
        with out.capture() as printed:
            around, policy = Circumstances("p", agent), story.settings.policies[0]
            explain_command._print(explain(seen, around, policy, story.store, true_time()))
    finally:
        explain_command.console = kept
    return printed.get()

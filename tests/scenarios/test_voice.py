"""What an agent's developers ask for in their version's metadata, heard over the wire and heeded to the last look."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from reaper.cli.printed import notes
from reaper.config import parse
from reaper.core.conditions import Idle, StatusIn
from reaper.core.model import Action, OutcomeKind
from reaper.core.policy import Policy, Rule
from reaper.core.settings import AgentPattern, Pressure, Quota, Settings
from reaper.emulator import AgentVersion, Fault
from reaper.emulator.routing import RoutedCall
from reaper.engine.discovery import first_match, read_agent
from reaper.engine.explain import Circumstances, Explanation, explain
from reaper.engine.explanation_json import explanation_json
from reaper.engine.report import Report, Result, Swept
from reaper.engine.status_json import decisions, status_json, summary_json
from reaper.engine.voices import heard, judged_by
from reaper.wiring import Connector
from tests.clock import true_time
from tests.scenarios.story import DAY_S, HOUR_S, UNLIMITED, Story, one, tell
from tests.sim.wire import Wire
from tests.worked import worked_example

REFUSED = Fault("get_agent", status=403, code="forbidden", message="you may not read agents")


def day(later: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(true_time() + later * DAY_S))


class Spoken(Story):
    """A story with a gentle policy, which the agent's developers may choose, and an entry that can be told more."""

    gentle = Policy("gentle", (Rule("three-weeks", Action.DELETE, (Idle(21 * DAY_S),)),), limits=UNLIMITED, grace_s=0)
    quotas: tuple[Quota, ...] = ()

    def __init__(self, *agents: str, **entry: Any) -> None:
        super().__init__(*agents)
        self.entry: dict[str, Any] = {"name": "a", **entry}

    def says(self, metadata: Any, agent: str = "a") -> None:
        self.platform.describe(agent, metadata)

    @property
    def settings(self) -> Settings:
        plain = super().settings
        (project,) = plain.projects
        gentle = replace(self.gentle, mode=project.agents[0].policy.mode)
        entry = AgentPattern(**{"policy": project.agents[0].policy, "may_choose": (gentle,), **self.entry})
        return replace(plain, projects=(replace(project, agents=(entry,)),), quotas=self.quotas)

    async def explained(self, session: str, agent: str = "a") -> Explanation:
        """What `explain` says of a session."""
        (project,) = self.settings.projects
        entry = first_match(project, agent)
        assert entry is not None
        connect = Connector(self.clock, transport=Wire(self.emulator.transport(actor="reaper"), self.steps))
        async with connect(project) as client:
            known = await read_agent(agent, client)
            answer: Any = await client.get(agent, session)
        voice = heard(project, known, self.store)
        policy = judged_by(entry.policy, voice)
        return explain(answer.value, Circumstances(project.name, known, voice), policy, self.store, answer.date)


async def stale_story(**entry: Any) -> Spoken:
    story = Spoken(**entry)
    await story.stale_and_fresh(3, 2)
    return story


def blocked(report: Report) -> dict[str, int]:
    assert isinstance(report, Swept)
    return {hold: count for hold, count in report.blocked.items() if count}


@tell
async def test_a_hold_in_the_metadata_keeps_everything_through_its_day() -> None:
    story = await stale_story()
    story.says({"reaper.hold": day(2), "team": "desk"})
    report = one(await story.sweep())
    assert report.result is Result.OK
    assert blocked(report) == {"hold": 3}
    assert report.asked == f"held by its version 1's metadata reaper.hold until {day(2)}"
    end = day(3)
    await story.until(lambda now: time.strftime("%Y-%m-%d", time.gmtime(now)) == end)
    await story.sweep()
    assert len(story.deleted()) == 3


@tell
async def test_a_hold_stops_no_stop_and_no_relief_of_a_quota_either() -> None:
    """That is: nothing is stopped, by a rule or by a quota that is too full."""
    story = Spoken()
    story.rules = (Rule("runaway", Action.STOP, (StatusIn(frozenset({"active"})), Idle(60 * 60))),)
    story.quotas = (Quota("pool", 2, ("p",), pressure=Pressure(50, 25, 600)),)
    for name in story.create(3, "busy"):
        story.platform.busy("a", name, DAY_S)
    story.says({"reaper.hold": day(9)})
    for _ in range(3):
        await story.sweep()
        story.clock.leap(HOUR_S)
    assert not [event for event in story.platform.history if event.kind == "stopped"]
    story.says({})
    await story.sweep()
    assert [event for event in story.platform.history if event.kind == "stopped"]


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"reaper.hold": "soon"}, "says reaper.hold: 'soon', which is neither a date nor a time"),
        ({"reaper.policy": "bold"}, "says reaper.policy: 'bold', which the configuration does not let it choose"),
        ({"reaper.hodl": "2026-12-31"}, "says 'reaper.hodl', which this version does not know"),
        ({"reaper.hold": 20261231}, "the metadata of its newest version is no mapping of texts"),
        (["reaper.hold"], "the metadata of its newest version is no mapping of texts"),
        ({"reaper.\x1b[31m": "x"}, "says 'reaper.\\\\x1b[31m', which this version does not know"),
        ({f"reaper.{number}": "x" for number in range(17)}, "holds over 16 pairs"),
    ],
)
def test_what_is_not_understood_keeps_everything_and_says_so(metadata: Any, told: str) -> None:
    @tell
    async def scenario() -> None:
        story = await stale_story()
        story.says(metadata)
        report = one(await story.sweep())
        assert blocked(report) == {"hold": 3}
        assert told in report.asked
        assert report.asked.isprintable()
        assert not story.deleted()

    scenario()


@tell
async def test_a_chosen_policy_has_to_agree_and_only_what_it_also_asks_for_goes() -> None:
    story = await stale_story()
    await story.sweep(observe=True)
    story.create(1, "young")
    story.says({"reaper.policy": "gentle"})
    await story.sweep()
    assert not story.deleted()
    story.clock.leap(12 * DAY_S)
    await story.sweep()
    assert sorted(story.deleted()) == ["stale-000000", "stale-000001", "stale-000002"]


@tell
async def test_a_hold_that_is_said_while_the_sweep_runs_is_heeded_and_remembered() -> None:
    story = await stale_story()

    def speak(call: RoutedCall) -> None:
        if call.operation == "list":
            story.says({"reaper.hold": day(5)})

    story.emulator.api.on_call = speak
    report = one(await story.sweep())
    assert isinstance(report, Swept)
    assert {outcome.kind for outcome in report.outcomes} == {OutcomeKind.CHANGED}
    assert "developers ask for has changed since the plan was made" in report.outcomes[0].why
    story.emulator.api.on_call = None
    story.restart()
    story.fault(REFUSED)
    assert blocked(one(await story.sweep())) == {"hold": 3}


@tell
async def test_where_agents_may_not_be_read_the_sweep_goes_on_and_says_so() -> None:
    story = await stale_story()
    story.fault(REFUSED)
    report = one(await story.sweep())
    assert len(story.deleted()) == 3
    told = "what its developers ask for in its metadata is not heard"
    assert told in report.asked
    assert summary_json(report)["voice"]["heard"] is False
    assert told in notes(report, planned=False)[0]


@tell
async def test_where_a_voice_is_required_nothing_goes_while_agents_may_not_be_read() -> None:
    story = await stale_story(voice_required=True)
    story.fault(REFUSED)
    assert blocked(one(await story.sweep())) == {"hold": 3}
    story.fault()
    await story.sweep()
    assert len(story.deleted()) == 3


@tell
async def test_what_was_asked_for_stands_when_agents_may_not_be_read_any_more() -> None:
    story = await stale_story()
    story.says({"reaper.hold": day(1)})
    await story.sweep()
    story.restart()
    story.fault(REFUSED)
    story.clock.leap(3 * DAY_S)
    report = one(await story.sweep())
    assert blocked(report) == {"hold": 3}
    assert f"when it was read last its metadata said reaper.hold: {day(-2)}" in report.asked
    story.fault()
    await story.sweep()
    assert len(story.deleted()) == 3


@pytest.mark.parametrize(
    "fault",
    [
        Fault("get_agent", status=500),
        Fault("get_agent", status=409),
        Fault("get_agent", lie="gateway"),
        Fault("get_agent", lie="gateway", status=302),
        Fault("get_agent", body="{"),
        Fault("get_agent", body='{"name": "a"}'),
        Fault("get_agent", drop="before"),
    ],
    ids=lambda fault: f"{fault.status} {fault.lie} {fault.body} {fault.drop}",
)
def test_an_agent_that_could_not_be_read_is_kept_and_read_again_in_the_next_sweep(fault: Fault) -> None:
    @tell
    async def scenario() -> None:
        story = await stale_story()
        story.fault(fault)
        report = one(await story.sweep())
        assert blocked(report) == {"hold": 3}
        assert "what its developers ask for cannot be known" in report.asked
        story.fault()
        await story.sweep()
        assert len(story.deleted()) == 3

    scenario()


@tell
async def test_an_agent_that_is_gone_by_the_platforms_own_word_fails_as_it_did() -> None:
    story = Spoken(name="nobody")
    report = one(await story.sweep(), "nobody")
    assert (report.result, report.why) == (Result.FAILED, "the platform does not know this agent")


@tell
async def test_an_agent_is_read_once_for_a_sweep_that_asks_for_no_versions() -> None:
    story = Spoken()
    story.create(3, "fresh")
    await story.sweep()
    assert story.sent()["get_agent"] == 1


@tell
async def test_only_the_newest_version_speaks() -> None:
    story = await stale_story()
    story.says({"reaper.hold": day(9)})
    story.platform.add_version("a", AgentVersion("2", int(true_time())))
    await story.sweep()
    assert len(story.deleted()) == 3


@tell
async def test_status_and_explain_show_both_sides_and_where_it_comes_from() -> None:
    story = await stale_story()
    story.says({"reaper.policy": "gentle", "reaper.hold": day(1)})
    await story.sweep()
    (shown,) = status_json(story.live)["agents"]
    assert shown["policy"] == "standard"
    assert shown["blocked"] == {}
    assert shown["voice"] == {
        "told": f"held by its version 1's metadata reaper.hold until {day(1)}; "
        "its version 1's metadata reaper.policy chose policy gentle, which has to agree",
        "keeps": True,
        "until": f"{day(2)} 00:00Z",
        "policy": "gentle",
        "heard": True,
    }
    explained = await story.explained("stale-000000")
    told = explanation_json(explained)
    assert [(trial["policy"], trial["rule"]) for trial in told["rules"]] == [
        ("standard", "stale"),
        ("gentle", "three-weeks"),
    ]
    assert told["decision"]["action"] == "keep"
    guards = {guard["guard"]: (guard["lets_through"], guard["told"]) for guard in told["guards"]}
    assert guards["voice"] == (False, shown["voice"]["told"])


# What the page of policies shows

BASE = {
    "version": 1,
    "projects": {"prod-eu": {"endpoint": "http://127.0.0.1/api/projects/p", "credential": "none"}},
    "policies": {},
}
BASED = {"standard": {"grace": "0s"}, "gentle": {"grace": "0s"}}


class Example(Spoken):
    """The worked example of the page, with an agent whose developers ask for a hold, and one whose chose a policy."""

    @property
    def settings(self) -> Settings:
        written = worked_example("voice").laid_over({**BASE, "policies": BASED})
        return parse(written, "policies.md", {}).settings


@tell
async def test_the_worked_example_of_the_voice_shows_what_the_product_does() -> None:
    story = Example("support-eu", "support-fr")
    for agent, metadata in (
        ("support-eu", {"reaper.hold": "2030-12-31"}),
        ("support-fr", {"reaper.policy": "gentle"}),
    ):
        story.create(1, "demo", agent)
        story.says(metadata, agent)
    story.clock.leap(10 * DAY_S)
    run = await story.sweep(rehearsal=True)
    lines = [line for report in run.reports for line in notes(report, planned=True)]
    for report in run.reports:
        lines += [f"{each['session']} of {report.agent}: {each['outcome']}" for each in decisions(report)]
    explained = await story.explained("demo-000000", "support-fr")
    lines.append(f"{explained.policy.name}: {explained.decision.action}, {explained.why}")
    assert "\n".join(lines) + "\n" == worked_example("voice").shown

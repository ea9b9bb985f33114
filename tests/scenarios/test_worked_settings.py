"""The examples of the policies page about fields, dates and canaries, played through."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from reaper.cli.endings import Exit
from reaper.cli.online_check import check_online
from reaper.config import parse
from reaper.core.model import Agent, Session
from reaper.core.settings import Settings
from reaper.emulator import Fault
from reaper.engine.explain import Circumstances, explain
from reaper.engine.report import Swept
from reaper.engine.runner import Run, Scope
from tests.clock import run, true_time
from tests.scenarios.story import DAY_S, HOUR_S, Story
from tests.worked import worked_example

AGENT = "support-eu"
BASE: dict[str, Any] = {
    "version": 1,
    "projects": {
        "prod-eu": {
            "endpoint": "http://127.0.0.1/api/projects/prod-eu",
            "credential": "none",
            "agents": [{"name": AGENT, "policy": "standard"}],
        }
    },
    "policies": {
        "standard": {
            "mode": "enforce",
            "grace": "0s",
            "rules": [{"name": "idle-a-week", "action": "delete", "when": {"idle": "7d"}}],
            "limits": {"per_sweep": "100%", "per_day": "100%"},
        }
    },
}


def settings_of(name: str) -> Settings:
    return parse(worked_example(name).laid_over(BASE), name, {}, true_time()).settings


async def swept(story: Story, settings: Settings) -> Run:
    story.disk.steps = story.steps
    return await story.sweeper.run(settings, Scope())


async def guard_line(story: Story, settings: Settings, name: str) -> str:
    """One guard of `explain` as its table shows it, for the first session."""
    project = settings.projects[0]
    async with story.sweeper.connect(project) as client:
        answer = await client.page(AGENT)
    session = answer.value.sessions[0]
    assert isinstance(session, Session)
    policy, now = settings.policies[0], answer.date or 0.0
    around = Circumstances(project.name, Agent(AGENT), accepted=project.known_fields)
    shown = explain(session, around, policy, story.store, now)
    (guard,) = [guard for guard in shown.guards if guard.name == name]
    return f"{guard.name}  {'yes' if guard.lets_through else 'no'}  {guard.text}\n"


def test_the_example_of_a_new_field_plays_as_the_page_says() -> None:
    async def told() -> None:
        story = Story(AGENT)
        story.fault(Fault("*", lie="add_field", field="region_hint", value="north"))
        await story.stale_and_fresh(3, 0, AGENT)
        without = parse(json.dumps(BASE), "t", {}).settings
        await swept(story, without)
        assert story.deleted() == []
        assert await guard_line(story, without, "record") == worked_example("known-fields").shown
        await swept(story, settings_of("known-fields"))
        assert len(story.deleted()) == 3

    run(told)


def test_the_example_of_dates_plays_as_the_page_says() -> None:
    def day(text: str) -> float:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()

    async def told() -> None:
        story = Story(AGENT)
        settings = settings_of("except")
        await asyncio.sleep(day("2027-03-15 12:00") - true_time())
        story.create(3, "stale", AGENT)
        await asyncio.sleep(day("2027-03-26 01:00") - true_time())
        (report,) = (await swept(story, settings)).reports
        assert isinstance(report, Swept)
        assert report.blocked == {"window": 3}
        assert await guard_line(story, settings, "windows") == worked_example("except").shown
        await asyncio.sleep(day("2027-03-29 19:59") - true_time())
        await swept(story, settings)
        assert story.deleted() == []
        await asyncio.sleep(60)
        await swept(story, settings)
        assert len(story.deleted()) == 3

    run(told)


def test_the_example_of_a_canary_plays_as_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    async def told() -> None:
        story = Story(AGENT)
        settings = settings_of("must-see")
        story.create(3, "stale", AGENT)
        await asyncio.sleep(9 * DAY_S)
        (report,) = (await swept(story, settings)).reports
        assert isinstance(report, Swept)
        assert list(report.doubts) == ["must_see"]
        assert await check_online(settings, story.sweeper.connect) is Exit.FAILED
        assert "no agent has it" in capsys.readouterr().err
        story.platform.create(AGENT, "canary-000001")
        await asyncio.sleep(DAY_S)
        assert await check_online(settings, story.sweeper.connect) is Exit.DONE
        printed = capsys.readouterr()
        assert (printed.out, printed.err) == (worked_example("must-see").shown, "")
        await swept(story, settings)
        assert len(story.deleted()) == 3
        await asyncio.sleep(8 * DAY_S + HOUR_S)
        await swept(story, settings)
        assert story.left(AGENT) == {"canary-000001"}

    run(told)

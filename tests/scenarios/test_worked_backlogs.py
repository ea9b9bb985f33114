"""The examples of docs/policies.md about large backlogs, played as they are written."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import yaml
from rich.text import Text

from reaper.cli.printed import notes
from reaper.config import parse
from reaper.core.settings import Settings
from reaper.emulator.stored import StoredSession
from reaper.engine.report import Swept
from tests.clock import true_time
from tests.scenarios.story import DAY_S, HOUR_S, Story, one, tell
from tests.worked import WorkedExample, worked_example

BASE: dict[str, Any] = {
    "version": 1,
    "projects": {
        "prod-eu": {
            "endpoint": "http://127.0.0.1/api/projects/p",
            "credential": "none",
            "requests": {"max_per_second": 1000},
            "agents": [{"name": "support", "policy": "standard"}],
        }
    },
    "policies": {"standard": {"rules": [{"name": "idle-a-week", "action": "delete", "when": {"idle": "7d"}}]}},
}
EVERY_H = 6


class Played(Story):
    """A story by an example; `said` is what its sweeps show, each line with the time."""

    def __init__(self, example: WorkedExample) -> None:
        self.loaded = parse(example.laid_over(BASE), "reaper.yaml", {})
        super().__init__("support")
        self.said: list[str] = []

    @property
    def settings(self) -> Settings:
        return self.loaded.settings

    def put(self, name: str, count: int, idle_s: float) -> None:
        """So many sessions, the first used so long ago, each of the others a minute later."""
        version, now = self.platform.agent("support").latest, int(true_time())
        for number in range(count):
            used = now - int(idle_s) + number * 60
            self.platform.place("support", StoredSession(f"{name}-{number:06d}", version, used - HOUR_S, used))

    async def swept(self) -> Swept:
        report = one(await self.sweep(), "support")
        assert isinstance(report, Swept)
        at = datetime.fromtimestamp(report.plan.now, UTC).strftime("%a %H:%M")
        self.said += [f"{at}  {Text.from_markup(line).plain}" for line in notes(report, planned=False)]
        return report


@tell
async def test_the_example_of_a_first_day_is_worked_off_as_the_page_shows_it() -> None:
    example = worked_example("spread")
    story = Played(example)
    assert story.loaded.warnings == ()
    story.put("old", 300, 14 * DAY_S)
    story.put("fresh", 100, 3 * HOUR_S)
    done: list[int] = []
    while len(story.deleted()) < 300:
        before = len(story.deleted())
        report = await story.swept()
        went = story.deleted()[before:]
        assert sorted(went) == [f"old-{number:06d}" for number in range(before, before + len(went))]
        done.append(len(went))
        assert done[-1] <= report.snapshot.sessions * 10 // 100
        assert sum(done[-24 // EVERY_H :]) <= (report.snapshot.sessions + sum(done[-24 // EVERY_H : -1])) * 25 // 100
        assert report.result == "ok"
        await asyncio.sleep(EVERY_H * HOUR_S)
    shown = [line for line in story.said if " 08:00 " in line]
    assert "\n".join(shown) + "\n" == example.shown


@tell
async def test_the_example_of_a_jump_waits_for_a_person_as_the_page_shows_it() -> None:
    example = worked_example("jump")
    story = Played(example)
    story.put("old", 10, 14 * DAY_S)
    story.put("recent", 190, 3 * DAY_S)
    await story.swept()
    story.said.clear()
    base = yaml.safe_load(example.laid_over(BASE))
    base["policies"]["standard"]["rules"][0]["when"]["idle"] = "1d"
    story.loaded = parse(example.laid_over(base), "reaper.yaml", {})
    report = await story.swept()
    assert story.said[0][len("Fri 08:00  ") :] + "\n" == example.shown
    await asyncio.sleep(2 * DAY_S)
    assert (await story.swept()).result == "withheld"
    assert story.deleted() == []
    assert story.store.plans.approve(report.plan.id, true_time())
    await story.swept()
    assert len(story.deleted()) == 200

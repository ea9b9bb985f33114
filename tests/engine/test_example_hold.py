"""The worked example of holds on the policies page, played."""

from __future__ import annotations

import asyncio

from reaper.config import parse
from reaper.core.settings import Settings
from reaper.engine.status_json import decisions
from tests.clock import true_time
from tests.scenarios.story import DAY_S, Story, tell
from tests.worked import worked_example

BASE = {
    "version": 1,
    "projects": {
        "prod-eu": {
            "endpoint": "http://127.0.0.1/api/projects/p",
            "credential": "none",
            "agents": [{"name": "research", "policy": "standard"}],
        }
    },
    "policies": {
        "standard": {
            "mode": "enforce",
            "grace": "0s",
            "limits": {"per_sweep": 100, "per_day": 100},
            "rules": [{"name": "idle-a-week", "action": "delete", "when": {"idle": "7d"}}],
        }
    },
}


@tell
async def test_the_example_of_holds_is_shown_as_the_page_says() -> None:
    example = worked_example("hold")

    class Example(Story):
        @property
        def settings(self) -> Settings:
            return parse(example.laid_over(BASE), "example.yaml", {}).settings

    story = Example("research")
    for number in (1, 2, 3):
        story.platform.create("research", f"sess-{number:07d}")
    await asyncio.sleep(10 * DAY_S)
    assert true_time() < 1_801_440_000, "the day of the example is still to come"
    (shown,) = (await story.sweep(rehearsal=True)).swept
    told = [
        "  ".join(str(row[name]) for name in ("session", "action", "rule", "outcome", "reason"))
        for row in decisions(shown, planned=True)
        if row["outcome"] == "hold"
    ]
    assert told == example.shown.splitlines()
    await story.sweep()
    assert story.deleted() == ["sess-0000003"]

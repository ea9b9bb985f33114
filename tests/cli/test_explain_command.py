"""`plan` and `explain` answer alike, whatever the platform refuses to say."""

from __future__ import annotations

from typing import Any

import pytest
from process_world import IDLE_A_WEEK, Cli, Town
from sessions_world import AGENT, OLD

pytestmark = pytest.mark.process

OLD_VERSIONS = {"name": "old-versions", "action": "delete", "when": {"version": "superseded", "idle": "7d"}}


@pytest.mark.parametrize(("rule", "action"), [(IDLE_A_WEEK, "delete"), (OLD_VERSIONS, "keep")])
def test_explain_decides_as_plan_does_when_the_agent_cannot_be_read(
    cli: Cli, people: Town, rule: dict[str, Any], action: str
) -> None:
    cli.configure(people.endpoint, agents=[{"name": AGENT, "policy": "standard"}], rules=[rule])
    people.break_with({"operation": "get_agent", "status": 403})
    planned = cli.run("plan", "--all", "--output", "json").json["sweeps"][0]["decisions"]
    explained = cli.run("explain", AGENT, OLD[0], "--output", "json").ended(0).json["decision"]
    (decision,) = [one for one in planned if one["session"] == OLD[0]]
    assert decision["action"] == explained["action"] == action
    assert decision["reason"] == explained["reason"]

"""What an agent's developers ask for in its metadata, no assistant overrides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from inside import Inside
from mcp_world import said

from reaper.emulator import Fault

AGENT, OLD = "support-eu", "old-00000001"
GENTLE = {
    "mode": "enforce",
    "rules": [{"name": "ours", "action": "keep", "when": {"id": "old-*"}}],
    "limits": {"per_sweep": 100, "per_day": 100},
}


@pytest.fixture
def inside(tmp_path: Path) -> Inside:
    return Inside(tmp_path)


def refused(inside: Inside, session: str = OLD, tool: str = "session_delete") -> str:
    before = inside.changes()
    words = said(inside.ask(tool, session, AGENT))
    assert inside.changes() == before
    return words


def may_choose(inside: Inside, **changes: Any) -> None:
    def change(tree: dict[str, Any]) -> None:
        tree["policies"]["gentle"] = {**GENTLE, **changes}
        tree["projects"]["here"]["agents"][0]["may_choose"] = ["gentle"]

    inside.reconfigure(change)
    inside.emulator.platform.describe(AGENT, {"reaper.policy": "gentle"})


def test_what_its_developers_hold_no_assistant_deletes_or_stops(inside: Inside) -> None:
    inside.emulator.platform.describe(AGENT, {"reaper.hold": "2099-12-31"})
    for session, tool in ((OLD, "session_delete"), ("busy-00000001", "session_stop")):
        why = refused(inside, session, tool)
        assert "held by its version 1's metadata reaper.hold until 2099-12-31" in why
        assert "only the agent's developers can change that" in why


def test_what_the_chosen_policy_keeps_no_assistant_deletes(inside: Inside) -> None:
    may_choose(inside)
    assert "rule 'ours' of policy 'gentle' keeps it" in refused(inside)


def test_a_chosen_policy_that_observes_lets_no_assistant_act(inside: Inside) -> None:
    may_choose(inside, mode="observe")
    assert "chose policy gentle, which has to agree, and observes" in refused(inside)


def test_an_agent_that_cannot_be_read_for_a_strange_reason_is_left_alone(inside: Inside) -> None:
    inside.fault(Fault("get_agent", status=409))
    assert "what its developers ask for cannot be known" in refused(inside)


def test_where_agents_may_not_be_read_assistants_act_as_before(inside: Inside) -> None:
    inside.fault(Fault("get_agent", status=403))
    assert not inside.ask("session_delete", OLD, AGENT).is_error
    assert inside.deleted() == [OLD]


def test_what_both_policies_let_go_goes(inside: Inside) -> None:
    may_choose(inside, rules=[{"name": "gone", "action": "delete", "when": {"idle": "7d"}}])
    assert not inside.ask("session_delete", OLD, AGENT).is_error
    assert inside.deleted() == [OLD]

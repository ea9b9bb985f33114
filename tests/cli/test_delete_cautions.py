"""Who deletes by hand is told what the agent's developers ask for, and decides."""

from __future__ import annotations

import pytest

from reaper.cli.delete_cautions import cautions
from reaper.core.conditions import IdMatches
from reaper.core.model import Action
from reaper.core.policy import Rule
from reaper.core.settings import AgentPattern, Project
from reaper.emulator import Fault
from tests.world import AGENT, STALE, World, policy

KEEPING = policy(Rule("vip", Action.KEEP, (IdMatches(("vip-*",)),)), STALE)
GENTLE = policy(Rule("ours", Action.KEEP, (IdMatches(("session-*",)),)), name="gentle")


def told(metadata: object, *patterns: AgentPattern, fault: Fault | None = None) -> list[str]:
    world = World()
    world.put("session-0001")
    world.platform.describe(AGENT.name, metadata)
    if fault:
        world.emulator.faults.add(fault)
    project = Project("prod", world.project.connection, patterns)
    now = world.clock.wall()
    lines: list[str] = world.run(
        lambda client: cautions(client, project, AGENT.name, world.listed(), world.store, now)
    )
    return lines


@pytest.mark.parametrize("patterns", [(), (AgentPattern("*", KEEPING),)])
def test_a_hold_is_told_whether_a_policy_manages_the_agent_or_not(patterns: tuple[AgentPattern, ...]) -> None:
    assert told({"reaper.hold": "2099-12-31"}, *patterns) == [
        "a sweep would touch nothing of this agent: it is "
        "held by its version 3's metadata reaper.hold until 2099-12-31"
    ]


def test_what_the_chosen_policy_keeps_is_told_beside_what_the_configured_one_does() -> None:
    assert told({"reaper.policy": "gentle"}, AgentPattern("*", KEEPING, (GENTLE,))) == [
        "1 of them is kept by rule 'ours' of policy 'gentle': session-0001"
    ]


def test_an_agent_that_cannot_be_read_is_told_and_one_that_may_not_be_read_is_not() -> None:
    assert "cannot be known" in told({}, AgentPattern("*", KEEPING), fault=Fault("get_agent", status=409))[0]
    assert told({}, AgentPattern("*", KEEPING), fault=Fault("get_agent", status=403)) == []

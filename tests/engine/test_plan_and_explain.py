"""For every condition of the language, `explain` decides as `plan` does, and where the agent cannot be read, too."""

from __future__ import annotations

from typing import Any

import pytest

from reaper.core.conditions import CONDITIONS, Condition, Values
from reaper.core.model import AGE_FLOOR_S, DAY_S, Action, Agent, Session
from reaper.core.policy import Policy, Rule, decide
from reaper.core.settings import AgentPattern, Connection, Project
from reaper.emulator import Fault
from reaper.engine.discovery import discover, read_agent
from reaper.engine.explain import Circumstances, explain
from reaper.foundry.client import Client
from tests.world import AGENT, ENDPOINT, World

WRITTEN: dict[Values, tuple[Any, ...]] = {
    Values.DURATION: ("7d", "29d"),
    Values.STATUSES: (["idle"], ["failed"]),
    Values.GLOBS: (["old-*"], ["new-*"]),
    Values.VERSIONS: (["latest"], ["serving"], ["superseded"], ["3"], ["2"]),
}
CASES = [
    (kind.read(written), action, pattern, readable)
    for kind in CONDITIONS
    for written in WRITTEN[kind.values]
    for action in (Action.KEEP, Action.DELETE)
    for pattern, readable in ((AGENT.name, True), (AGENT.name, False), ("*", True))
]


def judged(world: World, project: Project) -> tuple[Agent, Agent]:
    """The agent as a sweep reads it, and as `explain` does."""

    async def read(client: Client) -> tuple[Agent, Agent]:
        ((swept, _),) = (await discover(project, client)).targets
        return swept, await read_agent(AGENT.name, client)

    agents: tuple[Agent, Agent] = world.run(read)
    return agents


@pytest.mark.parametrize(("condition", "action", "pattern", "readable"), CASES)
def test_plan_and_explain_agree(condition: Condition, action: Action, pattern: str, readable: bool) -> None:
    first = Rule("first", action, (condition,))
    policy = Policy("p", (first, Rule("last", Action.DELETE, (CONDITIONS[0].read("5m"),))))
    world = World(policy=policy)
    world.put("old-00000001", idle=8 * DAY_S)
    world.put("new-00000001", idle=AGE_FLOOR_S)
    if not readable:
        world.emulator.faults.add(Fault("get_agent", status=403))
    swept, explained = judged(world, Project("p", Connection(ENDPOINT), (AgentPattern(pattern, policy),)))
    sessions: list[Session] = world.listed()
    assert sessions
    for session in sessions:
        now = world.clock.wall()
        found = explain(session, Circumstances("p", explained), policy, world.store, now)
        assert found.decision == decide(session, policy, swept, now)

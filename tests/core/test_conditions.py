"""What every condition of the language keeps, whichever it is: all follow from its one definition."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reaper.config import json_schema, parse
from reaper.config.show import show
from reaper.core.conditions import CONDITIONS, NEVER, Condition, Values
from reaper.core.model import DAY_S, EXPIRY_S, STATUSES, Action, Agent, Session
from reaper.core.policy import Policy, Rule
from reaper.core.routing import Unserved
from tests.core.test_routing import split

WRITTEN: dict[Values, tuple[Any, ...]] = {
    Values.DURATION: ("5m", "7d", "1d12h"),
    Values.STATUSES: (["idle"], ["failed", "idle"], ["active"]),
    Values.GLOBS: (["*"], ["ab*"], ["ab*", "?bcdefgh"], ["abcdefgh"]),
    Values.VERSIONS: (
        ["latest"],
        ["serving"],
        ["superseded"],
        ["1"],
        ["1", "latest"],
        ["2", "superseded"],
        ["serving", "superseded"],
    ),
}
"""A new kind of value needs examples here before anything is believed of the condition that takes it."""

EVERY = [(kind, written) for kind in CONDITIONS for written in WRITTEN[kind.values]]
SESSIONS = [
    Session(id_, status, version, DAY_S - age, DAY_S, DAY_S + EXPIRY_S)
    for id_ in ("abcdefgh", "bbcdefgh", "zzzzzzzz")
    for status in (*STATUSES, "novel")
    for version in (None, "1", "2", "3")
    for age in (0, 40 * DAY_S)
]
AGENTS = [
    Agent("a", latest, selector=selector, unserved=unserved)
    for latest in (None, "1", "2")
    for selector in (None, split(("1", 90), ("2", 10)), split(("3", 100)), split(("1", 50)))
    for unserved in (None, Unserved({"1": float(DAY_S)}, 2.0 * DAY_S, DAY_S))
]
FILE = """\
version: 1
projects:
  main:
    endpoint: https://contoso.services.ai.azure.com/api/projects/main
    agents: [{{name: "*", policy: one}}]
policies: {{one: {{rules: [{{name: a, action: keep, when: {{{key}: {written}}}}}]}}}}
"""


@pytest.mark.parametrize(("kind", "written"), EVERY)
def test_a_condition_is_read_checked_shown_and_described_by_its_own_definition(
    kind: type[Condition], written: Any
) -> None:
    text = FILE.format(key=kind.name, written=written)
    (policy,) = parse(text, "t", {}).settings.policies
    assert policy.rules[0].when == (kind.read(written),)
    assert kind.read(kind.read(written).written()) == kind.read(written)
    (again,) = parse(show(parse(text, "t", {}).settings), "t", {}).settings.policies
    assert again == policy
    shown = json_schema.schema_at(("policies", "one", "rules", 0, "when"))["properties"]
    assert shown[kind.name]["description"] == kind.__doc__
    assert list(shown) == [each.name for each in CONDITIONS]


@pytest.mark.parametrize(("kind", "written"), EVERY)
def test_a_condition_whose_answer_depends_on_the_agent_says_that_it_needs_its_versions(
    kind: type[Condition], written: Any
) -> None:
    condition = kind.read(written)
    answers = [{condition.holds_from(session, agent) for agent in AGENTS} for session in SESSIONS]
    unjudged = any(None in found for found in answers)
    assert kind.needs_versions or not (unjudged or any(len(found) > 1 for found in answers))
    assert Policy("p", (Rule("r", Action.KEEP, (condition,)),)).asks_version is kind.needs_versions


@given(st.sampled_from(EVERY), st.sampled_from(EVERY), st.sampled_from(SESSIONS), st.sampled_from(AGENTS))
@settings(max_examples=1500, deadline=None, derandomize=True)
def test_a_condition_covers_only_what_it_holds_for(
    one: tuple[type[Condition], Any], other: tuple[type[Condition], Any], session: Session, agent: Agent
) -> None:
    wide, narrow = one[0].read(one[1]), other[0].read(other[1])
    moment, needed = wide.holds_from(session, agent), narrow.holds_from(session, agent)
    if wide.covers(narrow) and needed is not None and needed != NEVER:
        assert moment is not None
        assert moment <= needed


@pytest.mark.parametrize(("kind", "written"), EVERY)
def test_a_condition_covers_itself(kind: type[Condition], written: Any) -> None:
    assert kind.read(written).covers(kind.read(written))

"""Ranks at the command line: plan and explain say the same, and the worked examples show what they say they do."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from process_world import Cli, Town
from sessions_world import AGENT, OLD

from tests.worked import worked_example

pytestmark = pytest.mark.process


def ranking(cli: Cli, town: Town, **ranks: Any) -> Cli:
    """The usual configuration, with a policy that ranks."""
    tree = yaml.safe_load(cli.text(town.endpoint))
    tree["policies"]["standard"] |= ranks
    cli.config.write_text(yaml.safe_dump(tree))
    return cli


def test_explain_says_of_each_session_what_plan_says(cli: Cli, people: Town) -> None:
    ranking(cli, people, keep_newest=8, at_most=3)
    planned = cli.run("plan", "--all", "--output", "json").json["sweeps"][0]["decisions"]
    told = {one["session"]: one for one in planned}
    assert {told[name]["rule"] for name in OLD} == {"keep_newest", "idle-a-week"}
    for name in (OLD[0], OLD[29], "vip-00000001", "fresh-00000001", "broken-00000001"):
        explained = cli.run("explain", AGENT, name, "--output", "json").ended(0).json
        decision = explained["decision"]
        assert (decision["action"], decision["rule"] or "") == (told[name]["action"], told[name]["rule"]), name
        assert decision["reason"] == told[name]["reason"]


def test_explain_says_that_it_cannot_judge_ranks_where_it_cannot_list(cli: Cli, people: Town) -> None:
    ranking(cli, people, keep_newest=8)
    for fault in ({"status": 403}, {"lie": "loop_cursor"}, {"lie": "drop_field", "field": "created_at"}):
        people.break_with({"operation": "list", **fault})
        said = cli.run("explain", AGENT, OLD[29], "--output", "json").ended(0).json
        (guard,) = [guard for guard in said["guards"] if guard["guard"] == "ranks"]
        assert (guard["lets_through"], "cannot be judged: " in guard["told"]) == (False, True), fault
        assert "how it ranks cannot be judged" in said["decision"]["reason"]


def test_who_deletes_by_hand_is_told_of_the_newest(cli: Cli, people: Town) -> None:
    ranking(cli, people, keep_newest=12)
    done = cli.run("sessions", "delete", AGENT, OLD[0], OLD[29], "--yes").ended(0)
    assert f"1 of them is or may be among the newest 12, which policy 'standard' keeps: {OLD[29]}" in done.stderr


@pytest.mark.parametrize("name", ["keep-newest", "at-most"])
def test_a_worked_example_shows_what_it_says(cli: Cli, town_of_six: Town, name: str) -> None:
    example = worked_example(name)
    cli.config.write_text(example.laid_over(yaml.safe_load(cli.text(town_of_six.endpoint, rules=[]))))
    commands = [line.removeprefix("$ reaper ") for line in example.shown.splitlines() if line.startswith("$ reaper ")]
    printed = "\n".join(f"$ reaper {command}\n{cli.run(*command.split()).stdout}" for command in commands)
    shown = [line for line in example.shown.splitlines() if line.strip()]
    assert [line for line in shown if " ".join(line.split()) not in " ".join(printed.split())] == []

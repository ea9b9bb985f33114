"""The commands that only look: help, config, explain, completion."""

from __future__ import annotations

import json
import time

import pytest
from process_world import IDLE_A_WEEK, Cli, Town

pytestmark = pytest.mark.process

COMMANDS = (
    "", "run", "sweep", "plan", "approve", "explain", "emulator", "demo", "config", "config check", "config show",
    "config schema", "sessions", "sessions create", "sessions get", "sessions list", "sessions delete",
    "sessions stop", "sessions logs",
)  # fmt: skip

BROKEN = """\
version: 1
shedule: {every: 15m}
projects:
  here:
    endpoint: http://example.org/api/projects/here
    agents: [{name: "*", policy: missing}]
policies:
  standard:
    grace: 7
    rules:
      - {name: all, action: delete, when: {}}
      - {name: all, action: delete, when: {idle: 0d}}
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps_quickly(cli: Cli, command: str) -> None:
    started = time.monotonic()
    done = cli.bare(*command.split(), "--help").ended(0)
    assert "Usage: reaper" in done.stdout
    assert time.monotonic() - started < 5


def test_the_version_is_printed(cli: Cli) -> None:
    assert cli.bare("--version").ended(0).stdout.startswith("reaper ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_offered(cli: Cli, shell: str) -> None:
    assert "reaper" in cli.bare("--show-completion", shell).ended(0).stdout


def test_completion_proposes_the_commands(cli: Cli) -> None:
    done = cli.bare(_REAPER_COMPLETE="complete_bash", COMP_WORDS="reaper s", COMP_CWORD="1")
    assert done.stdout.split() == ["sweep", "state", "sessions"]


def test_a_broken_file_shows_all_problems_with_their_places(cli: Cli) -> None:
    cli.config.write_text(BROKEN)
    done = cli.run("config", "check").ended(2)
    for line in (2, 5, 6, 9, 11, 12):
        assert f"reaper.yaml:{line}:" in done.stderr, (line, done.stderr)
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["sweep", "plan", "run", "config show", "config check", "approve x"])
def test_a_missing_or_empty_file_ends_with_two(cli: Cli, command: str) -> None:
    assert "cannot be read" in cli.run(*command.split()).ended(2).stderr
    cli.config.write_text("")
    assert "empty" in cli.run(*command.split()).ended(2).stderr


def test_what_show_prints_is_a_configuration_that_says_the_same(cli: Cli, shared: Town) -> None:
    cli.configure(shared.endpoint)
    assert "ok, 1 project" in cli.run("config", "check").ended(0).stdout
    shown = cli.run("config", "show").ended(0).stdout
    cli.config.write_text(shown)
    assert cli.run("config", "show").ended(0).stdout == shown


def test_the_schema_is_json(cli: Cli) -> None:
    assert "properties" in json.loads(cli.bare("config", "schema").ended(0).stdout)


def test_the_configuration_is_found_by_the_environment(cli: Cli, shared: Town) -> None:
    cli.configure(shared.endpoint)
    cli.bare("config", "check", REAPER_CONFIG=str(cli.config)).ended(0)
    assert "config/reaper.yaml" in cli.bare("config", "check").ended(2).stderr


def test_explain_tries_every_rule_with_the_values_compared(cli: Cli, shared: Town) -> None:
    cli.configure(shared.endpoint, rules=[{**IDLE_A_WEEK, "when": {"idle": "29d"}}, IDLE_A_WEEK | {"name": "week"}])
    explained = cli.run("explain", "support-eu", "demo-000002", "--output", "json").ended(0).json
    assert [rule["rule"] for rule in explained["rules"]] == ["idle-a-week", "week"]
    idle = explained["rules"][1]["checks"][0]
    assert (idle["condition"], idle["wanted"], idle["holds"]) == ("idle", "at least 7d", False)
    assert idle["actual"].startswith("3d")
    assert explained["decision"]["action"] == "keep"
    assert explained["next_due"]["rule"] == "week"
    assert explained["next_due"]["at"] == explained["session"]["last_accessed_at"] + 7 * 86_400
    assert {"mode", "grace", "windows", "limits", "breaker", "state"} <= {g["guard"] for g in explained["guards"]}
    table = cli.run("explain", "support-eu", "demo-000002").ended(0).stdout
    for word in ("idle-a-week", "at least 29d", "at least 7d", "grace", "windows", "limits", "next due: "):
        assert word in table
    assert shared.changes() == 0


@pytest.mark.parametrize(
    ("agent", "session", "code"), [("nobody", "demo-000002", 1), ("support-eu", "no-such-session", 1)]
)
def test_explain_says_what_it_cannot_find(cli: Cli, shared: Town, agent: str, session: str, code: int) -> None:
    done = cli.configure(shared.endpoint).run("explain", agent, session).ended(code)
    assert agent in done.stderr
    assert "was not found" in done.stderr


@pytest.mark.parametrize("session", ["bad", "../../../etc", ""])
def test_explain_refuses_what_is_no_session_id(cli: Cli, shared: Town, session: str) -> None:
    done = cli.configure(shared.endpoint).run("explain", "support-eu", session).ended(2)
    assert "is not a session id" in done.stderr


def test_an_unknown_plan_cannot_be_approved(cli: Cli, shared: Town) -> None:
    assert "no plan 'nonsense'" in cli.configure(shared.endpoint).run("approve", "nonsense").ended(2).stderr

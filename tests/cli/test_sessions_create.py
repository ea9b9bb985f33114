"""`reaper sessions create`: on a version that works, and once."""

from __future__ import annotations

import json
import signal

import pytest
from process_world import Cli, Town, wait_for
from sessions_world import AGENT, start

pytestmark = pytest.mark.process


def test_a_version_that_is_not_active_is_refused_with_its_status(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    answer = json.dumps({"name": AGENT, "version": "1", "status": "failed"})
    people.break_with({"operation": "get_version", "body": answer})
    done = cli.run("sessions", "create", AGENT, "--version", "1").ended(1)
    assert "version 1 of agent support-eu is failed, not active" in done.stderr
    people.break_with()
    assert "has no version 77" in cli.run("sessions", "create", AGENT, "--version", "77").ended(1).stderr
    assert people.changes() == 0
    made = cli.run("sessions", "create", AGENT, "--version", "1", "--output", "json").ended(0).json
    assert made["version"] == "1"
    assert "existed" not in made


def test_if_missing_makes_a_session_once_and_then_returns_it(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    command = ("sessions", "create", AGENT, "--if-missing", "--id", "build-00000001", "--output", "json")
    first = cli.run(*command).ended(0).json
    again = cli.run(*command).ended(0)
    assert (first["existed"], again.json["existed"]) == (False, True)
    assert again.json["created_at"] == first["created_at"]
    assert "exists, nothing was created" in again.stderr
    assert people.counts()["create"] == 1


@pytest.mark.parametrize("name", ["busy-00000001", "old-00000001", "making-00000001"])
def test_if_missing_returns_what_runs_or_can_run(cli: Cli, people: Town, name: str) -> None:
    cli.configure(people.endpoint)
    done = cli.run("sessions", "create", AGENT, "--if-missing", "--id", name).ended(0)
    assert name in done.stdout
    assert "exists" in done.stderr
    assert people.changes() == 0


def test_if_missing_refuses_a_failed_session_and_says_what_helps(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    command = ("sessions", "create", AGENT, "--if-missing", "--id", "broken-00000001")
    assert "reaper sessions delete support-eu broken-00000001" in cli.run(*command).ended(1).stderr
    assert people.changes() == 0
    cli.run("sessions", "delete", AGENT, "broken-00000001", "--yes").ended(0)
    cli.run(*command).ended(0)
    assert [event["session"] for event in people.history("created")] == ["broken-00000001"]


def test_if_missing_returns_the_session_that_somebody_else_was_quicker_to_make(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    people.break_with({"operation": "get", "status": 404, "times": 1})
    command = ("sessions", "create", AGENT, "--if-missing", "--id", "busy-00000001", "--output", "json")
    assert cli.run(*command).ended(0).json["existed"] is True
    assert people.history("created") == []


@pytest.mark.parametrize(
    ("operation", "arguments", "unknown"),
    [
        ("create", ("create", AGENT, "--id", "build-00000001"), "whether build-00000001 of support-eu was created"),
        ("stop", ("stop", AGENT, "busy-00000001"), "whether busy-00000001 was stopped"),
    ],
)
def test_ctrl_c_while_a_change_is_under_way_says_that_its_effect_is_not_known(
    cli: Cli, people: Town, operation: str, arguments: tuple[str, ...], unknown: str
) -> None:
    cli.configure(people.endpoint)
    people.break_with({"operation": operation, "hang": "after"})
    process = start(cli, "sessions", *arguments)
    wait_for("the change", lambda: people.counts().get(operation))
    assert process.end(signal.SIGINT, 10) == 1
    assert f"interrupted: {unknown} is not known" in process.stderr
    assert process.stdout == ""

"""`reaper sessions`: the platform's operations by hand."""

from __future__ import annotations

import signal

import pytest
from process_world import Cli, Town, at_terminal, wait_for

pytestmark = pytest.mark.process


def test_a_session_is_created_shown_listed_stopped_and_deleted(cli: Cli, shared: Town) -> None:
    cli.configure(shared.endpoint)
    made = cli.run("sessions", "create", "research", "--id", "by-hand-0001", "--output", "json").ended(0).json
    assert made["agent_session_id"] == "by-hand-0001"
    assert "by-hand-0001" in cli.run("sessions", "get", "research", "by-hand-0001").ended(0).stdout
    page = cli.run("sessions", "list", "research", "--order", "desc", "--limit", "1", "--output", "json").ended(0)
    assert [one["agent_session_id"] for one in page.json["data"]] == ["by-hand-0001"]
    assert page.json["has_more"] is True
    rest = cli.run(
        "sessions", "list", "research", "--order", "desc", "--after", "by-hand-0001", "--output", "json"
    ).json
    assert len(rest["data"]) == 20
    wait_for(
        "the session to run",
        lambda: next(
            s for s in shared.sessions("research") if s["agent_session_id"] == "by-hand-0001"
        )["status"] == "active",
    )  # fmt: skip
    cli.run("sessions", "stop", "research", "by-hand-0001").ended(0)
    assert [event["session"] for event in shared.history("stopped")] == ["by-hand-0001"]
    gone = cli.run("sessions", "delete", "research", "by-hand-0001", "--yes", "--output", "json").ended(0).json
    assert gone == {"deleted": [{"session": "by-hand-0001", "outcome": "done"}]}
    again = cli.run("sessions", "delete", "research", "by-hand-0001", "--yes").ended(0)
    assert "already_gone" in again.stdout
    assert "no session by-hand-0001" in cli.run("sessions", "get", "research", "by-hand-0001").ended(1).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        "get research short",
        "get research has.a.dot.in.it",
        "create research --id short",
        "stop research ../../agents",
        "logs research short",
        "delete research demo-000002 short --yes",
        "list research --limit 0",
        "list research --limit 101",
        "list research --limit many",
        "list research --order sideways",
        "list research --after demo-000002 --before demo-000002",
    ],
)
def test_what_the_api_forbids_is_refused_before_anything_is_sent(cli: Cli, shared: Town, arguments: str) -> None:
    before = shared.counts()
    done = cli.configure(shared.endpoint).run("sessions", *arguments.split()).ended(2)
    assert done.stdout == ""
    assert shared.counts() == before


def test_deleting_in_a_script_needs_yes(cli: Cli, shared: Town) -> None:
    before = shared.counts()
    assert (
        "--yes" in cli.configure(shared.endpoint).run("sessions", "delete", "research", "demo-000002").ended(2).said
    )
    assert shared.counts() == before


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
def test_deleting_at_a_terminal_asks_first(cli: Cli, shared: Town, answer: str, code: int) -> None:
    name = f"at-terminal-{answer}"
    cli.configure(shared.endpoint).run("sessions", "create", "research", "--id", name).ended(0)
    status, said = at_terminal(cli, "sessions", "delete", "research", name, prompt="?", answer=lambda: f"{answer}\n")
    assert "Delete 1 session(s) of research" in said
    assert "Traceback" not in said
    assert status == code, said
    assert (("research", name) in shared.deleted()) == (answer == "y")


def test_a_log_is_followed_until_interrupted(cli: Cli, shared: Town) -> None:
    cli.configure(shared.endpoint)
    process = cli.start("sessions", "logs", "support-eu", "demo-000002", "--follow", "--config", str(cli.config))
    wait_for("the first line of the log", lambda: "Starting server" in process.stdout)
    assert process.end(signal.SIGINT) in {0, 1, 130}

"""Text from outside never steers a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from process_world import DAY, Cli, Town, exact_town, raw_controls, session, wait_for

pytestmark = pytest.mark.process

COLOUR = re.compile(r"\x1b\[\d*(;\d+)*m")
ESCAPE = "\x1b]0;pwned\x07\x1b[2J\x9b31m\u202e\r\u2028[bold]"
EVIL = f"evil{ESCAPE}/ü name"


@pytest.fixture
def evil(tmp_path: Path) -> Iterator[Town]:
    sessions = [session(f"old-session-{i:02d}", idle=8 * DAY) for i in range(4)]
    with exact_town(tmp_path / "town", {EVIL: sessions, "good": sessions}) as made:
        yield made


@pytest.mark.parametrize("log", ["json", "console"])
def test_an_agent_with_a_hostile_name_steers_no_terminal(cli: Cli, evil: Town, log: str) -> None:
    cli.configure(evil.endpoint, log=log)
    for command in (("plan",), ("plan", "--output", "json"), ("sweep", "--observe"), ("sweep",)):
        done = cli.run(*command)
        assert raw_controls(COLOUR.sub("", done.said)) == set(), command
    assert len([name for agent, name in evil.deleted() if agent == "good"]) == 4


def test_hostile_error_texts_and_statuses_steer_no_terminal(cli: Cli, evil: Town) -> None:
    faults: list[dict[str, Any]] = [
        {"operation": "list", "agent": "good", "status": 403, "code": ESCAPE, "message": ESCAPE},
        {"operation": "get", "status": 400, "code": ESCAPE, "message": ESCAPE},
    ]
    evil.break_with(*faults)
    cli.configure(evil.endpoint, log="console")
    for command in (
        ("sweep",),
        ("sweep", "--output", "json"),
        ("explain", "good", "old-session-01"),
        ("sessions", "get", "good", "old-session-01"),
        ("sessions", "delete", "good", "old-session-01", "--yes"),
        ("sessions", "list", ESCAPE),
    ):
        assert raw_controls(COLOUR.sub("", cli.run(*command).ended(1).said)) == set(), command
    evil.break_with({"operation": "list", "lie": "bad_field", "field": "status", "value": ESCAPE})
    for command in (("sweep",), ("plan", "--output", "json"), ("sessions", "list", "good")):
        assert raw_controls(COLOUR.sub("", cli.run(*command).said)) == set(), command
    assert evil.changes() == 0


def test_a_withheld_plan_of_a_hostile_name_steers_no_terminal(cli: Cli, evil: Town) -> None:
    cli.configure(evil.endpoint, limits={"per_sweep": 1, "per_day": 1}, log="console")
    assert raw_controls(COLOUR.sub("", cli.run("sweep").ended(3).said)) == set()
    assert evil.changes() == 0


def test_the_daemon_writes_and_serves_no_raw_control_characters(cli: Cli, evil: Town) -> None:
    daemon = cli.configure(evil.endpoint, mode="observe").daemon()
    daemon.until_ready()
    wait_for("a sweep", lambda: daemon.events("sweep"))
    for route in ("/api/v1/status", "/readyz"):
        assert raw_controls(daemon.get(route)[1]) == set(), route
    assert daemon.process.end() == 0
    assert raw_controls(daemon.process.stderr) == set()


def test_metrics_hold_no_raw_control_characters(cli: Cli, evil: Town) -> None:
    daemon = cli.configure(evil.endpoint, mode="observe").daemon()
    daemon.until_ready()
    assert raw_controls(daemon.get("/metrics")[1]) == set()


def test_a_console_log_that_goes_into_a_file_has_no_colours(cli: Cli, evil: Town) -> None:
    assert "\x1b" not in cli.configure(evil.endpoint, mode="observe", log="console").run("sweep").stderr

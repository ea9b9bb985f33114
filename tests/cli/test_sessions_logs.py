"""`reaper sessions logs`: what is there, or all that comes."""

from __future__ import annotations

import pytest
from process_world import Cli, Town, wait_for
from sessions_world import AGENT, line_to, start

from reaper.cli.logs_command import ShownLines

BUSY = "busy-00000001"


@pytest.mark.process
def test_a_log_ends_by_itself_when_it_is_quiet(cli: Cli, people: Town) -> None:
    people.ask("use", {"agent": AGENT, "session": BUSY})
    done = cli.configure(people.endpoint).run("sessions", "logs", AGENT, BUSY, seconds=30).ended(0)
    assert ["Starting server" in done.stdout, "request served" in done.stdout] == [True, True]
    assert len(done.stdout.splitlines()) == 2
    assert "no session" in cli.run("sessions", "logs", AGENT, "nobody-00000001").ended(1).stderr


@pytest.mark.process
def test_a_followed_log_survives_broken_connections_and_ends_with_its_session(cli: Cli, people: Town) -> None:
    with line_to(people.endpoint) as (line, endpoint):
        cli.configure(endpoint)
        process = start(cli, "sessions", "logs", AGENT, BUSY, "--follow")
        wait_for("the first line", lambda: "Starting server" in process.stdout)
        for turn in range(1, 4):
            people.break_with({"operation": "logs", "status": 503, "times": 1})
            line.cut()
            wait_for("the new connection", lambda turn=turn: process.stderr.count("connecting again") >= turn)
            people.ask("use", {"agent": AGENT, "session": BUSY})
            wait_for("the new line", lambda turn=turn: process.stdout.count("request served") == turn, 60)
        cli.run("sessions", "delete", AGENT, BUSY, "--yes").ended(0)
        assert process.popen.wait(30) == 0
        assert "is gone, its log has ended" in process.stderr
        assert "Traceback" not in process.stderr
        assert len(process.stdout.splitlines()) == len(set(process.stdout.splitlines())) == 4


@pytest.mark.parametrize(
    ("first", "second", "new"),
    [
        ("abc", "abcd", "d"),
        ("abc", "bcd", "d"),
        ("abc", "def", "def"),
        ("abc", "", ""),
        ("aab", "aabb", "b"),
        ("aSb", "abc", "c"),  # a remark that only the first connection made
        ("abc", "abcabc", "abc"),  # the same again, later
    ],
)
def test_lines_told_again_are_not_shown_again_and_no_new_one_is_lost(first: str, second: str, new: str) -> None:
    shown = ShownLines()
    assert all(shown.is_new(line) for line in first)
    shown.again()
    assert "".join(line for line in second if shown.is_new(line)) == new

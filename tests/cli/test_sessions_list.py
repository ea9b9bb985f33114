"""`reaper sessions list --all`: every page, as it comes, and exactly what fits."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from process_world import DAY, Cli, Town, wait_for
from sessions_world import AGENT, start

pytestmark = pytest.mark.process

Record = dict[str, Any]


def listed(cli: Cli, *arguments: str) -> list[str]:
    printed = cli.run("sessions", "list", AGENT, "--all", *arguments, "--output", "json").ended(0).json
    assert printed["complete"] is True
    return [one["agent_session_id"] for one in printed["data"]]


def idle_s(record: Record) -> float:
    return time.time() - float(record["last_accessed_at"])


def test_all_pages_are_listed_in_order_and_each_session_once(cli: Cli, crowd: Town) -> None:
    cli.configure(crowd.endpoint)
    known = [one["agent_session_id"] for one in crowd.sessions(AGENT)]
    assert len(known) == 450
    assert listed(cli) == known
    assert listed(cli, "--order", "desc", "--limit", "64") == known[::-1]
    assert listed(cli, "--after", known[399]) == known[400:]


@pytest.mark.parametrize(
    ("arguments", "fits"),
    [
        ("--status failed", lambda one: one["status"] == "failed"),
        ("--status failed --status active", lambda one: one["status"] in {"failed", "active"}),
        ("--idle-over 7d", lambda one: idle_s(one) >= 7 * DAY),
        ("--id vip-*", lambda one: one["agent_session_id"].startswith("vip-")),
        ("--id vip-* --id demo-*", lambda one: one["agent_session_id"].startswith(("vip-", "demo-"))),
        (
            "--status idle --idle-over 1d12h --id *a*",
            lambda one: one["status"] == "idle" and idle_s(one) >= 1.5 * DAY and "a" in one["agent_session_id"],
        ),
    ],
)
def test_a_filter_shows_exactly_what_the_platform_holds_of_it(
    cli: Cli, crowd: Town, arguments: str, fits: Callable[[Record], bool]
) -> None:
    cli.configure(crowd.endpoint)
    due = [one["agent_session_id"] for one in crowd.sessions(AGENT) if fits(one)]
    assert 0 < len(due) < 450
    assert listed(cli, *arguments.split()) == due
    table = cli.run("sessions", "list", AGENT, "--all", *arguments.split()).ended(0)
    assert [line.split()[0] for line in table.stdout.splitlines()[1:]] == due
    assert f"{len(due)} of 450 sessions on 5 page(s)" in table.stderr


@pytest.mark.parametrize("output", ["table", "json"])
def test_rows_are_printed_as_pages_come_and_ctrl_c_says_that_more_is_missing(
    cli: Cli, people: Town, output: str
) -> None:
    cli.configure(people.endpoint)
    people.break_with({"operation": "list", "after": 1, "hang": True})
    process = start(cli, "sessions", "list", AGENT, "--all", "--limit", "10", "--output", output)
    wait_for("the first page", lambda: process.stdout.count("old-") == 10)
    assert process.popen.poll() is None
    assert process.end(signal.SIGINT) == 1
    assert "not whole: until then 10 of 10 sessions on 1 page(s)" in process.stderr
    if output == "json":
        printed = json.loads(process.stdout)
        assert (len(printed["data"]), printed["complete"], printed["why"]) == (10, False, "interrupted")


@pytest.mark.parametrize(
    ("fault", "arguments", "why"),
    [
        ({"lie": "loop_cursor"}, "--limit 10", "the cursor repeats"),
        ({"lie": "endless"}, "--max-pages 3", "more than --max-pages 3"),
        ({"status": 403, "after": 2}, "--limit 10", "HTTP 403"),
        ({"lie": "truncated", "after": 1}, "--limit 10", "no JSON"),
    ],
)
def test_a_listing_that_breaks_off_says_so_and_fails(
    cli: Cli, people: Town, fault: Record, arguments: str, why: str
) -> None:
    cli.configure(people.endpoint)
    for output in ("json", "table"):
        people.break_with({"operation": "list", **fault})
        done = cli.run("sessions", "list", AGENT, "--all", *arguments.split(), "--output", output).ended(1)
        assert why in done.stderr
        assert "broke off after" in done.stderr
        if output == "json":
            assert done.json["complete"] is False
            assert done.json["data"]


def test_a_listing_that_never_began_prints_nothing_on_stdout(cli: Cli, people: Town) -> None:
    people.break_with({"operation": "list", "status": 403})
    done = cli.configure(people.endpoint).run("sessions", "list", AGENT, "--all", "--output", "json").ended(1)
    assert done.stdout == ""
    assert "HTTP 403" in done.stderr


def test_a_session_that_two_pages_show_is_listed_once(cli: Cli, people: Town) -> None:
    people.break_with({"operation": "list", "lie": "duplicate"})
    cli.configure(people.endpoint)
    assert listed(cli, "--limit", "10") == [one["agent_session_id"] for one in people.sessions(AGENT)]


def test_a_record_that_cannot_be_read_is_listed_as_malformed_and_fits_no_filter(cli: Cli, people: Town) -> None:
    lie = {"operation": "list", "lie": "bad_field", "session": "vip-*", "field": "created_at", "value": "soon"}
    people.break_with(lie)
    cli.configure(people.endpoint)
    printed = cli.run("sessions", "list", AGENT, "--all", "--output", "json").ended(0).json["data"]
    assert sum("malformed" in one for one in printed) == 3
    done = cli.run("sessions", "list", AGENT, "--all", "--id", "vip-*", "--output", "json").ended(0)
    assert done.json["data"] == []
    assert "3 malformed record(s)" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        "list support-eu --status idle",
        "list support-eu --idle-over 7d",
        "list support-eu --all --before old-00000001",
        "list support-eu --all --idle-over 7",
        "list support-eu --all --idle-over 0s",
        "list support-eu --all --limit 101",
        "list support-eu --all --max-pages 0",
        "create support-eu --if-missing",
        "delete support-eu --yes",
        "delete support-eu --all-matching --yes",
        "delete support-eu --status idle --yes",
        "delete support-eu old-00000001 --id old-* --all-matching --yes",
        "delete support-eu --status creating --all-matching --yes",
        "delete support-eu --status updating --status idle --all-matching --yes",
        "delete support-eu --status deleted --all-matching --yes",
        "delete support-eu --id old-* --all-matching",
        "files delete support-eu old-00000001 --path notes.txt",
        "files delete support-eu old-00000001 --path . --recursive --yes",
        "files put support-eu old-00000001 there-is-no-such-file",
        "files list support-eu short",
    ],
)
def test_what_is_unclear_is_refused_before_anything_is_sent(cli: Cli, crowd: Town, arguments: str) -> None:
    before = crowd.counts()
    done = cli.configure(crowd.endpoint).run("sessions", *arguments.split()).ended(2)
    assert done.stdout == ""
    assert crowd.counts() == before
    assert not cli.state.exists()

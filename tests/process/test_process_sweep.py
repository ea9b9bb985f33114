"""`reaper sweep` and `reaper plan` as programs, judged by the emulator's own record."""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path

import pytest
from process_world import AGENTS, DAY, IDLE_A_WEEK, Cli, Town, exact_town, session, stale, stale_ids, town, wait_for

pytestmark = pytest.mark.process

TOP = {"plan_id", "observed", "sweeps"}
SWEEP = {"project", "agent", "policy", "result", "sessions", "pages", "by_status", "decisions", "totals", "blocked"}
DECISION = {"session", "created_at", "action", "rule", "outcome", "reason"}


def test_a_sweep_of_six_thousand_sessions_deletes_exactly_the_stale_ones(cli: Cli, tmp_path: Path) -> None:
    with town(tmp_path / "town", "--agents", "3", "--sessions", "2000") as big:
        cli.configure(big.endpoint)
        before = {agent: big.sessions(agent) for agent in AGENTS}
        due = {(agent, name) for agent in AGENTS for name in stale_ids(before[agent], time.time())}
        assert len(due) > 1000
        printed = cli.run("sweep", "--output", "json", seconds=90).ended(0).json
        events = big.history("deleted")
        gone = [(event["agent"], event["session"]) for event in events]
        assert len(gone) == len(set(gone))
        assert due <= set(gone)
        for event in events:
            assert stale({**event, "agent_session_id": event["session"]}, event["time"])
        assert big.history("stopped", "forbidden", "created", "used") == []
        counts = big.counts()
        assert set(counts) <= {"list_agents", "get_agent", "list_versions", "list", "get", "delete"}
        assert counts["delete"] == len(gone)
        assert sum(sweep["totals"]["delete"] for sweep in printed["sweeps"]) == len(gone)
        again = cli.run("sweep", "--output", "json", seconds=90).ended(0).json
        assert all(sweep["totals"]["delete"] == 0 for sweep in again["sweeps"])
        assert big.counts()["delete"] == len(gone)


@pytest.mark.parametrize(("mode", "options"), [("observe", ()), ("enforce", ("--observe",))])
def test_observing_sends_nothing_that_changes_anything(
    cli: Cli, own: Town, mode: str, options: tuple[str, ...]
) -> None:
    runaway = {"name": "runaway", "action": "stop", "when": {"status": "active", "idle": "1m"}}
    cli.configure(own.endpoint, mode=mode, rules=[IDLE_A_WEEK, runaway])
    printed = cli.run("sweep", *options, "--output", "json").ended(0).json
    assert printed["observed"] is True
    totals = [sweep["totals"] for sweep in printed["sweeps"]]
    assert sum(each["delete"] for each in totals) > 0
    assert sum(each["stop"] for each in totals) > 0
    assert own.changes() == 0
    assert {decision["outcome"] for sweep in printed["sweeps"] for decision in sweep["decisions"]} == {"observe"}


def test_a_withheld_plan_runs_after_the_commands_that_the_message_names(cli: Cli, tmp_path: Path) -> None:
    old = [session(f"old-session-{i:03d}", idle=8 * DAY + i) for i in range(30)]
    ripening = [session(f"ripening-{i:03d}", idle=7 * DAY - 14) for i in range(6)]
    fresh = [session(f"fresh-session-{i:03d}", idle=DAY) for i in range(64)]
    with exact_town(tmp_path / "town", {"support-eu": [*old, *ripening, *fresh]}) as made:
        born = time.time()
        cli.configure(made.endpoint, rules=[IDLE_A_WEEK], limits={"per_sweep": "5%", "per_day": "5%"})
        withheld = cli.run("sweep").ended(3)
        assert time.time() - born < 13, "this machine is too slow for the test"
        assert made.changes() == 0
        looked = re.search(r"(reaper plan .*?)\. Approve: (reaper approve \w+)", withheld.stdout)
        assert looked, withheld.stdout
        plan = cli.run(*shlex.split(looked[1])[1:], "--output", "json").ended(10).json
        approval = shlex.split(looked[2])[1:]
        assert plan["plan_id"] == approval[1]
        planned = {decision["session"] for decision in plan["sweeps"][0]["decisions"]}
        assert planned == {one["id"] for one in old}
        assert "30 actions" in cli.run(*approval).ended(0).stdout
        wait_for("six more to become stale", lambda: time.time() - born > 16)

        printed = cli.run("sweep", "--output", "json").ended(3).json
        assert {name for _, name in made.deleted()} == planned
        left = [d for d in printed["sweeps"][0]["decisions"] if d["outcome"] != "done"]
        assert {d["session"] for d in left} == {one["id"] for one in ripening}
        cli.run("sweep").ended(3)
        assert len(made.deleted()) == made.counts()["delete"] == 30


def test_a_plan_touches_nothing_and_has_the_id_of_the_sweep_it_foretells(cli: Cli, own: Town) -> None:
    cli.configure(own.endpoint, limits={"per_sweep": 1, "per_day": "100%"})
    done = cli.run("plan", "--out", "plan.json", "--output", "json").ended(10)
    saved = (cli.folder / "plan.json").read_text()
    assert saved.strip() == done.stdout.strip()
    assert own.changes() == 0
    swept = cli.run("sweep", "--output", "json").ended(3).json
    assert swept["plan_id"] == done.json["plan_id"]
    assert {sweep["result"] for sweep in swept["sweeps"]} == {"withheld"}
    assert own.changes() == 0


def test_a_plan_with_nothing_to_do_ends_with_zero(cli: Cli, tmp_path: Path) -> None:
    with exact_town(tmp_path / "town", {"support-eu": [session("fresh-session", idle=60)]}) as made:
        cli.configure(made.endpoint).run("plan").ended(0)


@pytest.mark.parametrize("command", [("sweep", "--observe"), ("plan",), ("plan", "--all")])
def test_json_output_has_the_keys_of_the_contract_and_stdout_nothing_else(
    cli: Cli, shared: Town, command: tuple[str, ...]
) -> None:
    printed = cli.configure(shared.endpoint).run(*command, "--output", "json").json
    assert set(printed) >= TOP
    for sweep in printed["sweeps"]:
        assert set(sweep) >= {*SWEEP, "duration_seconds"}
        assert set(sweep["totals"]) == {"keep", "stop", "delete"}
        assert all(set(decision) == DECISION for decision in sweep["decisions"])
        listed = {decision["action"] for decision in sweep["decisions"]}
        assert ("keep" in listed) == ("--all" in command)
        expected = sum(sweep["totals"].values()) if "--all" in command else sweep["totals"]["delete"]
        assert len(sweep["decisions"]) == expected


def test_one_agent_that_is_forbidden_fails_with_the_role_and_the_others_go_on(cli: Cli, own: Town) -> None:
    own.break_with(
        {"operation": "list", "agent": "research", "status": 403, "code": "session_not_accessible", "message": "no"}
    )
    done = cli.configure(own.endpoint).run("sweep").ended(1)
    assert "Foundry User" in done.stdout
    assert {agent for agent, _ in own.deleted()} == {"support-eu", "billing-bot"}


def test_a_listing_that_breaks_off_deletes_nothing_of_that_agent_only(cli: Cli, tmp_path: Path) -> None:
    with town(tmp_path / "town", "--agents", "2", "--sessions", "150") as made:
        made.break_with({"operation": "list", "agent": "research", "after": 1, "status": 500})
        printed = cli.configure(made.endpoint).run("sweep", "--output", "json").ended(1).json
        results = {sweep["agent"]: sweep["result"] for sweep in printed["sweeps"]}
        assert results == {"research": "incomplete", "support-eu": "ok"}
        assert {agent for agent, _ in made.deleted()} == {"support-eu"}


def test_a_platform_out_of_reach_ends_with_one_and_says_so(cli: Cli) -> None:
    done = cli.configure("http://127.0.0.1:1/api/projects/p").run("sweep", "--output", "json").ended(1)
    assert done.json["sweeps"][0]["result"] == "failed"
    assert "no connection to 127.0.0.1" in done.json["sweeps"][0]["why"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--nonsense",), "--nonsense"),
        (("--project", "nowhere"), "nowhere"),
        (("--agent", "nobody"), "nobody"),
        (("--output", "xml"), "xml"),
    ],
)
def test_a_wrong_command_line_ends_with_two(cli: Cli, shared: Town, arguments: tuple[str, ...], message: str) -> None:
    done = cli.configure(shared.endpoint).run("sweep", *arguments).ended(2)
    assert message in done.stderr
    assert done.stdout == ""


def test_a_state_that_cannot_be_opened_withholds_everything(cli: Cli, own: Town) -> None:
    cli.configure(own.endpoint)
    cli.state.write_text("this is no state")
    assert str(cli.state) in cli.run("sweep").ended(3).stderr
    assert own.changes() == 0


def test_where_no_lock_can_be_made_nothing_is_swept(cli: Cli, own: Town) -> None:
    text = cli.text(own.endpoint).replace(str(cli.state), "/nonexistent/state.db")
    cli.config.write_text(text)
    assert "the lock /nonexistent/state.db.lock: No such file" in cli.run("sweep").ended(1).stderr
    assert own.changes() == 0

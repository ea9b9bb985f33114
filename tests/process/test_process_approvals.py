"""Approvals from the command line and from the configuration, and what is said of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from process_world import DAY, Cli, exact_town, session

pytestmark = pytest.mark.process

MANY = [session(f"old-session-{i:03d}", idle=8 * DAY + i) for i in range(30)]
FEW = {"per_sweep": 1, "per_day": 1}


def approving(cli: Cli, *ids: str) -> None:
    """The same configuration with these approvals."""
    kept = cli.config.read_text().split("approvals:")[0]
    cli.config.write_text(f"{kept}approvals: [{', '.join(repr(one) for one in ids)}]\n")


def test_what_became_of_an_approval_in_the_configuration_is_told(cli: Cli, tmp_path: Path) -> None:
    with exact_town(tmp_path / "town", {"support-eu": MANY}) as made:
        cli.configure(made.endpoint, limits=FEW)
        assert "none in the configuration" in cli.run("config", "check", "--state").ended(0).stdout
        approving(cli, "0" * 32)
        assert "there is no such file" in cli.run("config", "check", "--state").ended(1).stderr
        assert not cli.state.exists()
        looked = cli.run("plan", "--output", "json").ended(10)
        assert f"approval {'0' * 32} is unknown" in looked.stderr
        plan = looked.json["plan_id"]
        approving(cli, plan, "0" * 32)
        checked = cli.run("config", "check", "--state").ended(0)
        assert f"approval {plan}: waits for the next sweep, 30 action(s) on here/support-eu" in checked.stdout
        assert f"warning: approval {'0' * 32} is unknown" in checked.stderr
        shown = cli.run("plan", "--output", "json").ended(10).json["sweeps"][0]
        assert (shown["result"], made.changes()) == ("ok", 0)
        assert {decision["outcome"] for decision in shown["decisions"]} == {"planned"}
        cli.run("sweep").ended(0)
        assert len(made.deleted()) == 30
        checked = cli.run("config", "check", "--state").ended(0)
        assert "used up: all 30 action(s) on here/support-eu were begun" in checked.stdout


def test_the_beginning_of_an_id_approves_its_plan_and_a_shorter_one_none(cli: Cli, tmp_path: Path) -> None:
    with exact_town(tmp_path / "town", {"support-eu": MANY}) as made:
        plan = cli.configure(made.endpoint, limits=FEW).run("plan", "--output", "json").ended(10).json["plan_id"]
        assert len(plan) == 32
        said = cli.run("approve", plan[:8]).ended(2).stderr
        assert "An id has 32 digits; 12 are the least" in said
        assert plan in said
        assert "no plan '" in cli.run("approve", "f" * 32).ended(2).stderr
        approval = ("approve", plan[:12], "--by", "Ada", "--reason", "first backlog")
        assert cli.run(*approval, "--output", "json").ended(0).json["plan_id"] == plan
        (given,) = [row for row in cli.journal() if row["rule"] == "approved"]
        recorded = json.loads(given["body"])
        assert (recorded["plan"], recorded["by"], recorded["reason"]) == (plan, "Ada", "first backlog")
        cli.run("sweep").ended(0)
        assert len(made.deleted()) == 30


def test_a_configuration_that_is_a_pipe_ends_every_command_with_a_message(cli: Cli) -> None:
    os.mkfifo(cli.config)
    for command in (("config", "check"), ("config", "show"), ("plan",), ("run",)):
        done = cli.run(*command, seconds=20).ended(2)
        assert "the file cannot be read: it is a pipe" in done.stderr

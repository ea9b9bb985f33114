"""An upgrade and a rollback as `docs/operating.md` has them, with real processes on states of earlier versions."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from process_world import Cli, Town, wait_for

from tests.earlier_states import OLDER, contents, later_version, state_of, version

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"


def commands_under(heading: str) -> Iterator[tuple[list[str], int]]:
    """The commands of the page's section, without `reaper`, and the exit code that the page gives them."""
    section = PAGE.read_text().split(f"\n### {heading}\n", 1)[1].split("\n#", 1)[0]
    for line in re.findall(r"^\$ reaper (.+)$", section, re.MULTILINE):
        code = re.search(r"# exit code (\d+)", line)
        yield shlex.split(line, comments=True), int(code[1]) if code else 0


@pytest.mark.parametrize("first", OLDER)
def test_the_upgrade_on_the_page_brings_a_state_of_every_earlier_version_to_this_one(first: int, cli: Cli) -> None:
    state_of(first, cli.state)
    before = contents(cli.state)
    cli.configure("http://127.0.0.1:9/api/projects/p")
    assert "`reaper state migrate` is due" in cli.run("state", "check").ended(10).stdout
    commands = [*commands_under("An upgrade")]
    assert ["state", "migrate"] in [command[:2] for command, _ in commands]
    for command, code in commands:
        cli.run(*command).ended(code)
    assert version(cli.state) == 3
    copies = sorted(cli.folder.glob("state.db.v*"))
    assert [contents(copy) == before for copy in copies if f".v{first}-" in copy.name] == [True] * len(copies)
    checked = cli.run("state", "check", "--output", "json").ended(0).json
    assert (checked["whole"], checked["version"], checked["migration_due"]) == (True, 3, False)


def test_the_rollback_on_the_page_goes_back_to_the_copy_beside_a_daemon_that_waits(cli: Cli, own: Town) -> None:
    cli.configure(own.endpoint)
    cli.run("sweep").ended(0)
    copy = cli.run("state", "backup", "--output", "json").ended(0).json["copy"]
    cli.run("hold", "support-eu", "someone-0001", "--id-only", "--legal", "case-7", "--reason", "later").ended(0)
    later_version(cli.state)
    assert "version 4, this program writes 3" in cli.run("state", "migrate").ended(1).stderr
    daemon = cli.daemon()
    wait_for("the fault", lambda: "version 4, this program writes 3" in daemon.get("/readyz")[1])
    deleted = len(own.deleted())
    assert "run the later program again, or go back to a copy" in cli.run("state", "check").ended(1).stderr
    commands = [*commands_under("A rollback")]
    assert ["state", "restore"] in [command[:2] for command, _ in commands]
    said = [
        cli.run(*(copy if ".v3-" in word else word for word in command)).ended(code) for command, code in commands
    ]
    assert (
        "not held any more, hold it again with `reaper hold`: here/support-eu someone-0001 (case-7)" in said[0].stdout
    )
    wait_for("a whole state", lambda: daemon.metric("state_fault") == {"session_reaper_state_fault": 0})
    daemon.until_ready()
    assert daemon.process.end() == 0
    assert len(own.deleted()) == deleted
    assert [row["rule"] for row in cli.journal() if "restored" in row["rule"]] == ["state_restored"]
    assert cli.run("holds", "--output", "json").ended(0).json["holds"] == []
    assert contents(next(iter(sorted(cli.folder.glob("state.db.v4-*")))))["holds"]
    cli.run("audit", "verify").ended(0)


def test_a_daemon_that_finds_an_earlier_state_copies_migrates_and_goes_on_and_says_so(cli: Cli, own: Town) -> None:
    state_of(1, cli.state)
    before = contents(cli.state)
    cli.configure(own.endpoint)
    daemon = cli.daemon()
    daemon.until_ready()
    (told,) = daemon.events("state_migrated")
    assert (told["from"], told["to"]) == (1, 3)
    assert contents(Path(told["copy"])) == before
    assert daemon.metric("state_fault") == {"session_reaper_state_fault": 0}
    assert "another process sweeps" in cli.run("state", "migrate").ended(1).stderr
    assert daemon.process.end() == 0
    assert [row["rule"] for row in cli.journal() if row["rule"] in {"migrated", "upgraded"}] == ["migrated"]
    cli.run("audit", "verify").ended(0)


def test_a_sweep_by_hand_migrates_and_says_where_the_copy_is(cli: Cli, own: Town) -> None:
    state_of(2, cli.state)
    cli.configure(own.endpoint)
    done = cli.run("sweep", "--observe").ended(0)
    assert "state migrated from version 2; as it was: " in done.stderr
    assert version(cli.state) == 3


def test_commands_that_only_look_or_only_note_a_wish_migrate_nothing(cli: Cli, own: Town) -> None:
    state_of(1, cli.state)
    before = contents(cli.state)
    cli.configure(own.endpoint)
    due = "version 1, this program writes 3"
    assert due in cli.run("plan").said
    cli.run("explain", "support-eu", "someone-0001").ended(1)
    assert due in cli.run("holds").ended(1).stderr
    assert due in cli.run("approve", "f44fc30a7c01").ended(1).stderr
    assert (
        due
        in cli.run("hold", "support-eu", "someone-0001", "--id-only", "--legal", "case-7", "--reason", "r")
        .ended(1)
        .stderr
    )
    cli.run("audit", "show").ended(0)
    cli.run("audit", "verify").ended(0)
    cli.run("state", "check").ended(10)
    assert contents(cli.state) == before
    assert not list(cli.folder.glob("state.db.v*"))


def test_beside_a_daemon_nobody_else_migrates_and_everybody_may_copy(cli: Cli, own: Town) -> None:
    cli.configure(own.endpoint)
    daemon = cli.daemon()
    daemon.until_ready()
    assert "another process sweeps" in cli.run("state", "migrate").ended(1).stderr
    copied = cli.run("state", "backup", str(cli.folder / "town"), "--output", "json").ended(0).json
    assert Path(copied["copy"]).parent == cli.folder / "town"
    again = cli.run("state", "backup", copied["copy"]).ended(1)
    assert "is there already, and no copy replaces a file" in again.stderr
    assert "another process sweeps" in cli.run("state", "restore", copied["copy"]).ended(1).stderr
    assert daemon.process.end() == 0


def test_state_commands_say_what_is_missing(cli: Cli) -> None:
    cli.configure("http://127.0.0.1:9/api/projects/p")
    for command in ("migrate", "backup"):
        assert "there is no state file" in cli.run("state", command).ended(1).stderr
    assert "there is no file" in cli.run("state", "restore", "nowhere.db").ended(2).stderr
    state_of(3, cli.state)
    assert "cannot be restored from itself" in cli.run("state", "restore", str(cli.state)).ended(1).stderr
    assert "is there already" in cli.run("state", "backup", str(cli.state)).ended(1).stderr
    missing = cli.run("state", "backup", str(cli.folder / "no" / "folder" / "copy")).ended(1)
    assert "No such file or directory" in missing.stderr

"""The audit commands take whatever they are given, read whatever copy there is, and write nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from audit_world import NOW, Book, write_config

from reaper.cli.audit_commands import action_filter, run_show, run_verify
from reaper.cli.endings import CommandError
from reaper.cli.options import OutputFormat
from reaper.core.model import DAY_S
from reaper.store.database import StateError
from reaper.store.journal import ActionFilter
from reaper.store.origin import Origin
from reaper.store.store import Breaker

REAPER = Path(sys.executable).parent / "reaper"


@pytest.fixture
def config(book: Book, tmp_path: Path) -> Path:
    book.act("a-session", at=NOW - DAY_S)
    book.store.open_breaker("prod", "desk", Breaker(NOW, "accepted without effect"))
    book.journal.note("configuration", "", "", NOW, {"digest": "abc", "origin": Origin(by="ada").as_json()})
    book.journal.note("marks", "prod", "desk", NOW, {"came": 1})
    return write_config(tmp_path, book.path)


def reaper(config: Path, *arguments: str | bytes, closed: bool = False) -> subprocess.CompletedProcess[bytes]:
    command: list[str | bytes] = [str(REAPER), *arguments, "--config", str(config)]
    if closed:
        command = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
    return subprocess.run(command, capture_output=True, check=False)


def test_events_stand_among_the_actions_with_who_they_came_from(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_show(config, ActionFilter(), 50, OutputFormat.TABLE)
    printed = capsys.readouterr().out
    assert "breaker_latched" in printed
    assert "reason accepted without effect" in printed
    (line,) = [line for line in printed.splitlines() if "configuration" in line]
    assert line.split()[2] == "ada"
    assert "marks" not in printed


def test_json_contains_the_events(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_show(config, ActionFilter(), 50, OutputFormat.JSON)
    entries = json.loads(capsys.readouterr().out)["entries"]
    assert [entry.get("event", "action") for entry in entries] == ["action", "breaker_latched", "configuration"]
    assert entries[2]["told"]["origin"] == {"by": "ada"}


def test_events_of_other_agents_and_times_are_left_out(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_show(config, ActionFilter(agent="help"), 50, OutputFormat.TABLE)
    run_show(config, ActionFilter(session="a-session"), 50, OutputFormat.TABLE)
    run_show(config, ActionFilter(since=NOW + 1), 50, OutputFormat.TABLE)
    assert "breaker_latched" not in capsys.readouterr().out


@pytest.mark.parametrize("limit", [2**62, 10**22, 10**200])
def test_a_limit_beyond_any_record_shows_all(config: Path, limit: int, capsys: pytest.CaptureFixture[str]) -> None:
    run_show(config, ActionFilter(), limit, OutputFormat.JSON)
    assert len(json.loads(capsys.readouterr().out)["entries"]) == 3


@pytest.mark.parametrize("option", ["session", "agent", "project"])
def test_a_name_of_bytes_that_are_no_text_is_a_wrong_command_line(option: str) -> None:
    names = {"project": None, "agent": None, "session": None, "since": None, option: "a\udcff-session"}
    with pytest.raises(CommandError, match=f"--{option}") as caught:
        action_filter(**names)
    assert caught.value.code == 2
    str(caught.value).encode()


def test_the_command_line_with_such_bytes_or_a_limit_of_23_digits_has_no_traceback(config: Path) -> None:
    ran = reaper(config, "audit", "show", "--session", b"a\xff-session")
    assert (ran.returncode, b"Traceback" in ran.stderr, b"altered" in ran.stderr) == (2, False, False)
    ran = reaper(config, "audit", "show", "--limit", "9" * 23, "--output", "json")
    assert ran.returncode == 0, ran.stderr
    assert len(json.loads(ran.stdout)["entries"]) == 3


@pytest.mark.parametrize("arguments", [("audit", "show"), ("audit", "verify"), ("audit", "show", "--output", "json")])
def test_a_closed_output_is_no_traceback(config: Path, arguments: tuple[str, ...]) -> None:
    ran = reaper(config, *arguments, closed=True)
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_a_reader_that_went_away_is_no_traceback(book: Book, config: Path) -> None:
    book.act_many(300)
    command = f"{REAPER} audit show --limit 0 --output json --config {config} | head -c 10"
    ran = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
    assert b"Traceback" not in ran.stderr


def test_a_copy_on_a_medium_that_is_read_only_is_verified_and_nothing_is_made_beside_it(
    book: Book, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book.journal.note("marks", "prod", "other", NOW, {})
    book.store.close()
    folder = tmp_path / "shelf"
    folder.mkdir()
    copy = folder / "state.db"
    shutil.copy(book.path, copy)
    before = copy.read_bytes()
    copy.chmod(0o400)
    folder.chmod(0o500)
    try:
        assert run_verify(write_config(tmp_path, copy), None, OutputFormat.TABLE) == 0
        assert os.listdir(folder) == ["state.db"]
    finally:
        folder.chmod(0o700)
    assert copy.read_bytes() == before
    assert "unbroken" in capsys.readouterr().out


def test_a_state_in_use_is_verified_with_what_its_writer_has_only_logged(
    book: Book, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book.act("b-session")
    assert Path(f"{book.path}-wal").stat().st_size > 0
    assert run_verify(config, book.journal.end().hash, OutputFormat.TABLE) == 0


def test_a_state_of_another_version_is_not_read_as_if_it_were_of_this_one(book: Book, config: Path) -> None:
    book.tamper("UPDATE meta SET value = '1' WHERE key = 'version'")
    with pytest.raises(StateError, match="version 1"):
        run_verify(config, None, OutputFormat.TABLE)


def test_verify_says_what_was_altered_beside_the_chain(
    book: Book, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book.tamper("DELETE FROM breakers")
    assert run_verify(config, None, OutputFormat.TABLE) == 1
    assert "broken: the breakers of prod/desk are not those that were recorded" in capsys.readouterr().out

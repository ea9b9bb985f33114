"""The record is shown as actions: what fits the filters, the newest last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from audit_world import NOW, Book, write_config

from reaper.cli.audit_commands import read_since, run_show
from reaper.cli.endings import CommandError
from reaper.cli.options import OutputFormat
from reaper.core.model import DAY_S, OutcomeKind
from reaper.store.journal import ActionFilter

WANTED = [
    (ActionFilter(), 50, ["a-session", "b-session", "c-session", "a-session"]),
    (ActionFilter(session="a-session"), 50, ["a-session", "a-session"]),
    (ActionFilter(agent="help"), 50, ["c-session"]),
    (ActionFilter(project="prod", agent="desk", session="b-session"), 50, ["b-session"]),
    (ActionFilter(project="other"), 50, []),
    (ActionFilter(since=NOW - 1), 50, ["c-session", "a-session"]),
    (ActionFilter(), 2, ["c-session", "a-session"]),
    (ActionFilter(session="a-session"), 1, ["a-session"]),
    (ActionFilter(), 0, ["a-session", "b-session", "c-session", "a-session"]),
]


@pytest.fixture
def config(book: Book, tmp_path: Path) -> Path:
    book.act("a-session", at=NOW - 2 * DAY_S)
    book.act("b-session", at=NOW - DAY_S)
    book.act("c-session", at=NOW, agent="help")
    book.act("a-session", at=NOW + 5, why="no answer, but it took effect")
    return write_config(tmp_path, book.path)


def shown(config: Path, which: ActionFilter, limit: int, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    run_show(config, which, limit, OutputFormat.JSON)
    entries: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["entries"]
    return entries


@pytest.mark.parametrize(("which", "limit", "expected"), WANTED, ids=str)
def test_what_fits_is_shown_with_the_newest_last(
    config: Path, which: ActionFilter, limit: int, expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert [entry["session"] for entry in shown(config, which, limit, capsys)] == expected


def test_json_carries_the_evidence_and_the_rows_that_hold_it(
    config: Path, book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    (entry,) = shown(config, ActionFilter(since=NOW + 1), 50, capsys)
    assert (entry["action"], entry["rule"], entry["outcome"]) == ("delete", "stale", "done")
    assert entry["evidence"]["received"] == {"colour": "red"}
    assert entry["evidence"]["compared"][0]["actual"] == "8d"
    assert [row["kind"] for row in entry["entries"]] == ["intent", "outcome"]
    assert entry["entries"][-1]["hash"] == book.journal.end().hash


def test_the_table_folds_an_action_into_one_line(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_show(config, ActionFilter(), 50, OutputFormat.TABLE)
    lines = [line for line in capsys.readouterr().out.splitlines() if "-session" in line]
    assert len(lines) == 4
    assert lines[-1].split()[2:7] == ["prod/desk", "a-session", "delete", "stale", "done"]
    assert "idle 8d (at least 7d); no answer, but it took effect" in lines[-1]


def test_an_action_without_an_outcome_is_open_and_one_found_out_later_is_not(book: Book, config: Path) -> None:
    intent = book.intend("lost-session")
    assert [a.outcome for a in book.journal.actions(ActionFilter(session="lost-session"))] == ["open"]
    book.conclude(intent, OutcomeKind.IN_DOUBT, NOW, "no answer")
    book.conclude(intent, OutcomeKind.FAILED, NOW, "found out by a later sweep")
    (action,) = book.journal.actions(ActionFilter(session="lost-session"))
    assert (action.outcome, len(action.outcomes)) == ("failed", 2)


def test_hostile_text_reaches_neither_the_terminal_nor_the_markup(
    book: Book, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book.act("d-session", why="\x1b[31m[bold]boo[/bold]")
    run_show(config, ActionFilter(session="d-session"), 50, OutputFormat.TABLE)
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "[bold]boo[/bold]" in printed


def test_an_empty_record_says_so(book: Book, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(tmp_path, book.path)
    run_show(config, ActionFilter(), 50, OutputFormat.TABLE)
    assert capsys.readouterr().out == "no action that fits is in the record\n"
    assert shown(config, ActionFilter(), 50, capsys) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7d", NOW - 7 * DAY_S),
        ("1d12h", NOW - 1.5 * DAY_S),
        ("2026-11-01", 1_793_491_200),
        ("2026-11-01T06:00", 1_793_512_800),
        ("2026-11-01T06:00+01:00", 1_793_509_200),
    ],
)
def test_since_is_a_time_ago_or_a_date(text: str, expected: float) -> None:
    assert read_since(text, NOW) == expected


@pytest.mark.parametrize("text", ["yesterday", "7", "", "2026-13-01"])
def test_any_other_since_is_a_wrong_command_line(text: str) -> None:
    with pytest.raises(CommandError, match="--since") as caught:
        read_since(text, NOW)
    assert caught.value.code == 2

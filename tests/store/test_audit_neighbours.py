"""The record of a state that another version wrote can be shown and verified, and nothing is migrated for that."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from audit_world import write_config

from reaper.cli.audit_commands import run_show, run_verify
from reaper.cli.options import OutputFormat
from reaper.store.database import StateError
from reaper.store.journal import ActionFilter
from reaper.store.read_only import ReadOnlyState
from tests.earlier_states import OLDER, contents, later_version, state_of


def verified(config: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, object]]:
    code = run_verify(config, None, OutputFormat.JSON)
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.mark.parametrize("first", OLDER)
def test_the_record_of_an_earlier_version_is_shown_and_verified_without_a_migration(
    first: int, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state_of(first, path)
    config, before = write_config(path.parent, path), contents(path)
    code, verdict = verified(config, capsys)
    assert (code, verdict["holds"], verdict["version"], verdict["doubts"]) == (0, True, first, [])
    run_show(config, ActionFilter(), 0, OutputFormat.JSON)
    deleted = [one for one in json.loads(capsys.readouterr().out)["entries"] if one.get("outcome") == "done"]
    assert len(deleted) in {3, 4}
    assert all(one["evidence"]["compared"] for one in deleted)
    assert contents(path) == before
    assert not list(path.parent.glob("state.db?*"))


def test_the_record_of_the_next_version_is_verified_and_its_tables_are_said_not_to_be_compared(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state_of(3, path)
    later_version(path)
    config, before = write_config(path.parent, path), contents(path)
    code, verdict = verified(config, capsys)
    assert (code, verdict["holds"], verdict["version"], verdict["tables_compared"]) == (0, True, 4, False)
    assert run_verify(config, None, OutputFormat.TABLE) == 0
    assert "tables were not compared: this program cannot do that for version 4" in capsys.readouterr().out
    run_show(config, ActionFilter(), 0, OutputFormat.TABLE)
    assert "hold_placed" in capsys.readouterr().out
    assert contents(path) == before


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_an_altered_entry_is_found_whichever_version_wrote_it(
    number: int, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state_of(min(number, 3), path)
    if number == 4:
        later_version(path)
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript("UPDATE journal SET rule = 'another' WHERE seq = 6")
    code, verdict = verified(write_config(path.parent, path), capsys)
    assert (code, verdict["broken"]) == (
        1,
        {"entry": 6, "what": "its hash does not fit: it was altered, inserted or moved, or the entry before it was"},
    )


def test_altered_marks_of_version_2_are_found(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state_of(2, path)
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript("UPDATE marks SET ripe_at = 0")
    code, verdict = verified(write_config(path.parent, path), capsys)
    assert (code, verdict["holds"]) == (1, False)
    assert "the marks of prod/research" in str(verdict["doubts"])


def test_a_version_farther_ahead_or_one_that_writes_the_record_in_another_way_is_not_guessed_at(path: Path) -> None:
    url = state_of(3, path)
    later_version(path, 5)
    with pytest.raises(StateError, match="version 5, this program reads 1 to 4"):
        ReadOnlyState(url)
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(
            "ALTER TABLE journal ADD COLUMN signed_by VARCHAR; UPDATE meta SET value = '4' WHERE key = 'version'"
        )
    with pytest.raises(StateError, match="version 4 writes the record in another way"):
        ReadOnlyState(url)


def test_a_state_that_is_made_to_look_older_is_not_believed_to_be(path: Path) -> None:
    url = state_of(3, path)
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript("DELETE FROM journal WHERE seq <= 4; UPDATE meta SET value = '1' WHERE key = 'version'")
    with pytest.raises(StateError, match="its version was altered"):
        ReadOnlyState(url)

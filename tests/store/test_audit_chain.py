"""Nobody changes the record unseen; and what the chain alone cannot show, it says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from audit_world import NOW, Book, write_config

from reaper.cli.audit_commands import run_verify
from reaper.cli.endings import CommandError
from reaper.cli.options import OutputFormat
from reaper.core.model import OutcomeKind
from reaper.store.chain import GENESIS, row_hash
from tests.record import entries


def test_an_untouched_record_holds_and_its_head_is_the_hash_of_the_last_row(book: Book) -> None:
    book.act_many(5)
    verdict = book.verify()
    assert (verdict.rows, verdict.broken, verdict.unresolved) == (10, None, 0)
    assert verdict.head == book.journal.end().hash


def test_an_empty_record_holds(book: Book) -> None:
    assert (book.verify().rows, book.verify().head, book.verify().broken) == (0, GENESIS, None)


@pytest.mark.parametrize(
    "change",
    [
        "at = at + 1",
        "kind = 'intent'",
        "project = 'other'",
        "agent = 'other'",
        "session = 'other-session'",
        "created_at = created_at + 1",
        "action = 'stop'",
        "rule = 'other'",
        "approved = 1",
        "outcome = 'failed'",
        "body = '{}'",
        "body = replace(body, 'nothing', 'something')",
        "session = x'00ff'",
        "hash = 'x' || substr(hash, 2)",
        "action_id = 'other'",
    ],
)
def test_an_altered_row_is_found(book: Book, change: str) -> None:
    book.act_many(3)
    intent = book.intend()
    book.conclude(intent, OutcomeKind.DONE, NOW, "nothing")
    book.act_many(2)
    book.tamper(f"UPDATE journal SET {change} WHERE seq = 8")
    assert book.broken()[0] == 8


def test_an_altered_row_with_a_hash_made_to_fit_breaks_at_the_next(book: Book) -> None:
    book.act_many(3)
    rows = entries(book.journal)
    book.tamper("UPDATE journal SET rule = 'other' WHERE seq = 3")
    forged = replace(rows[2].intent, rule="other")
    row = {
        "at": rows[2].at,
        "kind": "intent",
        "action_id": forged.id,
        "project": "prod",
        "agent": "desk",
        "session": forged.session,
        "created_at": forged.created_at,
        "action": "delete",
        "rule": "other",
        "approved": 0,
        "outcome": "",
        "body": json.dumps(rows[2].body, sort_keys=True),
    }
    book.tamper(f"UPDATE journal SET hash = '{row_hash(rows[1].hash, row)}' WHERE seq = 3")
    assert book.broken()[0] == 4


def test_a_deleted_row_is_found(book: Book) -> None:
    book.act_many(3)
    book.tamper("DELETE FROM journal WHERE seq = 4")
    assert book.broken() == (5, "entries 4 to 4 are missing before it")


def test_a_deleted_row_is_found_although_the_others_were_renumbered(book: Book) -> None:
    book.act_many(3)
    book.tamper("DELETE FROM journal WHERE seq = 4; UPDATE journal SET seq = seq - 1 WHERE seq > 4")
    assert book.broken()[0] == 4


def test_rows_deleted_at_the_beginning_are_found(book: Book) -> None:
    book.act_many(3)
    book.tamper("DELETE FROM journal WHERE seq <= 2")
    assert book.broken() == (3, "entries 1 to 2 are missing before it")


def test_an_inserted_row_is_found(book: Book) -> None:
    book.act_many(3)
    columns = "at, kind, action_id, project, agent, session, created_at, action, rule, approved, outcome, body, hash"
    book.tamper(
        "UPDATE journal SET seq = -seq WHERE seq > 2; UPDATE journal SET seq = 1 - seq WHERE seq < 0;"
        f"INSERT INTO journal (seq, {columns}) SELECT 3, {columns} FROM journal WHERE seq = 1"
    )
    assert book.broken()[0] == 3


def test_reordered_rows_are_found(book: Book) -> None:
    book.act_many(3)
    book.tamper(
        "UPDATE journal SET seq = 99 WHERE seq = 3; UPDATE journal SET seq = 3 WHERE seq = 5;"
        "UPDATE journal SET seq = 5 WHERE seq = 99; UPDATE sqlite_sequence SET seq = 6"
    )
    assert book.broken()[0] == 3


def test_an_outcome_without_an_intent_is_found_although_its_hash_fits(book: Book) -> None:
    book.act()
    stranger = replace(book.intend("session-0002"), id="never-intended")
    book.conclude(stranger, OutcomeKind.DONE, NOW, "")
    assert book.broken() == (4, "it is the outcome of an action that has no intent")


def test_an_end_that_was_simply_deleted_is_found(book: Book) -> None:
    book.act_many(3)
    book.tamper("DELETE FROM journal WHERE seq > 4")
    assert book.broken() == (5, "entries 5 to 6 are missing at the end")


def test_an_end_that_was_cut_off_carefully_shows_by_a_head_noted_elsewhere_only(book: Book) -> None:
    book.act_many(3)
    noted = book.journal.end().hash
    book.tamper("DELETE FROM journal WHERE seq > 4; UPDATE sqlite_sequence SET seq = 4")
    assert book.verify().broken is None
    assert book.verify(noted).since_noted is None


def test_a_head_noted_earlier_is_found_with_the_number_of_entries_since(book: Book) -> None:
    book.act_many(3)
    noted = book.journal.end().hash
    assert book.verify(noted).since_noted == 0
    book.act_many(2)
    assert book.verify(noted).since_noted == 4


def test_actions_nobody_knows_the_end_of_are_counted(book: Book) -> None:
    book.act_many(2)
    book.intend()
    doubtful = book.intend("session-0009")
    book.conclude(doubtful, OutcomeKind.IN_DOUBT, NOW, "no answer")
    assert book.verify().unresolved == 2
    book.conclude(doubtful, OutcomeKind.DONE, NOW, "found out")
    assert book.verify().unresolved == 1


def test_verify_says_that_it_holds_and_what_it_cannot_show(
    book: Book, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book.act_many(2)
    config = write_config(tmp_path, book.path)
    assert run_verify(config, None, OutputFormat.TABLE) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"4 entries, unbroken, head {book.journal.end().hash}\n")
    assert "Not shown by this: whether the end was cut off" in printed
    assert run_verify(config, book.journal.end().hash.upper(), OutputFormat.TABLE) == 0
    assert "with 0 entries since" in capsys.readouterr().out


def test_verify_fails_with_the_place_and_with_a_head_that_is_not_in_it(
    book: Book, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book.act_many(2)
    config = write_config(tmp_path, book.path)
    assert run_verify(config, "ab" * 32, OutputFormat.TABLE) == 1
    assert "is not in it: the end was cut off" in capsys.readouterr().out
    book.tamper("UPDATE journal SET rule = 'other' WHERE seq = 2")
    assert run_verify(config, None, OutputFormat.TABLE) == 1
    assert capsys.readouterr().out.startswith("broken at entry 2: its hash does not fit")
    assert run_verify(config, None, OutputFormat.JSON) == 1
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["holds"], verdict["broken"]["entry"]) == (False, 2)


def test_verify_refuses_a_head_that_is_none_and_a_state_that_is_not_there(book: Book, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is no head"):
        run_verify(write_config(tmp_path, book.path), "abc", OutputFormat.TABLE)
    elsewhere = tmp_path / "elsewhere.db"
    with pytest.raises(CommandError, match="no state file") as caught:
        run_verify(write_config(tmp_path, elsewhere), None, OutputFormat.TABLE)
    assert caught.value.code == 1
    assert not elsewhere.exists()

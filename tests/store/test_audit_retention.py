"""Old settled actions go, from the start; nothing that is still needed does, and the rest still verifies."""

from __future__ import annotations

import sqlite3

import pytest
from audit_world import NOW, Book

from reaper.core.model import DAY_S, Action, OutcomeKind
from reaper.store import pruning
from reaper.store.database import StateError
from tests.record import entries


def old_and_new(book: Book) -> None:
    for number in range(5):
        book.act(f"old-{number:05d}", at=NOW - 10 * DAY_S + number)
    for number in range(5):
        book.act(f"new-{number:05d}", at=NOW - DAY_S / 2 + number)


def rows(book: Book) -> list[int]:
    return [entry.seq for entry in entries(book.journal)]


def test_a_pruned_record_verifies_from_its_checkpoint(book: Book) -> None:
    old_and_new(book)
    head = book.journal.end().hash
    assert book.journal.prune(NOW - 7 * DAY_S, NOW) == 10
    verdict = book.verify(head)
    assert (verdict.rows, verdict.pruned, verdict.broken) == (11, 10, None)
    assert verdict.since_noted == 1


def test_the_record_goes_on_after_everything_was_pruned(book: Book) -> None:
    old_and_new(book)
    head = book.journal.end().hash
    assert book.journal.prune(NOW + 1, NOW) == 20
    assert book.verify(head).since_noted == 1
    book.act()
    assert book.verify(head).since_noted == 3
    assert rows(book) == [22, 23]
    assert book.journal.prune(NOW + 1, NOW) == 3
    assert (book.verify().pruned, book.verify().broken) == (23, None)


def test_more_that_is_taken_from_a_pruned_record_is_found(book: Book) -> None:
    old_and_new(book)
    book.journal.prune(NOW - 7 * DAY_S, NOW)
    book.tamper("DELETE FROM journal WHERE seq <= 12")
    assert book.broken() == (13, "entries 11 to 12 are missing before it")


def test_an_altered_checkpoint_is_found(book: Book) -> None:
    old_and_new(book)
    book.journal.prune(NOW - 7 * DAY_S, NOW)
    book.tamper("UPDATE meta SET value = replace(value, '10', '8') WHERE key = 'journal_pruned'")
    assert book.broken()[0] == 11
    book.tamper("UPDATE meta SET value = 'nonsense' WHERE key = 'journal_pruned'")
    assert book.broken() == (0, "the checkpoint of the pruned entries is unreadable")


def test_an_open_intent_is_never_pruned_nor_what_comes_after_it(book: Book) -> None:
    book.act(at=NOW - 30 * DAY_S)
    lost = book.intend("session-0002", at=NOW - 29 * DAY_S)
    book.act("session-0003", at=NOW - 28 * DAY_S)
    assert book.journal.prune(NOW, NOW) == 2
    assert [entry.intent.id for entry in book.journal.open("prod", "desk")] == [lost.id]
    book.conclude(lost, OutcomeKind.IN_DOUBT, NOW - 29 * DAY_S, "no answer")
    assert book.journal.prune(NOW, NOW) == 0
    book.conclude(lost, OutcomeKind.DONE, NOW - 29 * DAY_S, "found out")
    assert book.journal.prune(NOW + 1, NOW) == 6
    assert book.verify().broken is None


def test_an_action_goes_whole_or_not_at_all(book: Book) -> None:
    first = book.intend("session-0001", at=NOW - 30 * DAY_S)
    book.act("session-0002", at=NOW - 30 * DAY_S)
    book.conclude(first, OutcomeKind.DONE, NOW - DAY_S, "")
    assert book.journal.prune(NOW - 7 * DAY_S, NOW) == 0


def test_the_last_day_still_counts_against_its_limit_after_pruning(book: Book) -> None:
    old_and_new(book)
    used = book.journal.used_today("prod", "desk", NOW)
    assert used == {Action.DELETE: 5}
    book.journal.prune(NOW - 7 * DAY_S, NOW)
    assert book.journal.used_today("prod", "desk", NOW) == used
    assert book.journal.deleted_since("prod", "desk", NOW - DAY_S) == 5


def test_a_long_backlog_goes_in_parts_each_of_which_verifies(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "PRUNE_MAX_ROWS", 4)
    old_and_new(book)
    pruned = []
    while part := book.journal.prune(NOW - 7 * DAY_S, NOW):
        pruned.append(part)
        assert book.verify().broken is None
    assert sum(pruned) == 10
    assert len(pruned) > 1


def test_a_record_that_cannot_be_read_any_more_is_a_fault_of_the_state(book: Book) -> None:
    book.intend()
    book.tamper("UPDATE journal SET body = 'nonsense'")
    with pytest.raises(StateError, match="the journal was altered"):
        book.journal.open("prod", "desk")


def test_pruning_frees_the_rows_in_the_file(book: Book) -> None:
    old_and_new(book)
    book.journal.prune(NOW - 7 * DAY_S, NOW)
    with sqlite3.connect(book.path) as connection:
        assert connection.execute("SELECT count(*), min(seq) FROM journal").fetchone() == (11, 11)
    connection.close()

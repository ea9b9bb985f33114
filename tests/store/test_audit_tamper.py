"""Who empties the record, forges its beginning, or alters marks, plans, approvals or breakers is found out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from audit_world import NOW, Book

from reaper.core.jump import Level
from reaper.core.model import DAY_S, Action, OutcomeKind, Session
from reaper.core.plan import Item, Mark
from reaper.core.plan_lines import plan_id
from reaper.core.policy import Decision, Rule
from reaper.store.chain import GENESIS
from reaper.store.database import Database, StateError
from reaper.store.signing import Key
from reaper.store.store import Breaker, Store
from tests.record import entries, events

HERE = ("prod", "desk")
STALE = Rule("stale", Action.DELETE, ())


def session(name: str) -> Session:
    return Session(name, "idle", "1", int(NOW) - 9 * DAY_S, int(NOW) - 8 * DAY_S, int(NOW) + 9 * DAY_S)


def mark(name: str, at: float = NOW) -> Mark:
    return Mark(session(name), Action.DELETE, "stale", at, at + DAY_S)


def remember(store: Store, *names: str, at: float = NOW) -> str:
    """Keep a plan, and give its id."""
    items = [Item(session(name), Decision(Action.DELETE, STALE), NOW) for name in names]
    plan = plan_id(*HERE, items)
    store.plans.remember(plan, *HERE, at, items)
    return plan


def full(book: Book) -> None:
    """A record of everything that the chain covers."""
    book.act_many(3)
    book.store.replace_marks(*HERE, [mark("session-0001"), mark("session-0002")], NOW)
    first = remember(book.store, "session-0001")
    remember(book.store, "session-0002")
    assert book.store.plans.approve(first, NOW)
    book.store.open_breaker(*HERE, Breaker(NOW, "accepted without effect"))
    book.store.unserved.replace(*HERE, {"1": NOW}, NOW)
    book.store.put_level(*HERE, Level(9, NOW, 40), NOW)


def forge_checkpoint(count: int, digest: str) -> str:
    value = json.dumps({"count": count, "hash": digest})
    return f"INSERT OR REPLACE INTO meta VALUES ('journal_pruned', '{value}')"


# The beginning


def test_a_record_that_was_emptied_does_not_hold(book: Book) -> None:
    book.act_many(3)
    book.tamper("DELETE FROM journal")
    assert book.broken() == (1, "entries 1 to 6 are missing at the end")


def test_a_record_that_was_emptied_with_a_forged_checkpoint_does_not_hold(book: Book) -> None:
    book.act_many(3)
    head = book.journal.end().hash
    book.tamper(f"DELETE FROM journal; {forge_checkpoint(6, head)}")
    assert book.verify(head).since_noted == 0
    assert book.broken() == (0, "entries up to 6 are gone, and no entry says that they were pruned")


def test_a_record_that_was_emptied_behind_a_checkpoint_of_nothing_does_not_hold(book: Book) -> None:
    book.act_many(3)
    book.tamper(f"DELETE FROM journal; {forge_checkpoint(6, GENESIS)}")
    assert book.broken()[0] == 0


def test_a_beginning_that_was_cut_off_with_a_forged_checkpoint_is_found(book: Book) -> None:
    book.act_many(3)
    last = entries(book.journal)[3]
    book.tamper(f"DELETE FROM journal WHERE seq <= 4; {forge_checkpoint(4, last.hash)}")
    assert book.broken() == (0, "entries up to 4 are gone, and no entry says that they were pruned")


def test_more_that_was_cut_off_after_a_prune_is_found_although_the_checkpoint_fits(book: Book) -> None:
    for number in range(4):
        book.act(at=NOW - (9 - number) * DAY_S)
    book.journal.prune(NOW - 8 * DAY_S, NOW)
    last = entries(book.journal)[1]
    book.tamper(f"DELETE FROM journal WHERE seq <= {last.seq}; {forge_checkpoint(last.seq, last.hash)}")
    assert book.broken() == (0, f"entries up to {last.seq} are gone, and no entry says that they were pruned")


def test_a_middle_that_was_cut_out_is_found_whatever_the_checkpoint_says(book: Book) -> None:
    book.act_many(4)
    kept = entries(book.journal)[5]
    book.tamper(f"DELETE FROM journal WHERE seq BETWEEN 3 AND 6; {forge_checkpoint(6, kept.hash)}")
    assert book.broken()[0] == 1


def test_a_checkpoint_that_was_taken_away_is_found(book: Book) -> None:
    book.act(at=NOW - 9 * DAY_S)
    book.act()
    book.journal.prune(NOW - 8 * DAY_S, NOW)
    book.tamper("DELETE FROM meta WHERE key = 'journal_pruned'")
    assert book.broken() == (3, "entries 1 to 2 are missing before it")


def test_a_record_whose_prunes_are_all_gone_still_holds(book: Book) -> None:
    book.act(at=NOW - 9 * DAY_S)
    assert book.journal.prune(NOW - 8 * DAY_S, NOW - 7 * DAY_S) == 2
    book.act(at=NOW - 6 * DAY_S)
    assert book.journal.prune(NOW - 5 * DAY_S, NOW) == 3
    assert [event.body["count"] for event in events(book.journal, "pruned")] == [5]
    assert book.verify().broken is None


def test_the_trace_of_a_prune_is_not_pruned_for_its_own_sake(book: Book) -> None:
    book.act(at=NOW - 9 * DAY_S)
    book.journal.prune(NOW - 8 * DAY_S, NOW - 7 * DAY_S)
    assert book.journal.prune(NOW, NOW) == 0


# What is covered


def test_an_untouched_state_of_everything_holds(book: Book) -> None:
    full(book)
    assert book.doubts() == ()


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("UPDATE marks SET ripe_at = 0", "marks"),
        ("UPDATE marks SET seen = replace(seen, 'idle', 'gone')", "marks"),
        ("DELETE FROM marks WHERE session = 'session-0001'", "marks"),
        ("DELETE FROM marks", "marks"),
        (
            "INSERT INTO marks SELECT project, agent, 'x', created_at, seen, action, rule, 0, 0 FROM marks LIMIT 1",
            "marks",
        ),
        ("UPDATE marks SET agent = 'other'", "marks"),
        ("UPDATE plans SET sessions = replace(sessions, 'session-0001', 'session-0009')", "plans"),
        ("DELETE FROM plans WHERE CAST(sessions AS TEXT) LIKE '%session-0002%'", "plans"),
        ("INSERT INTO plans SELECT substr(id, 2) || '0', project, agent, at, sessions FROM plans LIMIT 1", "plans"),
        ("INSERT INTO approvals VALUES ('otherother01', 'prod', 'desk', 1)", "approvals"),
        ("DELETE FROM approvals", "approvals"),
        ("UPDATE approvals SET at = at + 1", "approvals"),
        ("DELETE FROM breakers", "breakers"),
        ("UPDATE breakers SET reason = 'nothing'", "breakers"),
        ("DELETE FROM unserved", "unserved"),
        ("UPDATE unserved SET since = since - 86400", "unserved"),
        ("UPDATE levels SET candidates = 900", "levels"),
        ("DELETE FROM levels", "levels"),
    ],
)
def test_who_alters_a_covered_table_is_found(book: Book, change: str, table: str) -> None:
    full(book)
    book.tamper(change)
    assert f"the {table} of prod/desk are not those that were recorded: somebody altered them" in book.doubts()


def test_what_was_altered_is_not_forgotten_by_the_next_change(book: Book) -> None:
    full(book)
    book.tamper("UPDATE marks SET ripe_at = 0")
    book.store.replace_marks(*HERE, [mark("session-0003")], NOW)
    assert "the marks of prod/desk" in book.doubts()[0]


def test_a_digest_that_is_made_to_fit_is_found_in_the_chain(book: Book) -> None:
    full(book)
    book.tamper("UPDATE journal SET body = replace(body, '\"rows\": 2', '\"rows\": 3') WHERE rule = 'marks'")
    assert book.broken()[1].startswith("its hash does not fit")


def test_a_sum_that_was_altered_cannot_hide_what_comes_after(book: Book) -> None:
    full(book)
    book.tamper("UPDATE meta SET value = 'nonsense' WHERE key LIKE 'sum %'")
    assert book.doubts() == ()
    book.store.replace_marks(*HERE, [mark("session-0003")], NOW)
    assert len(book.doubts()) == 1


def test_sweeps_that_change_no_mark_add_no_entry(book: Book) -> None:
    full(book)
    before = book.journal.end().hash
    book.store.replace_marks(*HERE, [mark("session-0001"), mark("session-0002")], NOW + 60)
    book.store.drop_mark(*HERE, session("not-marked"), NOW + 60)
    first = remember(book.store, "session-0001", at=NOW + 60)
    book.store.plans.approve(first, NOW + 60, standing=True)
    book.store.open_breaker(*HERE, Breaker(NOW, "accepted without effect"))
    assert book.journal.end().hash == before


def test_every_ordinary_change_leaves_a_state_that_holds(book: Book) -> None:
    full(book)
    book.store.replace_marks(*HERE, [mark("session-0002", NOW + 5), mark("session-0004")], NOW + 60)
    book.store.drop_mark(*HERE, session("session-0004"), NOW + 61)
    book.store.plans.approve(remember(book.store, "session-0002"), NOW + 62)
    for number in range(30):
        remember(book.store, f"session-{number:04d}", "session-9999", at=NOW + 63 + number)
    remember(book.store, "session-0001", at=NOW + 15 * DAY_S)
    book.store.plans.forget(NOW + 15 * DAY_S)
    book.store.replace_marks(*HERE, [], NOW + 16 * DAY_S)
    assert book.doubts() == ()
    assert [event.intent.rule for event in events(book.journal, "breaker_closed")] == ["breaker_closed"]


def test_what_covers_a_table_outlives_the_entries_that_said_so(book: Book) -> None:
    full(book)
    assert book.journal.prune(NOW + 5 * DAY_S, NOW + 9 * DAY_S) > 6
    assert book.doubts() == ()
    book.tamper("DELETE FROM breakers")
    assert len(book.doubts()) == 1


def test_tables_of_agents_that_are_empty_again_leave_nothing_to_carry(book: Book) -> None:
    book.store.replace_marks(*HERE, [mark("session-0001")], NOW)
    book.store.replace_marks(*HERE, [], NOW + 1)
    book.act(at=NOW + 2)
    book.journal.prune(NOW + 5, NOW + 9)
    assert events(book.journal, "carried") == []
    assert book.doubts() == ()


def test_two_writers_of_marks_leave_sums_that_fit(book: Book) -> None:
    other = Store.open(f"sqlite:///{book.path}")
    for number in range(5):
        for store, agent in ((book.store, "desk"), (other, "help")):
            store.replace_marks("prod", agent, [mark(f"session-{number:04d}")], NOW + number)
            store.open_breaker("prod", "desk", Breaker(NOW, f"{agent} {number}"))
    other.close()
    assert book.doubts() == ()


# Keys


@pytest.fixture
def key(tmp_path: Path) -> Key:
    path = tmp_path / "key"
    path.write_text("k" * 40 + "\n", encoding="utf-8")
    return Key.read(str(path))


def test_a_signed_record_says_up_to_where(book: Book, key: Key) -> None:
    book.act_many(2)
    book.journal.sign(key, NOW)
    book.journal.sign(key, NOW)
    verdict = book.journal.verify(key=key)
    assert (verdict.signed, verdict.rows, verdict.doubts) == (4, 5, ())


def test_a_record_written_anew_is_not_signed(book: Book, key: Key) -> None:
    book.act_many(2)
    book.journal.sign(key, NOW)
    book.begin_anew()
    book.act_many(2)
    (doubt,) = book.doubts(key=key)
    assert doubt.startswith("nothing in it is signed with the key")


def test_a_forged_signature_does_not_hold(book: Book, key: Key) -> None:
    book.act_many(2)
    forged = Key(b"x" * 40).sign(NOW, book.journal.end())
    body = {**forged.as_json(), "key": key.id}
    book.journal.note("signed", "", "", NOW, body)
    broken = book.journal.verify(key=key).broken
    assert broken is not None
    assert (broken.row, broken.what) == (5, "its signature is not by the key")


def test_a_forged_prune_is_not_signed(book: Book, key: Key) -> None:
    book.act_many(3)
    book.journal.sign(key, NOW)
    last = entries(book.journal)[-1]
    book.journal.note("pruned", "", "", NOW, {"count": 6, "hash": last.hash})
    book.tamper(f"DELETE FROM journal WHERE seq <= 6; {forge_checkpoint(6, last.hash)}")
    (doubt,) = book.doubts(key=key)
    assert doubt == "entry 8, which says that earlier ones were pruned, is not signed"


def test_a_key_that_was_rotated_vouches_once_it_has_signed(book: Book, key: Key) -> None:
    book.act_many(2)
    book.journal.sign(key, NOW)
    new = Key(b"n" * 40)
    assert book.doubts(key=key) == ()
    assert len(book.doubts(key=new)) == 1
    book.journal.sign(new, NOW)
    assert book.doubts(key=new) == ()
    assert book.journal.verify(key=new).signed == 5


# An earlier version's state


def test_a_state_that_is_made_to_look_older_is_not_migrated(book: Book) -> None:
    full(book)
    book.store.close()
    book.tamper("UPDATE meta SET value = '1' WHERE key = 'version'")
    with pytest.raises(StateError, match="its version was altered"):
        Database(f"sqlite:///{book.path}")


# Events


def test_events_count_as_no_action(book: Book) -> None:
    book.act()
    before = book.journal.used_today(*HERE, NOW), book.journal.deleted_since(*HERE, NOW - 1), book.journal.open(*HERE)
    book.journal.note("held", *HERE, NOW, {"session": "session-0001"})
    after = book.journal.used_today(*HERE, NOW), book.journal.deleted_since(*HERE, NOW - 1), book.journal.open(*HERE)
    assert before == after
    assert [entry.kind for entry in entries(book.journal)] == ["intent", "outcome"]
    assert book.verify().unresolved == 0


def test_what_is_given_up_is_unresolved_and_holds_up_no_pruning(book: Book) -> None:
    book.intend("session-0009", at=NOW - 20 * DAY_S, agent="gone")
    for number in range(3):
        book.act(at=NOW - (19 - number) * DAY_S)
    lost = book.intend("session-0010", at=NOW - DAY_S, agent="gone")
    assert book.journal.prune(NOW - 10 * DAY_S, NOW) == 0
    (given_up,) = book.journal.settle_orphans({HERE}, NOW - 7 * DAY_S, NOW)
    assert given_up.intent.session == "session-0009"
    assert book.journal.settle_orphans({HERE}, NOW - 7 * DAY_S, NOW) == []
    assert [entry.intent.id for entry in book.journal.open("prod", "gone")] == [lost.id]
    assert (book.verify().given_up, book.verify().unresolved) == (1, 1)
    assert book.journal.prune(NOW - 10 * DAY_S, NOW) == 7
    assert book.verify().broken is None


def test_what_a_managed_agent_or_an_unknown_project_left_open_is_not_given_up(book: Book) -> None:
    book.intend(at=NOW - 20 * DAY_S)
    assert book.journal.settle_orphans({HERE}, NOW - 7 * DAY_S, NOW) == []
    assert book.journal.settle_orphans(set(), NOW - 7 * DAY_S, NOW, {"prod"}) == []
    assert len(book.journal.open(*HERE)) == 1


def test_an_orphan_that_was_looked_at_before_its_time_is_given_up_in_time(book: Book) -> None:
    lost = book.intend(at=NOW - 5 * DAY_S)
    book.conclude(lost, OutcomeKind.IN_DOUBT, NOW - 5 * DAY_S, "no answer")
    assert book.journal.settle_orphans(set(), NOW - 7 * DAY_S, NOW) == []
    assert len(book.journal.settle_orphans(set(), NOW - 4 * DAY_S, NOW + 3 * DAY_S)) == 1

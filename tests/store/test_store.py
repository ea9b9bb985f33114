"""What survives from sweep to sweep, what counts for the day, and what is refused as a state."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import text

from reaper.core.inventory_checks import Baseline, StaleCounts
from reaper.core.model import DAY_S, Action, OutcomeKind
from reaper.core.plan import Item, Mark
from reaper.core.plan_lines import plan_id
from reaper.core.policy import Decision
from reaper.store.claim import Claim, ClaimedElsewhereError
from reaper.store.database import StateError
from reaper.store.journal import Intent
from reaper.store.store import Breaker, Store
from reaper.store.tables import SCHEMA_VERSION
from tests.record import entries
from tests.world import HOUR_S, NOW, STALE, session

HERE = ("prod", "desk")
DELETE = Intent("", *HERE, "session-0001", NOW - 9 * DAY_S, Action.DELETE, "stale", approved=False)
NUMBERS = count(1)
EVIDENCE = {"record": {"last_accessed_at": NOW - 8 * DAY_S}}


def item(ident: str = "session-0001") -> Item:
    return Item(session(ident), Decision(Action.DELETE, STALE), NOW)


def remember(store: Store, *items: Item, agent: str = "desk", at: float = NOW) -> str:
    """Keep a plan, and give its id."""
    name = plan_id("prod", agent, items)
    store.plans.remember(name, "prod", agent, at, items)
    return name


def do(store: Store, outcome: OutcomeKind | None, at: float = NOW, intent: Intent = DELETE) -> Intent:
    """An action at `at`, ended as said, or not at all; each is about another incarnation."""
    intent = replace(intent, created_at=intent.created_at - next(NUMBERS))
    begun = asyncio.run(store.journal.intend(intent, at, EVIDENCE))
    if outcome is not None:
        end(store, begun, outcome, at)
    return begun


def end(store: Store, begun: Intent, outcome: OutcomeKind, at: float = NOW) -> None:
    asyncio.run(store.journal.conclude(begun, outcome, at, "because"))


def used(store: Store, now: float = NOW) -> dict[Action, int]:
    return store.journal.used_today(*HERE, now)


# What survives


def test_marks_survive_whole(store: Store, reopen: Callable[[], Store]) -> None:
    seen = [session(), session("session-0002", version=None, stopped_at=NOW - 60, strange=("colour", "shape"))]
    marks = [Mark(each, Action.DELETE, "stale", NOW + 0.5, NOW + DAY_S) for each in seen]
    store.replace_marks(*HERE, marks, NOW)
    assert reopen().marks(*HERE) == {mark.seen.incarnation: mark for mark in marks}


def test_new_marks_replace_the_agents_old_ones_and_nobody_elses(store: Store) -> None:
    mark, other = (Mark(session(name), Action.DELETE, "stale", NOW, NOW) for name in ("session-0001", "session-0002"))
    for where in (HERE, ("prod", "other"), ("test", "desk")):
        store.replace_marks(*where, [mark], NOW)
    store.replace_marks(*HERE, [other], NOW)
    assert list(store.marks(*HERE).values()) == [other]
    assert list(store.marks("prod", "other").values()) == list(store.marks("test", "desk").values()) == [mark]


def test_marks_that_stand_are_not_written_again(store: Store, url: str) -> None:
    marks = [Mark(session(f"session-{each:04d}"), Action.DELETE, "stale", NOW, NOW + 0.5) for each in range(50)]
    store.replace_marks(*HERE, marks, NOW)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as other:
        before = other.execute("PRAGMA data_version").fetchone()
        store.replace_marks(*HERE, marks, NOW)
        assert other.execute("PRAGMA data_version").fetchone() == before


def test_of_many_marks_those_that_went_came_or_changed_are_all_that_differs(store: Store) -> None:
    was = [Mark(session(f"session-{each:04d}"), Action.DELETE, "stale", NOW, NOW) for each in range(6)]
    store.replace_marks(*HERE, was, NOW)
    again = session("session-0001", age=8 * DAY_S)
    changes: list[Mark] = [
        replace(was[1], seen=again),
        replace(was[2], seen=was[2].seen._replace(last_accessed_at=NOW)),
        replace(was[3], rule="other"),
        replace(was[4], marked_at=NOW + 1, ripe_at=NOW + 2),
        Mark(session("session-0009"), Action.DELETE, "stale", NOW, NOW),
    ]
    store.replace_marks(*HERE, [*changes, was[5]], NOW)
    assert store.marks(*HERE) == {mark.seen.incarnation: mark for mark in (*changes, was[5])}


def test_a_dropped_mark_is_that_of_one_incarnation(store: Store) -> None:
    first, again = session(), session(age=8 * DAY_S)
    store.replace_marks(*HERE, [Mark(each, Action.DELETE, "stale", NOW, NOW) for each in (first, again)], NOW)
    store.drop_mark(*HERE, first, NOW)
    assert list(store.marks(*HERE)) == [again.incarnation]


def test_the_baseline_survives_and_knows_our_deletions_since(store: Store, reopen: Callable[[], Store]) -> None:
    do(store, OutcomeKind.DONE, NOW - 1)
    store.put_baseline(*HERE, Baseline(NOW, 100, StaleCounts(NOW, (3, 1), (4, 2))))
    for outcome in (OutcomeKind.DONE, OutcomeKind.FAILED, OutcomeKind.CHANGED, OutcomeKind.ALREADY_GONE):
        do(store, outcome, NOW + 1)
    assert reopen().baseline(*HERE) == Baseline(NOW, 100, StaleCounts(NOW, (3, 1), (4, 2)), deleted_since=1)
    assert reopen().baseline("prod", "other") is None


def test_one_deletion_in_doubt_and_then_done_is_one_deletion(store: Store) -> None:
    store.put_baseline(*HERE, Baseline(NOW, 100, StaleCounts(NOW, (3, 1), (4, 2))))
    begun = do(store, OutcomeKind.IN_DOUBT)
    end(store, begun, OutcomeKind.DONE)
    base = store.baseline(*HERE)
    assert base is not None
    assert base.deleted_since == 1


def test_a_deletion_in_doubt_that_turns_out_to_have_failed_took_nothing_from_the_inventory(store: Store) -> None:
    begun = do(store, OutcomeKind.IN_DOUBT)
    end(store, begun, OutcomeKind.FAILED)
    assert store.journal.deleted_since(*HERE, NOW) == 0


def test_a_breaker_survives_until_a_person_closes_it(store: Store, reopen: Callable[[], Store]) -> None:
    store.open_breaker(*HERE, Breaker(NOW, "3 actions were accepted without effect"))
    name = remember(store, item())
    again = reopen()
    assert again.breaker(*HERE) == Breaker(NOW, "3 actions were accepted without effect")
    assert again.breaker("prod", "other") is None
    assert again.plans.approve(name, NOW)
    assert again.breaker(*HERE) is None


# The journal


def test_every_row_of_the_journal_is_chained_to_the_one_before(
    store: Store, reopen: Callable[[], Store], url: str
) -> None:
    do(store, OutcomeKind.DONE)
    do(reopen(), OutcomeKind.FAILED)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        raw.row_factory = sqlite3.Row
        rows = [dict(row) for row in raw.execute("SELECT * FROM journal ORDER BY seq")]
    previous = "0" * 64
    for row in rows:
        said = row.pop("hash")
        row.pop("seq")
        previous = hashlib.sha256(json.dumps([previous, *row.values()]).encode()).hexdigest()
        assert said == previous
    assert len(rows) == 4


def test_the_journal_tells_intents_and_outcomes_in_order(store: Store) -> None:
    do(store, OutcomeKind.DONE)
    rows = entries(store.journal)
    assert [(entry.kind, entry.outcome) for entry in rows] == [("intent", ""), ("outcome", "done")]
    assert rows[0].body == EVIDENCE
    assert rows[0].intent.id == rows[1].intent.id != ""


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        (None, True),
        (OutcomeKind.DONE, True),
        (OutcomeKind.IN_DOUBT, True),
        (OutcomeKind.UNVERIFIED, True),
        (OutcomeKind.ALREADY_GONE, False),
        (OutcomeKind.CHANGED, False),
        (OutcomeKind.FAILED, False),
    ],
)
def test_what_was_done_or_may_have_been_counts_for_the_day(
    store: Store, outcome: OutcomeKind | None, counts: bool
) -> None:
    do(store, outcome)
    assert used(store) == ({Action.DELETE: 1} if counts else {})


def test_a_later_outcome_replaces_an_earlier_one(store: Store) -> None:
    begun = do(store, OutcomeKind.IN_DOUBT)
    end(store, begun, OutcomeKind.FAILED)
    assert used(store) == {}
    begun = do(store, OutcomeKind.IN_DOUBT)
    end(store, begun, OutcomeKind.DONE)
    assert used(store) == {Action.DELETE: 1}


def test_the_day_is_the_last_24_hours_of_the_platforms_time_and_survives_a_restart(
    store: Store, reopen: Callable[[], Store]
) -> None:
    do(store, OutcomeKind.DONE)
    again = reopen()
    assert used(again, NOW + DAY_S - 1) == {Action.DELETE: 1}
    assert used(again, NOW + DAY_S) == {}


def test_deletes_stops_and_agents_are_counted_apart_and_approved_ones_not_at_all(store: Store) -> None:
    stop = Intent("", *HERE, "session-0002", NOW, Action.STOP, "runaway", approved=False)
    approved = Intent("", *HERE, "session-0003", NOW, Action.DELETE, "stale", approved=True)
    elsewhere = Intent("", "prod", "other", "session-0004", NOW, Action.DELETE, "stale", approved=False)
    for intent in (DELETE, DELETE, stop, approved, elsewhere):
        do(store, OutcomeKind.DONE, intent=intent)
    assert used(store) == {Action.DELETE: 2, Action.STOP: 1}


def test_intents_without_an_outcome_or_in_doubt_are_open_until_concluded(
    store: Store, reopen: Callable[[], Store]
) -> None:
    crashed, doubtful = do(store, None), do(store, OutcomeKind.IN_DOUBT)
    for outcome in set(OutcomeKind) - {OutcomeKind.IN_DOUBT}:
        do(store, outcome)
    again = reopen()
    found = again.journal.open(*HERE)
    assert [entry.intent for entry in found] == [crashed, doubtful]
    assert {entry.kind for entry in found} == {"intent"}
    assert [entry.body for entry in found] == [EVIDENCE, EVIDENCE]
    for entry in found:
        end(again, entry.intent, OutcomeKind.DONE, entry.at)
    assert again.journal.open(*HERE) == []


def test_open_intents_are_those_of_one_agent(store: Store) -> None:
    do(store, None)
    assert store.journal.open("prod", "other") == []


def test_a_state_that_is_taken_away_fails_loudly(store: Store, url: str) -> None:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        raw.execute("DROP TABLE journal")
    with pytest.raises(StateError):
        do(store, None)
    with pytest.raises(StateError):
        used(store)


def test_a_state_that_another_process_writes_to_for_ever_is_an_error_and_not_a_hang(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reaper.store.connections.BUSY_TIMEOUT_MS", 10)
    store = Store.open(url)
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(StateError, match="locked"):
            do(store, None)
    finally:
        other.close()
        store.close()


# What is no state


def whole_state(path: Path) -> None:
    """A state file with enough in it to be damaged."""
    store = Store.open(f"sqlite:///{path}")
    for _ in range(40):
        do(store, OutcomeKind.DONE)
    store.close()


def garbage(path: Path) -> None:
    path.write_bytes(b"this is no database " * 500)


def directory(path: Path) -> None:
    path.mkdir()


def cut_in_half(path: Path) -> None:
    whole_state(path)
    os.truncate(path, path.stat().st_size // 2)


def overwritten_inside(path: Path) -> None:
    whole_state(path)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


def newer(path: Path) -> None:
    whole_state(path)
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE meta SET value = ? WHERE key = 'version'", (str(SCHEMA_VERSION + 1),))


def read_only(path: Path) -> None:
    """A state that even root cannot write to: SQLite's own mark of a newer file format."""
    whole_state(path)
    with path.open("r+b") as file:
        file.seek(18)
        file.write(b"\x03\x01")


@pytest.mark.parametrize("make", [garbage, directory, cut_in_half, overwritten_inside, newer, read_only])
def test_a_state_that_cannot_be_trusted_is_a_fault_and_an_empty_memory(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "state.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    store = Store.open(f"sqlite:///{path}")
    assert str(path) in store.fault
    assert store.url == "sqlite://"
    assert store.marks(*HERE) == {}
    assert used(store) == {}
    store.replace_marks(*HERE, [Mark(session(), Action.DELETE, "stale", NOW, NOW)], NOW)
    assert make is newer or before is None or path.read_bytes() == before


def test_a_state_in_a_directory_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    assert Store.open(f"sqlite:///{tmp_path}/nowhere/state.db").fault != ""
    (tmp_path / "file").write_text("")
    assert Store.open(f"sqlite:///{tmp_path}/file/state.db").fault != ""


def test_a_state_file_that_is_not_there_yet_is_no_fault(tmp_path: Path) -> None:
    assert Store.open(f"sqlite:///{tmp_path}/state.db").fault == ""


def test_a_state_file_that_was_truncated_to_nothing_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    whole_state(path)
    os.truncate(path, 0)
    assert Store.open(f"sqlite:///{path}").fault != ""


@pytest.mark.parametrize("statement", ["DROP TABLE journal", "DELETE FROM meta"])
def test_a_state_that_lost_a_table_or_its_version_is_a_fault(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "state.db"
    whole_state(path)
    with sqlite3.connect(path) as raw:
        raw.execute(statement)
    assert Store.open(f"sqlite:///{path}").fault != ""


# The claim

HOLDER = """
import sys, time
from reaper.store.claim import Claim
claim = Claim(sys.argv[1])
print("held", flush=True)
time.sleep(600)
"""


def test_a_second_claim_on_a_state_is_refused_and_names_the_holder(url: str) -> None:
    claim = Claim(url)
    with pytest.raises(ClaimedElsewhereError, match=rf"state\.db: pid {os.getpid()} on "):
        Claim(url)
    claim.release()


def test_a_released_claim_can_be_taken(url: str) -> None:
    Claim(url).release()
    Claim(url).release()


def test_claims_on_two_states_do_not_meet(tmp_path: Path) -> None:
    claims = [Claim(f"sqlite:///{tmp_path}/{name}.db") for name in ("one", "two")]
    for claim in claims:
        claim.release()


def test_a_claim_that_cannot_be_written_is_a_state_error(tmp_path: Path) -> None:
    with pytest.raises(StateError):
        Claim(f"sqlite:///{tmp_path}/nowhere/state.db")


def test_a_holder_that_was_killed_is_succeeded_without_a_person(url: str) -> None:
    command = [sys.executable, "-c", HOLDER, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(ClaimedElsewhereError, match=f"pid {holder.pid} on "):
                Claim(url)
        finally:
            holder.send_signal(signal.SIGKILL)
        holder.wait(timeout=10)
        claim = Claim(url)
        claim.release()


def test_the_claim_and_the_state_do_not_disturb_each_other(url: str, store: Store) -> None:
    claim = Claim(url)
    do(store, OutcomeKind.DONE, at=NOW - HOUR_S)
    assert used(store) == {Action.DELETE: 1}
    claim.release()


def test_a_state_in_memory_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StateError):
        Claim("sqlite://")
    assert list(tmp_path.iterdir()) == []


def test_rates_are_kept_by_endpoint_and_nonsense_is_none(store: Store) -> None:
    assert store.rates() == {}
    store.put_rates({"https://a": 150.25, "https://b": 3.5})
    store.put_rates({"https://a": 140.0})
    assert store.rates() == {"https://a": 140.0}
    for nonsense in ("", "[]", '{"https://a": "x", "https://b": -1.0, "https://c": true}', "{"):
        with store._database.begin() as connection:
            connection.execute(text("UPDATE meta SET value = :it WHERE key = 'rates'"), {"it": nonsense})
        assert store.rates() == {}


def test_the_agents_of_a_project_are_known_by_their_last_sweeps(store: Store) -> None:
    for number, agent in enumerate("abc"):
        store.put_baseline("p", agent, Baseline(NOW + number, 1, 0, "key"))
    store.put_baseline("q", "other", Baseline(NOW, 1, 0, "key"))
    assert store.swept_agents("p", 2) == ["c", "b"]
    assert store.swept_agents("nobody", 2) == []

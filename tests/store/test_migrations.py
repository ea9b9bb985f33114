"""A state of every earlier version, as its own program left it, is brought up to this one and forgets nothing."""

from __future__ import annotations

import io
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine

from reaper.core.inventory_checks import Baseline, StaleCounts
from reaper.core.jump import Level
from reaper.core.model import Action, Metadata
from reaper.core.plan import Mark
from reaper.store import tables
from reaper.store.database import NewerVersionError, StateError
from reaper.store.held_state import HeldState
from reaper.store.state_files import copies_of
from reaper.store.steps import STEPS, to_3
from reaper.store.store import Store
from tests.earlier_states import BY, OLDER, STATES, VERSIONS, contents, later_version, migrated, state_of, version
from tests.record import events
from tests.world import NOW, session

HERE = ("prod", "desk")
FORGOTTEN = {"candidates", "key"}
"""Columns of the first version that nothing asks for any more."""


def test_there_is_a_state_of_every_version_and_a_step_from_each_earlier_one() -> None:
    assert sorted(path.name for path in STATES.glob("*.sql")) == [f"version-{number}.sql" for number in VERSIONS]
    assert sorted(STEPS) == [*OLDER]


@pytest.mark.parametrize("first", OLDER)
def test_a_state_of_an_earlier_version_keeps_every_mark_baseline_breaker_plan_approval_and_entry(
    first: int, path: Path
) -> None:
    url = state_of(first, path)
    before = contents(path)
    assert before["marks"]
    assert before["baselines"]
    assert before["breakers"]
    assert before["plans"]
    assert before["approvals"]
    assert before["journal"]
    done = migrated(url)
    assert done is not None
    assert (done.first, done.last) == (first, tables.SCHEMA_VERSION)
    after = contents(path)
    for name in before.keys() - {"meta", "journal", "sqlite_sequence"}:
        kept = [{key: value for key, value in row.items() if key not in FORGOTTEN} for row in before[name]]
        assert [{key: row[key] for key in old} for row, old in zip(after[name], kept, strict=True)] == kept
    assert after["journal"][: len(before["journal"])] == before["journal"]
    meta = {row["key"]: row["value"] for row in after["meta"]}
    assert {row["key"]: row["value"] for row in before["meta"]}.items() - meta.items() == {("version", str(first))}


@pytest.mark.parametrize("first", OLDER)
def test_a_record_that_held_holds_afterwards_and_tells_of_the_migration_and_its_copy(first: int, path: Path) -> None:
    done = migrated(state_of(first, path))
    assert done is not None
    store = Store.open(f"sqlite:///{path}")
    assert store.fault == ""
    verdict = store.journal.verify()
    assert (verdict.broken, verdict.doubts, verdict.unresolved) == (None, (), 0)
    assert verdict.head == done.head.hash
    (told,) = events(store.journal, "migrated" if first == 1 else "upgraded")
    assert (told.body["from"], told.body["to"], told.body["record"]) == (first, tables.SCHEMA_VERSION, "holds")
    assert (told.body["copy"], told.body["origin"]) == (Path(done.copy).name, BY)
    store.close()


@pytest.mark.parametrize("first", VERSIONS)
def test_a_migrated_state_works_as_one_that_was_made_today(first: int, path: Path) -> None:
    url = state_of(first, path)
    migrated(url)
    store = Store.open(url)
    assert store.baseline("prod", "research") is not None
    store.put_baseline(*HERE, counted := Baseline(NOW, 100, StaleCounts(NOW, (1,), (2,))))
    assert store.baseline(*HERE) == counted
    assert len(store.marks("prod", "research")) == 2
    assert store.breaker("prod", "support-eu") is not None
    store.put_level(*HERE, Level(7), NOW)
    store.unserved.replace(*HERE, {"1": NOW}, NOW)
    store.voices.note(*HERE, Metadata((("reaper.hold", "soon"),)), NOW)
    store.replace_marks(*HERE, [Mark(session(), Action.DELETE, "stale", NOW, NOW + 1)], NOW)
    assert store.journal.verify().doubts == ()
    store.close()
    again = Store.open(url)
    assert (again.fault, again.level(*HERE), list(again.marks(*HERE))) == ("", Level(7), [session().incarnation])
    again.close()


@pytest.mark.parametrize("first", VERSIONS)
def test_migrated_tables_are_those_that_are_made_today(first: int, path: Path) -> None:
    migrated(state_of(first, path))
    with create_engine(f"sqlite:///{path}").connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


@pytest.mark.parametrize("step", STEPS.values())
def test_every_step_can_be_said_in_the_words_of_postgresql(step: object) -> None:
    said = io.StringIO()
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": said})
    step(Operations(context))  # type: ignore[operator]
    assert "ALTER TABLE baselines" in said.getvalue() or "CREATE TABLE IF NOT EXISTS holds" in said.getvalue()


@pytest.mark.parametrize("first", OLDER)
def test_the_copy_is_the_state_as_it_was_private_and_beside_it(first: int, path: Path) -> None:
    before = contents(path) if state_of(first, path) else {}
    done = migrated(f"sqlite:///{path}", NOW)
    assert done is not None
    assert done.copy == f"{path}.v{first}-20260921T141320Z"
    assert contents(Path(done.copy)) == before
    assert stat.S_IMODE(Path(done.copy).stat().st_mode) == 0o600
    assert {one.name for one in path.parent.iterdir()} == {path.name, f"{path.name}.lock", Path(done.copy).name}


def test_a_copy_of_the_same_name_is_not_written_over_and_nothing_is_migrated(path: Path) -> None:
    url = state_of(2, path)
    other = Path(f"{path}.v2-20260921T141320Z")
    other.write_text("mine")
    with pytest.raises(StateError, match="no copy replaces a file"):
        migrated(url, NOW)
    assert (other.read_text(), version(path)) == ("mine", 2)


def test_a_state_of_this_version_is_not_copied_and_gets_no_entry(path: Path) -> None:
    url = state_of(tables.SCHEMA_VERSION, path)
    before = contents(path)
    assert migrated(url) is None
    assert contents(path) == before
    assert {one.name for one in path.parent.iterdir()} == {path.name, f"{path.name}.lock"}


def test_opening_a_state_of_an_earlier_version_migrates_nothing_and_says_who_does(path: Path) -> None:
    url = state_of(1, path)
    before = contents(path)
    store = Store.open(url)
    assert store.is_outdated
    assert "version 1, this program writes 3: the daemon and `reaper sweep` bring it up to date" in store.fault
    store.close()
    assert contents(path) == before


def test_a_process_that_sweeps_migrates_and_goes_on_without_a_restart(path: Path) -> None:
    held = HeldState(state_of(1, path))
    assert not held.migration_is_due
    assert held.check(busy=False)
    assert held.migration_is_due
    held.migrate()
    assert held.check(busy=False)
    assert (held.fault, held.migration_is_due) == ("", False)
    assert len(held.store.marks("prod", "research")) == 2
    held.close()


def test_a_process_that_stands_by_does_not_migrate(path: Path) -> None:
    url = state_of(1, path)
    working = HeldState(url)
    assert working.check(busy=False)
    waiting = HeldState(url)
    assert not waiting.check(busy=False)
    assert not waiting.migration_is_due
    waiting.migrate()
    assert version(path) == 1
    working.close()
    assert waiting.check(busy=False)
    assert waiting.migration_is_due
    waiting.close()


def test_a_migration_that_fails_is_the_fault_until_one_succeeds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = HeldState(state_of(1, path))
    assert held.check(busy=False)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA busy_timeout=0")
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr("reaper.store.connections.BUSY_TIMEOUT_MS", 1)
        held.migrate()
        other.execute("ROLLBACK")
    assert held.check(busy=False)
    assert "it was not migrated: database is locked" in held.fault
    held.migrate()
    assert held.check(busy=False)
    assert held.fault == ""
    held.close()


def test_a_record_that_was_broken_before_is_as_broken_afterwards_and_the_entry_says_so(path: Path) -> None:
    url = state_of(2, path)
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript("UPDATE journal SET session = 'another' WHERE seq = 7")
    assert migrated(url) is not None
    store = Store.open(url)
    broken = store.journal.verify().broken
    assert broken is not None
    assert broken.row == 7
    assert "broken at entry 7" in events(store.journal, "upgraded")[0].body["record"]
    store.close()


def test_tables_that_were_altered_before_are_still_found_afterwards(path: Path) -> None:
    url = state_of(2, path)
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript("UPDATE marks SET ripe_at = 0")
    migrated(url)
    store = Store.open(url)
    assert [doubt.partition(" are not")[0] for doubt in store.journal.verify().doubts] == [
        "the marks of prod/research"
    ]
    store.close()


@pytest.mark.parametrize(("taken", "back_to"), [("voices", 2), ("levels", 2), ("holds", 2), ("unserved", 2), ("", 1)])
def test_who_takes_the_version_back_makes_nobody_forget_what_was_there(path: Path, taken: str, back_to: int) -> None:
    url = state_of(3, path)
    store = Store.open(url)
    store.voices.note(*HERE, Metadata((("reaper.hold", "soon"),)), NOW)
    store.close()
    with closing(sqlite3.connect(path)) as raw:
        gone = f"DROP TABLE {taken};" if taken else ""
        raw.executescript(f"{gone} UPDATE meta SET value = '{back_to}' WHERE key = 'version'")
    assert "its version was altered" in Store.open(url).fault
    with pytest.raises(StateError, match="its version was altered"):
        migrated(url)
    assert version(path) == back_to


@pytest.mark.parametrize("text", ["0", "", "three", "-1", "３"])
def test_a_version_that_is_none_is_a_fault_and_nothing_is_migrated(text: str, path: Path) -> None:
    url = state_of(3, path)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE meta SET value = ? WHERE key = 'version'", (text,))
        raw.commit()
    assert "its version was altered" in Store.open(url).fault
    with pytest.raises(StateError, match="its version was altered"):
        migrated(url)


def test_a_state_of_a_later_version_is_a_fault_that_names_the_way_back(path: Path) -> None:
    url = state_of(2, path)
    done = migrated(url)
    assert done is not None
    later_version(path)
    fault = Store.open(url).fault
    assert "version 4, this program writes 3: run the later program again" in fault
    assert f"`reaper state restore FILE` ({done.copy})" in fault
    with pytest.raises(NewerVersionError):
        migrated(url)


def test_a_process_that_has_a_state_open_writes_nothing_once_another_version_has_migrated_it(path: Path) -> None:
    url = state_of(3, path)
    store = Store.open(url)
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript("UPDATE meta SET value = '4' WHERE key = 'version'")
    before = contents(path)
    with pytest.raises(NewerVersionError, match="version 4"):
        store.journal.note("held", *HERE, NOW, {})
    assert "version 4" in store.fault
    assert contents(path) == before
    store.close()


def test_a_damaged_state_is_not_migrated(path: Path) -> None:
    url = state_of(2, path)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 4096)
    copy = shutil.copy(path, path.parent.parent / "as-it-was")
    with pytest.raises(StateError, match=r"damaged|malformed"):
        migrated(url)
    assert path.read_bytes() == Path(copy).read_bytes()


def test_while_a_state_is_copied_and_migrated_nobody_else_writes_to_it(path: Path) -> None:
    url, tried = state_of(2, path), []

    def meanwhile(name: str, arguments: tuple[object, ...]) -> None:
        # The copy has just been finished: what is written now would be in neither.
        if name == "os.rename" and not tried and ".v2-" in str(arguments[1]):
            with closing(sqlite3.connect(path, timeout=0)) as other:
                try:
                    other.execute("DELETE FROM approvals")
                    other.commit()
                    tried.append("written")
                except sqlite3.OperationalError as error:
                    tried.append(str(error))

    sys.addaudithook(meanwhile)
    assert migrated(url) is not None
    assert tried == ["database is locked"]
    assert len(contents(path)["approvals"]) == 1


@pytest.mark.parametrize("lost", ["marks", "breakers", "approvals", "plans"])
def test_a_step_that_would_lose_what_was_promised_is_taken_back(
    path: Path, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = state_of(2, path)
    before = contents(path)

    def losing(op: Operations) -> None:
        to_3(op)
        op.execute(f"DELETE FROM {lost}")

    monkeypatch.setitem(STEPS, 2, losing)  # type: ignore[arg-type]
    with pytest.raises(StateError, match=f"the record would not hold afterwards: the {lost} of prod/"):
        migrated(url)
    assert contents(path) == before
    # However often it is tried, the disk does not fill with copies.
    assert copies_of(str(path)) == []


@pytest.mark.long
def test_no_start_waits_for_the_library_of_migrations() -> None:
    names = "reaper.daemon, reaper.cli.sweep_commands, reaper.cli.state_commands"
    asked = f"import sys, {names}; print([name for name in sys.modules if name.startswith(('alembic', 'mako'))])"
    ended = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"

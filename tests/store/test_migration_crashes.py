"""A process that dies at any point of a migration, a copy or a restoration leaves the old state or the new, whole."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from reaper.store import steps, tables
from reaper.store.copies import copy_state
from reaper.store.database import Database, OlderStateError, StateError
from reaper.store.restoring import restore
from reaper.store.state_files import copies_of
from reaper.store.store import Store
from tests.earlier_states import BY, OLDER, contents, migrated, state_of, version
from tests.world import NOW

STEPS = frozenset({"os.rename", "os.remove", "os.truncate", "sqlite3.connect"})
"""What a process asks the system for, as far as it changes anything; beside it files opened to be written, and every
statement that does not only read."""


def dies(work: Callable[[], object], at: int) -> bool:
    """Do the work in a process that is killed right before its step number `at`; whether it came that far."""
    child = os.fork()
    if child == 0:
        steps_taken = 0

        def step(*_: object) -> None:
            nonlocal steps_taken
            steps_taken += 1
            if steps_taken == at:
                os.kill(os.getpid(), signal.SIGKILL)

        def asked(name: str, arguments: Any) -> None:
            if name in STEPS or (name == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
                step()

        def said(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if not statement.startswith("SELECT"):
                step()

        sys.addaudithook(asked)
        event.listen(Engine, "before_cursor_execute", said)
        event.listen(Engine, "commit", step)
        event.listen(Engine, "close", step)
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


@pytest.mark.long
@pytest.mark.parametrize("first", OLDER)
def test_a_kill_at_any_point_of_a_migration_leaves_the_old_state_or_the_new_one_whole(
    first: int, tmp_path: Path
) -> None:
    assert steps.STEPS  # a child that loads them anew would be no faster than a process
    before, seen = {}, []
    for at in count(1):
        path = tmp_path / f"{at}.db"
        url = state_of(first, path)
        before = before or contents(path)
        killed = dies(lambda url=url: migrated(url), at)  # type: ignore[misc]
        seen.append(version(path))
        if seen[-1] == first:
            # What is left beside a migration that was cut off: never a copy that is not whole.
            assert contents(path) == before
            done = migrated(url, NOW + 1)
            assert done is not None
            assert contents(Path(done.copy)) == before
        whole = [copy for copy in copies_of(str(path)) if os.path.getsize(copy)]
        assert all(contents(Path(copy)) == before for copy in whole)
        assert whole
        store = Store.open(url)
        assert store.fault == ""
        verdict = store.journal.verify()
        assert (verdict.broken, verdict.doubts) == (None, ())
        store.close()
        if not killed:
            break
    assert seen == [first] * seen.count(first) + [tables.SCHEMA_VERSION] * seen.count(tables.SCHEMA_VERSION)
    assert len(seen) > 20
    assert seen.count(tables.SCHEMA_VERSION) > 1


@pytest.mark.long
def test_a_kill_at_any_point_of_a_restoration_leaves_the_old_state_or_the_new_one_whole(tmp_path: Path) -> None:
    copy, seen = tmp_path / "copy", []
    for at in count(1):
        path = tmp_path / f"{at}.db"
        url = state_of(2, path)
        copy.unlink(missing_ok=True)
        copy_state(str(path), str(copy))
        migrated(url)
        store = Store.open(url)
        store.journal.note("since", "", "", NOW, {})
        store.note_head()
        store.close()
        before = contents(path)
        killed = dies(lambda url=url: restore(url, str(copy), NOW, BY), at)  # type: ignore[misc]
        now = contents(path)
        restored = any(row["rule"] == "state_restored" for row in now["journal"])
        seen.append(restored)
        if not restored:
            assert now == before
            Database(url).close()
        elif killed:
            # In place, and perhaps not yet noted: then a person is asked once more.
            with _asked_again():
                Database(url).close()
        kept = [name for name in copies_of(str(path)) if ".v3-" in name and os.path.getsize(name)]
        assert all(contents(Path(name)) == before for name in kept)
        assert kept or not restored
        if not killed:
            break
    assert Store.open(url).fault == ""
    assert seen == sorted(seen)
    assert len(seen) > 20


class _asked_again:  # noqa: N801
    """Either nothing is raised, or that the copy is an older one, which a person may accept."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        return kind is None or issubclass(kind, OlderStateError)


def test_a_kill_at_any_point_of_a_copy_leaves_none_or_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    state_of(3, path)
    before = contents(path)
    for at in count(1):
        target = tmp_path / f"copy-{at}"
        killed = dies(lambda target=target: copy_state(str(path), str(target)), at)  # type: ignore[misc]
        assert contents(path) == before
        if target.exists() and target.stat().st_size:
            assert contents(target) == before
        if not killed:
            break
    assert target.stat().st_size


def test_what_a_killed_process_left_of_a_copy_does_not_get_into_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    state_of(3, path)
    for left in ("", "-wal", "-shm"):
        (tmp_path / f"copy.{os.getpid()}.new{left}").write_bytes(b"left over")
    copy_state(str(path), str(tmp_path / "copy"))
    assert contents(tmp_path / "copy") == contents(path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["copy", "state.db"]


def test_an_empty_file_that_a_killed_copy_left_is_no_state_to_restore(tmp_path: Path) -> None:
    url = state_of(3, tmp_path / "state.db")
    empty = tmp_path / "state.db.v3-20260921T141320Z"
    empty.touch()
    before = contents(tmp_path / "state.db")
    with pytest.raises(StateError, match="not a whole state file"):
        restore(url, str(empty), NOW, BY)
    assert contents(tmp_path / "state.db") == before

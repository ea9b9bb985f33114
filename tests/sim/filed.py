"""A world whose state is a real file, kept as `reaper run` keeps it, which somebody may take away or exchange."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from sqlalchemy import Connection, NullPool, create_engine

from reaper.engine.report import Report
from reaper.store import tables
from reaper.store.held_state import HeldState
from reaper.store.store import Store
from tests.sim.process import Process
from tests.sim.world import World

QUICK = next((place for place in ("/dev/shm",) if os.path.isdir(place)), None)
"""Where a file is as good as on disk, and costs no waiting for one."""


@dataclass
class File:
    """The state as anybody finds it who looks for it now, by its name."""

    path: Path

    @contextmanager
    def look(self) -> Iterator[Connection]:
        there = self.path.exists()
        engine = create_engine(f"sqlite:///{self.path}" if there else "sqlite://", poolclass=NullPool)
        with engine.connect() as connection:
            if not there:
                tables.metadata.create_all(connection)
            yield connection


@dataclass(repr=False)
class FiledWorld(World):
    """One process, or several that come and go, on a state at `path`."""

    _older: tuple[Path, int] | None = None

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        folder = self._ends.enter_context(TemporaryDirectory(dir=QUICK))
        self.path = Path(folder) / "state.db"
        self.custody = HeldState(self.url)
        self._ends.callback(lambda: self.custody.close())  # noqa: PLW0108 - another process may have it at the end
        self.ledger.disk = File(self.path)
        self._copies = itertools.count()
        return self

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    @property
    def lock(self) -> Path:
        return self.path.with_name(f"{self.path.name}.lock")

    def state(self) -> Store:
        """As the process has it after a look whether it is still there."""
        self.custody.check(busy=False)
        return self.custody.store

    async def sweep(self, process: Process | None = None, **given: Any) -> list[Report]:
        """One sweep, if this process may: before it, the state and the claim are looked at."""
        process = process or self.process()
        may = self.custody.check(busy=False)
        process.sweeper.store = self.custody.store
        reports = await super().sweep(process, **given) if may else []
        self.custody.note()
        return reports

    # What somebody may do to the files

    def copied(self) -> Path:
        """What a backup tool makes of a state in use."""
        copy = self.path.with_suffix(f".copy{next(self._copies)}")
        with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        return copy

    def put_back(self, copy: Path) -> None:
        """A copy takes the state's place, as from an archive."""
        for beside in ("-wal", "-shm"):
            self.path.with_name(self.path.name + beside).unlink(missing_ok=True)
        os.replace(copy, self.path)

    def move_away(self) -> None:
        """The state is not in its place, for a while."""
        self.ledger.keep_intents()
        os.rename(self.path, self._away)

    def move_back(self) -> None:
        """It is again, if it was not."""
        self.ledger.kept.clear()
        if self._away.exists():
            os.rename(self._away, self.path)
            super().look_at_marks()

    def look_at_marks(self) -> None:
        if self.path.exists():
            super().look_at_marks()

    def _forget_sights(self, before: dict[str, frozenset[str]]) -> None:
        # What is out of sight may say that a sweep wrote down what it saw: it acted on nothing else.
        if self.path.exists():
            super()._forget_sights(before)

    @property
    def _away(self) -> Path:
        return self.path.with_suffix(".away")

    def remove_lock(self) -> None:
        """The lock is gone, and whoever comes next can take it."""
        self.lock.unlink(missing_ok=True)

    def put_older_back(self) -> Callable[[], None] | None:
        """A copy from an earlier call takes the state's place, if it is older; returns what puts the newest back."""
        older, entries = self._older, self._entries()
        if older is None or older[1] == entries:
            self._older = (self.copied(), entries) if older is None else older
            return None
        newest = self.copied()
        self.put_back(self._second(older[0]))
        return lambda: self.put_back(newest)

    def _entries(self) -> int:
        with closing(sqlite3.connect(self.path)) as raw:
            found: int = raw.execute("SELECT count(*) FROM journal").fetchone()[0]
        return found

    def _second(self, copy: Path) -> Path:
        return Path(shutil.copy(copy, self.path.with_suffix(".second")))

    def replace(self) -> None:
        """Another file with the same content takes the state's place."""
        self.put_back(self.copied())

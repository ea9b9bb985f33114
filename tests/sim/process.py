"""The reaper as a process that can be killed at any step, on a state that outlives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from reaper.core.settings import Settings
from reaper.emulator import EmulatorTransport
from reaper.engine.events import Listener, to_all
from reaper.engine.live_status import LiveStatus
from reaper.engine.runner import Run, Runner, Scope
from reaper.listing.spool import Block, Spool, SpoolError
from reaper.store import tables
from reaper.store.database import MEMORY_URL, Database, StateError
from reaper.store.store import Store
from reaper.wiring import Connector
from tests.clock import VirtualClock
from tests.sim.steps import Steps
from tests.sim.watch import Watch
from tests.sim.wire import Wire


class Disk(Database):
    """The state as it is on disk: shared by all processes, written only by living ones."""

    steps = Steps()

    def __init__(self) -> None:
        super().__init__(MEMORY_URL)
        self._known = dict(vars(self))
        with self._engine.connect() as connection:
            self._schema, self._meta = self._made_of(connection)

    def close(self) -> None:
        """Keep it for the next world, wiped: what was read of it is forgotten, too.

        Row by row: statements that SQLite keeps prepared crash once the file under them was exchanged as a whole.
        """
        with self._engine.begin() as connection:
            if self._made_of(connection)[0] != self._schema:
                return
            for table in tables.metadata.sorted_tables:
                connection.execute(table.delete())
            connection.exec_driver_sql("DELETE FROM sqlite_sequence")
            connection.execute(tables.meta.insert(), self._meta)
        known = {"_schema": self._schema, "_meta": self._meta}
        vars(self).update(self._known | known)
        _WIPED.append(self)

    @staticmethod
    def _made_of(connection: Connection) -> tuple[list[Any], list[dict[str, Any]]]:
        """Its tables, and what an empty state says of itself."""
        schema = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master ORDER BY name").all()
        meta = connection.execute(tables.meta.select()).mappings()
        return list(schema), [dict(row) for row in meta]

    def look(self) -> AbstractContextManager[Connection]:
        """Read it as the judge does: that is no step of anyone."""
        return super().begin()

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        self.steps.take()
        if self.steps.is_full:
            raise StateError(f"state {self.url}: the disk is full")
        with super().begin() as connection:
            yield connection


class Scratch(Spool):
    """Where a sweep puts what memory is too small for: on the same disk, and hardly anything fits into memory."""

    __slots__ = ("steps",)

    def __init__(self, steps: Steps) -> None:
        super().__init__(in_memory_max=1, run_min=1)
        self.steps = steps

    def write(self, values: Sequence[Any]) -> list[Block]:
        self.steps.take()
        if self.steps.is_full:
            raise SpoolError("no room for candidates")
        return super().write(values)


@dataclass
class Process:
    """One life of the reaper. `fault` is why it cannot rely on its state, if it cannot."""

    watch: Watch
    clock: VirtualClock
    disk: Disk
    listener: Listener
    steps: Steps = field(default_factory=Steps)
    fault: str = ""

    def __post_init__(self) -> None:
        transport = EmulatorTransport(self.watch.answer, self.clock.sleep, actor="reaper")
        connector = Connector(self.clock, transport=Wire(transport, self.steps))
        store = Store(self.disk, self.fault)
        self.sweeper = Runner(store, self.clock, to_all(LiveStatus(self.clock).hear, self.listener), connector)

    def spare_memory(self) -> None:
        """From now on hardly anything is kept in memory, and hardly anything written at once."""
        self.sweeper.spooling = lambda _: Scratch(self.steps)
        self.sweeper.store.marks_at_a_time = 2
        self.sweeper.store.plans.lines_at_a_time = 2

    async def sweep(self, settings: Settings, stopping: Callable[[], str] = str) -> Run:
        self.disk.steps = self.steps
        self.watch.refused.clear()
        self.watch.heard.clear()
        return await self.sweeper.run(settings, Scope(), stopping)


_WIPED: list[Disk] = []


def new_disk() -> Disk:
    """An empty state; one that was wiped, where there is one: it knows how to say everything in SQL already."""
    disk = _WIPED.pop() if _WIPED else Disk()
    disk.steps = Steps()
    return disk

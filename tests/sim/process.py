"""The reaper as a process that can be killed at any step, on a state that outlives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import httpx2
from sqlalchemy import Connection

from reaper.board import Board
from reaper.emulator import Emulator, EmulatorTransport
from reaper.report import Listener
from reaper.settings import Settings
from reaper.store.database import MEMORY_URL, Database, StateError
from reaper.store.store import Store
from reaper.sweeper import Run, Scope, Sweeper
from reaper.wiring import Chorus, Connector
from tests.sim.virtual import LocalClock


class Killed(BaseException):
    """The process died here; nothing it would have done afterwards happens."""


@dataclass
class Steps:
    """Counts the steps of a process, and kills it at one of them: before or after what the step does.

    From step `full_at` on the disk is full.
    """

    die_at: int | None = None
    full_at: int | None = None
    taken: int = 0
    dead: bool = False

    def take(self) -> None:
        if self.dead:
            raise Killed
        self.taken += 1
        if self.taken == self.die_at:
            self.dead = True
            raise Killed

    @property
    def is_full(self) -> bool:
        return self.full_at is not None and self.taken >= self.full_at


class Disk(Database):
    """The state as it is on disk: shared by all processes, written only by living ones."""

    steps: Steps

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


class Wire(httpx2.AsyncBaseTransport):
    """The way to the platform; each request is a step before, and one after its effect."""

    def __init__(self, transport: EmulatorTransport, steps: Steps) -> None:
        self._transport, self._steps = transport, steps

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._steps.take()
        response = await self._transport.handle_async_request(request)
        self._steps.take()
        return response


@dataclass
class Process:
    """One life of the reaper. `fault` is why it cannot rely on its state, if it cannot."""

    emulator: Emulator
    clock: LocalClock
    disk: Disk
    listener: Listener
    steps: Steps = field(default_factory=Steps)
    fault: str = ""

    def __post_init__(self) -> None:
        transport = Wire(self.emulator.transport(actor="reaper"), self.steps)
        connector = Connector(self.clock, transport=transport)
        store = Store(self.disk, self.fault)
        self.sweeper = Sweeper(store, self.clock, Chorus([Board(self.clock), self.listener]), connector)

    async def sweep(self, settings: Settings, stopping: Callable[[], str] = str) -> Run:
        self.disk.steps = self.steps
        return await self.sweeper.run(settings, Scope(), stopping)


def new_disk() -> Disk:
    Disk.steps = Steps()
    return Disk(MEMORY_URL)

"""One agent on an emulated platform, swept by the real sweeper into a journal on disk."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from audit_world import NOW, Book

from reaper.core.model import DAY_S
from reaper.core.settings import Settings
from reaper.emulator import AgentVersion, Emulator
from reaper.emulator.stored import StoredSession
from reaper.engine.events import to_all
from reaper.engine.live_status import LiveStatus
from reaper.engine.runner import Run, Runner, Scope
from reaper.store.journal import ActionFilter, Recorded
from reaper.telemetry import Metrics
from reaper.wiring import Connector
from tests.clock import ManualClock

AGED = int(NOW) - 60 * DAY_S


@dataclass
class Site:
    """One agent on an emulated platform, swept into a journal on disk."""

    book: Book
    settings: Settings
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))

    def __post_init__(self) -> None:
        self.emulator = Emulator(clock=self.clock, agents=0, sessions=0)
        self.version = AgentVersion("1", AGED)
        self.emulator.platform.add_agent("desk", [self.version])
        live = LiveStatus(self.clock)
        self.metrics = Metrics(live)
        connector = Connector(self.clock, transport=self.emulator.transport("reaper"))
        self.sweeper = Runner(self.book.store, self.clock, to_all(live.hear, self.metrics.hear), connector)

    def put(self, *names: str) -> None:
        for name in names:
            self.emulator.platform.place(
                "desk", StoredSession(name, self.version, int(NOW) - 9 * DAY_S, int(NOW) - 8 * DAY_S)
            )

    def sweep(self) -> Run:
        return asyncio.run(self.sweeper.run(self.settings, Scope()))

    def recorded(self) -> list[Recorded]:
        return list(self.book.journal.actions(ActionFilter()))

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"session_reaper_{name}", labels)

"""A stage for one scenario: an emulated platform, a policy, and the whole reaper in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from reaper.core.conditions import Idle, StatusIn
from reaper.core.model import Action
from reaper.core.policy import Limit, Limits, Mode, Policy, Rule
from reaper.core.settings import AgentPattern, Connection, CredentialKind, Project, Requests, Settings
from reaper.emulator import AgentVersion, Emulator, Fault
from reaper.engine.live_status import LiveStatus
from reaper.engine.report import Report
from reaper.engine.runner import Run, Runner, Scope
from reaper.listing import listing
from reaper.store.store import Store
from reaper.wiring import Connector
from tests.clock import VirtualClock, run, true_time
from tests.sim.process import new_disk
from tests.sim.steps import Killed, Steps
from tests.sim.wire import Wire

DAY_S = 86_400
HOUR_S = 3_600
UNLIMITED = Limits(Limit(100_000), Limit(100_000))
STALE = Rule("stale", Action.DELETE, (StatusIn(frozenset({"idle", "failed"})), Idle(7 * DAY_S)))


class Story:
    """Agent `a` (and others) with sessions; `sweep` runs the reaper once, `deleted` is what it did."""

    def __init__(self, *agents: str, **platform: Any) -> None:
        self.clock, self.disk = VirtualClock(), new_disk()
        self.emulator = Emulator(now=true_time, clock=self.clock, agents=0, sessions=0, creating_s=0.0, **platform)
        self.platform = self.emulator.platform
        for agent in agents or ("a",):
            self.platform.add_agent(agent, [AgentVersion("1", int(true_time()))])
        self.rules: tuple[Rule, ...] = (STALE,)
        self.options: dict[str, Any] = {"mode": Mode.ENFORCE, "grace_s": 0, "limits": UNLIMITED}
        self.must_see: frozenset[str] = frozenset()
        self.known_fields: frozenset[str] = frozenset()
        self.approvals: tuple[str, ...] = ()
        self.restart()

    def restart(self, die_at: int | None = None, fault: str = "") -> None:
        """A new process on the same state; it dies at a step when told to, or finds its state at fault."""
        self.steps = Steps(die_at)
        self.live = LiveStatus(self.clock)
        self.store = Store(self.disk, fault)
        transport = Wire(self.emulator.transport(actor="reaper"), self.steps)
        self.sweeper = Runner(self.store, self.clock, self.live.hear, Connector(self.clock, transport=transport))

    @property
    def settings(self) -> Settings:
        policy = Policy("standard", self.rules, **self.options)
        connection = Connection(
            "http://127.0.0.1/api/projects/p", CredentialKind.NONE, requests=Requests(4, 30, 1_000)
        )
        project = Project("p", connection, (AgentPattern("*", policy),), self.must_see, self.known_fields)
        return Settings((project,), (policy,), approvals=self.approvals)

    def create(self, count: int, prefix: str, agent: str = "a") -> list[str]:
        """Make so many sessions now."""
        return [self.platform.create(agent, f"{prefix}-{number:06d}").id for number in range(count)]

    async def stale_and_fresh(self, stale: int, fresh: int, agent: str = "a") -> None:
        """Sessions idle for ten days, and others used an hour ago."""
        self.create(stale, "stale", agent)
        await asyncio.sleep(10 * DAY_S)
        self.create(fresh, "fresh", agent)
        await asyncio.sleep(HOUR_S)

    async def until(self, reached: Callable[[float], bool]) -> None:
        """Let hours pass until a time is reached."""
        hours = next(hour for hour in range(24 * 8) if reached(self.emulator.now() + hour * HOUR_S))
        await asyncio.sleep(hours * HOUR_S)

    async def sweep(self, **scope: Any) -> Run:
        """One run of the present process."""
        self.disk.steps = self.steps
        return await self.sweeper.run(self.settings, Scope(**scope))

    async def killed_sweep(self, step: int) -> bool:
        """A run that dies at a step, if it has so many, and a new process after it; returns whether it died."""
        self.restart(step)
        with contextlib.suppress(BaseExceptionGroup, Killed):
            await self.sweep()
        died = self.steps.dead
        self.restart()
        return died

    def fault(self, *faults: Fault) -> None:
        """These faults from now on, and no others."""
        self.emulator.faults.replace(faults)

    def deleted(self, agent: str | None = None) -> list[str]:
        """What the reaper deleted, by the platform's own record."""
        return [
            event.session
            for event in self.platform.history
            if event.kind == "deleted" and event.actor == "reaper" and agent in {None, event.agent}
        ]

    def sent(self) -> Counter[str]:
        """Requests the platform has seen, by operation."""
        return self.emulator.api.requests

    def left(self, agent: str = "a") -> set[str]:
        """Sessions that are there."""
        return {
            session.id for session in self.platform.sessions(agent) if session.status not in {"deleted", "expired"}
        }


def one(report_or_run: Run, agent: str = "a") -> Report:
    """The report of one agent."""
    return next(report for report in report_or_run.reports if report.agent == agent)


def tell(scenario: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a scenario in virtual time, with small pages so that listings have several."""

    def told() -> None:
        kept = listing.PAGE_SIZE
        listing.PAGE_SIZE = 10  # type: ignore[misc]
        try:
            run(scenario)
        finally:
            listing.PAGE_SIZE = kept  # type: ignore[misc]

    told.__name__ = scenario.__name__
    return told

"""One quota shared by emulated projects, a sweeper that reaches them, and time that only a sleep moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from reaper.core.conditions import Idle, IdMatches, StatusIn
from reaper.core.model import ACTIVE, DAY_S, IDLE, Action
from reaper.core.policy import Limit, Limits, Mode, Policy, Rule
from reaper.core.settings import (
    AgentPattern,
    Connection,
    CredentialKind,
    Pressure,
    Project,
    Quota,
    Requests,
    Settings,
)
from reaper.emulator import AgentVersion, Emulator
from reaper.emulator.platform import Platform
from reaper.emulator.stored import StoredSession
from reaper.engine.live_status import LiveStatus
from reaper.engine.report import Listener, Report
from reaper.engine.runner import Run, Runner, Scope
from reaper.store.store import Store
from reaper.telemetry import Metrics
from reaper.wiring import Connector, Listeners
from tests.clock import ManualClock

NOW = 1_790_000_000
MINUTE_S, HOUR_S = 60, 3_600
RULE = "quota:pool"

VIP = Rule("vip", Action.KEEP, (IdMatches(("vip-*",)),))
RUNAWAY = Rule("runaway", Action.STOP, (StatusIn(frozenset({ACTIVE})), Idle(2 * HOUR_S)))
STALE = Rule("stale", Action.DELETE, (StatusIn(frozenset({IDLE})), Idle(7 * DAY_S)))
UNLIMITED = Limits(per_sweep=Limit(1_000), per_day=Limit(1_000))
POLICY = Policy("standard", (VIP, RUNAWAY, STALE), mode=Mode.ENFORCE, grace_s=0, limits=UNLIMITED)
POOL = Quota("pool", 10, ("prod", "test"), pressure=Pressure(above=80, until=60, idle_s=10 * MINUTE_S))


class Heard(Listener):
    """How often each report was told."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.relieved_reports: list[Report] = []

    def report(self, report: Report) -> None:
        self.reports.append(report)

    def relieved(self, report: Report) -> None:
        self.relieved_reports.append(report)


@dataclass
class World:
    """A pool of ten sessions, above eight of which those idle for ten minutes go until six are left.

    `agents` are project and agent with their policies; each project is an emulator of its own. `on_sweep` happens
    after each sweep, before the relief.
    """

    agents: dict[tuple[str, str], Policy] = field(default_factory=lambda: {("prod", "desk"): POLICY})
    quota: Quota = POOL
    must_see: frozenset[str] = frozenset()
    state: str = "sqlite://"
    on_sweep: Callable[[], object] = lambda: None
    stopping: Callable[[], str] = lambda: ""

    def __post_init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.store = Store.open(self.state)
        self.heard = Heard()
        self.board = LiveStatus(self.clock, pools=[self.quota])
        self.metrics = Metrics(self.board)
        self.version = AgentVersion("1", NOW - 60 * DAY_S)
        names = sorted({project for project, _ in self.agents})
        self.emulators = {name: Emulator(clock=self.clock, agents=0, sessions=0) for name in names}
        for project, agent in self.agents:
            self.platform(project).add_agent(agent, [self.version])

    def platform(self, project: str = "prod") -> Platform:
        return self.emulators[project].platform

    def active(self, ident: str, idle_m: int, *, agent: str = "desk", project: str = "prod") -> None:
        """A session that runs and was last used `idle_m` minutes ago."""
        used = NOW - idle_m * MINUTE_S
        record = StoredSession(ident, self.version, used - DAY_S, used, held=ACTIVE, held_until=NOW + DAY_S)
        self.platform(project).place(agent, record)

    def actives(self, *idle_m: int, agent: str = "desk", project: str = "prod") -> None:
        """Running sessions named after how many minutes ago they were used."""
        for minutes in idle_m:
            self.active(f"session-{minutes:03d}", minutes, agent=agent, project=project)

    def idle(self, ident: str, days: int, *, agent: str = "desk") -> None:
        """A suspended session that was last used `days` days ago."""
        used = NOW - days * DAY_S
        self.platform().place(agent, StoredSession(ident, self.version, used - DAY_S, used))

    @property
    def settings(self) -> Settings:
        requests = Requests(max_per_second=1_000)
        projects = []
        for name in self.emulators:
            endpoint = f"https://{name}.services.ai.azure.com/api/projects/{name}"
            patterns = [
                AgentPattern(agent, rules) for (project, agent), rules in self.agents.items() if project == name
            ]
            connection = Connection(endpoint, CredentialKind.NONE, requests=requests)
            projects.append(Project(name, connection, tuple(patterns), self.must_see))
        return Settings(tuple(projects), tuple(set(self.agents.values())), quotas=(self.quota,))

    def sweeper(self) -> Runner:
        """A sweeper that reaches the emulators through their transports."""
        connectors = {
            name: Connector(self.clock, transport=emulator.transport("reaper"))
            for name, emulator in self.emulators.items()
        }
        listener = Listeners([self.board, self.metrics, self.heard, _Told(self.on_sweep)])
        return Runner(self.store, self.clock, listener, lambda project: connectors[project.name](project))

    def sweep(self, **scope: Any) -> Run:
        """One run over everything."""
        return asyncio.run(self.sweeper().run(self.settings, Scope(**scope), self.stopping))

    def did(self, kind: str = "stopped") -> list[str]:
        """The sessions to which the reaper did this, sorted."""
        history = (event for emulator in self.emulators.values() for event in emulator.platform.history)
        return sorted(event.session for event in history if event.kind == kind and event.actor == "reaper")

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"session_reaper_{name}", labels)


class _Told(Listener):
    def __init__(self, tell: Callable[[], object]) -> None:
        self._tell = tell

    def report(self, report: Report) -> None:
        self._tell()


def policy(**changes: Any) -> Policy:
    return replace(POLICY, **changes)

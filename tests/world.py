"""The values tests build worlds from, and the emulator behind the real client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import settings

from reaper.core.clock_check import ClockGuard
from reaper.core.conditions import Idle, StatusIn
from reaper.core.model import ACTIVE, DAY_S, EXPIRY_S, FAILED, IDLE, Action, Agent, Session
from reaper.core.plan import Candidate, Plan, PlanContext
from reaper.core.planner import make_plan
from reaper.core.policy import Decision, Limit, Limits, Mode, Policy, Rule, decide
from reaper.core.routing import Unserved
from reaper.core.settings import Connection, CredentialKind, Project, Requests
from reaper.emulator import AgentVersion, Emulator
from reaper.emulator.stored import StoredSession
from reaper.engine.connected_project import ConnectedProject
from reaper.engine.executor import Execution, Executor
from reaper.engine.report import Outcome
from reaper.foundry.auth import Tokens
from reaper.foundry.client import Client
from reaper.foundry.rate_limiter import RateLimiter
from reaper.store.store import Store
from tests.clock import ManualClock

NOW = 1_790_000_000
HOUR_S = 3_600
AGENT = Agent("desk", latest="3", unserved=Unserved({}, seen_at=NOW - 60 * DAY_S, wait_s=0))
"""Its other versions were left behind long ago."""
ENDPOINT = "https://contoso.services.ai.azure.com/api/projects/prod"

examples = settings(max_examples=120, deadline=None)

UNTOUCHABLE = ("creating", "updating", "deleting", "deleted", "expired", "hibernating")
"""Statuses no rule may touch; the platform may invent the last one tomorrow."""


def session(ident: str = "session-0001", *, idle: int = 8 * DAY_S, age: int | None = None, **changes: Any) -> Session:
    """An idle session of the newest version, last used `idle` and created `age` seconds before NOW."""
    used = NOW - idle
    made = Session(
        id=ident,
        status=IDLE,
        version="3",
        created_at=used - DAY_S if age is None else NOW - age,
        last_accessed_at=used,
        expires_at=used + EXPIRY_S,
    )
    return made._replace(**changes)


STALE = Rule("stale", Action.DELETE, (StatusIn(frozenset({IDLE, FAILED})), Idle(7 * DAY_S)))
RUNAWAY = Rule("runaway", Action.STOP, (StatusIn(frozenset({ACTIVE})), Idle(2 * HOUR_S)))
UNLIMITED = Limits(per_sweep=Limit(100_000), per_day=Limit(100_000))


def policy(*rules: Rule, **changes: Any) -> Policy:
    """An enforcing policy without grace and without limits that matter, unless said otherwise."""
    made = Policy("standard", rules or (STALE, RUNAWAY), mode=Mode.ENFORCE, grace_s=0, limits=UNLIMITED)
    return replace(made, **changes)


def candidate(seen: Session, rule: Rule = STALE, agent: Agent = AGENT) -> Candidate:
    return Candidate(seen, Decision(rule.action, rule, rule.holds_from(seen, agent)))


def plan_of(
    candidates: Sequence[Candidate], standing: PlanContext, of: Policy, now: float = NOW, agent: Agent = AGENT
) -> Plan:
    return make_plan(candidates, standing, project="prod", agent=agent, policy=of, now=now)


@dataclass
class World:
    """The emulator with one agent, a state, and an executor between them."""

    store: Store = field(default_factory=lambda: Store.open("sqlite://"))
    policy: Policy = field(default_factory=policy)
    get_tombstones: bool = False
    workers: int = 1
    stopping: Callable[[], str] = lambda: ""
    heard: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.guard = ClockGuard()
        self.emulator = Emulator(clock=self.clock, agents=0, sessions=0, get_tombstones=self.get_tombstones)
        self.version = AgentVersion("3", NOW - 60 * DAY_S)
        self.platform = self.emulator.platform
        self.platform.add_agent(AGENT.name, [self.version])

    def put(self, ident: str, *, idle: int = 8 * DAY_S, **held: Any) -> None:
        """A session on the platform, last used `idle` seconds ago."""
        self.platform.place(AGENT.name, StoredSession(ident, self.version, NOW - idle - DAY_S, NOW - idle, **held))

    def put_many(self, count: int) -> None:
        for number in range(count):
            self.put(f"session-{number:04d}")

    def listed(self) -> list[Session]:
        return list(self.platform.sessions(AGENT.name))

    def plan(self, standing: PlanContext | None = None, agent: Agent = AGENT) -> Plan:
        """What the policy makes of everything on the platform now."""
        now = self.clock.wall()
        decided = [(seen, decide(seen, self.policy, agent, now)) for seen in self.listed()]
        found = [Candidate(seen, told) for seen, told in decided if told.action is not Action.KEEP]
        return plan_of(found, standing or PlanContext(inventory=len(decided)), self.policy, now, agent)

    @property
    def project(self) -> Project:
        requests = Requests(timeout_s=5, max_per_second=1000)
        return Project("prod", Connection(ENDPOINT, CredentialKind.NONE, requests=requests))

    def client(self) -> Client:
        connection = self.project.connection
        pace = RateLimiter(1000, self.clock.monotonic(), jitter=lambda: 0.5)
        tokens = Tokens(connection, self.clock)
        return Client(connection, self.clock, tokens, pace, transport=self.emulator.transport("reaper"))

    def run(self, work: Callable[[Client], Any]) -> Any:
        async def go() -> Any:
            async with self.client() as client:
                return await work(client)

        return asyncio.run(go())

    def execute(self, plan: Plan | None = None) -> Execution:
        """Carry out a plan made now, the platform's time having been seen in the listing."""
        made = plan or self.plan()
        started = self.clock.monotonic()
        if self.guard.skew is None:
            self.guard.observe(self.clock.wall(), self.clock.wall(), started)

        async def work(client: Client) -> Execution:
            client.observe_time(self.guard.observe)
            executor = Executor(
                site=ConnectedProject(self.project, client, self.guard),
                store=self.store,
                clock=self.clock,
                sweep_id="sweep-1",
                started=started,
                stopping=self.stopping,
                on_outcome=self.heard.append,
                workers=self.workers,
            )
            return await executor.execute(made)

        done: Execution = self.run(work)
        return done

    def events(self, kind: str = "deleted") -> list[str]:
        """The sessions that something was done to, in order."""
        return [event.session for event in self.platform.history if event.kind == kind]

    def used_today(self) -> dict[Action, int]:
        return self.store.journal.used_today("prod", AGENT.name, self.clock.wall())

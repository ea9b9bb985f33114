"""Sweeps all agents of a configuration side by side, and never one of them twice at once."""

from __future__ import annotations

import asyncio
import fnmatch
import uuid
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from reaper.clock import Clock
from reaper.core.clock_check import ClockGuard
from reaper.core.model import Agent
from reaper.core.planner import joint_plan_id
from reaper.core.policy import Policy
from reaper.core.provider import Connect, Provider, ProviderError
from reaper.core.quotas import pools
from reaper.core.settings import Project, Settings
from reaper.engine.discovery import ASKED_MAX, Discovery, discover
from reaper.engine.known_rates import keep_rates, recall_rates
from reaper.engine.listing_cache import ListingCache
from reaper.engine.must_see import MustSee
from reaper.engine.quota_relief import QuotaRelief
from reaper.engine.refusals import Refusals
from reaper.engine.report import Listener, Report, Result
from reaper.engine.sweep import ConnectedProject, Sweep, known_breaker, needs_approval
from reaper.listing.listing import collect
from reaper.logs import bound_contextvars, get_logger
from reaper.store.database import StateError
from reaper.store.housekeeping import Tending
from reaper.store.origin import Origin
from reaper.store.store import Store

log = get_logger()

T = TypeVar("T")

UNKNOWN_APPROVAL: Final = (
    "no plan that needs an approval had this id in the last 14 days: look at `reaper plan`, or remove it"
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a run is about: one project or all, agents that match a glob, whether it may act or write, and whether
    it remembers what is kept. The settings say how often all sessions are listed, None: every time, and which
    `approvals` a rehearsal judges with, which must not note them as given."""

    project: str | None = None
    agent: str = "*"
    observe: bool = False
    rehearsal: bool = False
    keeps: bool = False
    full_every_s: int | None = None
    configuration: str = ""
    approvals: tuple[str, ...] = ()

    def covers(self, agent: str) -> bool:
        return fnmatch.fnmatchcase(agent, self.agent)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run over all agents found and did. `plan_id` stands for the plans of all of them together."""

    reports: tuple[Report, ...]
    unmanaged: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def plan_id(self) -> str:
        return joint_plan_id([report.plan.id for report in self.reports if report.plan])

    @property
    def observed(self) -> bool:
        return all(report.observed for report in self.reports)


@dataclass(slots=True)
class Runner:
    """Runs sweeps on one state. Settings are an argument of each run: a reload changes the next one."""

    store: Store
    clock: Clock
    listener: Listener
    connect: Connect
    _guards: dict[str, ClockGuard] = field(default_factory=dict)
    _busy: set[tuple[str, str]] = field(default_factory=set)
    _managed: dict[str, dict[str, Policy]] = field(default_factory=dict)
    _recalls: dict[tuple[str, str], ListingCache] = field(default_factory=dict)
    _doubted: tuple[str, list[str]] = ("", [])
    _resolved: dict[str, float] = field(default_factory=dict)
    _tending: Tending = field(default_factory=Tending)
    _refusals: defaultdict[tuple[str, str], Refusals] = field(default_factory=lambda: defaultdict(Refusals))

    async def run(self, settings: Settings, scope: Scope, stopping: Callable[[], str] = lambda: "") -> Run:
        """Sweep what the scope covers, then relieve the quotas that are too full.

        Agents still being swept by an earlier run are left to it.
        """
        begun = self.clock.monotonic()
        if not scope.rehearsal:
            self._begin_record(settings)
            self._approve(settings)
        projects = [p for p in settings.projects if scope.project in {None, p.name}]
        rates = recall_rates(self.connect, self.store)
        relief = QuotaRelief(pools(settings.quotas))
        foreseen = settings.approvals if scope.rehearsal else ()
        scope = replace(
            scope,
            full_every_s=settings.schedule.full_listing_s,
            approvals=foreseen,
            configuration=settings.fingerprint,
        )
        parts = await _all(self._project(project, scope, stopping, relief) for project in projects)
        run = Run(
            reports=tuple(report for part, _ in parts for report in part),
            unmanaged={project.name: names for project, (_, names) in zip(projects, parts, strict=True) if names},
        )
        self._remember_plans(run)
        await self._relieve(relief)
        run = replace(run, reports=tuple(relief.latest(report) for report in run.reports))
        if not scope.rehearsal:
            keep_rates(
                self.connect, self.store, rates, [project.connection.endpoint for project in settings.projects]
            )
            await self._tend_journal(settings, run, begun)
        return run

    def _approve(self, settings: Settings) -> None:
        """Honour the approvals written in the configuration, and say which of them are for no plan that is known."""
        try:
            told = Origin.local(configuration=settings.fingerprint).told() if settings.approvals else {}
            for name in settings.approvals:
                self.store.plans.give(name, self.clock.wall(), standing=True, told=told)
            unknown = self.store.plans.unknown(settings.approvals)
        except StateError as error:
            log.error("approvals_not_read", error=str(error))
            return
        self.listener.unknown_approvals(unknown)
        if unknown and self._doubted != (settings.fingerprint, unknown):
            log.warning("unknown_approvals", plans=unknown, meaning=UNKNOWN_APPROVAL)
        self._doubted = (settings.fingerprint, unknown)

    async def _relieve(self, relief: QuotaRelief) -> None:
        """Relieve the pools by the agents that no later run is sweeping by now; none will until this is over."""
        free = {key for key in relief.swept if not self._busy & {key, (key[0], "*")}}
        claimed = free | {(key[0], "*") for key in free if relief.swept[key].sweep.site.project.must_see}
        self._busy |= claimed
        try:
            await relief.carry_out(free, self.connect)
        finally:
            self._busy -= claimed

    async def _project(
        self, project: Project, scope: Scope, stopping: Callable[[], str], relief: QuotaRelief
    ) -> tuple[list[Report], Sequence[str]]:
        """Sweep one project's agents; a project that cannot be asked at all becomes failed reports."""
        whole = (project.name, "*")
        if whole in self._busy:
            log.warning("still_sweeping", project=project.name)
            return [], ()
        claimed = {whole} if project.must_see else set()
        self._busy |= claimed
        try:
            async with self.connect(project) as client:
                return await self._agents(project, client, scope, stopping, relief)
        except ProviderError as error:
            known = self._managed.get(project.name) or {p.name: p.policy for p in project.agents}
            failed = {name: policy for name, policy in known.items() if scope.covers(name)}
            return [self._failed(project, name, policy, str(error)) for name, policy in failed.items()], ()
        finally:
            self._busy -= claimed

    async def _agents(
        self, project: Project, client: Provider, scope: Scope, stopping: Callable[[], str], relief: QuotaRelief
    ) -> tuple[list[Report], Sequence[str]]:
        guard, finding = self._guards.setdefault(project.name, ClockGuard()), (project.name, "?")
        client.observe_time(guard.observe)
        if finding in self._busy:
            log.warning("still_finding_agents", project=project.name)
            return [], ()
        self._busy.add(finding)
        try:
            roster = await discover(project, client, self._known(project))
        finally:
            self._busy.discard(finding)
        managed = {agent.name: policy.name for agent, policy in roster.targets}
        if not roster.unresolved:
            self._managed[project.name] = roster.targets_by_name
            self._resolved[project.name] = self.clock.monotonic()
            for key in [key for key in self._recalls if key[0] == project.name and key[1] not in managed]:
                del self._recalls[key]
            self.listener.roster(project.name, managed, roster.unmanaged)
        elif known := self._managed.get(project.name):
            self._managed[project.name] = {name: it for name, it in known.items() if name not in roster.gone}
        site = ConnectedProject(project, client, guard, scope.configuration)
        free = [target for target in roster.targets if (project.name, target[0].name) not in self._busy]
        swept = [target for target in free if scope.covers(target[0].name)]
        others = [agent for agent, _ in free if not scope.covers(agent.name)] if project.must_see else []
        canaries = MustSee(project.must_see, len(swept) + len(others))
        sweeps = (self._sweep(site, agent, policy, canaries, scope, stopping, relief) for agent, policy in swept)
        looks = (_look_for(canaries, site, agent) for agent in others)
        async with asyncio.TaskGroup() as group:
            for look in looks:
                group.create_task(look)
            reports = await _all(sweeps)
        return [*reports, *self._unresolved(project, roster, scope)], roster.unmanaged

    def _known(self, project: Project) -> Sequence[str]:
        """The agents that the last listing showed; those swept last by an earlier process, before the first one."""
        if project.name in self._managed:
            return list(self._managed[project.name])
        try:
            return self.store.swept_agents(project.name, ASKED_MAX)
        except StateError as error:
            log.error("known_agents_not_read", project=project.name, error=str(error))
            return []

    async def _sweep(
        self,
        site: ConnectedProject,
        agent: Agent,
        policy: Policy,
        canaries: MustSee,
        scope: Scope,
        stopping: Callable[[], str],
        relief: QuotaRelief,
    ) -> Report:
        sweep = Sweep(
            id=uuid.uuid4().hex[:12],
            site=site,
            agent=agent,
            policy=policy,
            canaries=canaries,
            store=self.store,
            clock=self.clock,
            listener=self.listener,
            stopping=stopping,
            observe=scope.observe,
            rehearsal=scope.rehearsal,
            approvals=scope.approvals,
            keeps={} if scope.keeps else None,
            reserve=relief.reserve(site.project.name),
            refusals=self._refusals[site.project.name, agent.name],
        )
        key = (site.project.name, agent.name)
        sweep = replace(sweep, recall=self._recall(sweep, scope))
        self._busy.add(key)
        try:
            with bound_contextvars(sweep_id=sweep.id, project=key[0], agent=key[1]):
                since = self.clock.monotonic()
                report = await sweep.run()
                relief.add(sweep, since, report)
                return report
        except Exception as error:
            log.exception("sweep_crashed", project=key[0], agent=key[1])
            return self._failed(site.project, agent.name, policy, f"unexpected {type(error).__name__}, see the log")
        finally:
            self._busy.discard(key)

    def _recall(self, sweep: Sweep, scope: Scope) -> ListingCache | None:
        """What the agent's last sweep left, where all need not be seen each time."""
        key = (sweep.site.project.name, sweep.agent.name)
        if scope.full_every_s is None or scope.rehearsal or scope.keeps or sweep.reserve is not None:
            self._recalls.pop(key, None)
            return None
        recall = self._recalls.setdefault(key, ListingCache(scope.full_every_s))
        recall.full_every_s = scope.full_every_s
        return recall

    def _unresolved(self, project: Project, roster: Discovery, scope: Scope) -> list[Report]:
        """Failed reports for the agents that patterns last meant, or for the patterns, that could not be resolved."""
        if not roster.unresolved:
            return []
        swept = roster.targets_by_name
        known = self._managed.get(project.name, {})
        left = {name: policy for name, policy in known.items() if name not in swept}
        lost = left or {name: policy for name, (policy, _) in roster.unresolved.items()}
        why = next(iter(roster.unresolved.values()))[1]
        return [self._failed(project, name, policy, why) for name, policy in lost.items() if scope.covers(name)]

    def _failed(self, project: Project, agent: str, policy: Policy, why: str) -> Report:
        report = Report(
            sweep_id=uuid.uuid4().hex[:12],
            project=project.name,
            agent=agent,
            policy=policy,
            result=Result.FAILED,
            started=self.clock.wall(),
            seconds=0.0,
            observed=True,
            why=why,
            breaker=known_breaker(self.store, project.name, agent),
        )
        self.listener.report(report)
        return report

    def _remember_plans(self, run: Run) -> None:
        """Keep together, under the id of them all, the plans that each sweep has kept for an approval."""
        parts = [
            (report.plan.id, report.project, report.agent, report.plan.now or report.started)
            for report in run.reports
            if report.plan and needs_approval(report.plan, report.breaker)
        ]
        try:
            self.store.plans.remember_joint(run.plan_id, parts)
        except StateError as error:
            log.error("plan_not_kept", plan=run.plan_id, error=str(error))

    def _begin_record(self, settings: Settings) -> None:
        """Write down which configuration is in force from here on; in no memory that stands in for a lost state."""
        if self.store.fault:
            return
        try:
            self._tending.begin(self.store.journal, settings, self.clock.wall())
        except StateError as error:
            log.error("configuration_not_noted", error=str(error))

    async def _tend_journal(self, settings: Settings, run: Run, begun: float) -> None:
        """Give up what nobody can look up, drop what is older than the record must be, and tell how its chain ends.

        Old by this clock and by that of every project whose inventory is believed; when none is, nothing is old.
        Projects whose agents were not found out since this run began at monotonic `begun` lose nothing.
        """
        believed = [report.plan.now for report in run.reports if report.plan and report.trusted]
        now = min([self.clock.wall(), *believed])
        known = {project.name for project in settings.projects if self._resolved.get(project.name, -1.0) >= begun}
        managed = {(name, agent) for name in known for agent in self._managed.get(name, {})}
        spared = {project.name for project in settings.projects} - known
        try:
            if believed:
                self.store.plans.forget(now)
            await self._tending.end(self.store.journal, settings.audit, now, managed, spared, believed=bool(believed))
        except StateError as error:
            log.error("journal_not_tended", error=str(error))


async def _all(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in order; returns or raises only when none is running any more."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(coroutine) for coroutine in coroutines]
    return [task.result() for task in tasks]


async def _look_for(canaries: MustSee, site: ConnectedProject, agent: Agent) -> None:
    """List an agent that is not to be swept, only for the sessions that must be seen somewhere in the project."""
    seen: frozenset[str] = frozenset()
    try:
        snapshot = await collect(site.client, agent.name, lambda *_: None, site.project.must_see, lambda _: None)
        seen = snapshot.seen
    except ProviderError as error:
        log.warning("must_see_listing_failed", project=site.project.name, agent=agent.name, error=str(error))
    finally:
        canaries.listed(seen)

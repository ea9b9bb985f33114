"""Sweeps all agents of a configuration side by side, and never one of them twice at once."""

from __future__ import annotations

import asyncio
import fnmatch
import uuid
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, TypeVar

from reaper.clock import Clock
from reaper.core.clock_check import ClockGuard
from reaper.core.model import Agent
from reaper.core.plan_lines import joint_plan_id
from reaper.core.policy import Policy
from reaper.core.provider import Connect, Provider, ProviderError
from reaper.core.quotas import Key, Pool, Reserve, pools
from reaper.core.settings import Project, Settings
from reaper.core.voice import Voice
from reaper.engine.by_turns import by_turns
from reaper.engine.connected_project import ConnectedProject
from reaper.engine.discovery import ASKED_MAX, Discovery, discover
from reaper.engine.events import AgentsFound, Listener, MustSeeListed, SweepEnded, UnknownApprovals
from reaper.engine.known_rates import keep_rates, recall_rates
from reaper.engine.listing_cache import ListingCache, make_room
from reaper.engine.must_see import MustSee
from reaper.engine.quota_relief import PoolMember, pool_of, relieve
from reaper.engine.refusals import Refusals
from reaper.engine.report import Failed, Report, Result, Swept
from reaper.engine.routed_agent import KnownVersions, remembered, routed
from reaper.engine.sweep import Sweep, known_breaker, needs_approval
from reaper.engine.voices import heard, judged_by
from reaper.listing.spool import Spool
from reaper.logs import bound_contextvars, get_logger
from reaper.store.database import StateError
from reaper.store.housekeeping import Housekeeping
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
    it remembers what is kept."""

    project: str | None = None
    agent: str = "*"
    observe: bool = False
    rehearsal: bool = False
    keeps: bool = False

    def covers(self, agent: str) -> bool:
        return fnmatch.fnmatchcase(agent, self.agent)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run over all agents found and did. `plan_id` stands for the plans of all of them together."""

    reports: tuple[Report, ...]
    unmanaged: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def plan_id(self) -> str:
        return joint_plan_id([report.plan.id for report in self.swept])

    @property
    def swept(self) -> list[Swept]:
        """The sweeps that came to a plan."""
        return [report for report in self.reports if isinstance(report, Swept)]

    @property
    def observed(self) -> bool:
        return all(report.observed for report in self.reports)


class _Task(NamedTuple):
    """What one run does, by which settings, until when, and where it puts what memory is too small for."""

    settings: Settings
    scope: Scope
    stopping: Callable[[], str]
    spool: Spool


class _ProjectRun(NamedTuple):
    """What the sweeps of one project's agents came to; `members` are those that a quota may take sessions of."""

    reports: Sequence[Report] = ()
    members: Sequence[PoolMember] = ()
    unmanaged: Sequence[str] = ()


@dataclass(slots=True)
class Runner:
    """Runs sweeps on one state. Settings are an argument of each run: a reload changes the next one."""

    store: Store
    clock: Clock
    listener: Listener
    connect: Connect
    spooling: Callable[[str], Spool] = Spool
    _guards: dict[str, ClockGuard] = field(default_factory=dict)
    _busy: set[Key] = field(default_factory=set)
    _managed: dict[str, dict[str, Policy]] = field(default_factory=dict)
    _caches: dict[Key, ListingCache] = field(default_factory=dict)
    _versions: KnownVersions = field(default_factory=KnownVersions)
    _doubted: tuple[str, list[str]] = ("", [])
    _resolved: dict[str, float] = field(default_factory=dict)
    _housekeeping: Housekeeping = field(default_factory=Housekeeping)
    _refusals: defaultdict[Key, Refusals] = field(default_factory=lambda: defaultdict(Refusals))

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
        quotas = pools(settings.quotas)
        task = _Task(settings, scope, stopping, self.spooling(self.store.folder))
        parts = await _all(self._project(project, task, pool_of(project.name, quotas)) for project in projects)
        run = Run(
            reports=tuple(report for part in parts for report in part.reports),
            unmanaged={p.name: part.unmanaged for p, part in zip(projects, parts, strict=True) if part.unmanaged},
        )
        make_room(self._caches.values())
        self._remember_plans(run)
        relieved = await self._relieve(quotas, [member for part in parts for member in part.members])
        run = replace(run, reports=tuple(relieved.get(report.key, report) for report in run.reports))
        if not scope.rehearsal:
            keep_rates(
                self.connect, self.store, rates, [project.connection.endpoint for project in settings.projects]
            )
            await self._tend_journal(settings, run, begun)
        return run

    def _approve(self, settings: Settings) -> None:
        """Honour the approvals written in the configuration, and say which of them are for no plan that is known."""
        try:
            origin = Origin.local(configuration=settings.fingerprint).as_json() if settings.approvals else {}
            for name in settings.approvals:
                self.store.plans.approve(name, self.clock.wall(), standing=True, origin=origin)
            unknown = self.store.plans.unknown(settings.approvals)
        except StateError as error:
            log.error("approvals_not_read", error=str(error))
            return
        self.listener(UnknownApprovals(unknown))
        if unknown and self._doubted != (settings.fingerprint, unknown):
            log.warning("unknown_approvals", plans=unknown, meaning=UNKNOWN_APPROVAL)
        self._doubted = (settings.fingerprint, unknown)

    async def _relieve(self, quotas: Sequence[Pool], members: Sequence[PoolMember]) -> dict[Key, Swept]:
        """Relieve the pools by the agents that no later run is sweeping by now; none will until this is over."""
        free = {one.key: one for one in members if not self._busy & {one.key, (one.report.project, "*")}}
        claimed = free.keys() | {(key[0], "*") for key, one in free.items() if one.sweep.site.project.must_see}
        with self._claimed(*claimed):
            return await relieve(quotas, members, free, self.connect)

    @contextmanager
    def _claimed(self, *keys: Key) -> Iterator[None]:
        """Leave these alone in later runs until this is over."""
        self._busy.update(keys)
        try:
            yield
        finally:
            self._busy.difference_update(keys)

    async def _project(self, project: Project, task: _Task, pool: Pool | None) -> _ProjectRun:
        """Sweep one project's agents; a project that cannot be asked at all becomes failed reports."""
        whole = (project.name, "*")
        if whole in self._busy:
            log.warning("still_sweeping", project=project.name)
            return _ProjectRun()
        try:
            with self._claimed(*[whole] if project.must_see else []):
                async with self.connect(project) as client:
                    return await self._agents(project, client, task, pool)
        except ProviderError as error:
            known = self._managed.get(project.name) or {p.name: p.policy for p in project.agents}
            return _ProjectRun(self._all_failed(project, known, str(error), task.scope))

    async def _agents(self, project: Project, client: Provider, task: _Task, pool: Pool | None) -> _ProjectRun:
        guard, finding = self._guards.setdefault(project.name, ClockGuard()), (project.name, "?")
        client.observe_time(guard.observe)
        if finding in self._busy:
            log.warning("still_finding_agents", project=project.name)
            return _ProjectRun()
        with self._claimed(finding):
            found = await discover(project, client, self._known(project))
        managed = {agent.name: policy.name for agent, policy in found.targets}
        if not found.unresolved:
            self._managed[project.name] = found.targets_by_name
            self._resolved[project.name] = self.clock.monotonic()
            for key in [key for key in self._caches if key[0] == project.name and key[1] not in managed]:
                del self._caches[key]
            self.listener(AgentsFound(project.name, managed, found.unmanaged))
        elif known := self._managed.get(project.name):
            self._managed[project.name] = {name: it for name, it in known.items() if name not in found.gone}
        site = ConnectedProject(project, client, guard, task.settings.fingerprint, self._versions)
        free = [target for target in found.targets if (project.name, target[0].name) not in self._busy]
        swept = [target for target in free if task.scope.covers(target[0].name)]
        others = [target for target in free if not task.scope.covers(target[0].name)] if project.must_see else []
        must_see = MustSee(project.must_see, len(swept) + len(others))
        async with asyncio.TaskGroup() as group:
            for agent, _ in others:
                group.create_task(must_see.look(client, project.name, agent.name))
            ended = await _all(self._sweep(site, agent, policy, must_see, task, pool) for agent, policy in swept)
        self.listener(MustSeeListed(project.name, must_see.expiries))
        reports = [report for report, _ in ended] + self._unresolved(project, found, task.scope)
        return _ProjectRun(reports, [member for _, member in ended if member is not None], found.unmanaged)

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
        self, site: ConnectedProject, agent: Agent, policy: Policy, must_see: MustSee, task: _Task, pool: Pool | None
    ) -> tuple[Report, PoolMember | None]:
        key, scope = (site.project.name, agent.name), task.scope
        try:
            voice = self._hear(site.project, agent, scope)
        except StateError as error:
            must_see.listed({})
            return self._failed(site.project, agent.name, policy, str(error)), None
        policy = judged_by(policy, voice)
        sees_all = scope.rehearsal or scope.keeps or pool is not None or policy.ranks
        sweep = Sweep(
            id=uuid.uuid4().hex[:12],
            site=site,
            agent=agent,
            policy=policy,
            must_see=must_see,
            store=self.store,
            clock=self.clock,
            listener=self.listener,
            stopping=task.stopping,
            observe=scope.observe,
            rehearsal=scope.rehearsal,
            approvals=task.settings.approvals if scope.rehearsal else (),
            configured=task.settings.holds_on(*key),
            keeps=scope.keeps,
            reserve=Reserve(pool) if pool else None,
            refusals=self._refusals[key],
            spool=task.spool,
            voice=voice,
            cache=self._cache(key, None if sees_all else task.settings.schedule.full_listing_s),
        )
        try:
            with self._claimed(key), bound_contextvars(sweep_id=sweep.id, project=key[0], agent=key[1]):
                since = self.clock.monotonic()
                sweep = replace(sweep, agent=await self._known_by(site, agent, policy, must_see))
                report = await sweep.run()
                return report, PoolMember(sweep, since, report) if pool and isinstance(report, Swept) else None
        except Exception as error:
            log.exception("sweep_crashed", project=key[0], agent=key[1])
            why = f"unexpected {type(error).__name__}, see the log"
            return self._failed(site.project, agent.name, policy, why), None

    async def _known_by(self, site: ConnectedProject, agent: Agent, policy: Policy, must_see: MustSee) -> Agent:
        """The agent as its policy asks for it; what the state cannot tell, the sweep meets again and reports."""
        now, project = self.clock.monotonic(), site.project.name
        try:
            agent = await routed(agent, policy, site.client, site.versions, project, now)
        except BaseException:
            # Whatever fails, other agents wait for what this one has seen.
            must_see.listed({})
            raise
        if site.guard.skew is None:
            return agent
        with suppress(StateError):
            return remembered(agent, policy, self.store, project, self.clock.wall() + site.guard.skew)
        return agent

    def _hear(self, project: Project, agent: Agent, scope: Scope) -> Voice:
        """What the agent's developers ask for, remembered before anything rests on it."""
        if not scope.rehearsal:
            self.store.voices.note(project.name, agent.name, agent.metadata, self.clock.wall())
        return heard(project, agent, self.store)

    def _cache(self, key: Key, full_every_s: int | None) -> ListingCache | None:
        """What the agent's last sweep left; None, and nothing of it, where all are to be seen each time."""
        if full_every_s is None:
            self._caches.pop(key, None)
            return None
        cache = self._caches.setdefault(key, ListingCache(full_every_s))
        cache.full_every_s = full_every_s
        return cache

    def _unresolved(self, project: Project, found: Discovery, scope: Scope) -> list[Report]:
        """Failed reports for the agents that patterns last meant, or for the patterns, that could not be resolved."""
        if not found.unresolved:
            return []
        swept, known = found.targets_by_name, self._managed.get(project.name, {})
        left = {name: policy for name, policy in known.items() if name not in swept}
        return self._all_failed(project, left or found.unresolved, found.doubt, scope)

    def _all_failed(self, project: Project, agents: Mapping[str, Policy], why: str, scope: Scope) -> list[Report]:
        return [self._failed(project, name, policy, why) for name, policy in agents.items() if scope.covers(name)]

    def _failed(self, project: Project, agent: str, policy: Policy, why: str) -> Report:
        report = Failed(
            sweep_id=uuid.uuid4().hex[:12],
            project=project.name,
            agent=agent,
            policy=policy,
            result=Result.FAILED,
            started=self.clock.wall(),
            observed=True,
            why=why,
            breaker=known_breaker(self.store, project.name, agent),
        )
        self.listener(SweepEnded(report))
        return report

    def _remember_plans(self, run: Run) -> None:
        """Keep together, under the id of them all, the plans that each sweep has kept for an approval."""
        parts = [
            (report.plan.id, report.project, report.agent, report.plan.now or report.started)
            for report in run.swept
            if needs_approval(report.plan, report.breaker)
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
            self._housekeeping.begin(self.store.journal, settings, self.clock.wall())
        except StateError as error:
            log.error("configuration_not_noted", error=str(error))

    async def _tend_journal(self, settings: Settings, run: Run, begun: float) -> None:
        """Give up what nobody can look up, drop what is older than the record must be, and say how its chain ends.

        Old by this clock and by that of every project whose inventory is believed; when none is, nothing is old.
        Projects whose agents were not found out since this run began at monotonic `begun` lose nothing.
        """
        believed = [report.plan.now for report in run.swept if report.trusted]
        now = min([self.clock.wall(), *believed])
        known = {project.name for project in settings.projects if self._resolved.get(project.name, -1.0) >= begun}
        managed = {(name, agent) for name in known for agent in self._managed.get(name, {})}
        spared = {project.name for project in settings.projects} - known
        try:
            if believed:
                await by_turns(self.store.plans.forgetting(now))
                self.store.holds.forget(now)
            await self._housekeeping.end(
                self.store.journal, settings.audit, now, managed, spared, believed=bool(believed)
            )
        except StateError as error:
            log.error("journal_not_tended", error=str(error))


async def _all(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in order; returns or raises only when none is running any more."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(coroutine) for coroutine in coroutines]
    return [task.result() for task in tasks]

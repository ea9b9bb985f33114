"""Relieves quota pools once the sweeps of a run are over: stops, never deletes, the longest idle active sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from reaper.core.model import Action, OutcomeKind, Session
from reaper.core.planner import Hold, Item, Plan, PlanContext, make_plan
from reaper.core.policy import Limit
from reaper.core.provider import Connect, Provider
from reaper.core.quotas import Key, Pool, Reserve, candidates, choose
from reaper.engine.executor import Execution
from reaper.engine.report import Report, Result
from reaper.engine.sweep import SWEEP_MAX_S, Sweep
from reaper.engine.sweep_texts import failing_text
from reaper.logs import bound_contextvars, get_logger
from reaper.store.database import StateError

log = get_logger()

NOT_FREED: Final = frozenset({OutcomeKind.FAILED, OutcomeKind.CHANGED})
"""After any other outcome a session may have left the quota: counting it as gone stops fewer, never more."""


@dataclass(slots=True)
class PoolMember:
    """One agent once its sweep is over; `since` is when that began, monotonic. `report` grows with the relief."""

    sweep: Sweep
    since: float
    report: Report

    @property
    def key(self) -> Key:
        return (self.report.project, self.report.agent)

    def used(self, pool: Pool, *, supposing: bool = False) -> int:
        """How many sessions count against the quota now; `supposing`: had the policy enforced what it observes."""
        if self.report.snapshot is None or not self.report.trusted:
            return 0
        listed = sum(self.report.snapshot.by_status[status] for status in pool.quota.counts)
        freed = (item.session.status in pool.quota.counts for item in self._freeing(supposing))
        return max(listed - sum(freed), 0)

    def _freeing(self, supposing: bool) -> Iterable[Item]:
        """The actions that took sessions from the platform, or would have."""
        if self.report.observed and not supposing:
            return ()
        if self.report.observed or self.sweep.rehearsal:
            return self._meant()
        return (outcome.item for outcome in self.report.outcomes if outcome.kind not in NOT_FREED)

    def _meant(self) -> Iterable[Item]:
        """The actions that nothing but observing or rehearsing holds back."""
        plan = self.report.plan
        held = {None, Hold.OBSERVE}
        return (item for item in plan.items if item.hold in held and item.ripe_at <= plan.now) if plan else ()

    def ready(self) -> bool:
        """Whether nothing speaks against stopping this agent's sessions: its sweep went well, and not long ago."""
        report, age_s = self.report, self.sweep.clock.monotonic() - self.since
        went_well = report.trusted and report.result in {Result.OK, Result.WITHHELD} and report.breaker is None
        doubt = self.sweep.stopping() or self.sweep.site.guard.doubt(self.since)
        return went_well and age_s <= SWEEP_MAX_S and not doubt

    def offers(self) -> list[Session]:
        """The sessions that may be stopped, longest idle first, without those whose stop was refused lately."""
        sweep = self.sweep
        refused = sweep.refusals.waiting(sweep.clock.monotonic())
        return [one for one in (sweep.reserve.sessions if sweep.reserve else ()) if one.incarnation not in refused]

    def left(self) -> int:
        """How many more stops the policy's limits allow, after those of this sweep and of the last 24 hours.

        Relief takes no more than that and is never withheld: nobody should have to approve it at night.
        """
        report = self.report
        if report.snapshot is None or report.plan is None:
            return 0
        limits, inventory = report.policy.limits, report.snapshot.sessions

        def allowed(limit: Limit) -> int:
            return limit.of(inventory, limits.at_least)

        swept = sum(item.action is Action.STOP and not item.approved for item in self._meant())
        unwritten = swept if report.observed or self.sweep.rehearsal else 0
        today = self.sweep.store.journal.used_today(*self.key, report.plan.now).get(Action.STOP, 0)
        return min(allowed(limits.per_sweep) - swept, allowed(limits.per_day) - today - unwritten)

    def plan(self, pool: Pool, sessions: Sequence[Session]) -> Plan | None:
        """What relief does to this agent's chosen sessions, made by the planner like every plan."""
        report = self.report
        if report.snapshot is None or report.plan is None:
            return None
        now = report.plan.now
        used = self.sweep.store.journal.used_today(*self.key, now)
        standing = PlanContext(report.snapshot.sessions, used_today=used, observe=report.observed)
        return make_plan(
            candidates(sessions, pool, now),
            standing,
            project=report.project,
            agent=self.sweep.agent,
            policy=pool.behind(report.policy),
            now=now,
        )

    def take(self, plan: Plan, execution: Execution) -> None:
        """Add the relief to the report; the plan's id stays: it names what a person may approve, not relief."""
        report, store = self.report, self.sweep.store
        if report.plan is None:
            return
        taken = {item.session.incarnation for item in plan.items}
        merged = replace(
            report,
            plan=replace(report.plan, items=(*report.plan.items, *plan.items)),
            outcomes=(*report.outcomes, *execution.outcomes),
            kept=[kept for kept in report.kept if kept.session.incarnation not in taken],
            breaker=store.breaker(*self.key) or report.breaker,
            used_today=store.journal.used_today(*self.key, plan.now),
        )
        if why := execution.halted or failing_text(merged):
            merged = replace(merged, result=Result.FAILED, why=why)
        self.report = merged
        self.sweep.listener.relieved(self.report)


@dataclass(slots=True)
class QuotaRelief:
    """What one run learns about its pools; filled by its sweeps, carried out after them."""

    pools: Sequence[Pool]
    swept: dict[Key, PoolMember] = field(default_factory=dict)

    def reserve(self, project: str) -> Reserve | None:
        """Where a sweep in this project keeps what its pool may stop; None when no pool asks for it."""
        pool = next((pool for pool in self.pools if project in pool.quota.projects), None)
        return None if pool is None else Reserve(pool)

    def add(self, sweep: Sweep, since: float, report: Report) -> None:
        """A sweep that had a reserve is over."""
        if sweep.reserve is not None:
            swept = PoolMember(sweep, since, report)
            self.swept[swept.key] = swept

    def latest(self, report: Report) -> Report:
        """The report with what relief added to it."""
        swept = self.swept.get((report.project, report.agent))
        return report if swept is None else swept.report

    async def carry_out(self, free: Collection[Key], connect: Connect) -> None:
        """Relieve every pool that is too full, by sessions of the agents that are `free`."""
        for pool in self.pools:
            try:
                await self._relieve(pool, free, connect)
            except StateError as error:
                log.error("quota_not_relieved", quota=pool.quota.name, error=str(error))
            except Exception:
                log.exception("relief_crashed", quota=pool.quota.name)

    async def _relieve(self, pool: Pool, free: Collection[Key], connect: Connect) -> None:
        members = [swept for swept in self.swept.values() if swept.key[0] in pool.quota.projects]
        used = sum(swept.used(pool) for swept in members)
        supposed = sum(swept.used(pool, supposing=True) for swept in members)
        if not pool.needed(used):
            return
        ready = [swept for swept in members if swept.key in free and swept.ready()]
        plans = _plans(pool, used, supposed, ready)
        async with asyncio.TaskGroup() as group:
            for project in {swept.key[0] for swept, _ in plans}:
                group.create_task(_at([part for part in plans if part[0].key[0] == project], connect))
        _tell(pool, used, [(swept.report, plan) for swept, plan in plans])


def _plans(pool: Pool, used: int, supposed: int, ready: Sequence[PoolMember]) -> list[tuple[PoolMember, Plan]]:
    """What each agent is to stop. Agents that only observe show their part of what all of them would do."""
    left = {swept.key: swept.left() for swept in ready}
    offers = {swept.key: swept.offers() for swept in ready}
    acting = {swept.key: offers[swept.key] for swept in ready if not swept.report.observed}
    real = choose(pool.needed(used), acting, left)
    shown = choose(pool.needed(supposed), offers, left)
    chosen = ((swept, (shown if swept.report.observed else real).get(swept.key)) for swept in ready)
    plans = ((swept, swept.plan(pool, sessions)) for swept, sessions in chosen if sessions)
    return [(swept, plan) for swept, plan in plans if plan is not None]


async def _at(parts: Sequence[tuple[PoolMember, Plan]], connect: Connect) -> None:
    """Carry out the plans of one project's agents, with one client for all of them if anything is to be sent."""
    sweep = parts[0][0].sweep
    for swept, plan in parts:
        sweep.listener.planned(swept.key[0], plan)
    if sweep.rehearsal or not any(plan.act for _, plan in parts):
        for swept, plan in parts:
            swept.take(plan, Execution())
        return
    async with connect(sweep.site.project) as client, asyncio.TaskGroup() as group:
        client.observe_time(sweep.site.guard.observe)
        for swept, plan in parts:
            group.create_task(_stop(swept, plan, client))


async def _stop(swept: PoolMember, plan: Plan, client: Provider) -> None:
    """Carry out one agent's plan as its sweep would have."""
    project, agent = swept.key
    sweep = replace(swept.sweep, site=replace(swept.sweep.site, client=client))
    with bound_contextvars(sweep_id=sweep.id, project=project, agent=agent):
        try:
            execution = await sweep.executor(swept.since).execute(plan)
        except Exception as error:
            log.exception("relief_crashed", project=project, agent=agent)
            execution = Execution(halted=f"unexpected {type(error).__name__}, see the log")
    sweep.refusals.note(execution.outcomes, sweep.clock.monotonic())
    swept.take(plan, execution)


def _tell(pool: Pool, used: int, parts: Sequence[tuple[Report, Plan]]) -> None:
    """One line for the whole pool."""
    ended = (outcome for report, _ in parts for outcome in report.outcomes)
    log.warning(
        "quota_relief",
        quota=pool.quota.name,
        used=used,
        limit=pool.quota.limit,
        needed=pool.needed(used),
        chosen=sum(len(plan.items) for _, plan in parts),
        stopped=sum(o.kind is OutcomeKind.DONE and o.item.rule == pool.rule.name for o in ended),
    )

"""Relieves quota pools once the sweeps of a run are over: stops, never deletes, the longest idle active sessions."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from reaper.core.model import Action, OutcomeKind, Session
from reaper.core.plan import Candidate, Hold, Items, Plan, PlanContext
from reaper.core.planner import make_plan
from reaper.core.policy import Decision
from reaper.core.provider import Connect, Provider
from reaper.core.quotas import Key, Pool, choose
from reaper.core.tally import Group
from reaper.engine.conclusion import SWEEP_MAX_S
from reaper.engine.events import Planned, QuotaRelieved
from reaper.engine.executor import Execution
from reaper.engine.item_shelf import together
from reaper.engine.report import Result, Swept
from reaper.engine.sweep import Sweep
from reaper.engine.sweep_texts import failing_text
from reaper.logs import bound_contextvars, get_logger
from reaper.store.database import StateError

log = get_logger()

NOT_FREED: Final = frozenset({OutcomeKind.FAILED, OutcomeKind.CHANGED})
"""After any other outcome a session may have left the quota: counting it as gone stops fewer, never more."""


@dataclass(frozen=True, slots=True)
class PoolMember:
    """One agent once its sweep is over; `since` is when that began, monotonic."""

    sweep: Sweep
    since: float
    report: Swept

    @property
    def key(self) -> Key:
        return self.report.key

    def used(self, pool: Pool, *, supposing: bool = False) -> int:
        """How many sessions count against the quota now; `supposing`: had the policy enforced what it observes."""
        if not self.report.trusted:
            return 0
        listed = sum(self.report.snapshot.by_status[status] for status in pool.quota.counts)
        freed = self._freed(supposing)
        return max(listed - sum(freed[status] for status in pool.quota.counts), 0)

    def _freed(self, supposing: bool) -> Counter[str]:
        """How many sessions were taken from the platform, or would have been, by how they were listed."""
        freed: Counter[str] = Counter()
        if self.report.observed and not supposing:
            return freed
        if self.report.observed or self.sweep.rehearsal:
            for group, count in self._meant():
                freed[group.status] += count
            return freed
        freed.update(outcome.item.session.status for outcome in self.report.outcomes if outcome.kind not in NOT_FREED)
        return freed

    def _meant(self) -> Iterable[tuple[Group[Hold], int]]:
        """How many actions nothing but observing or rehearsing holds back."""
        groups = self.report.plan.tally.groups.items()
        return [(group, counted.due) for group, counted in groups if group.hold in {None, Hold.OBSERVE}]

    def ready(self) -> bool:
        """Whether nothing speaks against stopping this agent's sessions: its sweep went well, and not long ago."""
        report, age_s = self.report, self.sweep.clock.monotonic() - self.since
        went_well = (
            report.trusted
            and report.result in {Result.OK, Result.WITHHELD}
            and not (report.breaker or report.plan.jump)
        )
        doubt = self.sweep.stopping() or self.sweep.site.guard.doubt(self.since)
        return went_well and age_s <= SWEEP_MAX_S and not doubt

    def offers(self) -> list[Session]:
        """The sessions that may be stopped, longest idle first: none whose stop was refused lately, and none held.

        None where the agent's developers ask that nothing is touched: others have to make room then.
        """
        sweep, plan = self.sweep, self.report.plan
        if sweep.voice.keeps(plan.now):
            return []
        refused = sweep.refusals.waiting(sweep.clock.monotonic())
        reserve = sweep.reserve.sessions if sweep.reserve else ()
        return [one for one in reserve if one.incarnation not in refused and not plan.holds.on(one, plan.now)]

    def left(self) -> int:
        """How many more stops the policy's limits allow, after those of this sweep and of the last 24 hours.

        Relief takes no more than that and is never withheld: nobody should have to approve it at night.
        """
        report = self.report
        limits, inventory = report.policy.limits, report.snapshot.sessions
        swept = sum(count for group, count in self._meant() if group.action is Action.STOP and not group.approved)
        unwritten = swept if report.observed or self.sweep.rehearsal else 0
        today = self._used_today().get(Action.STOP, 0)
        sweep, day = (limit.of(inventory, limits.at_least) for limit in (limits.per_sweep, limits.per_day))
        return min(sweep - swept, day - today - unwritten)

    def _used_today(self) -> Mapping[Action, int]:
        return self.sweep.store.journal.used_today(*self.key, self.report.plan.now)

    def plan(self, pool: Pool, sessions: Sequence[Session]) -> Plan:
        """What relief does to this agent's chosen sessions, made by the planner like every plan.

        Its rule is the last of the policy's. Each session is due since the pool is too full, not since it is idle.
        """
        report, now = self.report, self.report.plan.now
        decision = Decision(pool.rule.action, pool.rule, since=now)
        return make_plan(
            [Candidate(session, decision) for session in sessions],
            PlanContext(
                report.snapshot.sessions,
                used_today=self._used_today(),
                holds=report.plan.holds,
                observe=report.observed,
                voice=self.sweep.voice,
            ),
            project=report.project,
            agent=self.sweep.agent,
            policy=report.policy.with_last(pool.rule),
            now=now,
        )

    def relieved(self, plan: Plan, execution: Execution) -> PoolMember:
        """This agent with the relief in its report, which listeners hear of.

        The plan's id stays: it names what a person may approve, not relief.
        """
        report = self.report
        taken = {item.session.incarnation for item in plan.items}
        kept = tuple(kept for kept in report.snapshot.kept if kept.session.incarnation not in taken)
        merged = replace(
            report,
            snapshot=replace(report.snapshot, kept=kept),
            plan=replace(
                report.plan,
                items=together(report.plan.items, Items(plan.items)),
                tally=report.plan.tally.plus(plan.tally),
            ),
            outcomes=(*report.outcomes, *execution.outcomes),
            breaker=self.sweep.store.breaker(*self.key) or report.breaker,
            used_today=self._used_today(),
        )
        if why := execution.halted or failing_text(merged):
            merged = replace(merged, result=Result.FAILED, why=why)
        self.sweep.listener(QuotaRelieved(merged))
        return replace(self, report=merged)


def pool_of(project: str, pools: Iterable[Pool]) -> Pool | None:
    """The pool that may stop sessions of this project; None when none asks for it."""
    return next((pool for pool in pools if project in pool.quota.projects), None)


async def relieve(
    pools: Iterable[Pool], members: Iterable[PoolMember], free: Collection[Key], connect: Connect
) -> dict[Key, Swept]:
    """Relieve every pool that is too full, by sessions of the agents that are `free`; gives all members' reports."""
    known = {member.key: member for member in members}
    for pool in pools:
        try:
            known |= {member.key: member for member in await _relieve(pool, known.values(), free, connect)}
        except StateError as error:
            log.error("quota_not_relieved", quota=pool.quota.name, error=str(error))
        except Exception:
            log.exception("relief_crashed", quota=pool.quota.name)
    return {key: member.report for key, member in known.items()}


async def _relieve(
    pool: Pool, known: Iterable[PoolMember], free: Collection[Key], connect: Connect
) -> list[PoolMember]:
    """Those who gave sessions, with the relief in their reports."""
    members = [member for member in known if member.report.project in pool.quota.projects]
    used = sum(member.used(pool) for member in members)
    supposed = sum(member.used(pool, supposing=True) for member in members)
    if not pool.needed(used):
        return []
    plans = _plans(pool, used, supposed, [member for member in members if member.key in free and member.ready()])
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_at([part for part in plans if part[0].report.project == project], connect))
            for project in {member.report.project for member, _ in plans}
        ]
    relieved = [member for task in tasks for member in task.result()]
    ended = (outcome for member in relieved for outcome in member.report.outcomes)
    log.warning(
        "quota_relief",
        quota=pool.quota.name,
        used=used,
        limit=pool.quota.limit,
        needed=pool.needed(used),
        chosen=sum(len(plan.items) for _, plan in plans),
        stopped=sum(o.kind is OutcomeKind.DONE and o.item.rule == pool.rule.name for o in ended),
    )
    return relieved


def _plans(pool: Pool, used: int, supposed: int, ready: Sequence[PoolMember]) -> list[tuple[PoolMember, Plan]]:
    """What each agent is to stop. Agents that only observe show their part of what all of them would do."""
    left = {member.key: member.left() for member in ready}
    offers = {member.key: member.offers() for member in ready}
    acting = {member.key: offers[member.key] for member in ready if not member.report.observed}
    real = choose(pool.needed(used), acting, left)
    shown = choose(pool.needed(supposed), offers, left)
    chosen = ((member, (shown if member.report.observed else real).get(member.key)) for member in ready)
    return [(member, member.plan(pool, sessions)) for member, sessions in chosen if sessions]


async def _at(parts: Sequence[tuple[PoolMember, Plan]], connect: Connect) -> list[PoolMember]:
    """Carry out the plans of one project's agents, with one client for all of them if anything is to be sent."""
    sweep = parts[0][0].sweep
    for member, plan in parts:
        sweep.listener(Planned(member.report.project, plan))
    if sweep.rehearsal or not any(plan.act for _, plan in parts):
        return [member.relieved(plan, Execution()) for member, plan in parts]
    async with connect(sweep.site.project) as client, asyncio.TaskGroup() as group:
        client.observe_time(sweep.site.guard.observe)
        tasks = [group.create_task(_stop(member, plan, client)) for member, plan in parts]
    return [task.result() for task in tasks]


async def _stop(member: PoolMember, plan: Plan, client: Provider) -> PoolMember:
    """Carry out one agent's plan as its sweep would have."""
    project, agent = member.key
    sweep = replace(member.sweep, site=replace(member.sweep.site, client=client))
    with bound_contextvars(sweep_id=sweep.id, project=project, agent=agent):
        try:
            execution = await sweep.executor(member.since).execute(plan)
        except Exception as error:
            log.exception("relief_crashed", project=project, agent=agent)
            execution = Execution(halted=f"unexpected {type(error).__name__}, see the log")
        sweep.refusals.note(execution.outcomes, sweep.clock.monotonic())
        try:
            return member.relieved(plan, execution)
        except StateError as error:
            log.error("quota_not_relieved", project=project, agent=agent, error=str(error))
            return member

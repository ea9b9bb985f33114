"""One pass over one agent's sessions: collect, doubt, plan, mark, execute, report."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from reaper.clock import Clock, give_way
from reaper.core import jump as jumps
from reaper.core.durations import show_duration
from reaper.core.holds import NO_HOLDS, Holds
from reaper.core.inventory_checks import Baseline, StaleCounts, doubts, moved_back
from reaper.core.jump import Counted, Jump, Level
from reaper.core.model import Agent
from reaper.core.plan import Candidate, Hold, Plan, PlanContext
from reaper.core.plan_lines import PlanLines
from reaper.core.planner import Planning
from reaper.core.policy import Mode
from reaper.core.provider import Gone, ProviderError, Refused
from reaper.core.quotas import Key
from reaper.core.ranks import RANKING_MAX_S
from reaper.core.voice import SILENT, Voice
from reaper.engine.by_turns import batches, by_steps, by_turns
from reaper.engine.conclusion import OUT_OF_TIME, SWEEP_MAX_S, Belief, concluded
from reaper.engine.effects import resolve_open_intents
from reaper.engine.events import ActionEnded, Judged, Planned, SweepBegun, SweepEnded
from reaper.engine.executor import BY_HAND, Execution, Executor
from reaper.engine.inventory import InventoryReader
from reaper.engine.item_shelf import ItemShelf, in_creation_order
from reaper.engine.listing_cache import ListingCache
from reaper.engine.must_see import MustSee
from reaper.engine.refusals import Refusals
from reaper.engine.report import Failed, Outcome, Report, Result, Swept
from reaper.engine.routed_agent import left_behind
from reaper.engine.sweep_texts import disbelief_text
from reaper.listing.index import ListingIndex
from reaper.listing.snapshot import Snapshot
from reaper.listing.spool import Spool, SpoolError
from reaper.logs import get_logger
from reaper.store.database import StateError
from reaper.store.journal import Entry
from reaper.store.store import Breaker, Store

log = get_logger()

BY_HAND_MAX_S: Final = 300
"""An action by hand takes no longer than this."""
LISTING_MAX_S: Final = 1_800
AT_A_TIME: Final = 250
"""So many candidates are judged before others may have their turn."""


class Collected(NamedTuple):
    """What there is, what of it the next sweep may know, and what the state knew before."""

    snapshot: Snapshot
    listing_index: ListingIndex | None
    left_open: Sequence[Entry]
    base: Baseline | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep(InventoryReader):
    """One sweep of one agent: it reads the inventory, and goes on from there.

    A `rehearsal` shows what a sweep would do: it writes nothing and sends no action. With a `cache`, and neither
    `keeps` nor a `reserve`, not every sweep lists all sessions. A rehearsal honours `approvals`, plans that the
    configuration approves, without noting them as given. `configured` are the holds that the configuration names.
    """

    id: str
    must_see: MustSee
    store: Store
    clock: Clock
    observe: bool = False
    rehearsal: bool = False
    cache: ListingCache | None = None
    approvals: tuple[str, ...] = ()
    configured: Holds = NO_HOLDS
    refusals: Refusals = field(default_factory=Refusals)
    voice: Voice = SILENT

    @property
    def key(self) -> Key:
        return (self.site.project.name, self.agent.name)

    async def run(self) -> Report:
        """Collect, plan, mark, execute; every failure becomes a report that says what it was."""
        started, since = self.clock.wall(), self.clock.monotonic()
        self.listener(SweepBegun(*self.key, started))
        report: Report
        try:
            found = await self._collect()
            report = await self._judge(found, started, since)
            if self.cache is not None and found.listing_index is not None:
                # What this sweep has remembered is what the next one will find.
                found.listing_index.key = self.index_key_of(self._with_memory(report.snapshot, report.plan.now))
                self.cache.keep(report, found.listing_index, since)
        except Gone:
            report = self._failed(started, "the platform does not know this agent")
        except (ProviderError, StateError, SpoolError) as error:
            report = self._failed(started, str(error))
        except InterruptedError as error:
            report = self._failed(started, str(error), Result.INCOMPLETE)
        except TimeoutError:
            report = self._failed(started, f"the listing took over {LISTING_MAX_S} s", Result.INCOMPLETE)
        report = replace(report, seconds=self.clock.monotonic() - since, skew=self.site.guard.skew)
        self.listener(SweepEnded(report))
        return report

    @property
    def _observed(self) -> bool:
        return self.observe or self.policy.mode is Mode.OBSERVE

    def _failed(self, started: float, why: str, result: Result = Result.FAILED) -> Failed:
        return Failed(
            sweep_id=self.id,
            project=self.site.project.name,
            agent=self.agent.name,
            policy=self.policy,
            result=result,
            started=started,
            observed=self._observed,
            why=why,
            breaker=known_breaker(self.store, *self.key),
            relief=self.reserve.pool.rule if self.reserve else None,
            voice=self.voice,
        )

    async def _collect(self) -> Collected:
        """What there is, with the sessions of actions that were left open noted among it; `must_see` hears of it."""
        snapshot = None
        # Whatever fails, other agents wait for what this one has seen.
        try:
            if lacking := self.site.client.capabilities.lacks(self.policy):
                raise Refused(lacking, operation="sweep")
            left_open = [] if self.rehearsal else self.store.journal.open(*self.key)
            base, sought = self.store.baseline(*self.key), frozenset(e.intent.session for e in left_open)
            wanted, then = self.site.project.must_see | sought, base.spread.at if base and base.spread else None
            async with asyncio.timeout(LISTING_MAX_S):
                index = self.cache.take(self.index_key, self.clock.monotonic()) if self.cache else None
                if index is not None and not sought:
                    snapshot = await self.list_changes(index)
                if snapshot is None:
                    snapshot, index = await self.list_all(wanted, then, indexed=self.cache is not None)
        finally:
            self.must_see.listed(snapshot.expiries if snapshot else {})
        return Collected(snapshot, index, left_open, base)

    async def _judge(self, collected: Collected, started: float, since: float) -> Swept:
        """From a snapshot to what was done about it; its plan is told before anything is done."""
        snapshot, _, left_open, base = collected
        belief = self._doubt(snapshot, base, await self.must_see.settled(), since)
        unresolved = await self._resolve(left_open, snapshot, belief.doubt)
        unranked = self._unranked(snapshot, since)
        breaker = self._breaker(snapshot, base) if belief.doubt is None else self._known_breaker()
        standing = await self._standing(snapshot, belief.doubt, breaker, unranked=bool(unranked))
        plan, level = await self._plan(snapshot, standing)
        judged = Swept(
            sweep_id=self.id,
            project=self.site.project.name,
            agent=self.agent.name,
            policy=self.policy,
            result=Result.OK,
            started=started,
            observed=self._observed,
            seconds=self.clock.monotonic() - since,
            breaker=breaker,
            skew=self.site.guard.skew,
            relief=self.reserve.pool.rule if self.reserve else None,
            voice=self.voice,
            snapshot=replace(snapshot, candidates=()),
            plan=plan,
            doubts=belief.doubts,
            unranked=unranked,
            used_today=standing.used_today,
            known_fields=self.site.project.known_fields,
        )
        judged = concluded(judged, belief, Execution(), unresolved)
        await self._keep(plan, breaker)
        self.listener(Planned(judged.project, plan))
        self.listener(Judged(replace(judged, under_way=True)))
        if self.rehearsal:
            return judged
        await self._remember(plan, judged.snapshot, belief.doubt, base)
        if level is not None:
            self.store.put_level(*self.key, level, plan.now)
        execution = await self._execute(judged, since)
        return concluded(await self._done(judged, execution), belief, execution, unresolved)

    async def _standing(
        self, snapshot: Snapshot, doubt: Hold | None, breaker: Breaker | None, *, unranked: bool
    ) -> PlanContext:
        """What a plan has to heed beside the candidates, but for a jump of them."""
        return PlanContext(
            inventory=snapshot.sessions,
            marks=self.store.standing_marks(*self.key),
            used_today=self.store.journal.used_today(*self.key, snapshot.now or 0.0),
            approved=await by_turns(self.store.plans.approving(*self.key, self.approvals)),
            refused=self.refusals.waiting(self.clock.monotonic()),
            holds=self.configured | self.store.holds.of_agent(*self.key),
            doubt=doubt,
            breaker=breaker is not None,
            observe=self._observed,
            voice=self.voice,
            unranked=unranked,
        )

    async def _plan(self, snapshot: Snapshot, standing: PlanContext) -> tuple[Plan, Level | None]:
        """The plan, and how many candidates are usual from now on where the listing is believed."""
        spool = self.spool or Spool()
        # Of agents that have many candidates, one after another.
        async with spool.turn:
            level, jump = await self._level(snapshot, standing) if standing.doubt is None else (None, None)
            standing = replace(standing, jump=jump)
            return await self._planned(snapshot.candidates, standing, ItemShelf(spool), snapshot.now or 0.0), level

    async def _execute(self, judged: Swept, since: float) -> Execution:
        """Carry out the plan, and remember what was refused."""
        execution = await replace(self.executor(since), landmarks=judged.snapshot.landmarks).execute(judged.plan)
        self.refusals.note(execution.outcomes, self.clock.monotonic())
        return execution

    async def _done(self, judged: Swept, execution: Execution) -> Swept:
        """The report with what was done, and what that has changed."""
        if not execution.outcomes:
            return judged
        now = judged.snapshot.now or 0.0
        breaker = self.store.breaker(*self.key) or judged.breaker
        used_today = self.store.journal.used_today(*self.key, now)
        if judged.breaker is None:
            await self._keep(judged.plan, breaker)
        return replace(judged, outcomes=execution.outcomes, breaker=breaker, used_today=used_today)

    async def _planned(
        self, candidates: Iterable[Candidate], standing: PlanContext, shelf: ItemShelf, now: float
    ) -> Plan:
        """Judge the candidates, a few at a time; what may be done is put in the order of creation."""
        project, agent, policy = self.site.project.name, self.agent, self.policy.with_ranks()
        planning = Planning(standing, shelf, project=project, agent=agent, policy=policy, now=now)
        for some in batches(by_steps(candidates), AT_A_TIME):
            planning.take(some)
            await give_way()
        plan = planning.plan()
        return replace(plan, items=await by_turns(in_creation_order(plan.items))) if plan.tally.act else plan

    async def _resolve(self, left_open: Sequence[Entry], snapshot: Snapshot, doubt: Hold | None) -> list[str]:
        """Find out how earlier actions ended; returns the sessions of which nobody can say it yet."""
        due = [entry for entry in left_open if not _may_be_under_way(entry, snapshot.now)]
        listed = snapshot.seen if doubt is None else None
        return await resolve_open_intents(self.agent.name, self.site.client, self.store, due, listed)

    def _doubt(self, snapshot: Snapshot, base: Baseline | None, missing: frozenset[str], since: float) -> Belief:
        """Whether the inventory, and the state, are believed."""
        if self.store.fault:
            return Belief([], Hold.STATE, self.store.fault)
        if snapshot.incomplete:
            return Belief([], Hold.INCOMPLETE, snapshot.incomplete)
        clock = self.site.guard.doubt(since)
        if clock or snapshot.now is None:
            return Belief(["clock"], Hold.CLOCK, clock or "no answer carried the platform's time")
        found = doubts(
            sessions=snapshot.sessions,
            malformed=sum(snapshot.malformed.values()),
            disorder=snapshot.disorder,
            missing=missing,
            now=snapshot.now,
            base=base,
        )
        if not found:
            return Belief([])
        return Belief([str(doubt) for doubt in found], Hold.UNTRUSTED, disbelief_text(snapshot, base, missing))

    def _unranked(self, snapshot: Snapshot, since: float) -> str:
        """Why nothing may rest on how the sessions rank, '' where it may or nothing does."""
        took_s = self.clock.monotonic() - since
        if self.policy.ranks and took_s > RANKING_MAX_S:
            return f"listing took {show_duration(took_s)}, and ranks count for {show_duration(RANKING_MAX_S)}"
        return snapshot.unranked

    async def _level(self, snapshot: Snapshot, standing: PlanContext) -> tuple[Level, Jump | None]:
        """How many candidates are usual from now on, and the jump from what was usual so far."""
        counted = Counted(0, 0)
        for some in batches(by_steps(snapshot.candidates), AT_A_TIME):
            more = jumps.count((standing.approves(one), bool(one.session.strange)) for one in some)
            counted = Counted(counted.candidates + more.candidates, counted.touchable + more.touchable)
            await give_way()
        return jumps.judge(self.store.level(*self.key), counted, snapshot.sessions, self.policy, snapshot.now or 0.0)

    def _breaker(self, snapshot: Snapshot, base: Baseline | None) -> Breaker | None:
        """The agent's breaker as it stands, latched now if times moved back."""
        breaker = self._known_breaker()
        surplus = moved_back(base.spread if base else None, snapshot.then, snapshot.sessions)
        if breaker is None and surplus and snapshot.now is not None:
            why = f"last_accessed_at or created_at of {surplus} sessions moved back since they were last listed"
            breaker = Breaker(snapshot.now, why)
            if not self.rehearsal:
                self.store.open_breaker(*self.key, breaker)
        return breaker

    def _known_breaker(self) -> Breaker | None:
        """The breaker as it was left; an approval that the next sweep honours closes it."""
        breaker = self.store.breaker(*self.key)
        closes = breaker is not None and self.store.plans.awaits(*self.key, self.approvals)
        return None if closes else breaker

    async def _keep(self, plan: Plan, breaker: Breaker | None) -> None:
        """Let a person approve the plan from the moment on that its id is shown."""
        if not needs_approval(plan, breaker):
            return
        try:
            at = plan.now or self.clock.wall()
            await by_turns(self.store.plans.remembering(plan.id, *self.key, at, PlanLines(plan.items)))
        except StateError as error:
            log.error("plan_not_kept", plan=plan.id, error=str(error))

    def _with_memory(self, snapshot: Snapshot, now: float) -> Agent:
        """The agent with what is remembered of its versions once this sweep is believed."""
        known = self.agent.unserved
        if known is None:
            return self.agent
        since = left_behind(self.agent, self.versions, now, all_seen=snapshot.listed_at == snapshot.now)
        return replace(self.agent, unserved=replace(known, since=since))

    async def _remember(self, plan: Plan, snapshot: Snapshot, doubt: Hold | None, base: Baseline | None) -> None:
        if doubt is None:
            # Before the marks: a crash between them leaves marks that begin anew, never times that do not.
            known = self._with_memory(snapshot, plan.now).unserved
            self.store.unserved.replace(*self.key, known.since if known else {}, plan.now)
        if plan.marks is not None:
            await by_turns(self.store.replacing_marks(*self.key, by_steps(plan.marks), plan.now))
        else:
            await by_turns(self._drop_marks_of_held(plan))
        if doubt is None:
            spread = base.spread if base else None
            if snapshot.listed_at == snapshot.now:
                spread = StaleCounts(plan.now, snapshot.idle.beyond, snapshot.age.beyond, snapshot.sessions)
            self.store.put_baseline(*self.key, Baseline(plan.now, snapshot.sessions, spread))

    def _drop_marks_of_held(self, plan: Plan) -> Generator[None, None, None]:
        """What was promised about held sessions is void, whatever the sweep doubts: a hold is no part of a listing.

        One that only a configuration names is forgotten with it, and nothing else would know of it then.
        """
        for mark in self.store.each_mark(*self.key) if plan.now and any(plan.holds) else ():
            if mark is None:
                yield
            elif plan.holds.on(mark.seen, plan.now):
                self.store.drop_mark(*self.key, mark.seen, plan.now)

    def executor(self, since: float) -> Executor:
        """What acts on this agent's sessions, for a sweep that began at monotonic `since`."""

        def stopping() -> str:
            late = self.clock.monotonic() - since > SWEEP_MAX_S
            return self.stopping() or (OUT_OF_TIME if late else "")

        def ended(outcome: Outcome) -> None:
            self.listener(ActionEnded(*self.key, outcome, self.clock.wall()))

        return Executor(
            site=self.site,
            store=self.store,
            clock=self.clock,
            sweep_id=self.id,
            started=since,
            stopping=stopping,
            on_outcome=ended,
            workers=self.site.project.connection.requests.concurrency,
            origin=self.site.origin(),
            held_elsewhere=lambda: self.configured,
        )


def needs_approval(plan: Plan, breaker: Breaker | None) -> bool:
    """Whether a plan is, or will be, more than it may do by itself."""
    return bool(plan.foreseen) or plan.jump is not None or breaker is not None


def known_breaker(store: Store, project: str, agent: str) -> Breaker | None:
    """The breaker as it was left, for a sweep that failed before it could look; None if the state fails, too."""
    try:
        return store.breaker(project, agent)
    except StateError:
        return None


def _may_be_under_way(entry: Entry, now: float | None) -> bool:
    """Whether somebody may be at it by hand just now, who will say how it ended."""
    is_by_hand = entry.intent.rule.startswith(BY_HAND)
    return is_by_hand and not entry.outcome and (now is None or now - entry.at < BY_HAND_MAX_S)

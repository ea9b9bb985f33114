"""A platform, a reaper and a judge in virtual time. What happens in it is up to a history or a scene."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, NoReturn, Self

from reaper.core.holds import SessionHold
from reaper.core.model import FAILED, TOMBSTONES, Action, OutcomeKind
from reaper.core.plan import Mark, Plan
from reaper.core.policy import Policy
from reaper.core.settings import (
    AgentPattern,
    Connection,
    CredentialKind,
    Pressure,
    Project,
    Quota,
    Requests,
    Schedule,
    Settings,
)
from reaper.emulator import AgentVersion, Emulator, Event, Fault, PlatformError
from reaper.emulator.platform import GoneCursor
from reaper.emulator.routing import RoutedCall
from reaper.emulator.stored import StoredSession
from reaper.engine.report import Outcome, Report, Result, Swept
from reaper.store.store import Store
from tests.clock import VirtualClock, true_time
from tests.sim.heard import Heard
from tests.sim.law import (
    Believed,
    Deed,
    Facts,
    Incarnation,
    Judge,
    Law,
    Promise,
    Routed,
    Sight,
    Standing,
    ViolationError,
    overdue,
)
from tests.sim.ledger import Ledger
from tests.sim.policies import policy_of
from tests.sim.process import Disk, Process, new_disk
from tests.sim.shown import Shown, wrongly_marked
from tests.sim.stage import quiet, small_pages, small_rounds
from tests.sim.steps import Killed, Steps
from tests.sim.turns import Told, Turns
from tests.sim.voices import ALL, NOTHING, Ask, Metadata, ask_of
from tests.sim.watch import Acted, AgentFacts, Watch, agent_looks

HOUR_S = 3_600
PROJECT = "simulated"
CANARY = "canary-000001"
QUICK = Requests(concurrency=4, timeout_s=30, max_per_second=1_000)
RELIEF = "pool"
_SAID_GONE = frozenset({OutcomeKind.DONE, OutcomeKind.ALREADY_GONE})
QUOTA_LIMIT = 4


@dataclass(repr=False)
class World:
    """Use as an asynchronous context manager. Every sweep in it is judged on the platform's record of it.

    All records have a field that `accepts` names, of which the reaper knows nothing but that a person accepts it.
    """

    law: Law
    agents_count: int = 1
    sessions: int = 0
    seed: int = 0
    canary: bool = False
    page_size: int = 100
    pages_max: int = 40
    proven_first: int = 5
    round_max: int = 256
    requests: Requests = QUICK
    get_tombstones: bool = False
    gone_cursor: GoneCursor = "error"
    policy: Policy | None = None
    full_every_s: int | None = None
    little_memory: bool = False
    plain: bool = False
    approvals: tuple[str, ...] = ()
    configured: tuple[SessionHold, ...] = ()
    accepts: str = ""
    judge: Judge = field(default_factory=Judge)
    heard: Heard = field(default_factory=Heard)

    async def __aenter__(self) -> Self:
        self._ends = ExitStack()
        self._ends.enter_context(small_pages(self.page_size, self.pages_max))
        self._ends.enter_context(small_rounds(self.proven_first, self.round_max))
        self._ends.enter_context(quiet())
        self.clock, self.disk = VirtualClock(), new_disk()
        self._ends.callback(self.disk.close)
        self.emulator = Emulator(
            now=true_time,
            clock=self.clock,
            agents=self.agents_count,
            sessions=self.sessions,
            seed=self.seed,
            get_tombstones=self.get_tombstones,
            gone_cursor=self.gone_cursor,
        )
        self.platform = self.emulator.platform
        self.agents = sorted(self.platform.agents)
        self.agent = self.agents[0]
        self.judge.laws = [replace(self.law, since=0.0)]
        self._traffic: dict[str, tuple[str, dict[str, int]] | None] = dict.fromkeys(self.agents)
        for name in self.agents:
            self.judge.versions[name] = set(self.platform.agent(name).versions)
            self._note_routes(name, 0.0)
        self.heard.on_plan, self.heard.on_outcome = self._on_plan, self._on_outcome
        self.emulator.api.on_call = self.on_call
        self._began, self._taken_in = 0.0, 0
        self._wrong: list[ViolationError] = []
        self._shown = Shown(self.living)
        self._moved_back = False
        self._promised: dict[str, dict[Incarnation, Promise]] = {}
        self._believed: set[str] = set()
        self.turns = Turns(self.judge)
        self._listed: dict[str, tuple[float, int]] = {}
        self._heard_before: dict[str, Ask] = {}
        self._actions: dict[tuple[str, str, str, float], Acted] = {}
        self.suspend: Callable[[], None] = lambda: self.leap(60)
        self.meanwhile: Callable[[], None] = lambda: None
        self.ledger = Ledger(self.disk, self.platform)
        if self.canary:
            self.platform.create(self.agent, CANARY)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()

    # What a history is made of

    def put(
        self,
        session: str,
        *,
        idle_s: float,
        age_s: float | None = None,
        status: str | None = None,
        agent: str = "",
        version: str = "",
    ) -> None:
        """A session that was used last so long ago, and made as long ago or longer; `status` is held for ever."""
        name, now = agent or self.agent, int(true_time())
        known = self.platform.agent(name)
        used = now - int(idle_s)
        made = used if age_s is None else now - int(age_s)
        backing = known.versions[version] if version else known.latest
        self.platform.place(
            name, StoredSession(session, backing, made, used, held=status, held_until=math.inf if status else 0.0)
        )

    def fail(self, session: str) -> None:
        self.put(session, idle_s=2 * HOUR_S, status=FAILED)

    async def wait(self, hours: float) -> None:
        """Time passes, and whoever watches the canary uses it."""
        await asyncio.sleep(hours * HOUR_S)
        if self.canary:
            with contextlib.suppress(PlatformError):
                self.platform.use(self.agent, CANARY)

    def leap(self, seconds: float, *, still: bool = False) -> None:
        """The process is suspended for so long, or its machine stands still; halfway through, people act."""
        self.clock.leap(seconds / 2, still=still)
        self.meanwhile()
        self.clock.leap(seconds / 2, still=still)

    def deploy(self, agent: str, version: AgentVersion) -> None:
        """A new version is the latest from now on."""
        self.platform.add_version(agent, version)
        self.judge.versions[agent].add(version.name)
        self._note_routes(agent, true_time())
        self._note_saying(agent)

    def take_back(self, agent: str) -> None:
        """The latest version is removed; traffic that was to reach it goes to the latest there is then."""
        removed = self.platform.agent(agent).latest.name
        self.platform.remove_version(agent, removed)
        if removed in (self._traffic[agent] or ("", {}))[1]:
            self._traffic[agent] = None
            self.platform.route(agent, None)
        self._note_routes(agent, true_time())
        self._note_saying(agent)

    def say(self, agent: str, metadata: Metadata) -> None:
        """The agent's developers give its newest version this metadata."""
        self.platform.describe(agent, metadata)
        self._note_saying(agent)

    def _note_saying(self, agent: str) -> None:
        metadata = self.platform.agent(agent).latest.metadata
        self.judge.sayings.setdefault(agent, []).append((true_time(), metadata))

    def route(self, agent: str, traffic: dict[str, int] | None, kind: str = "FixedRatio") -> None:
        """Traffic is spread over versions, or without a selector reaches the latest; `kind` is said of each rule."""
        rules = [
            {"type": kind, "agent_version": version, "traffic_percentage": share}
            for version, share in (traffic or {}).items()
        ]
        self.platform.route(agent, None if traffic is None else {"version_selection_rules": rules})
        self._traffic[agent] = None if traffic is None else (kind, traffic)
        self._note_routes(agent, true_time())

    def _note_routes(self, agent: str, at: float) -> None:
        """Tell the judge how the agent's versions stand from now on."""
        known, traffic = self.platform.agent(agent), self._traffic[agent]
        served: frozenset[str] | None = frozenset({known.latest.name})
        if traffic is not None:
            kind, shares = traffic
            served = frozenset(version for version, share in shares.items() if share > 0)
            if kind != "FixedRatio" or sum(shares.values()) != 100 or not served <= known.versions.keys():
                served = None
        self.judge.routes.setdefault(agent, []).append(Standing(at, known.latest.name, served))

    def reload(self, law: Law) -> None:
        """From now on this is the law."""
        self.judge.laws.append(replace(law, since=true_time()))

    def process(self, steps: Steps | None = None, fault: str = "", disk: Disk | None = None) -> Process:
        """A new process on the state as it is."""
        watch = Watch(self.emulator, self.find, self._find_agent, self._acted, self._shown.answered, self._blame)
        steps = steps or Steps()
        steps.suspend = lambda: self.suspend()  # noqa: PLW0108 - histories change it
        made = Process(watch, self.clock, disk or self.disk, self.heard.hear, steps, fault)
        if self.little_memory:
            made.spare_memory()
        return made

    def state(self) -> Store:
        """The state, as a process that only just looks at it has it."""
        return Store(self.disk)

    def settings(self) -> Settings:
        law = self.judge.law(true_time())
        policy = self.policy or policy_of(law)
        gentle = () if law.gentle is None else (policy_of(law.gentle, "gentle"),)
        connection = Connection("http://127.0.0.1/api/projects/p", CredentialKind.NONE, requests=self.requests)
        must_see = frozenset({CANARY}) if self.canary else frozenset()
        known = frozenset({self.accepts} - {""})
        entries = tuple(AgentPattern(name, policy, gentle) for name in (self.agents if self.plain else ["*"]))
        project = Project(PROJECT, connection, entries, must_see, known)
        schedule = Schedule(full_listing_s=self.full_every_s)
        return Settings(
            (project,), (policy,), schedule, quotas=self._quotas(), approvals=self.approvals, holds=self.configured
        )

    def _quotas(self) -> tuple[Quota, ...]:
        relief_s = self.judge.law(true_time()).relief_s
        if relief_s is None:
            return ()
        return (Quota(RELIEF, QUOTA_LIMIT, (PROJECT,), pressure=Pressure(above=50, until=25, idle_s=relief_s)),)

    # The reaper, and what is judged of every sweep

    async def sweep(
        self,
        process: Process | None = None,
        *,
        faults: Sequence[Fault] = (),
        nothing: str = "",
        beside: Process | None = None,
        also: Sequence[Coroutine[Any, Any, object]] = (),
        stopping: Callable[[], str] = str,
    ) -> list[Report]:
        """One sweep among faults, perhaps `beside` another one, while others `also` do something.

        `nothing` says why no action may be in it.
        """
        sizes = {agent: self._inventory(agent) for agent in self.agents}
        self._there = {agent: set(self.living(agent)) for agent in self.agents}
        self._began, before = true_time(), len(self.judge.deeds)
        self.judge.decided.clear()
        self.emulator.faults.replace([*faults, *self._brought()])
        self._shown.begin(faults)
        already, settings = len(self.heard.reports), self.settings()
        self._moved_back = self._moved_back or any(_moves_back(fault) for fault in faults)
        self.heard.relieved_reports.clear()
        runs = [each.sweep(settings, stopping) for each in (process or self.process(), beside) if each is not None]
        self._promised = dict(self.judge.promises)
        left_before = {agent: self.ledger.left_behind(agent) for agent in self.agents}
        self._believed.clear()
        try:
            await asyncio.gather(*runs, *also)
        except* (Killed, ViolationError):
            pass
        self.emulator.faults.clear()
        self._raise_wrong()
        # Deeds are judged by what their own sweep saw of versions: it is on disk before the first of them.
        self._note_certain(self.heard.reports[already:])
        self._forget_sights(left_before)
        self._take_in()
        self.look_at_marks()
        self._note_listings(self.heard.reports[already:], sizes)
        died = any(each is not None and each.steps.dead for each in (process, beside))
        self._note_turns(self.heard.reports[already:], died, quiet=not (faults or nothing or also or beside))
        for agent in self.agents:
            at, size = self._listed.get(agent, (self._began, sizes[agent]))
            size = max(sizes[agent] + self._created(agent, self._began), size + self._created(agent, at))
            self.judge.check_limits(agent, self._began, true_time(), size)
        done = self.judge.deeds[before:]
        if nothing and done:
            raise ViolationError(f"{len(done)} actions in a sweep with {nothing}: {done[0]}")
        self._check_reports([*self.heard.reports[already:], *self.heard.relieved_reports])
        self.ledger.check_gone()
        self.ledger.check_once()
        return self.heard.reports[already:]

    def _brought(self) -> list[Fault]:
        """What the platform brings with every record, with another value each time."""
        if not self.accepts:
            return []
        return [Fault("*", lie="add_field", field=self.accepts, value=len(self.heard.reports))]

    def look_at_marks(self) -> None:
        """What the sweeps said stands marked, as it is on disk after them."""
        for agent in self._believed:
            self.judge.found(agent, self._promised.get(agent, {}), self.ledger.marks(agent))

    def _note_certain(self, reports: Iterable[Report]) -> None:
        """What a sweep saw of versions is on disk if it came to its end and believed it."""
        for report in reports:
            if isinstance(report, Swept) and report.trusted and report.agent in self._believed:
                self.judge.sights[report.agent][-1].certain = True

    def _forget_sights(self, before: dict[str, frozenset[str]]) -> None:
        """What a sweep saw of versions, and did not come to write down, it never saw."""
        for agent in self._believed:
            sights = self.judge.sights[agent]
            if sights[-1].certain or self.ledger.left_behind(agent) != before[agent]:
                sights[-1].certain = True
            else:
                del sights[-1]

    def _note_listings(self, reports: Iterable[Report], sizes: dict[str, int]) -> None:
        """Between full listings, limits are shares of what the last one counted, as its setting says."""
        for report in reports:
            if isinstance(report, Swept) and _is_full(report):
                self._listed[report.agent] = (self._began, sizes[report.agent])

    def _raise_wrong(self) -> None:
        """What was found in the midst of the product, which takes every exception for its own."""
        if self._wrong:
            raise self._wrong[0]

    def on_call(self, call: RoutedCall) -> None:
        """Before each request takes effect: what may not even be asked for."""
        if call.operation == "forbidden":
            self._blame(ViolationError(f"a forbidden request: {call}"))
        if call.operation in {"delete", "stop"}:
            self._check_request(call)
        if call.operation == "list":
            self._shown.look(call.agent)

    def _blame(self, wrong: ViolationError) -> NoReturn:
        self._wrong.append(wrong)
        raise wrong

    def _check_request(self, call: RoutedCall) -> None:
        """An action needs an intent on disk, and is not asked for again once it was done."""
        known = self.platform.find(call.agent, call.session)
        taken = [
            e for e in self.platform.history if (e.agent, e.session, e.kind) == (call.agent, call.session, "deleted")
        ]
        is_gone = known is None or known.status in TOMBSTONES
        if call.operation == "delete" and is_gone and taken and taken[-1].actor == "reaper":
            self._blame(ViolationError(f"asked for again after a success: {call}"))
        if not self.ledger.is_intended(call.agent, call.session, call.operation):
            self._blame(ViolationError(f"no intent is on disk for {call}"))

    def _acted(self, action: Acted) -> None:
        call = action.call
        self._actions[call.agent, call.session, call.operation, action.left.at] = action

    def _on_plan(self, plan: Plan) -> None:
        agent = plan.agent.name
        relieving = any(rule.name == f"quota:{RELIEF}" for rule in plan.policy.rules)
        if plan.marks is not None and not relieving:
            self._note_marks(plan, plan.marks)
            self._note_candidates(plan)
        said = plan.agent.metadata
        if said.read:
            self._heard_before[agent] = ALL if said.fault else ask_of(dict(said.said))
        for item in plan.act:
            session = item.session
            incarnation = (session.id, session.created_at, session.last_accessed_at)
            self.judge.decided.add((agent, str(item.action), incarnation))

    def _note_candidates(self, plan: Plan) -> None:
        """What a believed sweep has found; held against what it was used to."""
        agent, open_ = plan.agent.name, [item for item in plan.items if not item.approved]
        known = [item for item in open_ if not item.session.strange]
        told = Told(len(open_), len(known), sum(item.hold is None for item in known))
        inventory = self._inventory(agent) + self._created(agent, self._began)
        try:
            laws = self.judge.law(self._began).agreeing(Ask(gentle=plan.policy.also is not None))
            self.turns.told(agent, told, laws, inventory)
        except ViolationError as wrong:
            self._blame(wrong)

    def _asks(self, agent: str) -> set[Ask]:
        """All that a sweep may have heard its developers ask for."""
        heard = [self._heard_before[agent]] if agent in self._heard_before else []
        return {*heard, *(self.judge.ask(agent, at) for at in (self._began, true_time()))}

    def _note_turns(self, reports: Iterable[Report], died: bool, quiet: bool) -> None:
        """After a sweep: what is usual now, and whether those went first who should."""
        for report in reports:
            self.turns.swept(report.agent, surely=isinstance(report, Swept) and not died)
            law = self.judge.law(self._began)
            silent = self._asks(report.agent) == {NOTHING}
            if quiet and silent and law.spread and isinstance(report, Swept) and _did_all(report):
                deeds = [d for d in self.judge.deeds if d.agent == report.agent and d.at >= self._began]
                deleted = [d for d in deeds if d.action == "delete" and not d.approved]
                there = self._there[report.agent].intersection(self.living(report.agent))
                left = there if _is_full(report) else {facts for facts in there if facts.status != "failed"}
                self.turns.check_order(report.agent, deleted, left, self._began)
        for agent in self.agents:
            self.turns.swept(agent, surely=False)

    def _note_marks(self, plan: Plan, marks: Iterable[Mark]) -> None:
        agent, latest, now = plan.agent.name, plan.agent.latest, true_time()
        serving = plan.agent.serving
        # A sweep that asks nothing of versions does not look up whether those are there which it was told of.
        asked = plan.policy.asks_version and not serving.unclear
        served = frozenset(version for version, _ in serving.shares) if asked else None
        stood = self.judge.stood(agent, self._began, now)
        if latest is not None and latest not in {one.latest for one in stood}:
            self._blame(ViolationError(f"took {latest} for the newest version of {agent}"))
        if served is not None and (latest, served) not in {(one.latest, one.served) for one in stood}:
            self._blame(ViolationError(f"took {sorted(served)} of {agent} for what traffic reaches, latest {latest}"))
        sights = self.judge.sights.setdefault(agent, [])
        # Between full listings, what is not shown is not forgotten.
        hidden = self._shown.hidden(agent) if self.full_every_s is None or not sights else frozenset()
        sights.append(Sight(self._began, latest, served, hidden=hidden))
        made = {(m.seen.id, m.seen.created_at, m.seen.last_accessed_at): (m.rule, m.marked_at) for m in marks}
        law, there = self.judge.law(self._shown.since(agent)), self._shown.there(agent)
        wrong = wrongly_marked(law, there, {mark.seen.id: mark.rule for mark in marks}) if there else ""
        if wrong:
            self._blame(ViolationError(f"marked, and {wrong}, of {agent}"))
        self.judge.promised(agent, Believed(self._began, now, self.judge.routed(agent, latest, served)), made)
        self._believed.add(agent)

    def _on_outcome(self, agent: str, outcome: Outcome) -> None:
        """Nothing may be said to be gone that lives."""
        session = outcome.item.session
        if outcome.item.action is not Action.DELETE or outcome.kind not in _SAID_GONE:
            return
        known = self.find(agent, session.id)
        if known is not None and known.created_at == session.created_at:
            self._blame(ViolationError(f"said to be {outcome.kind}, and it lives: {session.id} of {agent}"))

    def _take_in(self) -> None:
        """Take in what the platform's history says that the reaper did."""
        for number, event in enumerate(self.platform.history[self._taken_in :], self._taken_in):
            if event.actor == "reaper" and event.kind in {"deleted", "stopped"}:
                self._judge(event, number)
        self._taken_in = len(self.platform.history)

    def _judge(self, event: Event, number: int) -> None:
        """One deed, on what was true when it was looked at last: how old that may be, the watch has seen to."""
        action = "delete" if event.kind == "deleted" else "stop"
        acted = self._actions[event.agent, event.session, action, event.time]
        facts = acted.session.facts
        if facts is None:
            raise ViolationError(f"acted on what was not there: {event}")
        looked_at = acted.session.asked.at
        approved = self.judge.is_approved(event.agent, action, facts)
        there, listed_at = self._shown.there(event.agent), self._shown.since(event.agent)
        self.judge.check_any(
            [
                Deed(
                    event.time, event.agent, action, facts, approved, looked_at, routed, ask, number, there, listed_at
                )
                for routed, ask in self._last_read(acted)
            ]
        )
        self.judge.check_twice()

    def _last_read(self, acted: Acted) -> list[tuple[Routed, Ask]]:
        """The agent's versions, and what its developers asked for, by each look that an action may rest on."""
        name = acted.call.agent
        if acted.agents and acted.agents[0].refused and self.plain:
            if self._heard_before.get(name, NOTHING) != NOTHING:
                raise ViolationError(f"acted on {name} although its developers were heard before to ask for keeping")
            return [(Routed(None, None), NOTHING)]
        found = []
        for look in agent_looks(acted):
            assert look.agent is not None, "only a look that was refused shows none"
            (_, latest, served), ask = look.agent
            found.append((self.judge.routed(name, latest, served), ask))
        return found

    def _check_reports(self, reports: Iterable[Report]) -> None:
        for report in reports:
            outcomes = report.outcomes if isinstance(report, Swept) else ()
            if outcomes and (not report.trusted or report.observed):
                raise ViolationError(f"a {report.result} sweep of {report.agent} acted")
            if report.result is not Result.FAILED and any(o.kind is OutcomeKind.FAILED for o in outcomes):
                raise ViolationError(f"an action of {report.agent} failed, and its sweep is {report.result}")
            if report.breaker and "moved back" in report.breaker.reason and not self._moved_back:
                raise ViolationError(f"a breaker opened on what is true: {report.breaker.reason}")
            if report.why.startswith("unexpected "):
                raise ViolationError(f"the sweep of {report.agent} crashed: {report.why}")

    def approve(self, plan_id: str) -> None:
        """A person lets one plan run."""
        plans = self.state().plans
        parts = plans.known(plan_id) if plans.approve(plan_id, true_time()) else []
        for part in parts:
            for one in part.approvals:
                seen = (one.session, one.created_at, one.last_accessed_at)
                self.judge.approved.add((part.agent, str(one.action), seen))

    def approve_all(self) -> None:
        """A person lets every plan run that waits."""
        self.disk.steps = Steps()
        for report in self.heard.latest.values():
            if isinstance(report, Swept) and report.withheld:
                self.approve(report.plan.id)

    # The state of things

    def living(self, agent: str = "") -> list[Facts]:
        sessions = (s for s in self.platform.sessions(agent or self.agent) if s.status not in TOMBSTONES)
        return [Facts(s.id, s.status, s.version or "", s.created_at, s.last_accessed_at) for s in sessions]

    def find(self, agent: str, session: str) -> Facts | None:
        """A session as it is, None when it is not there."""
        s = self.platform.find(agent, session)
        if s is None or s.status in TOMBSTONES:
            return None
        return Facts(s.id, s.status, s.version or "", s.created_at, s.last_accessed_at)

    def _find_agent(self, agent: str) -> AgentFacts:
        """How an agent stands at this moment."""
        return AgentFacts(self.judge.standing(agent, true_time()), self.judge.ask(agent, true_time()))

    def _inventory(self, agent: str) -> int:
        return sum(session.status not in TOMBSTONES for session in self.platform.sessions(agent))

    def _created(self, agent: str, since: float) -> int:
        late = (e for e in self.platform.history if e.time >= since)
        return sum(e.agent == agent and e.kind == "created" for e in late)

    def stale(self, since: float) -> list[str]:
        """What was due at `since` and is still there, with what the reaper last said of its agent."""
        law, found = self.judge.law(true_time()), list[str]()
        if not law.enforce:
            return []
        for agent in self.agents:
            _, latest, served = self.judge.standing(agent, since)
            routed, ask = self.judge.routed(agent, latest, served), self.judge.ask(agent, since)
            if ask.until > since:
                continue
            left = [
                facts
                for facts in self.living(agent)
                if not self.judge.claims.held_since(agent, facts.id, facts.created_at, since)
            ]
            for one in law.agreeing(ask):
                asks = one.enforce and one.allows(one.per_sweep, 100) > 0
                left = overdue(law, one, left, routed, true_time(), since, self.living(agent)) if asks else []
            told = [(r.result, r.why, getattr(r, "blocked", {})) for r in self.heard.reports if r.agent == agent][-1:]
            found += [f"{one} of {agent}: {told}" for one in left]
        return found

    def check_gone(self, since: float) -> None:
        """A reaper that never deletes fails here."""
        left = self.stale(since)
        if left:
            raise ViolationError(f"{len(left)} stale sessions are still there: {left[0]}")

    def check_journal(self) -> None:
        self.disk.steps = Steps()
        self.ledger.check(self.judge, self.state().journal)


def _is_full(report: Swept) -> bool:
    """Whether it listed every session; what fails unseen waits for such a listing."""
    return report.snapshot.listed_at == report.snapshot.now


def _did_all(report: Swept) -> bool:
    """Whether a sweep came to the end of its plan, and nothing but turns held back what was ripe."""
    ended = len(report.outcomes) == sum(1 for _ in report.plan.act) and all(
        o.kind in _SAID_GONE for o in report.outcomes
    )
    aside = sum(report.blocked[hold] for hold in ("refused", "strange_record", "hold"))
    return ended and report.trusted and not aside and not report.snapshot.malformed


def _moves_back(fault: Fault) -> bool:
    """Whether sessions may seem older under it, or the moment of the listing earlier, than they truly are."""
    times = {"created_at", "last_accessed_at"}
    return fault.lie == "stale_read" or fault.field in times or bool(fault.date_shift_seconds)

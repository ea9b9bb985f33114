"""Carries out a plan, one guarded action at a time: look again, decide again, intend, act, verify, record.

Sweeps, people and assistants all delete by it; what differs is the plan, and who judges it at the last look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Final

from reaper.clock import Clock
from reaper.core.model import ACTIVE, TOMBSTONES, Action, Malformed, OutcomeKind, Session
from reaper.core.planner import Item, Plan
from reaper.core.provider import (
    Answer,
    Gone,
    InDoubt,
    Outdated,
    Provider,
    ProviderError,
    Refused,
    Throttled,
    Unauthenticated,
)
from reaper.core.ranks import RANKING_MAX_S
from reaper.core.recheck import RANKS_OLD
from reaper.engine.connected_project import ConnectedProject
from reaper.engine.last_look import BY_POLICY, LOOKS_MAX, AgentLooks, Freshness, Judge, Look
from reaper.engine.report import Outcome
from reaper.store.database import StateError
from reaper.store.evidence import evidence
from reaper.store.journal import AlreadyIntendedError, Entry, Intent
from reaper.store.origin import Origin
from reaper.store.store import Breaker, Store

BY_HAND: Final = "by-hand"
"""How the rule begins under which the record keeps what was not a sweep's doing."""
UNVERIFIED_MAX: Final = 3
"""So many deletes without effect in one sweep open the breaker."""
FAILED_IN_A_ROW_MAX: Final = 5
"""So many failures without one success between them end the sweep: the next ones would fail, too."""
_NOT_TRIED: Final = frozenset({OutcomeKind.CHANGED, OutcomeKind.ALREADY_GONE})
VERIFY_WAITS_S: Final = (0, 1, 4)
RESOLVE_WAITS_S: Final = (2, 8)


@dataclass(slots=True)
class Execution:
    """What became of a plan; `halted` says why not all of it was tried."""

    outcomes: list[Outcome] = field(default_factory=list)
    halted: str = ""

    @property
    def failed_in_row(self) -> int:
        """How many failures there were since the last action that was not one; what was not tried is neither."""
        kinds = (outcome.kind for outcome in reversed(self.outcomes) if outcome.kind not in _NOT_TRIED)
        return sum(1 for _ in takewhile(lambda kind: kind is OutcomeKind.FAILED, kinds))


@dataclass(frozen=True, slots=True)
class Executor:
    """Acts on one agent's sessions. `stopping` answers why no new action may begin, '' while it may.

    `origin` says for the record who acts.
    """

    site: ConnectedProject
    store: Store
    clock: Clock
    sweep_id: str
    started: float
    stopping: Callable[[], str]
    on_outcome: Callable[[Outcome], None]
    workers: int
    origin: Origin | None = None
    judge: Judge = BY_POLICY

    @property
    def fresh(self) -> Freshness:
        return Freshness(self.clock, self.site.guard, self.site.project.connection.requests.max_look_age_s)

    async def execute(self, plan: Plan) -> Execution:
        """Carry out what the plan may act on; what was begun is finished before this returns.

        One action at a time until one has not failed: what fails for all is tried with few.
        """
        execution, queue = Execution(), iter(plan.act)
        agents = AgentLooks(self.site.client, plan.agent.name, self.fresh)
        await self._work(queue, plan, execution, agents, alone=True)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.workers, len(plan.act) - len(execution.outcomes))):
                group.create_task(self._work(queue, plan, execution, agents))
        return execution

    async def _work(
        self, queue: Iterator[Item], plan: Plan, execution: Execution, agents: AgentLooks, *, alone: bool = False
    ) -> None:
        for item in queue:
            execution.halted = execution.halted or self.stopping() or self.site.guard.doubt(self.started)
            if execution.halted:
                return
            try:
                outcome = await self._carry_out(item, plan, agents, execution)
                if outcome is None:
                    return
                execution.outcomes.append(outcome)
                self.on_outcome(outcome)
                self._watch(plan, execution)
            except (StateError, Unauthenticated) as error:
                execution.halted = str(error)
                return
            if alone and outcome.kind is not OutcomeKind.FAILED:
                return

    def _watch(self, plan: Plan, execution: Execution) -> None:
        """End when nothing works; open the breaker when deletes are accepted but have no effect."""
        if execution.halted:
            return
        if execution.failed_in_row >= FAILED_IN_A_ROW_MAX:
            last = execution.outcomes[-1].why
            execution.halted = f"{execution.failed_in_row} actions in a row failed, the last one: {last}"
            return
        if execution.outcomes[-1].kind is not OutcomeKind.UNVERIFIED:
            return
        unverified = sum(outcome.kind is OutcomeKind.UNVERIFIED for outcome in execution.outcomes)
        if unverified >= UNVERIFIED_MAX:
            execution.halted = f"{unverified} actions were accepted without effect"
            self.store.open_breaker(self.site.project.name, plan.agent.name, Breaker(plan.now, execution.halted))

    async def _carry_out(self, item: Item, plan: Plan, agents: AgentLooks, execution: Execution) -> Outcome | None:
        """One action from its last look to its outcome; None when it was halted before its intent.

        However often it has to be looked at again, there is one intent, written after the first look. Raises
        StateError and Unauthenticated only; cancelled while its effect is unknown, it is put down as in doubt.
        """
        intent, why, contradicts = None, "", ""
        for _ in range(LOOKS_MAX):
            look = await self._look(item, plan, agents)
            if isinstance(look, Outcome):
                return await self._conclude(intent, look, execution)
            at = _at(look, plan)
            if intent is None:
                execution.halted = execution.halted or self.stopping()
                if execution.halted:
                    return None
                judged_by = self.judge.judged_by(item, look, plan, at)
                proof = evidence(look.session, at, judged_by, self.sweep_id, self.origin)
                try:
                    intent = await self.store.journal.intend(
                        self._intent(item, plan), at, proof, contradicts=contradicts
                    )
                except AlreadyIntendedError as error:
                    if contradicts or error.outcome != OutcomeKind.DONE:
                        return Outcome(item, OutcomeKind.CHANGED, at, str(error))
                    # It may have gone since the look: only one that shows it after that deed contradicts it.
                    contradicts = error.id
                    continue
            try:
                outcome = await self._act(item, look, plan, agents)
            except (Outdated, Throttled) as error:
                why = str(error)
            except asyncio.CancelledError:
                unknown = Outcome(item, OutcomeKind.IN_DOUBT, at, "interrupted before its effect was known")
                self.on_outcome(await self._conclude(intent, unknown, execution))
                raise
            else:
                return await self._conclude(intent, outcome, execution)
        failed = Outcome(item, OutcomeKind.FAILED, plan.now, f"looked at {LOOKS_MAX} times in vain: {why}")
        return await self._conclude(intent, failed, execution)

    async def _conclude(self, intent: Intent | None, outcome: Outcome, execution: Execution) -> Outcome:
        """Write down how an action ended; one that was never intended leaves no trace in the record.

        What cannot be written is returned all the same, and halts the rest.
        """
        if intent is not None:
            try:
                await self.store.journal.conclude(
                    intent, outcome.kind, outcome.at, outcome.why, outcome.window_s, outcome.request_id
                )
            except StateError as error:
                execution.halted = f"an outcome was not recorded: {error}"
        return outcome

    async def _look(self, item: Item, plan: Plan, agents: AgentLooks) -> Look | Outcome:
        """The last look, or why nothing may be sent after it."""
        if plan.policy.rests_on_ranks(item.decision) and self.clock.monotonic() - self.started > RANKING_MAX_S:
            return Outcome(item, OutcomeKind.CHANGED, plan.now, RANKS_OLD)
        try:
            agent = await agents.read() if plan.policy.asks_version and plan.agent.latest is not None else None
            look = Look(await self.site.client.get(plan.agent.name, item.session.id), agent)
        except Unauthenticated:
            raise
        except Gone as error:
            # A 404 means that the session is gone if its agent answers, and nothing if it does not.
            if await agents.answer():
                return Outcome(item, OutcomeKind.ALREADY_GONE, plan.now, "it is not there any more")
            why = f"no fresh look, and its agent does not answer: {error}"
            return Outcome(item, OutcomeKind.FAILED, plan.now, why)
        except ProviderError as error:
            return Outcome(item, OutcomeKind.FAILED, plan.now, f"no fresh look, so nothing was sent: {error}")
        return self._refusal(item, look, plan) or look

    def _refusal(self, item: Item, look: Look, plan: Plan) -> Outcome | None:
        """Why the action must not be sent after the last look, None when it may."""
        at = _at(look, plan)
        doubt = self.site.guard.doubt(self.started)
        if doubt:
            return Outcome(item, OutcomeKind.CHANGED, at, doubt)
        verdict = self.judge.recheck(item, look, plan)
        if verdict.go:
            return None
        if verdict.changed:
            self.store.drop_mark(self.site.project.name, plan.agent.name, item.session, at)
        kind = OutcomeKind.ALREADY_GONE if verdict.gone else OutcomeKind.CHANGED
        return Outcome(item, kind, at, verdict.why)

    async def _act(self, item: Item, look: Look, plan: Plan, agents: AgentLooks) -> Outcome:
        """Send and verify; Outdated when the look had grown too old by then, Throttled when it was too much."""
        at = _at(look, plan)
        send = self.site.client.delete if item.action is Action.DELETE else self.site.client.stop
        try:
            accepted = await send(plan.agent.name, item.session.id, lambda: self.fresh.of(look))
        except (Outdated, Throttled):
            raise
        except Gone as error:
            if await agents.answer():
                return Outcome(item, OutcomeKind.ALREADY_GONE, at, "it went between the last look and the action")
            return await self._resolve_doubt(item, plan, at, agents, str(error))
        except InDoubt as error:
            return await self._resolve_doubt(item, plan, at, agents, str(error))
        except ProviderError as error:
            is_refused = isinstance(error, Refused)
            return Outcome(item, OutcomeKind.FAILED, at, str(error), refused=is_refused, request_id=error.request_id)
        verified = await self._verify(item, plan, at, agents)
        return replace(verified, window_s=_window(look.session, accepted), request_id=accepted.request_id)

    async def _verify(self, item: Item, plan: Plan, at: float, agents: AgentLooks) -> Outcome:
        """Whether an accepted action had its effect."""
        effect = await self._effect(VERIFY_WAITS_S, item, plan, agents)
        if effect:
            return Outcome(item, OutcomeKind.DONE, at)
        if effect is None:
            return Outcome(item, OutcomeKind.IN_DOUBT, at, "the platform accepted it, but could not be asked since")
        return Outcome(item, OutcomeKind.UNVERIFIED, at, "the platform accepted it, but nothing changed")

    async def _resolve_doubt(self, item: Item, plan: Plan, at: float, agents: AgentLooks, doubt: str) -> Outcome:
        """What became of an action that got no clear answer."""
        effect = await self._effect(RESOLVE_WAITS_S, item, plan, agents)
        if effect:
            return Outcome(item, OutcomeKind.DONE, at, f"no answer ({doubt}), but it took effect")
        if effect is None:
            return Outcome(item, OutcomeKind.IN_DOUBT, at, doubt)
        return Outcome(item, OutcomeKind.FAILED, at, f"{doubt}; it had no effect")

    async def _effect(self, waits: Iterable[float], item: Item, plan: Plan, agents: AgentLooks) -> bool | None:
        """Look after each wait whether the session is as the action should leave it; None when that is not known."""
        effect, session = None, item.session
        for wait in waits:
            await self.clock.sleep(wait)
            try:
                fresh = await self.site.client.get(plan.agent.name, session.id)
                effect = had_effect(item.action, session.created_at, session.last_accessed_at, fresh.value)
            except Gone:
                effect = True if await agents.answer() else None
            except ProviderError:
                effect = None
            if effect:
                break
        return effect

    def _intent(self, item: Item, plan: Plan) -> Intent:
        session = item.session
        return Intent(
            id="",
            project=self.site.project.name,
            agent=plan.agent.name,
            session=session.id,
            created_at=session.created_at,
            action=item.action,
            rule=item.rule,
            approved=item.approved,
        )


def _at(look: Look, plan: Plan) -> float:
    """The platform's time of the look; the plan's where it had none."""
    return plan.now if look.session.date is None else look.session.date


def _window(fresh: Answer[Session | Malformed], accepted: Answer[None]) -> float | None:
    """Seconds in which the session could change unseen: from the last look's answer until the action went out."""
    sent = accepted.sent_monotonic
    return None if sent is None else max(sent - fresh.received_monotonic, 0.0)


def had_effect(action: Action, created_at: int, last_accessed_at: int, fresh: Session | Malformed) -> bool | None:
    """Whether a record shows that the action on this incarnation took effect; None when it cannot be read."""
    if isinstance(fresh, Malformed):
        return None
    if fresh.created_at != created_at or fresh.status in TOMBSTONES:
        return True
    stopped = fresh.status != ACTIVE or fresh.last_accessed_at != last_accessed_at
    return action is Action.STOP and stopped


async def resolve_open_intents(
    agent: str, client: Provider, store: Store, entries: Iterable[Entry], listed: frozenset[str] | None
) -> list[str]:
    """Find out what became of actions that a crash or a lost answer left open; each is looked up and concluded.

    `listed` are those of their sessions that a complete, believed listing of this agent has just shown, None without
    one: only beside it does a 404 show that a session is gone. Returns the ids of sessions that could not be looked
    up: their intents stay open.
    """
    unresolved = []
    for entry in entries:
        intent = entry.intent
        accessed = int(entry.body["record"]["last_accessed_at"])
        try:
            fresh = await client.get(agent, intent.session)
            done = had_effect(intent.action, intent.created_at, accessed, fresh.value)
        except Gone:
            done = True if listed is not None and intent.session not in listed else None
        except ProviderError:
            done = None
        if done is None:
            unresolved.append(intent.session)
            continue
        kind = OutcomeKind.DONE if done else OutcomeKind.FAILED
        await store.journal.conclude(intent, kind, entry.at, "found out by a later sweep")
    return unresolved

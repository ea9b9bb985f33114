"""Carries out a plan, one guarded action at a time: look again, decide again, intend, act, verify, record.

The only caller of the platform's delete and stop on behalf of a policy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from reaper.clock import Clock
from reaper.foundry.client import Answer
from reaper.foundry.errors import FoundryError, Gone, InDoubt, Throttled, Unauthenticated
from reaper.model import ACTIVE, TOMBSTONES, Action, Malformed, OutcomeKind, Session
from reaper.planner import Item, Plan, recheck
from reaper.report import Outcome
from reaper.skew import ClockGuard
from reaper.store.database import StateError
from reaper.store.evidence import evidence
from reaper.store.journal import Intent
from reaper.store.store import Breaker, Store

UNVERIFIED_MAX: Final = 3
"""So many deletes without effect in one sweep open the breaker."""
THROTTLED_TRIES: Final = 8
VERIFY_WAITS_S: Final = (0, 1, 4)
RESOLVE_WAITS_S: Final = (2, 8)


class Hands(Protocol):
    """What carrying out a plan needs of the client."""

    async def get(self, agent: str, session_id: str) -> Answer[Session | Malformed]:
        """The session's record as it is now."""

    async def delete(self, agent: str, session_id: str) -> Answer[None]:
        """Delete a session and its home for ever."""

    async def stop(self, agent: str, session_id: str) -> Answer[None]:
        """Stop a session, its home stays."""


@dataclass(slots=True)
class Execution:
    """What became of a plan; `halted` says why not all of it was tried."""

    outcomes: list[Outcome] = field(default_factory=list)
    halted: str = ""


@dataclass(frozen=True, slots=True)
class Executor:
    """Acts on one agent's sessions. `stopping` answers why no new action may begin, '' while it may."""

    project: str
    client: Hands
    store: Store
    clock: Clock
    guard: ClockGuard
    sweep_id: str
    started: float
    stopping: Callable[[], str]
    on_outcome: Callable[[Outcome], None]
    workers: int

    async def execute(self, plan: Plan) -> Execution:
        """Carry out what the plan may act on; what was begun is finished before this returns."""
        execution = Execution()
        queue = iter(plan.act)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.workers, len(plan.act))):
                group.create_task(self._work(queue, plan, execution))
        return execution

    async def _work(self, queue: Iterator[Item], plan: Plan, execution: Execution) -> None:
        for item in queue:
            execution.halted = execution.halted or self.stopping() or self.guard.doubt(self.started)
            if execution.halted:
                return
            try:
                outcome = await self._carry_out(item, plan)
                execution.outcomes.append(outcome)
                self.on_outcome(outcome)
                if outcome.kind is OutcomeKind.UNVERIFIED:
                    self._watch(plan, execution)
            except (StateError, Unauthenticated) as error:
                execution.halted = str(error)
                return

    def _watch(self, plan: Plan, execution: Execution) -> None:
        """Open the breaker when deletes are accepted but have no effect."""
        unverified = [o for o in execution.outcomes if o.kind is OutcomeKind.UNVERIFIED]
        if len(unverified) >= UNVERIFIED_MAX and not execution.halted:
            execution.halted = f"{len(unverified)} actions were accepted without effect"
            self.store.latch(self.project, plan.agent.name, Breaker(plan.now, execution.halted))

    async def _carry_out(self, item: Item, plan: Plan) -> Outcome:
        """One action from its last look to its outcome. Raises StateError and Unauthenticated only."""
        for _ in range(THROTTLED_TRIES):
            try:
                fresh = await self.client.get(plan.agent.name, item.session.id)
            except Unauthenticated:
                raise
            except Gone:
                return Outcome(item, OutcomeKind.ALREADY_GONE, plan.now, "it is not there any more")
            except FoundryError as error:
                return Outcome(item, OutcomeKind.FAILED, plan.now, f"no fresh look, so nothing was sent: {error}")
            self.guard.observe(fresh.date, fresh.received_wall, fresh.received_monotonic)
            refusal = self._refusal(item, fresh, plan)
            if refusal is not None:
                return refusal
            outcome = await self._act(item, fresh, plan)
            if outcome is not None:
                return outcome
        return Outcome(item, OutcomeKind.FAILED, plan.now, "the platform is throttling")

    def _refusal(self, item: Item, fresh: Answer[Session | Malformed], plan: Plan) -> Outcome | None:
        """Why the action must not be sent after the last look, None when it may."""
        at = plan.now if fresh.date is None else fresh.date
        doubt = self.guard.doubt(self.started)
        if doubt:
            return Outcome(item, OutcomeKind.CHANGED, at, doubt)
        verdict = recheck(item, fresh.value, plan, fresh.date)
        if verdict.go:
            return None
        if verdict.changed:
            self.store.drop_mark(self.project, plan.agent.name, item.session)
        kind = OutcomeKind.ALREADY_GONE if verdict.gone else OutcomeKind.CHANGED
        return Outcome(item, kind, at, verdict.why)

    async def _act(self, item: Item, fresh: Answer[Session | Malformed], plan: Plan) -> Outcome | None:
        """Intend, send, verify, record; None when the platform throttled it, and a new look is due."""
        at = plan.now if fresh.date is None else fresh.date
        send = self.client.delete if item.action is Action.DELETE else self.client.stop
        proof = evidence(item, plan, fresh, at, self.sweep_id)
        intent = await self.store.journal.intend(self._intent(item, plan), at, proof)
        try:
            accepted = await send(plan.agent.name, item.session.id)
        except Throttled as error:
            await self.store.journal.conclude(intent, OutcomeKind.FAILED, at, str(error))
            return None
        except Gone:
            outcome = Outcome(item, OutcomeKind.ALREADY_GONE, at, "it went between the last look and the action")
        except InDoubt as error:
            outcome = await self._resolve_doubt(item, plan, at, error)
        except FoundryError as error:
            outcome = Outcome(item, OutcomeKind.FAILED, at, str(error))
        else:
            outcome = replace(await self._verify(item, plan, at), window_s=_window(fresh, accepted))
        await self.store.journal.conclude(intent, outcome.kind, outcome.at, outcome.why, outcome.window_s)
        return outcome

    async def _verify(self, item: Item, plan: Plan, at: float) -> Outcome:
        """Whether an accepted action had its effect."""
        for wait in VERIFY_WAITS_S:
            await self.clock.sleep(wait)
            effect = await self._had_effect(item, plan.agent.name)
            if effect:
                return Outcome(item, OutcomeKind.DONE, at)
        if effect is None:
            return Outcome(item, OutcomeKind.IN_DOUBT, at, "the platform accepted it, but could not be asked since")
        return Outcome(item, OutcomeKind.UNVERIFIED, at, "the platform accepted it, but nothing changed")

    async def _resolve_doubt(self, item: Item, plan: Plan, at: float, doubt: InDoubt) -> Outcome:
        """What became of an action that got no answer."""
        for wait in RESOLVE_WAITS_S:
            await self.clock.sleep(wait)
            effect = await self._had_effect(item, plan.agent.name)
            if effect:
                return Outcome(item, OutcomeKind.DONE, at, f"no answer ({doubt}), but it took effect")
        if effect is None:
            return Outcome(item, OutcomeKind.IN_DOUBT, at, str(doubt))
        return Outcome(item, OutcomeKind.FAILED, at, f"{doubt}; it had no effect")

    async def _had_effect(self, item: Item, agent: str) -> bool | None:
        """Look whether the session is as the action should leave it; None when the look failed."""
        try:
            fresh = await self.client.get(agent, item.session.id)
        except Gone:
            return True
        except FoundryError:
            return None
        return had_effect(item.action, item.session.created_at, item.session.last_accessed_at, fresh.value)

    def _intent(self, item: Item, plan: Plan) -> Intent:
        session = item.session
        return Intent(
            id="",
            project=self.project,
            agent=plan.agent.name,
            session=session.id,
            created_at=session.created_at,
            action=item.action,
            rule=item.rule,
            approved=item.approved,
        )


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


async def resolve_open_intents(project: str, agent: str, client: Hands, store: Store) -> list[str]:
    """Find out what became of actions that a crash or a lost answer left open; each is looked up and concluded.

    Returns the ids of sessions that could not be looked up: their intents stay open.
    """
    unresolved = []
    for entry in store.journal.open(project, agent):
        intent = entry.intent
        accessed = int(entry.body["record"]["last_accessed_at"])
        try:
            fresh = await client.get(agent, intent.session)
            done = had_effect(intent.action, intent.created_at, accessed, fresh.value)
        except Gone:
            done = True
        except FoundryError:
            done = None
        if done is None:
            unresolved.append(intent.session)
            continue
        kind = OutcomeKind.DONE if done else OutcomeKind.FAILED
        await store.journal.conclude(intent, kind, entry.at, "found out by a later sweep")
    return unresolved

"""Carries out a plan, one guarded action at a time: look again, decide again, intend, act, verify, record.

Sweeps, people and assistants all delete by it; what differs is the plan, and who judges it at the last look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from reaper.clock import Clock
from reaper.core.holds import NO_HOLDS, Holds
from reaper.core.model import OutcomeKind
from reaper.core.plan import Item, Plan
from reaper.core.provider import Outdated, Throttled, Unauthenticated
from reaper.engine.bulk_verification import BulkVerification
from reaper.engine.connected_project import ConnectedProject
from reaper.engine.last_look import BY_POLICY, LOOKS_MAX, AgentLooks, Freshness, Judge, LastLooks, Look
from reaper.engine.report import Outcome
from reaper.engine.rounds import Accepted, Later, Rounds
from reaper.engine.sending import NOT_ASKED, Sending
from reaper.listing.landmarks import Landmark
from reaper.store.database import StateError
from reaper.store.evidence import evidence
from reaper.store.journal import AlreadyIntendedError, HeldError, Intent
from reaper.store.origin import Origin
from reaper.store.store import Breaker, Store

BY_HAND: Final = "by-hand"
"""How the rule begins under which the record keeps what was not a sweep's doing."""
UNVERIFIED_MAX: Final = 3
"""So many deletes without effect in one sweep open the breaker."""
FAILED_IN_A_ROW_MAX: Final = 5
"""So many failures without one success between them end the sweep: the next ones would fail, too."""
_NOT_TRIED: Final = frozenset({OutcomeKind.CHANGED, OutcomeKind.ALREADY_GONE})
INTERRUPTED: Final = "interrupted before its effect was known"


@dataclass(slots=True)
class Execution:
    """What became of a plan; `halted` says why not all of it was tried.

    `failed_in_row`: so many failures since the last action that was not one; what was not tried is neither.
    `without_effect` says that the breaker was opened.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    halted: str = ""
    failed_in_row: int = 0
    without_effect: str = ""

    def add(self, outcome: Outcome) -> None:
        """Take in how an action ended."""
        self.outcomes.append(outcome)
        if outcome.kind not in _NOT_TRIED:
            self.failed_in_row = self.failed_in_row + 1 if outcome.kind is OutcomeKind.FAILED else 0


@dataclass(frozen=True, slots=True)
class Underway:
    """A plan that is being carried out: what became of it so far, who looks, and who sends."""

    plan: Plan
    execution: Execution
    looks: LastLooks
    sending: Sending


@dataclass(frozen=True, slots=True)
class Executor:
    """Acts on one agent's sessions. `stopping` answers why no new action may begin, '' while it may.

    `origin` says for the record who acts. `held_elsewhere` gives the holds that are not in this state, as they are
    now; those in it are asked for in the transaction that writes an intent. Between `landmarks` of a listing that was
    believed, deletes are verified together; without any, each by a look of its own.
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
    held_elsewhere: Callable[[], Holds] = lambda: NO_HOLDS
    landmarks: Sequence[Landmark] = ()

    async def execute(self, plan: Plan) -> Execution:
        """Carry out what the plan may act on; what was begun is finished before this returns.

        One action at a time until one has not failed: what fails for all is tried with few.
        """
        underway, queue = self._begun(plan), iter(plan.act)
        await self._work(queue, underway, alone=True)
        if self.landmarks:
            await self._in_rounds(queue, underway)
        else:
            await self._side_by_side(queue, underway, Later())
        return underway.execution

    def _begun(self, plan: Plan) -> Underway:
        site, clock = self.site, self.clock
        fresh = Freshness(clock, site.guard, site.project.connection.requests.max_look_age_s)
        agents = AgentLooks(site, plan.agent.name, fresh, routed=plan.policy.asks_version)
        looks = LastLooks(plan, site, self.store, clock, self.started, self.judge, agents, self.held_elsewhere)
        return Underway(plan, Execution(), looks, Sending(plan, site, clock, agents, fresh))

    async def _in_rounds(self, queue: Iterator[Item], underway: Underway) -> None:
        """Round after round: act, then verify what waits for it."""
        execution = underway.execution
        acted_on = {outcome.item.session.incarnation for outcome in execution.outcomes}
        there = [landmark for landmark in self.landmarks if landmark.incarnation not in acted_on]
        pages = BulkVerification(self.site.client, underway.plan.agent.name, there)
        rounds, known = Rounds(queue, pages, self.clock), 0
        while not execution.halted:
            rounds.learn(execution.outcomes[known:])
            known, current = len(execution.outcomes), rounds.next()
            if current is None:
                return
            later = Later(current.together)
            try:
                await self._side_by_side(current.items, underway, later)
                await self._settle(later, pages, underway)
            except asyncio.CancelledError:
                for accepted, intent in later.waiting.values():
                    unknown = accepted.ended(OutcomeKind.IN_DOUBT, INTERRUPTED)
                    self.on_outcome(await self._conclude(intent, unknown, execution))
                raise

    async def _side_by_side(self, queue: Iterator[Item], underway: Underway, later: Later) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self.workers):
                group.create_task(self._work(queue, underway, later))

    async def _work(
        self, queue: Iterator[Item], underway: Underway, later: Later | None = None, *, alone: bool = False
    ) -> None:
        execution = underway.execution
        for item in queue:
            execution.halted = execution.halted or self.stopping() or self.site.guard.doubt(self.started)
            if execution.halted:
                return
            try:
                outcome = await self._carry_out(item, underway, later or Later())
                if outcome is None:
                    return
                if isinstance(outcome, Accepted):
                    execution.failed_in_row = 0
                    continue
                self._tell(outcome, execution)
                self._watch(underway, [outcome])
            except (StateError, Unauthenticated) as error:
                execution.halted = str(error)
                return
            if alone and outcome.kind is not OutcomeKind.FAILED:
                return

    async def _settle(self, later: Later, pages: BulkVerification, underway: Underway) -> None:
        """Verify what waits for it: by pages what they prove, the rest by a look at each.

        Once several in a row could not be asked about, nobody is asked about the others: a later sweep finds out.
        """
        execution = underway.execution
        known = len(execution.outcomes)
        if later.waiting:
            gone = await pages.gone(accepted.item for accepted, _ in later.waiting.values())
            done = [later.waiting.pop(incarnation) for incarnation in [*later.waiting] if incarnation in gone]
            ended = [self._conclude(intent, accepted.ended(OutcomeKind.DONE), execution) for accepted, intent in done]
            for outcome in await asyncio.gather(*ended):
                self._tell(outcome, execution)
        left = iter([*later.waiting.values()])
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.workers, len(later.waiting))):
                group.create_task(self._look_afterwards(left, later, underway))
        try:
            self._watch(underway, execution.outcomes[known:])
        except StateError as error:
            execution.halted = execution.halted or str(error)

    async def _look_afterwards(
        self, left: Iterator[tuple[Accepted, Intent]], later: Later, underway: Underway
    ) -> None:
        execution = underway.execution
        for accepted, intent in left:
            lately = execution.outcomes[-FAILED_IN_A_ROW_MAX:]
            if len(lately) == FAILED_IN_A_ROW_MAX and all(each.kind is OutcomeKind.IN_DOUBT for each in lately):
                outcome = accepted.ended(OutcomeKind.IN_DOUBT, NOT_ASKED)
            else:
                outcome = await underway.sending.verified(accepted)
            del later.waiting[accepted.item.session.incarnation]
            self._tell(await self._conclude(intent, outcome, execution), execution)

    def _tell(self, outcome: Outcome, execution: Execution) -> None:
        execution.add(outcome)
        self.on_outcome(outcome)

    def _watch(self, underway: Underway, ended: Sequence[Outcome]) -> None:
        """End when nothing works; open the breaker when deletes are accepted but have no effect."""
        plan, execution = underway.plan, underway.execution
        if any(outcome.kind is OutcomeKind.UNVERIFIED for outcome in ended) and not execution.without_effect:
            unverified = sum(outcome.kind is OutcomeKind.UNVERIFIED for outcome in execution.outcomes)
            if unverified >= UNVERIFIED_MAX:
                execution.without_effect = f"{unverified} actions were accepted without effect"
                execution.halted = execution.halted or execution.without_effect
                breaker = Breaker(plan.now, execution.without_effect)
                self.store.open_breaker(self.site.project.name, plan.agent.name, breaker)
        if not execution.halted and execution.failed_in_row >= FAILED_IN_A_ROW_MAX:
            last = execution.outcomes[-1].why
            execution.halted = f"{execution.failed_in_row} actions in a row failed, the last one: {last}"

    async def _carry_out(self, item: Item, underway: Underway, later: Later) -> Outcome | Accepted | None:
        """One action from its last look to its outcome, or until it waits for it; None when halted before its intent.

        However often it has to be looked at again, there is one intent, written after the first look. Raises
        StateError and Unauthenticated only; cancelled while its effect is unknown, it is put down as in doubt.
        """
        plan, execution = underway.plan, underway.execution
        intent, why, contradicts = None, "", ""
        for _ in range(LOOKS_MAX):
            look = await underway.looks.take(item, intent)
            if isinstance(look, Outcome):
                return await self._conclude(intent, look, execution)
            if intent is None:
                execution.halted = execution.halted or self.stopping()
                if execution.halted:
                    return None
                try:
                    written = await self._intend(item, look, underway, contradicts)
                except AlreadyIntendedError as error:
                    # It may have gone since the look: only one that shows it after that deed contradicts it.
                    contradicts = error.id
                    continue
                if isinstance(written, Outcome):
                    return written
                intent = written
            try:
                outcome = await self._send(item, look, underway, intent, later)
            except (Outdated, Throttled) as error:
                why = str(error)
            except asyncio.CancelledError:
                unknown = Outcome(item, OutcomeKind.IN_DOUBT, look.at(plan), INTERRUPTED)
                self.on_outcome(await self._conclude(intent, unknown, execution))
                raise
            else:
                return outcome if isinstance(outcome, Accepted) else await self._conclude(intent, outcome, execution)
        failed = Outcome(item, OutcomeKind.FAILED, plan.now, f"looked at {LOOKS_MAX} times in vain: {why}")
        return await self._conclude(intent, failed, execution)

    async def _intend(self, item: Item, look: Look, underway: Underway, contradicts: str) -> Intent | Outcome:
        """Write the intent, or say why there is none. Raises AlreadyIntendedError when one more look decides."""
        plan = underway.plan
        at = look.at(plan)
        proof = evidence(look.session, at, self.judge.judged_by(item, look, plan, at), self.sweep_id, self.origin)
        try:
            return await self.store.journal.intend(
                self._intent(item, plan), at, proof, contradicts=contradicts, promised_at=item.marked_at
            )
        except HeldError as error:
            return underway.looks.changed(item, at, str(error))
        except AlreadyIntendedError as error:
            if contradicts or error.outcome != OutcomeKind.DONE:
                return Outcome(item, OutcomeKind.CHANGED, at, str(error))
            raise

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

    async def _send(
        self, item: Item, look: Look, underway: Underway, intent: Intent, later: Later
    ) -> Outcome | Accepted:
        """Act, and verify at once what does not wait for `later`."""
        sent = await underway.sending.act(item, look)
        if isinstance(sent, Accepted) and not later.takes(sent, intent):
            return await underway.sending.verified(sent)
        return sent

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

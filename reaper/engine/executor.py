"""Carries out a plan, one guarded action at a time: look again, decide again, intend, act, verify, record.

Sweeps, people and assistants all delete by it; what differs is the plan, and who judges it at the last look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from reaper.clock import Clock
from reaper.core.holds import NO_HOLDS, Holds, holds_words
from reaper.core.model import Action, Agent, Malformed, OutcomeKind, Session
from reaper.core.planner import Item, Plan
from reaper.core.provider import (
    Answer,
    Gone,
    InDoubt,
    Outdated,
    ProviderError,
    Refused,
    Throttled,
    Unauthenticated,
)
from reaper.core.ranks import RANKING_MAX_S
from reaper.core.recheck import RANKS_OLD
from reaper.engine.bulk_verification import BulkVerification
from reaper.engine.connected_project import ConnectedProject
from reaper.engine.effects import had_effect
from reaper.engine.last_look import BY_POLICY, LOOKS_MAX, AgentLooks, Freshness, Judge, Look
from reaper.engine.report import Outcome
from reaper.engine.rounds import Accepted, Later, Rounds
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
NOT_ASKED: Final = "the platform accepted it, but could not be asked since"
VERIFY_WAITS_S: Final = (0, 1, 4)
RESOLVE_WAITS_S: Final = (2, 8)


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

    @property
    def fresh(self) -> Freshness:
        return Freshness(self.clock, self.site.guard, self.site.project.connection.requests.max_look_age_s)

    async def execute(self, plan: Plan) -> Execution:
        """Carry out what the plan may act on; what was begun is finished before this returns.

        One action at a time until one has not failed: what fails for all is tried with few.
        """
        execution, queue = Execution(), iter(plan.act)
        agents = AgentLooks(self.site, plan.agent.name, self.fresh, routed=plan.policy.asks_version)
        await self._work(queue, plan, execution, agents, alone=True)
        if self.landmarks:
            await self._in_rounds(queue, plan, execution, agents)
        else:
            await self._side_by_side(queue, plan, execution, agents, Later())
        return execution

    async def _in_rounds(self, queue: Iterator[Item], plan: Plan, execution: Execution, agents: AgentLooks) -> None:
        """Round after round: act, then verify what waits for it."""
        acted_on = {outcome.item.session.incarnation for outcome in execution.outcomes}
        there = [landmark for landmark in self.landmarks if landmark.incarnation not in acted_on]
        pages = BulkVerification(self.site.client, plan.agent.name, there)
        rounds, known = Rounds(queue, pages, self.clock), 0
        while not execution.halted:
            rounds.learn(execution.outcomes[known:])
            known, current = len(execution.outcomes), rounds.next()
            if current is None:
                return
            later = Later(current.together)
            try:
                await self._side_by_side(current.items, plan, execution, agents, later)
                await self._settle(later, pages, plan, execution, agents)
            except asyncio.CancelledError:
                for accepted, intent in later.waiting.values():
                    unknown = accepted.ended(OutcomeKind.IN_DOUBT, INTERRUPTED)
                    self.on_outcome(await self._conclude(intent, unknown, execution))
                raise

    async def _side_by_side(
        self, queue: Iterator[Item], plan: Plan, execution: Execution, agents: AgentLooks, later: Later
    ) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self.workers):
                group.create_task(self._work(queue, plan, execution, agents, later))

    async def _work(
        self,
        queue: Iterator[Item],
        plan: Plan,
        execution: Execution,
        agents: AgentLooks,
        later: Later | None = None,
        *,
        alone: bool = False,
    ) -> None:
        for item in queue:
            execution.halted = execution.halted or self.stopping() or self.site.guard.doubt(self.started)
            if execution.halted:
                return
            try:
                outcome = await self._carry_out(item, plan, agents, execution, later or Later())
                if outcome is None:
                    return
                if isinstance(outcome, Accepted):
                    execution.failed_in_row = 0
                    continue
                self._tell(outcome, execution)
                self._watch(plan, execution, [outcome])
            except (StateError, Unauthenticated) as error:
                execution.halted = str(error)
                return
            if alone and outcome.kind is not OutcomeKind.FAILED:
                return

    async def _settle(
        self, later: Later, pages: BulkVerification, plan: Plan, execution: Execution, agents: AgentLooks
    ) -> None:
        """Verify what waits for it: by pages what they prove, the rest by a look at each.

        Once several in a row could not be asked about, nobody is asked about the others: a later sweep finds out.
        """
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
                group.create_task(self._look_afterwards(left, later, plan, execution, agents))
        try:
            self._watch(plan, execution, execution.outcomes[known:])
        except StateError as error:
            execution.halted = execution.halted or str(error)

    async def _look_afterwards(
        self,
        left: Iterator[tuple[Accepted, Intent]],
        later: Later,
        plan: Plan,
        execution: Execution,
        agents: AgentLooks,
    ) -> None:
        for accepted, intent in left:
            lately = execution.outcomes[-FAILED_IN_A_ROW_MAX:]
            if len(lately) == FAILED_IN_A_ROW_MAX and all(each.kind is OutcomeKind.IN_DOUBT for each in lately):
                outcome = accepted.ended(OutcomeKind.IN_DOUBT, NOT_ASKED)
            else:
                outcome = await self._verified(accepted, plan, agents)
            del later.waiting[accepted.item.session.incarnation]
            self._tell(await self._conclude(intent, outcome, execution), execution)

    def _tell(self, outcome: Outcome, execution: Execution) -> None:
        execution.add(outcome)
        self.on_outcome(outcome)

    def _watch(self, plan: Plan, execution: Execution, ended: Sequence[Outcome]) -> None:
        """End when nothing works; open the breaker when deletes are accepted but have no effect."""
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

    async def _carry_out(
        self, item: Item, plan: Plan, agents: AgentLooks, execution: Execution, later: Later
    ) -> Outcome | Accepted | None:
        """One action from its last look to its outcome, or until it waits for it; None when halted before its intent.

        However often it has to be looked at again, there is one intent, written after the first look. Raises
        StateError and Unauthenticated only; cancelled while its effect is unknown, it is put down as in doubt.
        """
        intent, why, contradicts = None, "", ""
        for _ in range(LOOKS_MAX):
            look = await self._look(item, plan, agents, intent)
            if isinstance(look, Outcome):
                return await self._conclude(intent, look, execution)
            if intent is None:
                execution.halted = execution.halted or self.stopping()
                if execution.halted:
                    return None
                try:
                    written = await self._intend(item, look, plan, contradicts)
                except AlreadyIntendedError as error:
                    # It may have gone since the look: only one that shows it after that deed contradicts it.
                    contradicts = error.id
                    continue
                if isinstance(written, Outcome):
                    return written
                intent = written
            try:
                outcome = await self._send(item, look, plan, agents, intent, later)
            except (Outdated, Throttled) as error:
                why = str(error)
            except asyncio.CancelledError:
                unknown = Outcome(item, OutcomeKind.IN_DOUBT, _at(look, plan), INTERRUPTED)
                self.on_outcome(await self._conclude(intent, unknown, execution))
                raise
            else:
                return outcome if isinstance(outcome, Accepted) else await self._conclude(intent, outcome, execution)
        failed = Outcome(item, OutcomeKind.FAILED, plan.now, f"looked at {LOOKS_MAX} times in vain: {why}")
        return await self._conclude(intent, failed, execution)

    async def _intend(self, item: Item, look: Look, plan: Plan, contradicts: str) -> Intent | Outcome:
        """Write the intent, or say why there is none. Raises AlreadyIntendedError when one more look decides."""
        at = _at(look, plan)
        proof = evidence(look.session, at, self.judge.judged_by(item, look, plan, at), self.sweep_id, self.origin)
        try:
            return await self.store.journal.intend(
                self._intent(item, plan), at, proof, contradicts=contradicts, promised_at=item.marked_at
            )
        except HeldError as error:
            return self._changed(item, plan, at, str(error))
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

    async def _look(self, item: Item, plan: Plan, agents: AgentLooks, intent: Intent | None) -> Look | Outcome:
        """The last look, or why nothing may be sent after it."""
        if plan.policy.rests_on_ranks(item.decision) and self.clock.monotonic() - self.started > RANKING_MAX_S:
            return Outcome(item, OutcomeKind.CHANGED, plan.now, RANKS_OLD)
        try:
            agent = await self._agent(plan, agents)
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
        return self._refusal(item, look, plan, intent) or look

    async def _agent(self, plan: Plan, agents: AgentLooks) -> Answer[Agent] | None:
        """The agent as it is now, to judge versions and its developers' voice by; what they say is remembered.

        None where neither matters, or where the platform lets nobody like us read agents.
        """
        known = plan.agent.metadata
        if plan.voice is None or known.refused:
            return None
        agent = await agents.read()
        if agent.value.metadata.asked != known.asked:
            at = plan.now if agent.date is None else agent.date
            self.store.voices.note(self.site.project.name, plan.agent.name, agent.value.metadata, at)
        return agent

    def _refusal(self, item: Item, look: Look, plan: Plan, intent: Intent | None) -> Outcome | None:
        """Why the action must not be sent after the last look, None when it may."""
        at = _at(look, plan)
        doubt = self.site.guard.doubt(self.started)
        if doubt:
            return Outcome(item, OutcomeKind.CHANGED, at, doubt)
        if holding := holds_words(self._holds(intent).against(item.session, at, item.marked_at)):
            return self._changed(item, plan, at, holding)
        verdict = self.judge.recheck(item, look, plan)
        if verdict.go:
            return None
        if verdict.changed:
            return self._changed(item, plan, at, verdict.why)
        kind = OutcomeKind.ALREADY_GONE if verdict.gone else OutcomeKind.CHANGED
        return Outcome(item, kind, at, verdict.why)

    def _holds(self, intent: Intent | None) -> Holds:
        """Who holds sessions by now; of this state once an intent is written: before, its transaction asks."""
        elsewhere = self.held_elsewhere()
        return elsewhere if intent is None else elsewhere | self.store.holds.of_agent(intent.project, intent.agent)

    def _changed(self, item: Item, plan: Plan, at: float, why: str) -> Outcome:
        """The outcome for a session that is not as it was, or held by now; what was promised about it is void."""
        self.store.drop_mark(self.site.project.name, plan.agent.name, item.session, at)
        return Outcome(item, OutcomeKind.CHANGED, at, why)

    async def _send(
        self, item: Item, look: Look, plan: Plan, agents: AgentLooks, intent: Intent, later: Later
    ) -> Outcome | Accepted:
        """Act, and verify at once what does not wait for `later`."""
        sent = await self._act(item, look, plan, agents)
        if isinstance(sent, Accepted) and not later.takes(sent, intent):
            return await self._verified(sent, plan, agents)
        return sent

    async def _act(self, item: Item, look: Look, plan: Plan, agents: AgentLooks) -> Outcome | Accepted:
        """Send it; Outdated when the look had grown too old by then, Throttled when it was too much."""
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
        return Accepted(item, at, _window(look.session, accepted), accepted.request_id)

    async def _verified(self, accepted: Accepted, plan: Plan, agents: AgentLooks) -> Outcome:
        """How an accepted action ended, by looks at its session."""
        effect = await self._effect(VERIFY_WAITS_S, accepted.item, plan, agents)
        if effect:
            return accepted.ended(OutcomeKind.DONE)
        if effect is None:
            return accepted.ended(OutcomeKind.IN_DOUBT, NOT_ASKED)
        return accepted.ended(OutcomeKind.UNVERIFIED, "the platform accepted it, but nothing changed")

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

"""Deletes by hand, one after the other: each looked at again, recorded, sent, and looked up afterwards."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from reaper.cli.delete_look import SeenSession, look
from reaper.cli.delete_results import NOT_TRIED, DeleteResult
from reaper.cli.filters import Filter
from reaper.cli.interrupts import Interrupts, unless
from reaper.cli.progress import counting
from reaper.clock import SystemClock
from reaper.core.clock_check import ClockGuard
from reaper.core.model import ACTIVE, IDLE, Action, OutcomeKind, Session
from reaper.core.provider import Gone, InDoubt, Outdated, Provider, ProviderError, Throttled, Unauthenticated
from reaper.engine.executor import RESOLVE_WAITS_S, VERIFY_WAITS_S, had_effect
from reaper.engine.last_look import LOOK_AGE_MAX_S, LOOKS_MAX, AgentLooks, Freshness
from reaper.store.database import StateError
from reaper.store.evidence import RECEIVED_MAX_BYTES, origin_json
from reaper.store.journal import AlreadyIntendedError, Intent, Journal
from reaper.store.origin import Origin

RULE: Final = "by-hand"

_SYSTEM: Final = SystemClock()


@dataclass(slots=True)
class Deletion:
    """Deletes sessions of one agent that a person has seen; `halted` says why not all were tried."""

    agent: str
    project: str
    client: Provider
    journal: Journal | None
    meant: Filter
    workers: int
    halted: str = ""
    look_age_s: float = LOOK_AGE_MAX_S
    endpoint: str = ""
    configuration: str = ""
    _results: dict[str, DeleteResult] = field(default_factory=dict)
    _guard: ClockGuard = field(default_factory=ClockGuard)
    _fresh: Freshness = field(init=False)
    _agents: AgentLooks = field(init=False)

    def __post_init__(self) -> None:
        self._fresh = Freshness(_SYSTEM, self._guard, self.look_age_s)
        self._agents = AgentLooks(self.client, self.agent, self._fresh)
        self.client.heed(self._guard.observe)

    async def run(self, sessions: Sequence[Session], interrupts: Interrupts) -> list[DeleteResult]:
        """Every session with what became of it; what was begun is finished before this returns."""
        queue = iter(sessions)
        with counting(sys.stderr, "deleting", len(sessions)) as step:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.workers, len(sessions))):
                    group.create_task(self._work(queue, interrupts, step))
        return [self._results.get(one.id) or DeleteResult(one.id, NOT_TRIED) for one in sessions]

    async def _work(self, queue: Iterator[Session], interrupts: Interrupts, step: Callable[[], None]) -> None:
        for shown in queue:
            if interrupts.asked.is_set() or self.halted:
                self.halted = self.halted or "interrupted"
                return
            try:
                self._results[shown.id] = await self._delete(shown, interrupts)
                step()
            except (StateError, Unauthenticated) as error:
                self.halted = str(error)
                return

    async def _delete(self, shown: Session, interrupts: Interrupts) -> DeleteResult:
        """One deletion from its last look to its end, with one intent however often it has to be looked at again."""
        intent, why, contradicts, at = None, "", "", _SYSTEM.wall()
        for _ in range(LOOKS_MAX):
            fresh = await unless(interrupts.asked, self._look(shown))
            if fresh is None or interrupts.asked.is_set():
                self.halted = self.halted or "interrupted"
                return await self._conclude(intent, DeleteResult(shown.id, NOT_TRIED), at)
            if isinstance(fresh, DeleteResult):
                return await self._conclude(intent, fresh, at)
            at = at if fresh.now is None else fresh.now
            try:
                intent = intent or await self._intend(shown, fresh, at, contradicts)
            except AlreadyIntendedError as error:
                if contradicts or error.outcome != OutcomeKind.DONE:
                    return DeleteResult(shown.id, OutcomeKind.CHANGED.value, str(error))
                # It may have gone since the look: only one that shows it after that deed contradicts it.
                contradicts = error.id
                continue
            try:
                known = await unless(interrupts.insisted, self._sent(shown, fresh))
            except (Outdated, Throttled) as error:
                why = str(error)
                continue
            unknown = DeleteResult(shown.id, OutcomeKind.IN_DOUBT.value, "interrupted before its effect was known")
            return await self._conclude(intent, known or unknown, at)
        failed = DeleteResult(shown.id, OutcomeKind.FAILED.value, f"looked at {LOOKS_MAX} times in vain: {why}")
        return await self._conclude(intent, failed, at)

    async def _look(self, shown: Session) -> SeenSession | DeleteResult:
        """The last look before the delete, or why there must be none."""
        fresh = await look(self.client, self.agent, shown.id)
        if isinstance(fresh, DeleteResult):
            return fresh
        answer = fresh.answer
        self._guard.observe(answer.date, answer.received_wall, answer.received_monotonic, answer.sent_monotonic)
        changed = _changed(shown, fresh, self.meant)
        return DeleteResult(shown.id, OutcomeKind.CHANGED.value, changed) if changed else fresh

    async def _sent(self, shown: Session, fresh: SeenSession) -> DeleteResult:
        """Send the delete and look whether it had its effect; Outdated and Throttled ask for another look first."""
        try:
            accepted = await self.client.delete(self.agent, shown.id, lambda: self._fresh.holds(fresh.answer))
        except (Outdated, Throttled):
            raise
        except Gone as error:
            if await self._agents.answer():
                return DeleteResult(shown.id, OutcomeKind.ALREADY_GONE.value)
            return await self._verified(shown, RESOLVE_WAITS_S, str(error))
        except InDoubt as error:
            return await self._verified(shown, RESOLVE_WAITS_S, str(error))
        except ProviderError as error:
            return DeleteResult(shown.id, OutcomeKind.FAILED.value, str(error), error.request_id)
        return replace(await self._verified(shown, VERIFY_WAITS_S, ""), request_id=accepted.request_id)

    async def _verified(self, shown: Session, waits_s: Sequence[int], doubt: str) -> DeleteResult:
        """What a delete came to; `doubt` is what went wrong with its answer, '' when it was accepted."""
        effect: bool | None = None
        for wait in waits_s:
            await _SYSTEM.sleep(wait)
            effect = await self._had_effect(shown)
            if effect:
                why = f"no answer ({doubt}), but it is gone" if doubt else ""
                return DeleteResult(shown.id, OutcomeKind.DONE.value, why)
        if effect is None:
            unasked = "the platform accepted it, but could not be asked since"
            return DeleteResult(shown.id, OutcomeKind.IN_DOUBT.value, doubt or unasked)
        if doubt:
            return DeleteResult(shown.id, OutcomeKind.FAILED.value, f"{doubt}; it had no effect")
        return DeleteResult(shown.id, OutcomeKind.UNVERIFIED.value, "the platform accepted it, but it is there")

    async def _had_effect(self, shown: Session) -> bool | None:
        try:
            fresh = await self.client.get(self.agent, shown.id)
        except Gone:
            return True if await self._agents.answer() else None
        except ProviderError:
            return None
        return had_effect(Action.DELETE, shown.created_at, shown.last_accessed_at, fresh.value)

    async def _intend(self, shown: Session, fresh: SeenSession, at: float, contradicts: str) -> Intent | None:
        """Put the intent on disk. It counts as approved: a person asked for it, so limits leave it alone."""
        if self.journal is None:
            return None
        intent = Intent("", self.project, self.agent, shown.id, shown.created_at, Action.DELETE, RULE, approved=True)
        origin = Origin.local(endpoint=self.endpoint, configuration=self.configuration, identity=self.client.identity)
        proof = {**_evidence(fresh, self.meant, at), **origin_json(origin)}
        return await self.journal.intend(intent, at, proof, contradicts=contradicts)

    async def _conclude(self, intent: Intent | None, result: DeleteResult, at: float) -> DeleteResult:
        """Put the outcome on disk; one that cannot be written is told, and ends the rest."""
        if self.journal is None or intent is None:
            return result
        kind = OutcomeKind.CHANGED if result.outcome == NOT_TRIED else OutcomeKind(result.outcome)
        try:
            await self.journal.conclude(intent, kind, at, result.why, request_id=result.request_id)
        except StateError as error:
            self.halted = f"an outcome was not recorded: {error}"
        return result


def _changed(shown: Session, fresh: SeenSession, meant: Filter) -> str:
    """Why a session is no longer the one that was shown; '' when it is."""
    record = fresh.session
    if record.created_at != shown.created_at:
        return "another session has its id now"
    if shown.status == IDLE and record.status == ACTIVE:
        return "it was idle when looked at first, and is active now"
    if meant and fresh.now is None:
        return "the platform's answer carried no time, so the filter cannot be judged again"
    if meant and not (record.status == shown.status and meant.fits(record, fresh.now)):
        return f"it does not fit any more: {meant.told()}"
    return ""


def _evidence(fresh: SeenSession, meant: Filter, at: float) -> dict[str, Any]:
    """What was known right before the delete, in the words that the sweeps' evidence uses."""
    body = fresh.answer.body
    return {
        "received": body[:RECEIVED_MAX_BYTES].decode("utf-8", "replace"),
        "received_bytes": len(body),
        "record": fresh.session._asdict(),
        "platform_time": at,
        "policy": "none",
        "plan": "none",
        "sweep": "none",
        "compared": meant.compared(fresh.session, at),
    }

"""Deletes by hand, one after the other: each looked at again, recorded, sent, and looked up afterwards."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from reaper.cli.filters import Filter
from reaper.cli.interrupts import Interrupts, unless
from reaper.cli.looking import Seen, look
from reaper.cli.progress import counting
from reaper.cli.results import NOT_TRIED, Result
from reaper.clock import SystemClock
from reaper.executor import RESOLVE_WAITS_S, VERIFY_WAITS_S, had_effect
from reaper.foundry.client import Client
from reaper.foundry.errors import FoundryError, Gone, InDoubt, Throttled, Unauthenticated
from reaper.model import ACTIVE, IDLE, Action, OutcomeKind, Session
from reaper.store.database import StateError
from reaper.store.evidence import RECEIVED_MAX_BYTES
from reaper.store.journal import AlreadyIntendedError, Intent, Journal

RULE: Final = "by-hand"
THROTTLED_TRIES: Final = 8

_SYSTEM: Final = SystemClock()


@dataclass(slots=True)
class Deletion:
    """Deletes sessions of one agent that a person has seen; `halted` says why not all were tried."""

    agent: str
    project: str
    client: Client
    journal: Journal | None
    meant: Filter
    workers: int
    halted: str = ""
    _results: dict[str, Result] = field(default_factory=dict)

    async def run(self, sessions: Sequence[Session], interrupts: Interrupts) -> list[Result]:
        """Every session with what became of it; what was begun is finished before this returns."""
        queue = iter(sessions)
        with counting(sys.stderr, "deleting", len(sessions)) as step:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.workers, len(sessions))):
                    group.create_task(self._work(queue, interrupts, step))
        return [self._results.get(one.id) or Result(one.id, NOT_TRIED) for one in sessions]

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

    async def _delete(self, shown: Session, interrupts: Interrupts) -> Result:
        for _ in range(THROTTLED_TRIES):
            fresh = await unless(interrupts.asked, self._look(shown))
            if fresh is None or interrupts.asked.is_set():
                self.halted = self.halted or "interrupted"
                return Result(shown.id, NOT_TRIED)
            if isinstance(fresh, Result):
                return fresh
            result = await self._send(shown, fresh, interrupts)
            if result is not None:
                return result
        return Result(shown.id, OutcomeKind.FAILED.value, "the platform is throttling")

    async def _look(self, shown: Session) -> Seen | Result:
        """The last look before the delete, or why there must be none."""
        fresh = await look(self.client, self.agent, shown.id)
        if isinstance(fresh, Result):
            return fresh
        changed = _changed(shown, fresh, self.meant)
        return Result(shown.id, OutcomeKind.CHANGED.value, changed) if changed else fresh

    async def _send(self, shown: Session, fresh: Seen, interrupts: Interrupts) -> Result | None:
        """Intend, delete, verify, record; None when the platform throttled it, and a new look is due."""
        at = _SYSTEM.wall() if fresh.now is None else fresh.now
        try:
            intent = await self._intend(shown, fresh, at)
        except AlreadyIntendedError as error:
            return Result(shown.id, OutcomeKind.CHANGED.value, str(error))
        try:
            known = await unless(interrupts.insisted, self._sent(shown))
        except Throttled as error:
            await self._conclude(intent, Result(shown.id, OutcomeKind.FAILED.value, str(error)), at)
            return None
        unknown = Result(shown.id, OutcomeKind.IN_DOUBT.value, "interrupted before its effect was known")
        return await self._conclude(intent, known or unknown, at)

    async def _sent(self, shown: Session) -> Result:
        """Send the delete and look whether it had its effect."""
        try:
            await self.client.delete(self.agent, shown.id)
        except Throttled:
            raise
        except Gone:
            return Result(shown.id, OutcomeKind.ALREADY_GONE.value)
        except InDoubt as error:
            return await self._verified(shown, RESOLVE_WAITS_S, str(error))
        except FoundryError as error:
            return Result(shown.id, OutcomeKind.FAILED.value, str(error))
        return await self._verified(shown, VERIFY_WAITS_S, "")

    async def _verified(self, shown: Session, waits_s: Sequence[int], doubt: str) -> Result:
        """What a delete came to; `doubt` is what went wrong with its answer, '' when it was accepted."""
        effect: bool | None = None
        for wait in waits_s:
            await _SYSTEM.sleep(wait)
            effect = await self._had_effect(shown)
            if effect:
                why = f"no answer ({doubt}), but it is gone" if doubt else ""
                return Result(shown.id, OutcomeKind.DONE.value, why)
        if effect is None:
            unasked = "the platform accepted it, but could not be asked since"
            return Result(shown.id, OutcomeKind.IN_DOUBT.value, doubt or unasked)
        if doubt:
            return Result(shown.id, OutcomeKind.FAILED.value, f"{doubt}; it had no effect")
        return Result(shown.id, OutcomeKind.UNVERIFIED.value, "the platform accepted it, but it is there")

    async def _had_effect(self, shown: Session) -> bool | None:
        try:
            fresh = await self.client.get(self.agent, shown.id)
        except Gone:
            return True
        except FoundryError:
            return None
        return had_effect(Action.DELETE, shown.created_at, shown.last_accessed_at, fresh.value)

    async def _intend(self, shown: Session, fresh: Seen, at: float) -> Intent | None:
        """Put the intent on disk. It counts as approved: a person asked for it, so limits leave it alone."""
        if self.journal is None:
            return None
        intent = Intent("", self.project, self.agent, shown.id, shown.created_at, Action.DELETE, RULE, approved=True)
        return await self.journal.intend(intent, at, _evidence(fresh, self.meant, at))

    async def _conclude(self, intent: Intent | None, result: Result, at: float) -> Result:
        """Put the outcome on disk; one that cannot be written is told, and ends the rest."""
        if self.journal is None or intent is None:
            return result
        try:
            await self.journal.conclude(intent, OutcomeKind(result.outcome), at, result.why)
        except StateError as error:
            self.halted = f"an outcome was not recorded: {error}"
        return result


def _changed(shown: Session, fresh: Seen, meant: Filter) -> str:
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


def _evidence(fresh: Seen, meant: Filter, at: float) -> dict[str, Any]:
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

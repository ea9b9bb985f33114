"""Deletes by hand: carried out as a sweep's are, but judged by what a person asked for and was shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reaper.cli.delete_results import NOT_TRIED, DeleteResult
from reaper.cli.filters import Filter
from reaper.cli.interrupts import Interrupts
from reaper.cli.progress import counting
from reaper.clock import Clock
from reaper.core.holds import NO_HOLDS, Holds
from reaper.core.model import ACTIVE, IDLE, TOMBSTONES, Action, Agent, Malformed, Session
from reaper.core.plan import Item, Items, Plan
from reaper.core.policy import Decision, Policy, Rule
from reaper.core.recheck import Verdict
from reaper.engine.connected_project import ConnectedProject
from reaper.engine.executor import BY_HAND, Executor
from reaper.engine.last_look import Look
from reaper.engine.report import Outcome
from reaper.store.store import Store

NONE: Final = "none"
"""The policy, plan and sweep of what no policy asked for."""
WORKERS_MAX: Final = 4
"""So many at once: quick enough for thousands, and few enough to finish when somebody presses Ctrl-C."""


@dataclass(frozen=True, slots=True)
class FilterJudge:
    """Lets a session go that is still the one that was shown, has not woken up, and fits the filter."""

    filter: Filter

    def recheck(self, item: Item, look: Look, plan: Plan) -> Verdict:
        fresh, now = look.session.value, look.session.date
        if now is None:
            return Verdict(why="the platform's clock could not be read")
        if isinstance(fresh, Malformed):
            return Verdict(why=f"its record is malformed: {fresh.reason}")
        if fresh.status in TOMBSTONES:
            return Verdict(gone=True, why=f"it is {fresh.status}")
        changed = self._changed(item.session, fresh, now)
        return Verdict(go=not changed, why=changed)

    def _changed(self, shown: Session, fresh: Session, now: float) -> str:
        """Why a session is no longer the one that was shown; '' when it is."""
        if fresh.created_at != shown.created_at:
            return "another session has its id now"
        if shown.status == IDLE and fresh.status == ACTIVE:
            return "it was idle when looked at first, and is active now"
        if self.filter and not (fresh.status == shown.status and self.filter.fits(fresh, now)):
            return f"it does not fit any more: {self.filter.text()}"
        return ""

    def judged_by(self, item: Item, look: Look, plan: Plan, at: float) -> dict[str, Any]:
        fresh = look.session.value
        compared = [] if isinstance(fresh, Malformed) else self.filter.compared(fresh, at)
        return {"policy": plan.policy.name, "plan": plan.id, "compared": compared}


@dataclass(frozen=True, slots=True)
class Deletion:
    """Deletes sessions of one agent that a person has seen since monotonic `started`.

    `held_elsewhere` gives the holds that are not in the state that keeps the record.
    """

    site: ConnectedProject
    agent: str
    store: Store
    clock: Clock
    started: float
    filter: Filter
    held_elsewhere: Callable[[], Holds] = lambda: NO_HOLDS

    async def run(self, sessions: Sequence[Session], interrupts: Interrupts) -> tuple[list[DeleteResult], str]:
        """Every session with what became of it, and why not all were tried; what was begun is finished first."""
        ended: dict[str, DeleteResult] = {}
        with counting(sys.stderr, "deleting", len(sessions)) as step:

            def note(outcome: Outcome) -> None:
                session = outcome.item.session.id
                ended[session] = DeleteResult(session, outcome.kind.value, outcome.why)
                step()

            execution = await interrupts.patiently(self._executor(note, interrupts).execute(self._plan(sessions)))
        results = [ended.get(one.id) or DeleteResult(one.id, NOT_TRIED) for one in sessions]
        return results, interrupts.why() if execution is None else execution.halted

    def _plan(self, sessions: Sequence[Session]) -> Plan:
        """All of them at once. They count as approved: a person asked for it, so limits leave them alone."""
        now = self.clock.wall() + (self.site.guard.skew or 0)
        decision = Decision(Action.DELETE, Rule(BY_HAND, Action.DELETE, self.filter.conditions))
        items = Items(Item(one, decision, now, approved=True) for one in sessions)
        return Plan(NONE, Agent(self.agent), Policy(NONE, ()), now, items, marks=None)

    def _executor(self, note: Callable[[Outcome], None], interrupts: Interrupts) -> Executor:
        return Executor(
            site=self.site,
            store=self.store,
            clock=self.clock,
            sweep_id=NONE,
            started=self.started,
            stopping=interrupts.why,
            on_outcome=note,
            workers=min(WORKERS_MAX, self.site.project.connection.requests.concurrency),
            origin=self.site.origin(),
            judge=FilterJudge(self.filter),
            held_elsewhere=self.held_elsewhere,
        )

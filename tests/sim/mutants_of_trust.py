"""The guards of time and of foreign answers, each with a switch that removes it; see `mutants`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from reaper.core.clock_check import ClockGuard
from reaper.engine import conclusion, executor, quota_relief, sweep
from reaper.engine.last_look import AgentLooks, Freshness, LastLooks
from reaper.engine.refusals import Refusals
from reaper.foundry import exchange, parsing
from reaper.store import marks as stored_marks
from tests.sim import scenes_memory, scenes_time, scenes_wire
from tests.sim.switches import Mutant, Patch, around, put


def _counts_from_its_answer(patch: Patch) -> None:
    """A look counts from when its answer was read, however long that took."""
    kept = Freshness.holds

    def holds(self: Any, answer: Any, share: float = 1.0) -> bool:
        found: bool = kept(self, replace(answer, sent_monotonic=None), share)
        return found

    patch.setattr(Freshness, "holds", holds)


def _asked_when_it_leaves(patch: Patch) -> None:
    """The age is looked at when the request is made, and not in the instant in which it leaves."""

    async def leaving(*_: Any) -> None:
        return

    patch.setattr(exchange._Leaving, "__call__", leaving)


def _one_at_first(kept: Any) -> Any:
    """All workers begin at once."""

    async def work(self: Any, *given: Any, alone: bool = False) -> None:
        if not alone:
            await kept(self, *given)

    return work


def _agent_looked_at_once(kept: Any) -> Any:
    """What is read of the agent counts for the whole sweep."""

    async def read(self: Any) -> Any:
        if self._last is None:
            self._last = await self._client.get_agent(self._agent)
        return self._last

    return read


def _agent_not_looked_at(_: Any) -> Any:
    """What the sweep knows of the agent counts to its end."""

    async def agent(*_: Any) -> None:
        return

    return agent


def _stands_while_kept(kept: Any) -> Any:
    """A mark stays until its session is used, whatever the policy said of it meanwhile."""

    def change(connection: Any, project: str, agent: str, at: float, before: Any, marks: Any) -> None:
        wanted = {mark.seen.incarnation for mark in marks}
        known = [row for row in before if (row.session, row.created_at) in wanted]
        kept(connection, project, agent, at, known, marks)

    return change


def _only_session_grows_old(patch: Patch) -> None:
    patch.setattr(Freshness, "of", lambda self, look: self.holds(look.session))


def _shown_or_not(kept: Any) -> Any:
    """Whatever is shown for the first time is taken for something that moved."""

    def moved_back(then: Any, now: Any, sessions: int) -> int:
        found: int = kept(then and then._replace(sessions=math.inf), now, sessions)
        return found

    return moved_back


def _always_answers(_: Any) -> Any:
    async def answer(self: Any) -> bool:
        return True

    return answer


def _gone_without_listing(kept: Any) -> Any:
    """Whatever is answered with 404 is gone, whether it was just listed or not."""

    async def resolve(agent: Any, client: Any, store: Any, entries: Any, _: Any) -> Any:
        return await kept(agent, client, store, entries, frozenset())

    return resolve


def _believes_any_expiry(patch: Patch) -> None:
    kept = parsing.parse_session

    def parse(obj: Any, now: float, *accepted: Any) -> Any:
        found = kept(obj, now, *accepted)
        reason = getattr(found, "reason", "")
        if reason not in {parsing.EXPIRED_BEFORE_USED, parsing.EXPIRED_LONG_AGO}:
            return found
        return kept({**obj, "expires_at": max(obj["last_accessed_at"], int(now))}, now, *accepted)

    patch.setattr(parsing, "parse_session", parse)
    patch.setattr(parsing, "read_page", lambda *_: None)


TRUST = [
    Mutant("hold: refused", put(Refusals, "waiting", lambda *_: frozenset()), scenes_wire.refused_for_a_day),
    Mutant(
        "last look: too old once the intent is on disk",
        put(Freshness, "of", lambda *_: True),
        scenes_time.hung_in_write,
    ),
    Mutant(
        "last look: too old after a suspension",
        put(Freshness, "of", lambda *_: True),
        scenes_time.suspended_after_look,
    ),
    Mutant(
        "last look: its age counts from when it was asked for", _counts_from_its_answer, scenes_time.looked_slowly
    ),
    Mutant(
        "last look: asked for its age in the instant of leaving",
        _asked_when_it_leaves,
        scenes_time.hung_in_connecting,
    ),
    Mutant(
        "last look: a pause of the machine ends it",
        put(ClockGuard, "paused_since", lambda *_: False),
        scenes_time.on_paused_machine,
    ),
    Mutant(
        "last look: the agent too, where versions decide",
        around(LastLooks, "_agent", _agent_not_looked_at),
        scenes_time.taken_back_in_sweep,
    ),
    Mutant(
        "a mark is dropped when a sweep keeps its session",
        around(stored_marks, "_change", _stands_while_kept),
        scenes_memory.kept_in_between,
    ),
    Mutant("last look: the agent grows old as well", _only_session_grows_old, scenes_time.taken_back_between_looks),
    Mutant(
        "a 404 that is not the platform's says nothing",
        put(parsing, "is_error", lambda _: True),
        scenes_wire.with_foreign_look,
    ),
    Mutant(
        "gone is only what an agent that answers has not",
        around(AgentLooks, "answer", _always_answers),
        scenes_wire.with_lost_agent,
    ),
    Mutant(
        "nothing that is listed is resolved as gone",
        around(sweep, "resolve_open_intents", _gone_without_listing),
        scenes_wire.in_doubt_and_listed,
    ),
    Mutant(
        "what fails again and again ends the sweep",
        put(executor, "FAILED_IN_A_ROW_MAX", math.inf),
        scenes_wire.refused_by_all,
    ),
    Mutant(
        "one action at a time until one has not failed",
        around(executor.Executor, "_work", _one_at_first),
        scenes_wire.refused_by_all,
    ),
    Mutant(
        "a sweep whose actions fail has failed",
        put(conclusion, "failing_text", lambda _: ""),
        scenes_wire.refused_for_a_day,
    ),
    Mutant(
        "a relief whose stops fail has failed",
        put(quota_relief, "failing_text", lambda _: ""),
        scenes_wire.relief_refused,
    ),
    Mutant(
        "an expiry before the last use, or long ago, is malformed",
        _believes_any_expiry,
        scenes_wire.expired_before_used,
    ),
    Mutant(
        "breaker: not by what was not shown before",
        around(sweep, "moved_back", _shown_or_not),
        scenes_wire.after_role_was_granted,
    ),
]

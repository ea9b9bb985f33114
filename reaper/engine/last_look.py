"""The last look before an action: the session, its agent where versions decide, who judges it, how long it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeVar

from reaper.clock import Clock
from reaper.core.clock_check import ClockGuard
from reaper.core.holds import Holds, holds_words
from reaper.core.model import Agent, Malformed, OutcomeKind, Session
from reaper.core.plan import Item, Plan
from reaper.core.provider import Answer, Gone, ProviderError, Refused, Unauthenticated
from reaper.core.ranks import RANKING_MAX_S
from reaper.core.recheck import RANKS_OLD, Verdict, agent_now, recheck
from reaper.engine.connected_project import ConnectedProject
from reaper.engine.report import Outcome
from reaper.store.evidence import judged_by_policy
from reaper.store.journal import Intent
from reaper.store.store import Store

LOOK_AGE_MAX_S: Final = 2.0
AGENT_LOOK_AGE_MAX_S: Final = 60.0
"""How old the last look at an agent may be when an action leaves.

A session is used in a moment, and its own look is two seconds old at most. An agent is changed by a deploy, or by
what its developers write, and what depends on where traffic goes has waited for the grace twice by then, as left
behind and as marked: routing anew within the last minute costs no session that anybody used since it was marked. A
look at the agent for each action would be one more request for each of thousands.
"""
LOOKS_MAX: Final = 8
"""So often one session is looked at again because the look before had grown too old, or was followed by a pause."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Look:
    """A session as it was just read; with its agent, where versions or its developers' voice matter."""

    session: Answer[Session | Malformed]
    agent: Answer[Agent] | None = None

    def at(self, plan: Plan) -> float:
        """The platform's time of the look; the plan's where it had none."""
        return plan.now if self.session.date is None else self.session.date


class Judge(Protocol):
    """Says whether an action may still be done after its last look, and for the record what it was judged by."""

    def recheck(self, item: Item, look: Look, plan: Plan) -> Verdict:
        """Go ahead, or why not."""

    def judged_by(self, item: Item, look: Look, plan: Plan, at: float) -> dict[str, Any]:
        """At least the `policy`, the `plan` and the values `compared` at platform time `at`, as evidence."""


class PolicyJudge:
    """Asks the policy of the plan again."""

    def recheck(self, item: Item, look: Look, plan: Plan) -> Verdict:
        agent = plan.agent if look.agent is None else look.agent.value
        return recheck(item, look.session.value, plan, look.session.date, agent)

    def judged_by(self, item: Item, look: Look, plan: Plan, at: float) -> dict[str, Any]:
        agent = plan.agent if look.agent is None else agent_now(plan.agent, look.agent.value, at)
        return judged_by_policy(item, plan, at, agent)


BY_POLICY: Final = PolicyJudge()


@dataclass(frozen=True, slots=True)
class Freshness:
    """Says of an answer whether it is still true now: for `max_age_s` seconds, on every clock there is."""

    clock: Clock
    guard: ClockGuard
    max_age_s: float

    def of(self, look: Look) -> bool:
        """Whether an action may rest on the look now."""
        return self.holds(look.session) and (look.agent is None or self.holds_of_agent(look.agent))

    def holds_of_agent(self, answer: Answer[Agent], share: float = 1.0) -> bool:
        """The same of an agent's answer, which counts for longer."""
        return replace(self, max_age_s=AGENT_LOOK_AGE_MAX_S).holds(answer, share)

    def holds(self, answer: Answer[T], share: float = 1.0) -> bool:
        """Whether an answer is younger than this share of its time, and no pause has been noticed since.

        It counts from when it was asked for: it may have lain unread for as long as it seems to have travelled.
        """
        asked = answer.received_monotonic if answer.sent_monotonic is None else answer.sent_monotonic
        age = max(self.clock.monotonic() - asked, self.clock.wall() - answer.received_wall)
        return age <= share * self.max_age_s and not self.guard.paused_since(answer.received_monotonic)


class AgentLooks:
    """One agent as it was read last, and again when that is no longer fresh; all who ask meanwhile share a look."""

    def __init__(self, site: ConnectedProject, agent: str, fresh: Freshness, *, routed: bool) -> None:
        """`routed`: where traffic goes matters, so the versions that it is said to reach are looked up, too."""
        self._site, self._agent, self._fresh, self._routed = site, agent, fresh, routed
        self._last: Answer[Agent] | None = None
        self._lock = asyncio.Lock()

    async def read(self) -> Answer[Agent]:
        """The agent, young enough for a look at a session to follow; raises the ProviderError of reading it."""
        async with self._lock:
            if self._last is None or not self._fresh.holds_of_agent(self._last, share=0.5):
                answer = await self._site.client.get_agent(self._agent)
                self._last = replace(answer, value=await self._checked(answer.value))
            return self._last

    async def _checked(self, agent: Agent) -> Agent:
        if not self._routed:
            return agent
        now = self._fresh.clock.monotonic()
        return await self._site.versions.checked(agent, self._site.client, self._site.project.name, now)

    async def answer(self) -> bool:
        """Whether the agent is there: it can be read or, where that is not allowed, its sessions can be listed."""
        try:
            try:
                await self.read()
            except Refused:
                await self._site.client.page(self._agent, limit=1)
        except ProviderError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class LastLooks:
    """The last looks at the sessions of one plan, for what began at monotonic `started`.

    `held_elsewhere` gives the holds that are not in this state, as they are now.
    """

    plan: Plan
    site: ConnectedProject
    store: Store
    clock: Clock
    started: float
    judge: Judge
    agents: AgentLooks
    held_elsewhere: Callable[[], Holds]

    async def take(self, item: Item, intent: Intent | None) -> Look | Outcome:
        """The last look, or why nothing may be sent after it."""
        plan = self.plan
        if plan.policy.rests_on_ranks(item.decision) and self.clock.monotonic() - self.started > RANKING_MAX_S:
            return Outcome(item, OutcomeKind.CHANGED, plan.now, RANKS_OLD)
        try:
            agent = await self._agent()
            look = Look(await self.site.client.get(plan.agent.name, item.session.id), agent)
        except Unauthenticated:
            raise
        except Gone as error:
            # A 404 means that the session is gone if its agent answers, and nothing if it does not.
            if await self.agents.answer():
                return Outcome(item, OutcomeKind.ALREADY_GONE, plan.now, "it is not there any more")
            why = f"no fresh look, and its agent does not answer: {error}"
            return Outcome(item, OutcomeKind.FAILED, plan.now, why)
        except ProviderError as error:
            return Outcome(item, OutcomeKind.FAILED, plan.now, f"no fresh look, so nothing was sent: {error}")
        return self._refusal(item, look, intent) or look

    def changed(self, item: Item, at: float, why: str) -> Outcome:
        """The outcome for a session that is not as it was, or held by now; what was promised about it is void."""
        self.store.drop_mark(self.site.project.name, self.plan.agent.name, item.session, at)
        return Outcome(item, OutcomeKind.CHANGED, at, why)

    async def _agent(self) -> Answer[Agent] | None:
        """The agent as it is now, to judge versions and its developers' voice by; what they say is remembered.

        None where neither matters, or where the platform lets nobody like us read agents.
        """
        plan, known = self.plan, self.plan.agent.metadata
        if plan.voice is None or known.refused:
            return None
        agent = await self.agents.read()
        if agent.value.metadata.asked != known.asked:
            at = plan.now if agent.date is None else agent.date
            self.store.voices.note(self.site.project.name, plan.agent.name, agent.value.metadata, at)
        return agent

    def _refusal(self, item: Item, look: Look, intent: Intent | None) -> Outcome | None:
        """Why the action must not be sent after the last look, None when it may."""
        at = look.at(self.plan)
        doubt = self.site.guard.doubt(self.started)
        if doubt:
            return Outcome(item, OutcomeKind.CHANGED, at, doubt)
        if holding := holds_words(self._holds(intent).on(item.session, at, item.marked_at)):
            return self.changed(item, at, holding)
        verdict = self.judge.recheck(item, look, self.plan)
        if verdict.go:
            return None
        if verdict.changed:
            return self.changed(item, at, verdict.why)
        kind = OutcomeKind.ALREADY_GONE if verdict.gone else OutcomeKind.CHANGED
        return Outcome(item, kind, at, verdict.why)

    def _holds(self, intent: Intent | None) -> Holds:
        """Who holds sessions by now; of this state once an intent is written: before, its transaction asks."""
        elsewhere = self.held_elsewhere()
        return elsewhere if intent is None else elsewhere | self.store.holds.of_agent(intent.project, intent.agent)

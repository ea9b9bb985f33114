"""Sends the actions of a plan after their last looks, and finds out by further looks whether each had its effect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from reaper.clock import Clock
from reaper.core.model import Action, Malformed, OutcomeKind, Session
from reaper.core.plan import Item, Plan
from reaper.core.provider import Answer, Gone, InDoubt, Outdated, ProviderError, Refused, Throttled
from reaper.engine.connected_project import ConnectedProject
from reaper.engine.effects import had_effect
from reaper.engine.last_look import AgentLooks, Freshness, Look
from reaper.engine.report import Outcome
from reaper.engine.rounds import Accepted

NOT_ASKED: Final = "the platform accepted it, but could not be asked since"
VERIFY_WAITS_S: Final = (0, 1, 4)
RESOLVE_WAITS_S: Final = (2, 8)


@dataclass(frozen=True, slots=True)
class Sending:
    """Acts on the sessions of one plan; nothing leaves on a look that is not `fresh`."""

    plan: Plan
    site: ConnectedProject
    clock: Clock
    agents: AgentLooks
    fresh: Freshness

    async def act(self, item: Item, look: Look) -> Outcome | Accepted:
        """Send it; Outdated when the look had grown too old by then, Throttled when it was too much."""
        at = look.at(self.plan)
        send = self.site.client.delete if item.action is Action.DELETE else self.site.client.stop
        try:
            accepted = await send(self.plan.agent.name, item.session.id, lambda: self.fresh.of(look))
        except (Outdated, Throttled):
            raise
        except Gone as error:
            if await self.agents.answer():
                return Outcome(item, OutcomeKind.ALREADY_GONE, at, "it went between the last look and the action")
            return await self._resolve_doubt(item, at, str(error))
        except InDoubt as error:
            return await self._resolve_doubt(item, at, str(error))
        except ProviderError as error:
            is_refused = isinstance(error, Refused)
            return Outcome(item, OutcomeKind.FAILED, at, str(error), refused=is_refused, request_id=error.request_id)
        return Accepted(item, at, _window(look.session, accepted), accepted.request_id)

    async def verified(self, accepted: Accepted) -> Outcome:
        """How an accepted action ended, by looks at its session."""
        effect = await self._effect(VERIFY_WAITS_S, accepted.item)
        if effect:
            return accepted.ended(OutcomeKind.DONE)
        if effect is None:
            return accepted.ended(OutcomeKind.IN_DOUBT, NOT_ASKED)
        return accepted.ended(OutcomeKind.UNVERIFIED, "the platform accepted it, but nothing changed")

    async def _resolve_doubt(self, item: Item, at: float, doubt: str) -> Outcome:
        """What became of an action that got no clear answer."""
        effect = await self._effect(RESOLVE_WAITS_S, item)
        if effect:
            return Outcome(item, OutcomeKind.DONE, at, f"no answer ({doubt}), but it took effect")
        if effect is None:
            return Outcome(item, OutcomeKind.IN_DOUBT, at, doubt)
        return Outcome(item, OutcomeKind.FAILED, at, f"{doubt}; it had no effect")

    async def _effect(self, waits: Iterable[float], item: Item) -> bool | None:
        """Look after each wait whether the session is as the action should leave it; None when that is not known."""
        effect, session = None, item.session
        for wait in waits:
            await self.clock.sleep(wait)
            try:
                fresh = await self.site.client.get(self.plan.agent.name, session.id)
                effect = had_effect(item.action, session.created_at, session.last_accessed_at, fresh.value)
            except Gone:
                effect = True if await self.agents.answer() else None
            except ProviderError:
                effect = None
            if effect:
                break
        return effect


def _window(fresh: Answer[Session | Malformed], accepted: Answer[None]) -> float | None:
    """Seconds in which the session could change unseen: from the last look's answer until the action went out."""
    sent = accepted.sent_monotonic
    return None if sent is None else max(sent - fresh.received_monotonic, 0.0)

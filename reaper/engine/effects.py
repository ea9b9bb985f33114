"""Whether an action had its effect: by one record, and for actions that were left open."""

from __future__ import annotations

from collections.abc import Iterable

from reaper.core.model import ACTIVE, TOMBSTONES, Action, Malformed, OutcomeKind, Session
from reaper.core.provider import Gone, Provider, ProviderError
from reaper.store.journal import Entry
from reaper.store.store import Store


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

"""How one session ranks among all of its agent's: a whole listing, read for that question alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import aclosing

from reaper.core.inventory_checks import doubts
from reaper.core.model import TOMBSTONES, Malformed, Session
from reaper.core.policy import Policy
from reaper.core.provider import Provider, ProviderError
from reaper.core.standing import Standing
from reaper.engine.events import Event, PageRead
from reaper.listing.listing import Begun, Ended, Listed, list_sessions
from reaper.store.store import Store


async def standing_of(
    client: Provider,
    store: Store,
    project: str,
    agent: str,
    session: Session,
    policy: Policy,
    listener: Callable[[Event], None] = lambda _: None,
) -> Standing | None:
    """The ranks of a session, or why they are not known; None where its policy ranks nothing, and nothing is read."""
    if not policy.ranks:
        return None
    counted = _Counted(session, policy)
    try:
        async with aclosing(list_sessions(client, agent)) as values:
            async for value in values:
                counted.take(value)
                if isinstance(value, Listed):
                    listener(PageRead(len(value.answer.value.sessions)))
    except ProviderError as error:
        return Standing(session, policy.keep_newest, unknown=f"the sessions could not be listed: {error}")
    return counted.standing(store, project, agent)


class _Counted:
    """What a listing has shown so far."""

    def __init__(self, session: Session, policy: Policy) -> None:
        self._session, self._policy = session, policy
        self._begin(None)

    def _begin(self, now: float | None) -> None:
        self._now, self._incomplete = now, ""
        self._standing = Standing(self._session, self._policy.keep_newest)
        self._there: Counter[str] = Counter()
        self._malformed = self._disorder = 0

    def take(self, value: Begun | Listed | Ended) -> None:
        if isinstance(value, Begun):
            self._begin(value.now)
        elif isinstance(value, Ended):
            self._incomplete = value.incomplete
        else:
            self._malformed += sum(isinstance(record, Malformed) for record in value.answer.value.sessions)
            self._disorder += value.disorder
            for sessions, earlier in value.changes:
                for session in sessions:
                    self._count(session, 1)
                if earlier is not None:
                    self._count(earlier, -1)

    def _count(self, session: Session, times: int) -> None:
        self._standing.count(session, times)
        self._there[session.status] += times

    def standing(self, store: Store, project: str, agent: str) -> Standing:
        """The ranks, if the listing is whole and believed as a sweep would believe it."""
        self._standing.unknown = self._incomplete or self._disbelief(store, project, agent)
        return self._standing

    def _disbelief(self, store: Store, project: str, agent: str) -> str:
        if self._now is None:
            return "the listing carried no time"
        found = doubts(
            sessions=sum(count for status, count in self._there.items() if status not in TOMBSTONES),
            malformed=self._malformed,
            disorder=self._disorder,
            missing=frozenset(),
            now=self._now,
            base=None if store.fault else store.baseline(project, agent),
        )
        return f"the listing is not believed ({', '.join(found)})" if found else ""

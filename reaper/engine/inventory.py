"""What an agent has: its sessions, decided on as their page comes, and folded to one snapshot."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from reaper.clock import give_way
from reaper.core.model import Action, Agent, Session
from reaper.core.plan import Candidate
from reaper.core.policy import Policy, decide, earliest
from reaper.core.provider import Answer, Page, ProviderError
from reaper.core.quotas import Reserve
from reaper.core.ranks import Ranks
from reaper.engine.connected_project import ConnectedProject
from reaper.engine.events import Listener, PageRead
from reaper.listing.incremental import Fresh, Reread, SurpriseError, list_changes
from reaper.listing.index import Dated, ListingIndex, Stretch
from reaper.listing.listing import Begun, Listed, list_sessions
from reaper.listing.snapshot import SessionCounts, Snapshot, living
from reaper.listing.spool import Spool
from reaper.store.evidence import rules_json


@dataclass(frozen=True, slots=True)
class InventoryReader:
    """Reads what one agent has, by one policy; with `keeps` its snapshot names the sessions that are kept, too.

    `reserve` is filled with those among them that may be stopped to relieve the agent's quota, and `versions` with
    those that sessions run, where the policy asks about versions. Candidates that are too many for memory go to the
    `spool`, and then there is no index of them.
    """

    site: ConnectedProject
    agent: Agent
    policy: Policy
    listener: Listener
    stopping: Callable[[], str]
    keeps: bool = False
    reserve: Reserve | None = None
    spool: Spool | None = None
    versions: set[str] = field(default_factory=set, kw_only=True)

    @property
    def index_key(self) -> str:
        """What an index is good for: the policy, and the agent's versions where it asks for them, which say when a
        session is due, whom the listing had to show, and which fields its records might have."""
        return self.index_key_of(self.agent)

    def index_key_of(self, agent: Agent) -> str:
        """The same, were the agent this one."""
        project = self.site.project
        standing = _standing(agent) if self.policy.asks_version else None
        decides = json.dumps([rules_json(self.policy), standing, sorted(project.known_fields)]).encode()
        return " ".join([hashlib.sha256(decides).hexdigest()[:16], *sorted(project.must_see)])

    async def list_all(
        self, wanted: frozenset[str], then: float | None, *, indexed: bool
    ) -> tuple[Snapshot, ListingIndex | None]:
        """All sessions, and an index of them if one is asked for and the listing is whole.

        Times are counted as of the earlier platform time `then`, too, if one is given.
        """
        counts, index, incomplete = SessionCounts(None, wanted), None, ""
        async with aclosing(list_sessions(self.site.client, self.agent.name)) as values:
            async for value in values:
                if isinstance(value, Listed):
                    self._observe(value.answer)
                    self._fold(value, counts, index)
                    if index is not None and not index.is_small:
                        index, counts.spool = None, self.spool
                elif isinstance(value, Begun):
                    counts.release()
                    counts = SessionCounts(value.now, wanted, then, None if indexed else self.spool)
                    if self.policy.ranks and value.now is not None:
                        counts.ranks = Ranks(self.policy, self.agent, value.now)
                    index = ListingIndex(counts, self.index_key) if indexed else None
                else:
                    incomplete = value.incomplete
        if counts.ranks is not None:
            rank_the_last(counts, counts.ranks, keeps=self.keeps)
        if index is None or incomplete:
            for _ in counts.settling():
                await give_way()
            snapshot = counts.snapshot(incomplete)
            counts.release()
            return snapshot, None
        index.finish()
        return counts.snapshot(), index

    async def list_changes(self, index: ListingIndex) -> Snapshot | None:
        """Bring the index up to date by reading as little as possible; None when all has to be listed.

        The snapshot's candidates are those read now and those known from before: each is looked at again before
        anything is done to it. What is counted of sessions that were not read is at most as old as `listed_at`.
        """
        pages, read = 0, list[tuple[Stretch, Sequence[Dated]]]()
        try:
            async with aclosing(list_changes(self.site.client, self.agent.name, index)) as values:
                async for value in values:
                    match value:
                        case Answer():
                            pages += 1
                            self._observe(value)
                        case Fresh(now, sessions):
                            self._take_in_fresh(index, now, sessions)
                        case Reread(stretch, sessions):
                            chosen = self._candidates(living(sessions), index.counts)
                            read.append((stretch, index.reread(stretch, self._dated(sessions), chosen)))
        except (SurpriseError, ProviderError):
            return None
        index.move_borders(read)
        return index.snapshot(pages) if index.is_small else None

    def _fold(self, page: Listed, counts: SessionCounts, index: ListingIndex | None) -> None:
        """Decide on what a page shows, and count it: what is kept is forgotten with it."""
        counts.take_page(page.answer.value, page.disorder)
        for sessions, earlier in page.changes:
            if earlier is not None:
                counts.discount(earlier)
            self._count(sessions, counts)
            if index is not None and earlier is None:
                index.add(self._dated(sessions), page.order)
        if (now := counts.now) is not None:
            counts.landmarks.take(page.answer.value.sessions, page.order, lambda one: self._is_kept(one, now))

    def _is_kept(self, session: Session, now: float) -> bool:
        return decide(session, self.policy, self.agent, now).action is Action.KEEP

    def _take_in_fresh(self, index: ListingIndex, now: float, sessions: Sequence[Session]) -> None:
        """Decide on the candidates as they were seen last, by what the time is now, and on sessions that are new."""
        counts = index.counts
        counts.now = now
        known = [candidate.session for candidate in counts.candidates.values()]
        counts.decided(known, self._candidates(known, counts))
        self._count(sessions, counts)
        index.grow(self._dated(sessions))

    def _count(self, sessions: Sequence[Session], counts: SessionCounts) -> None:
        live = counts.count(sessions)
        counts.decided(live, self._candidates(live, counts))

    def _candidates(self, sessions: Sequence[Session], counts: SessionCounts) -> list[Candidate]:
        """Those about which something is to be done."""
        now = counts.now
        if now is None:
            return []
        candidates, policy, agent, keep, ranks = list[Candidate](), self.policy, self.agent, Action.KEEP, counts.ranks
        if policy.asks_version:
            self.versions.update({session.version for session in sessions if session.version is not None})
        for session in sessions:
            decision = decide(session, policy, agent, now)
            if self.reserve is not None:
                self.reserve.offer(session, decision, agent, now)
            if decision.action is keep and self.keeps:
                counts.kept[session.incarnation] = Candidate(session, decision)
            if ranks is not None:
                candidates += _not_kept(ranks.take(session, decision), counts)
            elif decision.action is not keep:
                candidates.append(Candidate(session, decision))
        return candidates

    def _dated(self, sessions: Sequence[Session]) -> list[Dated]:
        return [Dated(session, earliest(session, self.policy, self.agent)) for session in sessions]

    def _observe(self, answer: Answer[Page]) -> None:
        """A page has come: go on only if nothing says to stop."""
        if reason := self.stopping():
            raise InterruptedError(reason)
        self.listener(PageRead(len(answer.value.sessions)))


def rank_the_last(counts: SessionCounts, ranks: Ranks, *, keeps: bool) -> None:
    """All have been listed: take in who is due by that, and, if it `keeps` them, who is kept by it."""
    counts.decided((), _not_kept(ranks.finish(), counts))
    if keeps:
        counts.kept |= {kept.session.incarnation: kept for kept in ranks.spared()}


def _not_kept(due: list[Candidate], counts: SessionCounts) -> list[Candidate]:
    """Those that are due by their rank, which were kept until it was known."""
    for candidate in due:
        counts.kept.pop(candidate.session.incarnation, None)
    return due


def _standing(agent: Agent) -> list[Any]:
    """All of an agent that version rules ask for, as plain values."""
    known = agent.unserved
    times = None if known is None else [sorted(known.since.items()), known.wait_s]
    return [agent.latest, list(agent.serving.shares), agent.serving.unclear, times]

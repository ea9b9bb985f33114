"""Ranks: how a session stands among all of its agent's, by creation and by last use. Pure.

A listing shows sessions one by one. Of all that it has shown, those of the first ranks are remembered and no others,
so who is beyond them is known at once, and a million sessions take no more memory than the numbers in the policy.
Sessions that cannot be believed, or that this version does not know how to read, are none to rank among: they make
no other session one too many, and no newest one less new.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from reaper.core.model import IDLE, STATUSES, TOMBSTONES, Action, Agent, Session
from reaper.core.plan import Candidate
from reaper.core.policy import BEYOND, NEWEST, Decision, Policy, decide

RANKING_MAX_S: Final = 15 * 60
"""So long after a listing began do its ranks count: who was beyond them then may be within them by now."""

SPARE: Final = 32
"""So many more are remembered than are asked for: a session that is listed twice may leave its place again."""

REMEMBERED_MAX: Final = 100_000
"""So many sessions are remembered at most for the newest of each version."""

Place = tuple[int, str, int]
"""What sessions are ranked by, the greatest first: a time, then the id, then the creation."""


def is_ranked(session: Session) -> bool:
    """Whether a session counts among others: it is there, and its record has nothing that is not known."""
    return session.status in STATUSES and session.status not in TOMBSTONES and not session.strange


def by_creation(session: Session) -> Place:
    """The later created, the newer; of one second, the greater id."""
    return (session.created_at, session.id, session.created_at)


def by_use(session: Session) -> Place:
    """The later used, the sooner wanted again; of one second, the greater id."""
    return (session.last_accessed_at, session.id, session.created_at)


@dataclass(slots=True)
class Places:
    """The first `count` places, and who holds them of all that were offered; and a few more."""

    count: int
    _heap: list[Place] = field(default_factory=list)
    _held: dict[Place, Candidate] = field(default_factory=dict)
    _has_turned_away: bool = False
    _taken_back: int = 0

    @property
    def is_sure(self) -> bool:
        """Whether no more were taken back than were remembered beside those that count."""
        return self._taken_back <= SPARE

    @property
    def held(self) -> list[Candidate]:
        return list(self._held.values())

    def __len__(self) -> int:
        return len(self._held)

    def offer(self, place: Place, candidate: Candidate) -> Candidate | None:
        """Give a session its place; returns the one that has none any more."""
        self._held[place] = candidate
        if len(self._heap) < self.count + SPARE:
            heapq.heappush(self._heap, place)
            return None
        self._has_turned_away = True
        return self._held.pop(heapq.heappushpop(self._heap, place), None)

    def decide(self, place: Place, decision: Decision) -> bool:
        """Say what is to become of a session once it has no place any more; False when it has none."""
        if place not in self._held:
            return False
        self._held[place] = Candidate(self._held[place].session, decision)
        return True

    def take_back(self, place: Place) -> None:
        """Forget a session: another copy of it counts."""
        if self._held.pop(place, None) is not None:
            self._heap.remove(place)
            heapq.heapify(self._heap)
            self._taken_back += self._has_turned_away

    def turn_away(self) -> list[Candidate]:
        """All have been offered: those that were only remembered have no place."""
        surplus = [heapq.heappop(self._heap) for _ in range(len(self._heap) - self.count)]
        return [self._held.pop(place) for place in surplus if place in self._held]


class Ranks:
    """Turns what rules say of each session into who is due, once `finish` was asked among all others.

    Who is one of the newest is due for no delete; who is beyond `at_most` is, unless a rule speaks of it.
    """

    def __init__(self, policy: Policy, agent: Agent, now: float) -> None:
        self._policy, self._agent, self._now = policy.with_ranks(), agent, now
        self._keep_newest = policy.keep_newest
        self._newest: defaultdict[str | None, Places] = defaultdict(self._first_newest)
        self._used = None if policy.at_most is None else Places(policy.at_most)
        self._remembered, self._is_crowded = 0, False

    @property
    def doubt(self) -> str:
        """Why the ranks cannot be judged, '' when they can."""
        if self._is_crowded:
            return f"more than {REMEMBERED_MAX} sessions are the newest of their versions"
        firsts = [*self._newest.values(), *([] if self._used is None else [self._used])]
        return "" if all(first.is_sure for first in firsts) else "too many sessions changed while they were listed"

    def take(self, session: Session, decision: Decision) -> list[Candidate]:
        """Rank a session on which the rules have decided; returns those that are found to be due by that."""
        candidate = Candidate(session, decision)
        due = [candidate] if decision.action is Action.STOP else []
        due += self._without_place(self._offer_newest(candidate))
        if self._used is not None and session.status == IDLE and is_ranked(session):
            due += self._beyond(self._used.offer(by_use(session), candidate))
        return due

    def forget(self, session: Session) -> None:
        """Another copy of this session counts."""
        if self._keep_newest is not None:
            self._newest[self._group(session)].take_back(by_creation(session))
        if self._used is not None:
            self._used.take_back(by_use(session))

    def finish(self) -> list[Candidate]:
        """All have been ranked: the last of those that are due."""
        due: list[Candidate] = []
        for candidate in self._used.turn_away() if self._used is not None else ():
            due += self._beyond(candidate)
        for first in self._newest.values():
            for candidate in first.turn_away():
                due += self._without_place(candidate)
        return due

    def spared(self) -> list[Candidate]:
        """Those that stay only because they are among the newest."""
        held = (candidate for first in self._newest.values() for candidate in first.held)
        return [Candidate(one.session, Decision(Action.KEEP, NEWEST)) for one in held if _is_delete(one)]

    def _first_newest(self) -> Places:
        return Places(self._keep_newest.count if self._keep_newest else 0)

    def _group(self, session: Session) -> str | None:
        """Those among whom a session may be one of the newest."""
        return session.version if self._keep_newest and self._keep_newest.per_version else None

    def _offer_newest(self, candidate: Candidate) -> Candidate | None:
        """Who is not one of the newest any more by this; nobody while that is not known."""
        session = candidate.session
        if self._keep_newest is None:
            return candidate
        if self._is_crowded:
            return None
        if self._keep_newest.per_version and session.version is None:
            return None
        if not is_ranked(session):
            return candidate
        first = self._newest[self._group(session)]
        before = len(first)
        away = first.offer(by_creation(session), candidate)
        self._remembered += len(first) - before
        self._is_crowded = self._remembered > REMEMBERED_MAX
        return away

    def _without_place(self, candidate: Candidate | None) -> list[Candidate]:
        """The session that is none of the newest, if it is to be deleted then."""
        return [candidate] if candidate is not None and _is_delete(candidate) else []

    def _beyond(self, candidate: Candidate | None) -> list[Candidate]:
        """The session beyond `at_most`, if it is to be deleted for that: now, or when it is none of the newest."""
        if candidate is None or candidate.decision.action is not Action.KEEP:
            return []
        session = candidate.session
        decision = decide(session, self._policy, self._agent, self._now)
        if decision.rule != BEYOND:
            return []
        if self._keep_newest is not None:
            if self._keep_newest.per_version and session.version is None:
                return []
            if self._newest[self._group(session)].decide(by_creation(session), decision):
                return []
        return [Candidate(session, decision)]


def _is_delete(candidate: Candidate) -> bool:
    return candidate.decision.action is Action.DELETE

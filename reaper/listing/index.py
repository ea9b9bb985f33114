"""What a full listing leaves for the sweeps after it: which stretch of it to read again, and when.

A stretch (`Stretch`) is as many sessions as a page holds, in order of creation. Of its sessions are kept only their
number and the first moment at which one of them may be due, so a million sessions take a few megabytes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Final

from reaper.core.conditions import ALWAYS, NEVER
from reaper.core.model import TOMBSTONES, Session
from reaper.core.provider import Order
from reaper.listing.snapshot import SessionCounts

STRETCH_SESSIONS: Final = 90
"""Fewer than a page holds, so that one page shows the whole leaf and where the next begins."""

STRETCHES_MIN: Final = 10
"""A listing of so few pages is made anew each time."""

Due = Callable[[Session], float]


@dataclass(slots=True)
class Stretch:
    """Sessions created from `low` to `high`: those after the session `after`, up to `last`, None where all end.

    `due` is the first moment at which one of them may be due, `watched` whether one of them must be seen.
    """

    after: str | None = None
    last: str | None = None
    low: int = 0
    high: int = -1
    sessions: int = 0
    due: float = NEVER
    watched: bool = False

    def holds(self, session: Session) -> bool:
        return self.low <= session.created_at <= self.high

    def ends_in(self, sessions: Sequence[Session]) -> bool:
        """Whether a listing from the beginning of this leaf has come to its end."""
        has_passed = bool(sessions) and sessions[-1].created_at > self.high
        return has_passed or any(session.id == self.last for session in sessions)

    def part(self, sessions: Sequence[Session]) -> list[Session]:
        """Those of this leaf, out of a listing from its beginning or before to its end or beyond."""
        ids = [session.id for session in sessions]
        end = ids.index(self.last) + 1 if self.last in ids else len(ids)
        return [session for session in sessions[:end] if self.holds(session)]

    def add(self, session: Session, due: float, *, watched: bool) -> None:
        """Take in one more session at either end."""
        is_first = self.high < 0
        self.low = session.created_at if is_first else min(self.low, session.created_at)
        self.high = max(self.high, session.created_at)
        self.sessions += 1
        self.due = min(self.due, due)
        self.watched = self.watched or watched

    def merge(self, newer: Stretch) -> None:
        """Take in the leaf after this one."""
        if newer.sessions:
            self.low = newer.low if self.high < 0 else self.low
            self.high, self.sessions = newer.high, self.sessions + newer.sessions
            self.last = newer.last
            self.due, self.watched = min(self.due, newer.due), self.watched or newer.watched


class ListingIndex:
    """One agent's sessions as the last full listing showed them, corrected by what was read and done since.

    `key` stands for all that decides when a session is due. `listed_at` is the platform's time of the full listing.
    """

    def __init__(self, census: SessionCounts, due: Due, key: str) -> None:
        self.census, self.key = census, key
        self.listed_at = census.now
        self.leaves: list[Stretch] = []
        self.newest_at = 0
        self.newest: set[str] = set()
        self.idle, self.age = census.idle, census.age
        self._at_most = 0
        self._due = due
        self._ends = {"asc": Stretch(), "desc": Stretch()}

    @property
    def sessions(self) -> int:
        """How many there are, as far as is known.

        Never more than were listed and have come since: limits are a share of it, and where many were created in one
        second, two leaves can both hold them.
        """
        return min(sum(leaf.sessions for leaf in self.leaves), self._at_most)

    @property
    def is_worth_it(self) -> bool:
        """Whether reading a part of it is less than reading all."""
        return len(self.leaves) >= STRETCHES_MIN

    @property
    def watched(self) -> frozenset[str]:
        """Those of the sessions to look for that the listing has shown."""
        return frozenset(self.census.seen)

    def add(self, sessions: Iterable[Session], order: Order) -> None:
        """Take in sessions that were listed for the first time, in the order in which they came."""
        for session in sessions:
            self._note_newest(session)
            if session.status in TOMBSTONES:
                continue
            leaf = self._ends[order]
            # What is about to be deleted is no place to go on from.
            may_cut = leaf.sessions >= STRETCH_SESSIONS and session.id not in self.census.candidates
            if order == "desc" and may_cut:
                leaf.after = session.id
                self._close(leaf, order).last = session.id
            self._ends[order].add(session, self.due(session), watched=session.id in self.census.wanted)
            if order == "asc" and may_cut:
                leaf.last = session.id
                self._close(leaf, order).after = session.id

    def finish(self) -> None:
        """The listing is whole: what its ends hold is one last leaf."""
        rest = self._ends["asc"]
        rest.merge(self._ends["desc"])
        if rest.sessions:
            self.leaves.append(rest)
        self._ends = {"asc": Stretch(), "desc": Stretch()}
        self.leaves.sort(key=lambda leaf: leaf.low)
        self._at_most = sum(leaf.sessions for leaf in self.leaves)
        self.idle, self.age = deepcopy(self.census.idle), deepcopy(self.census.age)

    def grow(self, sessions: Sequence[Session]) -> None:
        """Take in sessions that are new since, newest first."""
        last = self.leaves[-1] if self.leaves else Stretch()
        self.leaves = self.leaves or [last]
        self.add(sessions, "desc")
        last.merge(self._ends["desc"])
        self._ends["desc"] = Stretch()
        self._at_most += sum(session.status not in TOMBSTONES for session in sessions)
        self.leaves.sort(key=lambda leaf: leaf.low)

    def due(self, session: Session) -> float:
        """When this one may be due; a candidate is known to be, and acted on without another listing."""
        moment = self._due(session)
        now = self.census.now or 0.0
        return NEVER if session.id in self.census.candidates and moment <= now else moment

    def ripe(self, now: float) -> Iterator[int]:
        """The places of the leaves that are worth another look.

        The newest is always: where nothing else is due, it shows whether we still see what is there.
        """
        newest = len(self.leaves) - 1
        return (place for place, leaf in enumerate(self.leaves) if leaf.watched or leaf.due <= now or place == newest)

    def reread(self, leaf: Stretch, sessions: Sequence[Session]) -> list[Session]:
        """Put what a leaf shows now in the place of what was known of it; returns its sessions."""
        listed = {session.id for session in sessions}
        candidates = self.census.candidates
        gone = [
            known.session.id
            for known in candidates.values()
            if leaf.low < known.session.created_at < leaf.high and known.session.id not in listed
        ]
        for session_id in gone:
            del candidates[session_id]
        live = [session for session in leaf.part(sessions) if session.status not in TOMBSTONES]
        self.census.look_again(sessions)
        leaf.sessions = len(live)
        leaf.due = min(map(self.due, live), default=NEVER)
        return live

    def move_borders(self, read: Iterable[tuple[Stretch, list[Session]]]) -> None:
        """Let each leaf that was read end with a session that stays: the next one is found by it.

        What is about to be deleted, or the whole leaf if all of it is, goes over to the next.
        """
        for leaf, live in sorted(read, key=lambda each: each[0].low):
            place = next(place for place, known in enumerate(self.leaves) if known is leaf)
            if leaf is self.leaves[-1]:
                continue
            following = self.leaves[place + 1]
            staying = [i for i, session in enumerate(live) if session.id not in self.census.candidates]
            stay = staying[-1] + 1 if staying else 0
            if stay:
                leaf.last = following.after = live[stay - 1].id
                leaf.sessions, leaf.high = stay, live[stay - 1].created_at
            else:
                following.after = leaf.after
                del self.leaves[place]
            for session in live[stay:]:
                following.add(session, self.due(session), watched=session.id in self.census.wanted)

    def acted_on(self, session: Session, *, is_gone: bool) -> None:
        """Something was done to a session, or found out about it: look there again at the next chance."""
        if is_gone:
            self.census.discount(session)
            self._at_most -= 1
        self.census.candidates.pop(session.id, None)
        place = bisect_left(self.leaves, session.created_at, key=lambda leaf: leaf.high)
        for leaf in self.leaves[place : place + 2]:
            if leaf.holds(session):
                leaf.due = ALWAYS
                leaf.sessions -= is_gone
                return

    def _close(self, leaf: Stretch, order: Order) -> Stretch:
        """Put a leaf away; returns the next one."""
        self.leaves.append(leaf)
        self._ends[order] = Stretch()
        return self._ends[order]

    def _note_newest(self, session: Session) -> None:
        if session.created_at > self.newest_at:
            self.newest_at, self.newest = session.created_at, set()
        if session.created_at == self.newest_at:
            self.newest.add(session.id)

"""What a full listing leaves for the sweeps after it: which stretch of it to read again, and when.

A stretch (`Stretch`) is as many sessions as a page holds, in order of creation. Of its sessions are kept only their
number, how old and how long idle they were, and the first moment at which one of them may be due, so a million
sessions take a few megabytes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from reaper.core.conditions import ALWAYS, NEVER
from reaper.core.model import TOMBSTONES, Session
from reaper.core.plan import Candidate
from reaper.core.provider import Order
from reaper.listing.snapshot import Durations, SessionCounts, Snapshot, living

STRETCH_SESSIONS: Final = 90
"""Fewer than a page holds, so that one page shows the whole stretch and where the next begins."""

STRETCHES_MIN: Final = 10
"""A listing of so few pages is made anew each time."""

CANDIDATES_MAX: Final = 5_000
"""More candidates are not kept from one listing to the next."""


class Dated(NamedTuple):
    """A session, and the first moment at which it may be due."""

    session: Session
    due: float


@dataclass(slots=True)
class Stretch:
    """Sessions created from `low` to `high`: those after the session `after`, up to `last`, None where all end.

    `due` is the first moment at which one of them may be due, `watched` whether one of them must be seen. How long
    they were idle, and how old, is counted as of when they were read, lately at platform time `read_at`.
    """

    after: str | None = None
    last: str | None = None
    low: int = 0
    high: int = -1
    sessions: int = 0
    due: float = NEVER
    watched: bool = False
    read_at: float = 0.0
    idle: Durations = field(default_factory=Durations)
    age: Durations = field(default_factory=Durations)

    def holds(self, session: Session) -> bool:
        return self.low <= session.created_at <= self.high

    def ends_in(self, sessions: Sequence[Session]) -> bool:
        """Whether a listing from the beginning of this stretch has come to its end."""
        has_passed = bool(sessions) and sessions[-1].created_at > self.high
        return has_passed or any(session.id == self.last for session in sessions)

    def part(self, shown: Sequence[Dated]) -> Sequence[Dated]:
        """Those of this stretch, out of a listing from its beginning or before to its end or beyond."""
        ids = [session.id for session, _ in shown]
        end = ids.index(self.last) + 1 if self.last in ids else len(ids)
        return [dated for dated in shown[:end] if self.holds(dated.session)]

    def add(self, sessions: Sequence[Dated], counts: SessionCounts) -> None:
        """Take in more sessions at either end, read just now."""
        if not sessions:
            return
        now, candidates = counts.now or 0.0, counts.candidates
        created = [session.created_at for session, _ in sessions]
        self.low = min(created) if self.high < 0 else min(self.low, *created)
        self.high = max(self.high, *created)
        # A candidate is known to be due, and acted on without another listing.
        dues = [due for session, due in sessions if due > now or session.id not in candidates]
        self.due = min([self.due, *dues])
        if counts.wanted:
            self.watched = self.watched or any(session.id in counts.wanted for session, _ in sessions)
        self.read_at, self.sessions = now, self.sessions + len(sessions)
        self.idle.add(sorted([now - session.last_accessed_at for session, _ in sessions]))
        self.age.add(sorted([now - moment for moment in created]))

    def show(self, sessions: Sequence[Dated], counts: SessionCounts) -> None:
        """Put those that it shows now, read just now, in the place of all that it held."""
        self.due, self.sessions, self.idle, self.age = NEVER, 0, Durations(), Durations()
        self.add(sessions, counts)

    def take(self, session: Session) -> None:
        """Take one away that is gone."""
        if self.sessions:
            self.sessions -= 1
            self.idle.take(self.read_at - session.last_accessed_at)
            self.age.take(self.read_at - session.created_at)

    def merge(self, newer: Stretch) -> None:
        """Take in the stretch after this one."""
        if newer.sessions:
            self.low = newer.low if self.high < 0 else self.low
            self.high, self.sessions = newer.high, self.sessions + newer.sessions
            self.last = newer.last
            self.due, self.watched = min(self.due, newer.due), self.watched or newer.watched
            self.read_at = newer.read_at
            self.idle, self.age = Durations.of_all([self.idle, newer.idle]), Durations.of_all([self.age, newer.age])


class ListingIndex:
    """One agent's sessions as the last full listing showed them, corrected by what was read and done since.

    `key` stands for all that decides when a session is due. `listed_at` is the platform's time of the full listing.
    """

    def __init__(self, counts: SessionCounts, key: str) -> None:
        self.counts, self.key = counts, key
        self.listed_at = counts.now
        self.stretches: list[Stretch] = []
        self.newest_at = 0
        self.newest: set[str] = set()
        self._at_most = 0
        self._ends = {"asc": Stretch(), "desc": Stretch()}

    @property
    def sessions(self) -> int:
        """How many there are, as far as is known."""
        return sum(stretch.sessions for stretch in self.stretches)

    @property
    def is_sound(self) -> bool:
        """Whether there are no more than were listed and have come since.

        Limits are a share of them, and where many were created in one second, two stretches can both hold them.
        """
        return self.sessions <= self._at_most

    @property
    def is_small(self) -> bool:
        """Whether its candidates may stay in memory."""
        return len(self.counts.candidates) <= CANDIDATES_MAX

    @property
    def is_worth_it(self) -> bool:
        """Whether reading a part of it is less than reading all."""
        return len(self.stretches) >= STRETCHES_MIN

    @property
    def watched(self) -> frozenset[str]:
        """Those of the sessions to look for that the listing has shown."""
        return frozenset(self.counts.seen)

    def add(self, sessions: Sequence[Dated], order: Order) -> None:
        """Take in sessions that were listed for the first time, in the order in which they came."""
        self._note_newest(sessions)
        left = [dated for dated in sessions if dated.session.status not in TOMBSTONES]
        while left:
            stretch, cut = self._ends[order], self._cut(left, order)
            if cut == len(left):
                stretch.add(left, self.counts)
                return
            border = left[cut].session.id
            upto = cut + (order == "asc")
            stretch.add(left[:upto], self.counts)
            left = left[upto:]
            if order == "asc":
                stretch.last = self._close(order).after = border
            else:
                stretch.after = self._close(order).last = border

    def finish(self) -> None:
        """The listing is whole: what its ends hold is one last stretch."""
        rest = self._ends["asc"]
        rest.merge(self._ends["desc"])
        if rest.sessions:
            self.stretches.append(rest)
        self._ends = {"asc": Stretch(), "desc": Stretch()}
        self.stretches.sort(key=lambda stretch: stretch.low)
        self._at_most = self.sessions

    def grow(self, sessions: Sequence[Dated]) -> None:
        """Take in sessions that are new since, newest first."""
        last = self.stretches[-1] if self.stretches else Stretch()
        self.stretches = self.stretches or [last]
        self.add(sessions, "desc")
        last.merge(self._ends["desc"])
        self._ends["desc"] = Stretch()
        self._at_most += sum(dated.session.status not in TOMBSTONES for dated in sessions)
        self.stretches.sort(key=lambda stretch: stretch.low)

    def ripe(self, now: float) -> list[int]:
        """The places of the stretches that are worth another look.

        The newest is always: where nothing else is due, it shows whether we still see what is there.
        """
        newest = len(self.stretches) - 1
        return [
            place
            for place, stretch in enumerate(self.stretches)
            if stretch.watched or stretch.due <= now or place == newest
        ]

    def reread(self, stretch: Stretch, shown: Sequence[Dated], candidates: Iterable[Candidate]) -> Sequence[Dated]:
        """Put what a stretch shows now in the place of what was known of it; returns its own sessions."""
        sessions = [session for session, _ in shown]
        self._forget_gone(stretch, {session.id for session in sessions})
        self.counts.seen |= self.counts.wanted.intersection([session.id for session in living(sessions)])
        self.counts.decided(sessions, candidates)
        live = [dated for dated in stretch.part(shown) if dated.session.status not in TOMBSTONES]
        stretch.show(live, self.counts)
        return live

    def move_borders(self, read: Iterable[tuple[Stretch, Sequence[Dated]]]) -> None:
        """Let each stretch that was read end with a session that stays: the next one is found by it.

        What is about to be deleted, or the whole stretch if all of it is, goes over to the next.
        """
        for stretch, live in sorted(read, key=lambda each: each[0].low):
            place = next(place for place, known in enumerate(self.stretches) if known is stretch)
            if stretch is self.stretches[-1]:
                continue
            following = self.stretches[place + 1]
            staying = [i for i, dated in enumerate(live) if dated.session.id not in self.counts.candidates]
            stay = staying[-1] + 1 if staying else 0
            if stay:
                last = live[stay - 1].session
                stretch.last, stretch.high = last.id, last.created_at
                following.after = last.id
                stretch.show(live[:stay], self.counts)
            else:
                following.after = stretch.after
                del self.stretches[place]
            following.add(live[stay:], self.counts)

    def snapshot(self, pages: int) -> Snapshot:
        """What is known now, so many pages having been read."""
        return replace(
            self.counts.snapshot(),
            pages=pages,
            sessions=self.sessions,
            idle=Durations.of_all([stretch.idle for stretch in self.stretches]),
            age=Durations.of_all([stretch.age for stretch in self.stretches]),
            listed_at=self.listed_at,
            then=None,
        )

    def acted_on(self, session: Session, *, is_gone: bool) -> None:
        """Something was done to a session, or found out about it: look there again at the next chance."""
        if is_gone:
            self.counts.discount(session)
            self._at_most -= 1
        self.counts.candidates.pop(session.id, None)
        place = bisect_left(self.stretches, session.created_at, key=lambda stretch: stretch.high)
        for stretch in self.stretches[place : place + 2]:
            if stretch.holds(session):
                stretch.due = ALWAYS
                if is_gone:
                    stretch.take(session)
                break

    def _forget_gone(self, stretch: Stretch, listed: Collection[str]) -> None:
        """Candidates that their stretch does not show any more are none."""
        for session in [candidate.session for candidate in self.counts.candidates.values()]:
            if stretch.low < session.created_at < stretch.high and session.id not in listed:
                del self.counts.candidates[session.id]

    def _cut(self, sessions: Sequence[Dated], order: Order) -> int:
        """At which of these sessions the stretch at this end is full; behind them when it is not.

        What is about to be deleted is no place to go on from.
        """
        full = max(STRETCH_SESSIONS - self._ends[order].sessions, 0)
        candidates = self.counts.candidates
        return next(
            (i for i in range(full, len(sessions)) if sessions[i].session.id not in candidates), len(sessions)
        )

    def _close(self, order: Order) -> Stretch:
        """Put the stretch at this end away; returns the next one."""
        self.stretches.append(self._ends[order])
        self._ends[order] = Stretch()
        return self._ends[order]

    def _note_newest(self, sessions: Sequence[Dated]) -> None:
        newest_at = max((session.created_at for session, _ in sessions), default=0)
        if newest_at > self.newest_at:
            self.newest_at, self.newest = newest_at, set()
        if newest_at == self.newest_at:
            self.newest |= {session.id for session, _ in sessions if session.created_at == newest_at}

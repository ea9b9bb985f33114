"""The fold over pages: a kept session is counted and dropped, only candidates stay in memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from reaper.core.model import DAY_S, STATUSES, TOMBSTONES, Session
from reaper.core.planner import Candidate

HOUR_S: Final = 3_600
BUCKETS_S: Final = tuple(
    [HOUR_S, 6 * HOUR_S] + [days * DAY_S for days in (1, 2, 3, 5, 7, 10, 14, 21, 28, 30, 60, 90)]
)

Judge = Callable[[Session, float], Candidate | None]


@dataclass(slots=True)
class Histogram:
    """How many sessions fall under each bound of `BUCKETS_S`, the last count being those beyond.

    `ahead` are those among the first whose time had not begun: of an age as it was before they were created.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    total_s: float = 0.0
    ahead: int = 0

    @property
    def begun(self) -> int:
        """How many there are whose time had begun."""
        return sum(self.counts) - self.ahead

    @property
    def beyond(self) -> tuple[int, ...]:
        """How many are beyond each bound."""
        return tuple(accumulate(reversed(self.counts[1:])))[::-1]

    def add(self, ordered: Sequence[float], ago_s: float = 0.0) -> None:
        """Take in times in ascending order, as they were `ago_s` seconds ago."""
        counted = 0
        for place, bound in enumerate(BUCKETS_S):
            upto = bisect_right(ordered, bound + ago_s)
            self.counts[place] += upto - counted
            counted = upto
        self.counts[-1] += len(ordered) - counted
        self.ahead += bisect_left(ordered, ago_s)
        self.total_s += sum(ordered)

    def take(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS_S, seconds)] -= 1
        self.ahead -= seconds < 0
        self.total_s -= seconds


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One agent's sessions as one listing showed them. `now` is the platform's time when it began.

    `incomplete` says why the listing did not reach its end; '' when it did. `disorder` counts records that were
    older than one before them. `sessions` counts the inventory: neither tombstones nor malformed records.
    `listed_at` is when all of them were listed, which may be before `now`: see `revisit`. `then` are their idle time
    and age as they were at an earlier moment, for comparison with what was listed then.
    """

    now: float | None
    pages: int
    sessions: int
    by_status: Counter[str]
    malformed: Counter[str]
    candidates: tuple[Candidate, ...]
    seen: frozenset[str]
    idle: Histogram
    age: Histogram
    strange: frozenset[str]
    disorder: int = 0
    incomplete: str = ""
    listed_at: float | None = None
    then: tuple[Histogram, Histogram] | None = None

    @property
    def unknown_statuses(self) -> frozenset[str]:
        return frozenset(self.by_status) - frozenset(STATUSES)


class SessionCounts:
    """Counts sessions, and keeps only candidates and whom it was told to look for.

    `now` is platform time, and so is `then`: an earlier moment, if any, as of which they are counted, too.
    """

    def __init__(self, now: float | None, judge: Judge, wanted: frozenset[str], then: float | None = None) -> None:
        self.now = now
        self.judge = judge
        self.wanted = wanted
        self.pages = 0
        self.disorder = 0
        self.by_status: Counter[str] = Counter()
        self.malformed: Counter[str] = Counter()
        self.candidates: dict[str, Candidate] = {}
        self.seen: set[str] = set()
        self.strange: set[str] = set()
        self.idle, self.age = Histogram(), Histogram()
        self.ago_s = 0.0 if now is None or then is None else now - then
        self.then = None if then is None else (Histogram(), Histogram())

    def count(self, sessions: Sequence[Session]) -> None:
        """Take in sessions that were not counted before."""
        statuses = [session.status for session in sessions]
        self.by_status.update(statuses)
        if not TOMBSTONES.isdisjoint(statuses):
            sessions = [session for session in sessions if session.status not in TOMBSTONES]
        self.seen.update(self.wanted.intersection([session.id for session in sessions]) if self.wanted else ())
        now = self.now
        if now is None:
            return
        idle = sorted([now - session.last_accessed_at for session in sessions])
        age = sorted([now - session.created_at for session in sessions])
        self.idle.add(idle)
        self.age.add(age)
        if self.then is not None:
            self.then[0].add(idle, self.ago_s)
            self.then[1].add(age, self.ago_s)
        for session in sessions:
            if session.strange:
                self.strange.update(session.strange)
            candidate = self.judge(session, now)
            if candidate is not None:
                self.candidates[session.id] = candidate
            else:
                # Its id may have been another session's until now.
                self.candidates.pop(session.id, None)

    def judge_anew(self) -> None:
        """Judge the candidates as they were seen last, by what the time is now."""
        if self.now is not None:
            found = (self.judge(candidate.session, self.now) for candidate in self.candidates.values())
            self.candidates = {candidate.session.id: candidate for candidate in found if candidate is not None}

    def look_again(self, sessions: Sequence[Session]) -> None:
        """Judge sessions that were counted before, as they are now."""
        for session in sessions:
            self.candidates.pop(session.id, None)
            if session.status in TOMBSTONES or self.now is None:
                continue
            if session.id in self.wanted:
                self.seen.add(session.id)
            candidate = self.judge(session, self.now)
            if candidate is not None:
                self.candidates[session.id] = candidate

    def discount(self, session: Session) -> None:
        """Take away one that was counted."""
        self.by_status[session.status] -= 1
        self.candidates.pop(session.id, None)
        if session.status not in TOMBSTONES and self.now is not None:
            idle, age = self.now - session.last_accessed_at, self.now - session.created_at
            self.idle.take(idle)
            self.age.take(age)
            if self.then is not None:
                self.then[0].take(idle - self.ago_s)
                self.then[1].take(age - self.ago_s)

    def recount(self, earlier: Session, later: Session) -> None:
        """Put a copy that shows more recent use in the place of one that was counted."""
        self.discount(earlier)
        self.count([later])

    def snapshot(self, incomplete: str = "") -> Snapshot:
        """What was counted so far."""
        by_status = +self.by_status
        return Snapshot(
            now=self.now,
            pages=self.pages,
            sessions=sum(count for status, count in by_status.items() if status not in TOMBSTONES),
            by_status=by_status,
            malformed=self.malformed,
            candidates=tuple(self.candidates.values()),
            seen=frozenset(self.seen),
            idle=self.idle,
            age=self.age,
            strange=frozenset(self.strange),
            disorder=self.disorder,
            incomplete=incomplete,
            listed_at=self.now,
            then=self.then,
        )

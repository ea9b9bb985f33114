"""The fold over pages: a kept session is counted and dropped, only candidates stay in memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import accumulate, islice
from typing import Final

from reaper.core.inventory_checks import StaleCounts
from reaper.core.model import DAY_S, STATUSES, TOMBSTONES, Incarnation, Malformed, Session
from reaper.core.plan import Candidate
from reaper.core.provider import Page
from reaper.core.ranks import Ranks
from reaper.listing.landmarks import Landmark, Landmarks
from reaper.listing.spilled import Spilled, in_line_order
from reaper.listing.spool import RUN_MAX, Spool

HOUR_S: Final = 3_600
BUCKETS_S: Final = tuple(
    [HOUR_S, 6 * HOUR_S] + [days * DAY_S for days in (1, 2, 3, 5, 7, 10, 14, 21, 28, 30, 60, 90)]
)


@dataclass(slots=True)
class Durations:
    """How many sessions fall under each bound of `BUCKETS_S`, the last count being those beyond.

    `ahead` are those among the first whose time had not begun: of an age as it was before they were created.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    total_s: float = 0.0
    ahead: int = 0

    @classmethod
    def of_all(cls, parts: Sequence[Durations]) -> Durations:
        """What several count together, in a value of its own."""
        counts = [sum(column) for column in zip(*(part.counts for part in parts), strict=True)]
        together = cls(total_s=sum(part.total_s for part in parts), ahead=sum(part.ahead for part in parts))
        together.counts[: len(counts)] = counts
        return together

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
        if not ordered:
            return
        # A page's sessions were created close together: most bounds lie to one side of all of them.
        first, last = self.place(ordered[0] - ago_s), self.place(ordered[-1] - ago_s)
        counted = 0
        for place in range(first, last):
            upto = bisect_right(ordered, BUCKETS_S[place] + ago_s)
            self.counts[place] += upto - counted
            counted = upto
        self.counts[last] += len(ordered) - counted
        if ordered[0] < ago_s:
            self.ahead += bisect_left(ordered, ago_s)
        self.total_s += sum(ordered) - ago_s * len(ordered)

    def take(self, seconds: float) -> None:
        """Take one away; it may have been counted at another moment, under a bound near by."""
        place = self.place(seconds)
        counted = [here for here, count in enumerate(self.counts) if count > 0]
        self.counts[min(counted, key=lambda here: abs(here - place), default=place)] -= 1
        self.ahead -= seconds < 0
        self.total_s -= seconds

    @staticmethod
    def place(seconds: float) -> int:
        """Which of the counts a time belongs to."""
        return bisect_left(BUCKETS_S, seconds)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One agent's sessions as one listing showed them. `now` is the platform's time when it began.

    `incomplete` says why the listing did not reach its end; '' when it did. `disorder` counts records that were
    older than one before them. `sessions` counts the inventory: neither tombstones nor malformed records.
    `listed_at` is when all of them were listed, which may be before `now`, and how old at most its counts are. `then`
    is how stale they were at an earlier moment, for comparison with what was listed then. `candidates` stand in the
    order of a plan's lines, and can be read again and again. `kept` is filled on request only. By `landmarks` places
    in the listing are found again. `expiries` says of what was `seen` when it expires. `unranked` says why the
    sessions' ranks cannot be judged, '' when they can or nobody asks.
    """

    now: float | None
    pages: int
    sessions: int
    by_status: Counter[str]
    malformed: Counter[str]
    candidates: Iterable[Candidate]
    seen: frozenset[str]
    idle: Durations
    age: Durations
    strange: frozenset[str]
    disorder: int = 0
    incomplete: str = ""
    listed_at: float | None = None
    then: StaleCounts | None = None
    kept: tuple[Candidate, ...] = ()
    expiries: Mapping[str, float] = field(default_factory=dict)
    landmarks: tuple[Landmark, ...] = ()
    unranked: str = ""

    @property
    def unknown_statuses(self) -> frozenset[str]:
        return frozenset(self.by_status) - frozenset(STATUSES)


class SessionCounts:
    """Counts sessions, and keeps only candidates and whom to look for.

    `now` is platform time, and so is `then`: an earlier moment, if any, as of which they are counted, too. With a
    `spool`, `candidates` are those in memory; once they are too many, they go there. `ranks` is set where a policy
    asks how sessions rank.
    """

    def __init__(
        self, now: float | None, wanted: frozenset[str], then: float | None = None, spool: Spool | None = None
    ) -> None:
        self.now = now
        self.ranks: Ranks | None = None
        self.wanted = wanted
        self.pages = 0
        self.disorder = 0
        self.by_status: Counter[str] = Counter()
        self.malformed: Counter[str] = Counter()
        self.spool = spool
        self.candidates: dict[str, Candidate] = {}
        self._spilled: Spilled | None = None
        self._gone: set[str] = set()
        self._held = 0
        self.kept: dict[Incarnation, Candidate] = {}
        self.seen: set[str] = set()
        self.expiries: dict[str, float] = {}
        self.strange: set[str] = set()
        self.landmarks = Landmarks()
        self.idle, self.age = Durations(), Durations()
        self.ago_s = 0.0 if now is None or then is None else now - then
        self.then = None if then is None else (then, Durations(), Durations())

    def take_page(self, page: Page, disorder: int = 0) -> None:
        """Count a page, and what is wrong with its records."""
        self.pages += 1
        self.disorder += disorder
        self.malformed.update([record.reason for record in page.sessions if isinstance(record, Malformed)])

    def count(self, sessions: Sequence[Session]) -> Sequence[Session]:
        """Take in sessions that were not counted before; returns those of them that are to be decided on."""
        statuses = [session.status for session in sessions]
        self.by_status.update(statuses)
        if not TOMBSTONES.isdisjoint(statuses):
            sessions = living(sessions)
        if self.wanted:
            found = self.wanted.intersection([session.id for session in sessions])
            self.seen |= found
            if found:
                self.expiries.update((session.id, session.expires_at) for session in sessions if session.id in found)
        now = self.now
        if now is None:
            return ()
        idle = sorted([now - session.last_accessed_at for session in sessions])
        age = sorted([now - session.created_at for session in sessions])
        self.idle.add(idle)
        self.age.add(age)
        if self.then is not None:
            self.then[1].add(idle, self.ago_s)
            self.then[2].add(age, self.ago_s)
        self.strange.update(*[session.strange for session in sessions if session.strange])
        return sessions

    def decided(self, sessions: Sequence[Session], candidates: Iterable[Candidate]) -> None:
        """Take in which of these sessions are candidates; the others are none, even if they were until now."""
        chosen = {candidate.session.id: candidate for candidate in candidates}
        if self.candidates:
            # The id of a session that is kept may have been another session's.
            for session_id in self.candidates.keys() & {session.id for session in sessions} - chosen.keys():
                del self.candidates[session_id]
        if self._spilled is not None:
            self._gone.update(session.id for session in sessions)
        self.candidates.update(chosen)
        self._make_room()

    def _make_room(self) -> None:
        """Put the candidates on disk when all agents' are too many for memory, and these enough for a write."""
        spool = self.spool
        if spool is None:
            return
        held = len(self.candidates) + len(self._gone)
        spool.held += held - self._held
        self._held = held
        if spool.is_full and held >= spool.run_min:
            self._spilled = self._spilled or Spilled(spool)
            self._spill(self._spilled, RUN_MAX)

    def _spill(self, spilled: Spilled, most: int) -> None:
        """Put so many candidates on disk, and all that is none any more."""
        some = dict(islice(self.candidates.items(), most))
        spilled.add(some, self._gone - self.candidates.keys())
        for session_id in some:
            del self.candidates[session_id]
        self._gone = set()
        self.release()
        self._held = len(self.candidates)
        spilled.spool.held += self._held

    def settling(self) -> Iterator[None]:
        """Put on disk what is behind the candidates there, by steps: a snapshot is about to be taken."""
        while self._spilled is not None and len(self.candidates) > RUN_MAX:
            self._spill(self._spilled, RUN_MAX)
            yield

    def release(self) -> None:
        """What is in memory counts no more: it is on disk, elsewhere, or not needed."""
        if self.spool is not None:
            self.spool.held -= self._held
            self._held = 0

    def discount(self, session: Session) -> None:
        """Take away one that was counted."""
        self.by_status[session.status] -= 1
        self.candidates.pop(session.id, None)
        if self._spilled is not None:
            self._gone.add(session.id)
        self.kept.pop(session.incarnation, None)
        self.landmarks.forget(session)
        if self.ranks is not None:
            self.ranks.forget(session)
        if session.status not in TOMBSTONES and self.now is not None:
            idle, age = self.now - session.last_accessed_at, self.now - session.created_at
            self.idle.take(idle)
            self.age.take(age)
            if self.then is not None:
                self.then[1].take(idle - self.ago_s)
                self.then[2].take(age - self.ago_s)

    def snapshot(self, incomplete: str = "") -> Snapshot:
        """What was counted so far; what is counted later does not change it."""
        by_status, then = +self.by_status, None
        if self._spilled is not None:
            self._spill(self._spilled, len(self.candidates))
        if self.then is not None:
            at, idle, age = self.then
            then = StaleCounts(at, idle.beyond, age.beyond, age.begun)
        return Snapshot(
            now=self.now,
            pages=self.pages,
            sessions=sum(count for status, count in by_status.items() if status not in TOMBSTONES),
            by_status=by_status,
            malformed=Counter(self.malformed),
            candidates=self._spilled.candidates() if self._spilled else in_line_order(self.candidates.values()),
            kept=tuple(self.kept.values()),
            seen=frozenset(self.seen),
            expiries={name: expiry for name, expiry in self.expiries.items() if name in self.seen},
            idle=deepcopy(self.idle),
            age=deepcopy(self.age),
            strange=frozenset(self.strange),
            disorder=self.disorder,
            incomplete=incomplete,
            listed_at=self.now,
            then=then,
            landmarks=self.landmarks.all(),
            unranked=self.ranks.doubt if self.ranks is not None else "",
        )


def living(sessions: Iterable[Session]) -> list[Session]:
    """Those that are inventory: all but tombstones."""
    return [session for session in sessions if session.status not in TOMBSTONES]

"""From pages to one `Snapshot` that knows whether it is complete.

The listing is folded: a kept session is counted and dropped, only candidates stay, so memory follows what is stale.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from reaper.foundry.client import Answer
from reaper.foundry.errors import FoundryError, Gone, Refused, Unauthenticated
from reaper.foundry.wire import Page
from reaper.model import DAY_S, STATUSES, TOMBSTONES, Malformed, Session
from reaper.planner import Candidate

PAGE_SIZE: Final = 100
PAGES_MAX: Final = 20_000
RESTARTS_MAX: Final = 3
RECENT_SESSIONS: Final = 1_000
"""How far back a repeated session is recognised; beyond that it shows as broken order, and nothing is touched."""

HOUR_S: Final = 3_600
BUCKETS_S: Final = tuple(
    [HOUR_S, 6 * HOUR_S] + [days * DAY_S for days in (1, 2, 3, 5, 7, 10, 14, 21, 28, 30, 60, 90)]
)

Judge = Callable[[Session, float], Candidate | None]
OnPage = Callable[[Answer[Page]], None]


class Lister(Protocol):
    """What a listing needs of the client."""

    async def page(self, agent: str, *, after: str | None = None, limit: int = 20) -> Answer[Page]:
        """One page of sessions, oldest first."""


@dataclass(slots=True)
class Histogram:
    """How many sessions fall under each bound of `BUCKETS_S`, the last count being those beyond."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    total_s: float = 0.0

    def add(self, seconds: float, count: int = 1) -> None:
        self.counts[bisect_left(BUCKETS_S, seconds)] += count
        self.total_s += seconds * count


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One agent's sessions as one listing showed them. `now` is the platform's time when it began.

    `incomplete` says why the listing did not reach its end; '' when it did. `disorder` counts records that were
    older than one before them. `sessions` counts the inventory: neither tombstones nor malformed records.
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

    @property
    def unknown_statuses(self) -> frozenset[str]:
        return frozenset(self.by_status) - frozenset(STATUSES)


class Census:
    """The fold: counts each session once, keeps only candidates and whom it was told to look for."""

    def __init__(self, now: float | None, judge: Judge, wanted: frozenset[str]) -> None:
        self.now = now
        self.judge = judge
        self.wanted = wanted
        self.pages = 0
        self.by_status: Counter[str] = Counter()
        self.malformed: Counter[str] = Counter()
        self.candidates: dict[str, Candidate] = {}
        self.seen: set[str] = set()
        self.strange: set[str] = set()
        self.idle, self.age = Histogram(), Histogram()
        self.disorder = 0
        self._recent: OrderedDict[str, Session] = OrderedDict()
        self._newest = 0

    def add(self, page: Page) -> None:
        """Fold one page in."""
        self.pages += 1
        for record in page.sessions:
            if isinstance(record, Malformed):
                self.malformed[record.reason] += 1
                continue
            earlier = self._recent.get(record.id)
            if earlier is not None and earlier.created_at == record.created_at:
                if record.last_accessed_at <= earlier.last_accessed_at:
                    continue
                self._count(earlier, -1)
            elif record.created_at < self._newest:
                self.disorder += 1
            self._count(record, 1)
            self._remember(record)

    def _count(self, session: Session, count: int) -> None:
        self.by_status[session.status] += count
        if session.status in TOMBSTONES:
            return
        if session.id in self.wanted:
            self.seen.add(session.id)
        if self.now is None:
            return
        self.idle.add(self.now - session.last_accessed_at, count)
        self.age.add(self.now - session.created_at, count)
        self.strange.update(session.strange)
        candidate = self.judge(session, self.now) if count > 0 else None
        if candidate is not None:
            self.candidates[session.id] = candidate
        else:
            self.candidates.pop(session.id, None)

    def _remember(self, session: Session) -> None:
        self._newest = max(self._newest, session.created_at)
        self._recent[session.id] = session
        if len(self._recent) > RECENT_SESSIONS:
            self._recent.popitem(last=False)

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
        )


async def collect(
    client: Lister,
    agent: str,
    judge: Judge,
    wanted: frozenset[str],
    on_page: OnPage,
) -> Snapshot:
    """List all sessions of an agent, oldest first, and fold them; never raises for a listing that breaks off.

    Raises what the first page raises: an agent that is unknown, refused or out of reach has no snapshot.
    A cursor that the platform no longer accepts restarts the listing, at most `RESTARTS_MAX` times.
    """
    for _ in range(RESTARTS_MAX):
        snapshot = await _list_once(client, agent, judge, wanted, on_page)
        if snapshot is not None:
            return snapshot
    return Census(None, judge, wanted).snapshot(f"the listing lost its place {RESTARTS_MAX} times")


async def _list_once(
    client: Lister, agent: str, judge: Judge, wanted: frozenset[str], on_page: OnPage
) -> Snapshot | None:
    answer = await client.page(agent, limit=PAGE_SIZE)
    census = Census(answer.date, judge, wanted)
    cursors: set[str] = set()
    while True:
        page = answer.value
        census.add(page)
        on_page(answer)
        if not page.has_more:
            return census.snapshot()
        trouble = _trouble(page, cursors, census.pages)
        if trouble or page.last_id is None:
            return census.snapshot(trouble)
        cursors.add(page.last_id)
        try:
            answer = await client.page(agent, after=page.last_id, limit=PAGE_SIZE)
        except (Gone, Refused):
            return None
        except Unauthenticated:
            raise
        except FoundryError as error:
            return census.snapshot(f"page {census.pages + 1} could not be read: {error}")


def _trouble(page: Page, cursors: set[str], pages: int) -> str:
    """Why the listing cannot go on although the page says that there is more; '' when it can."""
    if not page.sessions:
        return "an empty page said that there is more"
    if page.last_id is None:
        return "a page said that there is more, and not where"
    if page.last_id in cursors:
        return "the cursor repeats"
    if pages >= PAGES_MAX:
        return f"the listing did not end within {PAGES_MAX} pages"
    return ""

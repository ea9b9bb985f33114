"""What one sweep leaves for the next: marks, baselines, breakers; beside them plans, holds and the journal."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert as upsert

from reaper.core.inventory_checks import Baseline, StaleCounts
from reaper.core.jump import Level
from reaper.core.model import Incarnation, Session
from reaper.core.plan import Mark, Promises
from reaper.store import chain, marks, tables
from reaper.store.chained_tables import JUMPED, LEVELLED, SETTLED, covering
from reaper.store.database import MEMORY_URL, Database, Exclusive, OlderVersionError, StateError, path_of
from reaper.store.heads import NotedHead
from reaper.store.journal import Journal
from reaper.store.marks import StandingMarks
from reaper.store.plans import Plans
from reaper.store.session_holds import StoredHolds
from reaper.store.unserved_versions import UnservedVersions
from reaper.store.voices import Voices

OPENED: Final = "breaker_latched"
"""What the record calls this event."""
_RATES: Final = "rates"


@dataclass(frozen=True, slots=True)
class Breaker:
    """Why, and since when (platform time), an agent's actions wait for a person."""

    since: float
    reason: str


class Store:
    """The memory between sweeps. `fault` says why it cannot be relied on; nothing is touched while it does.

    With `is_outdated` that is because an earlier version wrote it, and it was not brought up to this one yet.
    """

    marks_at_a_time = marks.AT_A_TIME

    def __init__(self, database: Database, fault: str = "", *, is_outdated: bool = False) -> None:
        self.is_outdated = is_outdated
        self._database = database
        self.journal = Journal(database)
        self.plans = Plans(database)
        self.voices = Voices(database)
        self.holds = StoredHolds(database)
        self.unserved = UnservedVersions(database)
        self._fault = fault

    @classmethod
    def open(cls, url: str, *, create: bool = True, known: NotedHead | None = None) -> Store:
        """The state at `url`; when it cannot be trusted, an empty one in memory whose `fault` says so.

        It is made if it is missing and that is allowed; its record must contain the head that is `known`.
        """
        try:
            return cls(Database(url, create=create, known=known))
        except StateError as error:
            return cls(Database(MEMORY_URL), fault=str(error), is_outdated=isinstance(error, OlderVersionError))

    @property
    def fault(self) -> str:
        return self._fault or self._database.fault

    @property
    def url(self) -> str:
        return self._database.url

    @property
    def folder(self) -> str:
        """Where its file is, '' for one in memory."""
        return self._database.folder

    @property
    def head(self) -> NotedHead:
        """How far the record had come at the last look."""
        return self._database.head

    def look(self) -> None:
        """Find out whether this is still the state that was opened, and as far as it was; if not, `fault` says so."""
        with suppress(StateError):
            self._database.look()

    def rely_on(self, exclusive: Exclusive | None) -> None:
        """Let no action begin any more once this keeps nobody else out."""
        self._database.exclusive = exclusive

    def note_head(self) -> None:
        """Note how far the record had come at the last look, for the process after this one."""
        self._database.note()

    def close(self) -> None:
        self._database.close()

    def marks(self, project: str, agent: str) -> dict[Incarnation, Mark]:
        """All of the agent's marks by incarnation."""
        with self._database.begin() as connection:
            found = [marks.mark_of(row) for row in connection.execute(marks.of_agent(project, agent))]
        return {mark.seen.incarnation: mark for mark in found}

    def standing_marks(self, project: str, agent: str) -> Promises:
        """The agent's marks, looked up one after another: in the order of their ids at little cost."""
        return StandingMarks(self._database, project, agent, self.marks_at_a_time)

    def each_mark(self, project: str, agent: str) -> Iterator[Mark | None]:
        """Every mark of the agent; None now and then, when others may have their turn."""
        return marks.each(self._database, project, agent, self.marks_at_a_time)

    def replace_marks(self, project: str, agent: str, given: Iterable[Mark], at: float) -> None:
        """Make these the agent's marks from platform time `at` on, all others are dropped."""
        in_order = sorted(given, key=lambda mark: mark.seen.incarnation)
        for _ in self.replacing_marks(project, agent, in_order, at):
            pass

    def replacing_marks(
        self, project: str, agent: str, given: Iterable[Mark | None], at: float
    ) -> Generator[None, None, None]:
        """The same by steps, so that others may have their turn after each; the marks come sorted.

        Another step ends where None comes instead of a mark.
        """
        return marks.replacing(self._database, project, agent, given, at, self.marks_at_a_time)

    def drop_mark(self, project: str, agent: str, session: Session, at: float) -> None:
        """Forget the promise to one incarnation."""
        with self._database.begin() as connection:
            marks.drop(connection, project, agent, session, at)

    def baseline(self, project: str, agent: str) -> Baseline | None:
        """The agent's last believed sweep, with our own deletions since."""
        with self._database.begin() as connection:
            row = connection.execute(
                select(tables.baselines).where(tables.of_agent(tables.baselines, project, agent))
            ).one_or_none()
        if row is None:
            return None
        deleted = self.journal.deleted_since(project, agent, row.now)
        return Baseline(row.now, row.sessions, _stale_counts(row.spread), deleted)

    def put_baseline(self, project: str, agent: str, base: Baseline) -> None:
        """Remember a believed sweep."""
        row = {
            "project": project,
            "agent": agent,
            "now": base.now,
            "sessions": base.sessions,
            "spread": json.dumps(base.spread) if base.spread else "",
        }
        with self._database.begin() as connection:
            connection.execute(upsert(tables.baselines).values(row).on_conflict_do_update(set_=row))

    def level(self, project: str, agent: str) -> Level | None:
        """How many candidates the agent had, None before a sweep was believed."""
        column = tables.levels.c
        query = select(column.candidates, column.jumped_at, column.found)
        with self._database.begin() as connection:
            row = connection.execute(query.where(tables.of_agent(tables.levels, project, agent))).one_or_none()
        return None if row is None else Level(*row)

    def put_level(self, project: str, agent: str, level: Level, at: float) -> None:
        """Remember it from platform time `at` on; the record covers it and tells of every jump."""
        before = self.level(project, agent)
        if level == before:
            return
        found, over = level.jumped_at is not None, before is not None and before.jumped_at is not None
        event = (SETTLED if over else LEVELLED) if not found else LEVELLED if over else JUMPED
        row = {"project": project, "agent": agent, **level._asdict()}
        with self._database.begin() as connection:
            chain.lock(connection)
            with covering(connection, event, project, agent, at, level._asdict(), "levels"):
                connection.execute(upsert(tables.levels).values(row).on_conflict_do_update(set_=row))

    def swept_agents(self, project: str, most: int) -> list[str]:
        """The agents whose sweeps were believed last, latest first, at most so many."""
        last = tables.baselines.c
        query = select(last.agent).where(last.project == project).order_by(last.now.desc(), last.agent).limit(most)
        with self._database.begin() as connection:
            return list(connection.execute(query).scalars())

    def rates(self) -> dict[str, float]:
        """How fast each endpoint was found to let itself be asked, in requests a second; a help, never a promise."""
        with self._database.begin() as connection:
            text = tables.read_meta(connection, _RATES)
        try:
            rates = json.loads(text or "{}")
            return {str(endpoint): rate for endpoint, rate in rates.items() if type(rate) is float and rate > 0}
        except (ValueError, AttributeError):
            return {}

    def put_rates(self, rates: Mapping[str, float]) -> None:
        """Remember these rates instead."""
        with self._database.begin() as connection:
            tables.put_meta(connection, _RATES, json.dumps(dict(rates)))

    def breaker(self, project: str, agent: str) -> Breaker | None:
        """The agent's open breaker, None while it is closed."""
        with self._database.begin() as connection:
            row = connection.execute(
                select(tables.breakers).where(tables.of_agent(tables.breakers, project, agent))
            ).one_or_none()
        return None if row is None else Breaker(row.since, row.reason)

    def open_breaker(self, project: str, agent: str, breaker: Breaker) -> None:
        """Open the agent's breaker; only a person closes it."""
        row = {"project": project, "agent": agent, "since": breaker.since, "reason": breaker.reason}
        with self._database.begin() as connection:
            chain.lock(connection)
            body = {"reason": breaker.reason}
            with covering(connection, OPENED, project, agent, breaker.since, body, "breakers"):
                connection.execute(upsert(tables.breakers).values(row).on_conflict_do_update(set_=row))


@contextmanager
def opened_if_there(url: str) -> Iterator[Store | None]:
    """The store at `url`, closed at the end; None when there is no such file, and none is made."""
    path = path_of(url)
    if not path or not os.path.exists(path):
        yield None
        return
    with opened(url) as store:
        yield store


@contextmanager
def opened(url: str) -> Iterator[Store]:
    """The store at `url`, closed at the end."""
    store = Store.open(url)
    try:
        yield store
    finally:
        store.close()


def _stale_counts(text: str) -> StaleCounts | None:
    if not text:
        return None
    at, idle, age, *sessions = json.loads(text)
    return StaleCounts(at, tuple(idle), tuple(age), *sessions)

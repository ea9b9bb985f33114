"""The journal: an intent on disk before each action, its outcome after, each row chained to the one before."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, Final, Protocol

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, func, or_, select

from reaper.core.model import DAY_S, Action, OutcomeKind
from reaper.store import chain, pruning, signing, verification
from reaper.store.chain import EVENT, INTENT, OUTCOME, UNRESOLVED, UNSETTLED, Intent, row_of
from reaper.store.database import StateError
from reaper.store.entries import ActionFilter, Entry, Recorded, entry_of, outcomes_of
from reaper.store.hold_rows import HeldError, held_errors
from reaper.store.signing import Exported, Key
from reaper.store.single_deletion import AlreadyIntendedError, WantedRow, admit
from reaper.store.tables import journal

__all__ = ["ActionFilter", "AlreadyIntendedError", "Entry", "HeldError", "Intent", "Journal", "Recorded"]

SPENT: Final = frozenset({"", OutcomeKind.DONE, OutcomeKind.IN_DOUBT, OutcomeKind.UNVERIFIED})
"""Outcomes that count against the day's limit: done, or not known to be undone."""

GIVEN_UP: Final = "its agent or project is not there any more, so nobody can look it up"

TURNS: Final = 4
"""So many turns of the event loop a row waits for others: answers that arrived together get here one turn or another
after each other."""

_ROWS_AT_A_TIME: Final = 500


def _latest(*which: ColumnElement[bool]) -> Select[int]:
    """The last row of each action, among the rows that fulfil all of `which`."""
    return select(func.max(journal.c.seq)).where(*which).group_by(journal.c.action_id)


def _intents(latest: Select[int], outcomes: Set[str], *which: ColumnElement[bool]) -> Select[Any]:
    """The intents of actions whose `latest` rows have one of these outcomes."""
    actions = select(journal.c.action_id).where(journal.c.seq.in_(latest), journal.c.outcome.in_(outcomes))
    intents = select(journal).where(journal.c.kind == INTENT, *which, journal.c.action_id.in_(actions))
    return intents.order_by(journal.c.seq)


# Made once: every sweep of every agent asks these.
_LAST: Final = select(func.max(journal.c.seq))
_MINE: Final = (journal.c.project == bindparam("project"), journal.c.agent == bindparam("agent"))
_AFTER: Final = journal.c.at > bindparam("after")
_SINCE_SETTLED: Final = journal.c.seq > bindparam("settled")
_OPEN: Final = _intents(_latest(*_MINE, _SINCE_SETTLED), UNSETTLED)
_OPEN_OF_ALL: Final = _intents(_latest(_SINCE_SETTLED), UNSETTLED)
_SPENT_BY: Final = _intents(_latest(*_MINE, _AFTER), SPENT, journal.c.rule == bindparam("rule"))
_AGENTS: Final = select(journal.c.project, journal.c.agent).distinct()
_USED: Final = (
    select(journal.c.action, func.count())
    .where(
        journal.c.seq.in_(_latest(*_MINE, _AFTER)),
        journal.c.outcome.in_(bindparam("spent", expanding=True)),
        journal.c.approved == 0,
    )
    .group_by(journal.c.action)
)
_DELETED: Final = select(func.count()).where(
    journal.c.seq.in_(_latest(*_MINE, journal.c.at >= bindparam("since"), journal.c.action == Action.DELETE.value)),
    journal.c.outcome.in_(SPENT - {""}),
)


class Rows(Protocol):
    """A state file that is open."""

    @property
    def url(self) -> str:
        """Where it is."""

    def begin(self) -> AbstractContextManager[Connection]:
        """A transaction, on disk when the block ends; StateError when that fails."""

    def check_exclusive(self) -> None:
        """Raise StateError when no action may begin on it."""


class Journal:
    """Appends and reads the record of actions; every method raises StateError when the state fails.

    Rows that are asked for side by side go to disk together, in the order asked for; nobody returns before.
    """

    def __init__(self, database: Rows) -> None:
        self._database = database
        self._waiting: list[tuple[WantedRow, asyncio.Future[None]]] = []
        self._settled: dict[tuple[str, str], int] = {}
        self._settled_by_all = 0

    async def intend(
        self,
        intent: Intent,
        at: float,
        evidence: Mapping[str, Any],
        *,
        contradicts: str = "",
        promised_at: float | None = None,
    ) -> Intent:
        """Put an intent on disk, with an id of its own and the evidence for it; `at` is platform time.

        AlreadyIntendedError, and nothing is on disk, when another delete of this incarnation is open or done, or
        another stop is open. `contradicts` is the id of a deed that is `done`, by one who sees the same incarnation
        listed still: that outcome becomes `unverified`, and the new intent is let in. HeldError when somebody holds
        the session, or did after its deletion was `promised_at`: one placed before this is on disk is heeded.
        """
        self._database.check_exclusive()
        intent = replace(intent, id=uuid.uuid4().hex)
        await self._append(WantedRow(row_of(intent, INTENT, at, "", evidence), contradicts, promised_at))
        return intent

    async def conclude(
        self,
        intent: Intent,
        outcome: OutcomeKind,
        at: float,
        why: str,
        window_s: float | None = None,
        request_id: str | None = None,
    ) -> None:
        """Put the outcome of an intent on disk. A later one for the same intent replaces its meaning.

        `request_id` is the platform's name for the answer that accepted or refused it.
        """
        facts = {"why": why or None, "window_seconds": window_s, "request_id": request_id or None}
        body = {name: value for name, value in facts.items() if value is not None}
        await self._append(WantedRow(row_of(intent, OUTCOME, at, outcome, body)))

    def note(self, event: str, project: str, agent: str, at: float, body: Mapping[str, Any]) -> None:
        """Put an event on disk: it is part of the chain, and counts as no action. `at` is platform time."""
        with self._begin() as connection:
            chain.note(connection, event, project, agent, at, body)

    def note_change(
        self, event: str, about: str, at: float, body: Mapping[str, Any], origin: Mapping[str, Any]
    ) -> None:
        """Put an event on disk, unless the last one of its name `about` the same thing said the same."""
        with self._begin() as connection:
            chain.note_change(connection, event, about, at, body, origin)

    async def _append(self, row: WantedRow) -> None:
        loop = asyncio.get_running_loop()
        written = loop.create_future()
        self._waiting.append((row, written))
        if len(self._waiting) == 1:
            loop.call_soon(self._write_after, TURNS)
        try:
            await written
        except asyncio.CancelledError:
            # What was done must be on disk, and the loop may end before its turn comes.
            self._write()
            raise

    def _write_after(self, turns: int) -> None:
        """Write once so many turns are over; a callback, since nobody can cancel it."""
        if turns:
            asyncio.get_running_loop().call_soon(self._write_after, turns - 1)
        else:
            self._write()

    def _write(self) -> None:
        """Put all rows that wait on disk in one transaction, and tell whoever waits for them how that went."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        errors: list[BaseException | None]
        try:
            errors = self._admitted([each for each, _ in waiting])
        except BaseException as failed:  # whatever it was, nobody may go on as if written, or wait for ever
            errors = [failed] * len(waiting)
        for (_, written), error in zip(waiting, errors, strict=True):
            if written.cancelled():
                continue
            if error is None:
                written.set_result(None)
            else:
                written.set_exception(error)

    def _admitted(self, waiting: Sequence[WantedRow]) -> list[BaseException | None]:
        """Write what may be written; for each row that was asked for why it was not, None when it was."""
        with self._begin() as connection:
            chain.lock(connection)
            held = held_errors(connection, waiting)
            free = [each for each, error in zip(waiting, held, strict=True) if error is None]
            answers = list(admit(connection, free))
            rows = [row for answer in answers if isinstance(answer, list) for row in answer]
            chain.append(connection, rows)
        refused = iter(answer if isinstance(answer, AlreadyIntendedError) else None for answer in answers)
        return [next(refused) if error is None else error for error in held]

    def open(self, project: str, agent: str) -> list[Entry]:
        """Intents that have no outcome yet, or one in doubt, which they carry: each needs a look at its session."""
        # Rows only ever come at the end: what was settled up to some row stays so, unless a later row says otherwise.
        mine = {"project": project, "agent": agent, "settled": self._settled.get((project, agent), 0)}
        with self._begin() as connection:
            last = connection.execute(_LAST).scalar() or 0
            intents = [_with_outcome(connection, entry_of(row)) for row in connection.execute(_OPEN, mine).all()]
        self._settled[project, agent] = min([last, *(entry.seq - 1 for entry in intents)])
        return intents

    def used_today(self, project: str, agent: str, now: float) -> dict[Action, int]:
        """Unapproved actions of the 24 hours before platform time `now` that took effect, or may have."""
        mine = {"project": project, "agent": agent, "after": now - DAY_S, "spent": list(SPENT)}
        with self._begin() as connection:
            return {Action(action): count for action, count in connection.execute(_USED, mine)}

    def spent_by(self, rule: str, after: float) -> list[Entry]:
        """The intents of one rule, of all agents, that took effect after platform time `after`, or may have."""
        with self._begin() as connection:
            agents = connection.execute(_AGENTS).all()
            named = [{"project": project, "agent": agent, "after": after, "rule": rule} for project, agent in agents]
            return [entry_of(row) for mine in named for row in connection.execute(_SPENT_BY, mine)]

    def deleted_since(self, project: str, agent: str, since: float) -> int:
        """How many sessions our own deletes took from the inventory after platform time `since`."""
        mine = {"project": project, "agent": agent, "since": since}
        with self._begin() as connection:
            return connection.execute(_DELETED, mine).scalar_one()

    def settle_orphans(
        self, managed: Set[tuple[str, str]], before: float, at: float, spared: Set[str] = frozenset()
    ) -> list[Entry]:
        """Give up intents from before platform time `before` whose (project, agent) nobody manages any more.

        Nobody will look them up: they are `unresolved` from `at` on, and hold up no pruning. Projects that are
        `spared`, since it is not known which agents they have, are left alone. Returns the intents.
        """
        with self._begin() as connection:
            last = chain.last(connection).count
            unsettled = [entry_of(row) for row in connection.execute(_OPEN_OF_ALL, {"settled": self._settled_by_all})]
            orphans = [entry for entry in unsettled if _is_orphan(entry, managed, before, spared)]
            if orphans:
                chain.lock(connection)
                # Somebody may have found out between the look and the lock.
                open_now = {row.seq for row in connection.execute(_OPEN_OF_ALL, {"settled": self._settled_by_all})}
                orphans = [entry for entry in orphans if entry.seq in open_now]
                chain.append(connection, [_given_up(entry, at) for entry in orphans])
        self._settled_by_all = min([last, *(entry.seq - 1 for entry in unsettled)])
        return orphans

    def actions(self, which: ActionFilter, limit: int | None = None) -> Iterator[Recorded]:
        """The last `limit` actions that are meant, the newest last; read as they are asked for."""
        return (action for action in self._matching(which.fits(), limit) if isinstance(action, Recorded))

    def history(self, which: ActionFilter, limit: int | None = None) -> Iterator[Recorded | Entry]:
        """The same with the events among them, as entries; those that only cover tables or sign are left out."""
        return self._matching(or_(which.fits(), which.fits_event()), limit)

    def _matching(self, fits: ColumnElement[bool], limit: int | None) -> Iterator[Recorded | Entry]:
        with self._begin() as connection:
            if limit is not None:
                newest = select(journal.c.seq).where(fits).order_by(journal.c.seq.desc()).limit(limit).subquery()
                fits = and_(fits, journal.c.seq >= select(func.min(newest.c.seq)).scalar_subquery())
            query = select(journal).where(fits).order_by(journal.c.seq)
            for row in connection.execute(query, execution_options={"yield_per": _ROWS_AT_A_TIME}):
                entry = entry_of(row)
                yield entry if entry.kind == EVENT else Recorded(entry, outcomes_of(connection, row.action_id))

    def end(self) -> chain.Place:
        """The last row; its hash, noted elsewhere, shows later that nothing up to here was changed or cut."""
        with self._begin() as connection:
            return chain.last(connection)

    def sign(self, key: Key, at: float) -> None:
        """Put a signature of the head on disk, unless the last row is one by this key."""
        with self._begin() as connection:
            signing.sign(connection, key, at)

    def verify(
        self, noted: str | None = None, *, exported: Sequence[Exported] = (), key: Key | None = None
    ) -> verification.Verification:
        """Whether the whole journal is as it was written; `noted` is a head from elsewhere that it must contain.

        So are the `exported` ones. With a `key` its signatures are checked.
        """
        with self._begin() as connection:
            return verification.verify(connection, noted, exported, key)

    def prune(self, before: float, at: float) -> int:
        """Drop old settled actions from the start, see `pruning.prune`; returns how many rows went."""
        with self._begin() as connection:
            return pruning.prune(connection, before, at)

    def _begin(self) -> AbstractContextManager[Connection]:
        return reading(self._database, "the journal was")


@contextmanager
def reading(state: Rows, what: str) -> Iterator[Connection]:
    """A transaction; rows that were altered so that they cannot be read are a StateError that names `what` was."""
    try:
        with state.begin() as connection:
            yield connection
    except UnicodeEncodeError:  # what was asked for is no text; that says nothing of the rows
        raise
    except (TypeError, ValueError) as error:
        raise StateError(f"state {state.url}: {what} altered: {error}") from error


def _with_outcome(connection: Connection, intent: Entry) -> Entry:
    noted = outcomes_of(connection, intent.intent.id)
    return replace(intent, outcome=noted[-1].outcome) if noted else intent


def _is_orphan(entry: Entry, managed: Set[tuple[str, str]], before: float, spared: Set[str]) -> bool:
    intent = entry.intent
    return entry.at < before and intent.project not in spared and (intent.project, intent.agent) not in managed


def _given_up(entry: Entry, at: float) -> dict[str, Any]:
    """The outcome of an orphan. It stands at the intent's time, so that it does not hold up pruning by itself."""
    body = {"why": GIVEN_UP, "settled_at": at, "entry": entry.seq}
    return row_of(entry.intent, OUTCOME, entry.at, UNRESOLVED, body)

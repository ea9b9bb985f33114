"""People's holds on sessions, as the state keeps them; each that comes or goes is an entry of the record."""

from __future__ import annotations

import math
import uuid
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, delete, select, update

from reaper.core.durations import show_time
from reaper.core.holds import KEPT_S, SessionHold, hold_json
from reaper.core.model import Action, OutcomeKind
from reaper.store import chain, tables
from reaper.store.chain import INTENT, LATEST
from reaper.store.chained_tables import RowChange, cover
from reaper.store.database import Database
from reaper.store.hold_rows import FORGOTTEN, PLACED, RELEASED, hold_of_row, row_of_hold
from reaper.store.journal import reading
from reaper.store.tables import holds, journal

_ID_CHARS: Final = 12
_SAME: Final = ("project", "agent", "session", "until", "legal", "reason", "by", "created_at", "client")
_IN_RECORD: Final = ("id", "session", "created_at", "until", "legal", "reason", "by")


class TooManyHoldsError(Exception):
    """Assistants hold as many sessions as they may."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A hold that is on disk. `late` says what was begun on its session before, and goes on; '' when nothing was."""

    hold: SessionHold
    late: str = ""


class StoredHolds:
    """The holds of all agents; every method raises StateError when they cannot be read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_agent(self, project: str, agent: str) -> list[SessionHold]:
        """Every hold on sessions of this agent, those that are over among them."""
        return self._read(select(holds).where(tables.of_agent(holds, project, agent)).order_by(holds.c.at))

    def all(self) -> list[SessionHold]:
        """Every hold there is."""
        return self._read(select(holds).order_by(holds.c.at))

    def place(self, hold: SessionHold, origin: Mapping[str, Any], *, most: int | None = None) -> Placed:
        """Put a hold on disk: from then on no intent for its session is let in while it stands.

        One that stands already and says the same is left as it is. TooManyHoldsError when assistants have `most`
        already that stand.
        """
        with self._begin() as connection:
            chain.lock(connection)
            known = [hold_of_row(row) for row in connection.execute(select(holds).where(holds.c.released.is_(None)))]
            standing = [one for one in known if one.stands(hold.at)]
            late = _begun(connection, hold)
            for one in standing:
                if all(getattr(one, name) == getattr(hold, name) for name in _SAME):
                    return Placed(one, late)
            if most is not None and sum(bool(one.client) for one in standing) >= most:
                raise TooManyHoldsError
            placed = replace(hold, id=uuid.uuid4().hex[:_ID_CHARS])
            row = row_of_hold(placed)
            connection.execute(holds.insert().values(row))
            _note(connection, PLACED, placed, hold.at, origin, RowChange("holds", added=[tuple(row.values())]))
        return Placed(placed, late)

    def release(self, ids: Collection[str], at: float, origin: Mapping[str, Any]) -> list[SessionHold]:
        """End these holds at `at`; returns those that stood, as they are now.

        In whole seconds, like the platform's clock: what is marked in that second is marked after it.
        """
        released = []
        with self._begin() as connection:
            chain.lock(connection)
            stood = select(holds).where(holds.c.id.in_(sorted(ids)), holds.c.released.is_(None))
            for row in connection.execute(stood).all():
                hold = replace(hold_of_row(row), released=float(math.floor(at)))
                change = RowChange("holds", [tuple(row_of_hold(hold).values())], [tuple(row)])
                connection.execute(update(holds).where(holds.c.id == hold.id).values(released=hold.released))
                _note(connection, RELEASED, hold, at, origin, change)
                released.append(hold)
        return released

    def forget(self, now: float) -> None:
        """Drop those that ended so long ago that nothing rests on it."""
        with self._begin() as connection:
            known = map(hold_of_row, connection.execute(select(holds)))
            over = [hold for hold in known if hold.ends_at < now - KEPT_S]
            if not over:
                return
            chain.lock(connection)
            for where in sorted({(hold.project, hold.agent) for hold in over}):
                mine = [hold for hold in over if (hold.project, hold.agent) == where]
                connection.execute(delete(holds).where(holds.c.id.in_([hold.id for hold in mine])))
                removed = RowChange("holds", removed=[tuple(row_of_hold(hold).values()) for hold in mine])
                cover(connection, FORGOTTEN, *where, now, {"holds": [hold.id for hold in mine]}, removed)

    def _read(self, query: Any) -> list[SessionHold]:
        with self._begin() as connection:
            return [hold_of_row(row) for row in connection.execute(query)]

    def _begin(self) -> AbstractContextManager[Connection]:
        return reading(self._database, "the holds were")


def _note(
    connection: Connection, event: str, hold: SessionHold, at: float, origin: Mapping[str, Any], change: RowChange
) -> None:
    """Put on record what was done with a hold, and by whom."""
    told = hold_json(hold)
    facts = {name: told[name] for name in _IN_RECORD if told[name] is not None and told[name] != ""}
    body = {**facts, "origin": dict(origin)}
    cover(connection, event, hold.project, hold.agent, at, body, change, session=hold.session)


def _begun(connection: Connection, hold: SessionHold) -> str:
    """What was begun on a session before it was held, and may have its effect, or has had it; '' for nothing."""
    mine = tables.of_agent(journal, hold.project, hold.agent)
    query = select(journal.c.created_at, journal.c.action, journal.c.at, LATEST.label("latest"))
    query = query.where(mine, journal.c.session == hold.session, journal.c.kind == INTENT)
    return "; ".join(_late(connection.execute(query.order_by(journal.c.seq)), hold.created_at))


def _late(rows: Iterable[Any], created_at: int | None) -> Iterable[str]:
    for row in rows:
        begun = f"a {row.action} of it that was intended at {show_time(row.at)}"
        if created_at not in {None, row.created_at}:
            continue
        if row.latest == "":
            yield f"{begun} is under way"
        elif row.latest == OutcomeKind.IN_DOUBT:
            yield f"{begun} is in doubt"
        elif row.latest == OutcomeKind.DONE and row.action == Action.DELETE and created_at is not None:
            yield f"{begun} is done"

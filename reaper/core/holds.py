"""Holds: somebody's word that a session is left alone, to the end of a day, or for a legal case without one. Pure.

`plan.Hold` is something else: it says why a candidate is not acted on, and one of its values is that the session
is held by somebody.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from reaper.core.durations import show_time
from reaper.core.model import DAY_S, Session
from reaper.core.text import clean

WORDS_MAX_CHARS: Final = 300
"""So long may a reason, a name or a case be."""
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
KEPT_S: Final = 30 * DAY_S
"""So long after its end a hold is remembered: for the list, and since no mark from before its end counts."""


@dataclass(frozen=True, slots=True)
class SessionHold:
    """One person's hold on a session, which is neither stopped nor deleted while it stands.

    It binds the incarnation made at `created_at`, or whatever has the id where that is None. It stands to the end
    of the day `until` in UTC; one for a `legal` case has no `until`, and no end. `id` is its place where it stands
    in the configuration (`configured`). `at` is when it was placed, `released` when somebody took it back, and
    `client` the assistant that asked for it, '' for a person.
    """

    project: str
    agent: str
    session: str
    until: date | None = None
    legal: str = ""
    reason: str = ""
    by: str = ""
    created_at: int | None = None
    id: str = ""
    configured: bool = False
    at: float = 0.0
    released: float | None = None
    client: str = ""

    @property
    def ends_at(self) -> float:
        """The moment from which on it does not stand, infinity for never."""
        return min(end_of(self.until), math.inf if self.released is None else self.released)

    def stands(self, now: float) -> bool:
        """Whether it stands at `now`; one that was released does not, whatever a clock says."""
        return self.released is None and now < end_of(self.until)

    def forbids(self, now: float, promised_at: float | None) -> bool:
        """Whether nothing may begin at `now` of what was promised then: it stands, or stood after the promise."""
        return self.stands(now) or (promised_at is not None and self.ends_at > promised_at)

    def binds(self, project: str, agent: str, session: str, created_at: int) -> bool:
        """Whether it is about this incarnation."""
        return (self.project, self.agent, self.session) == (project, agent, session) and self.is_on(created_at)

    def is_on(self, created_at: int) -> bool:
        """Whether it is about the one of its id that was made then."""
        return self.created_at in {None, created_at}


class Holds:
    """The holds on one agent's sessions, those that are over among them."""

    def __init__(self, holds: Iterable[SessionHold] = ()) -> None:
        self._of: defaultdict[str, list[SessionHold]] = defaultdict(list)
        for hold in holds:
            self._of[hold.session].append(hold)

    def __iter__(self) -> Iterator[SessionHold]:
        return (hold for holds in self._of.values() for hold in holds)

    def __or__(self, others: Iterable[SessionHold]) -> Holds:
        """These and others."""
        return Holds([*self, *others])

    def standing(self, now: float) -> list[SessionHold]:
        """Every hold that stands."""
        return [hold for hold in self if hold.stands(now)]

    def on(self, session: Session, now: float, promised_at: float | None = None) -> tuple[SessionHold, ...]:
        """The holds that forbid what was promised about this incarnation; where nothing was, those that stand."""
        return self.of(session.id, session.created_at, now, promised_at)

    def of(
        self, session: str, created_at: int, now: float, promised_at: float | None = None
    ) -> tuple[SessionHold, ...]:
        """The same of the one that was made then under this id."""
        known = self._of.get(session)
        if not known:  # as good as always, and asked of each candidate
            return ()
        return tuple(hold for hold in known if hold.is_on(created_at) and hold.forbids(now, promised_at))

    def free_at(self, session: Session, now: float) -> float:
        """When no hold that stands now stands any more: `now` where none does, infinity for never."""
        return max((hold.ends_at for hold in self.on(session, now)), default=now)


NO_HOLDS: Final = Holds()


def end_of(day: date | None) -> float:
    """The first moment after a day in UTC, infinity for no day."""
    if day is None:
        return math.inf
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() + DAY_S


def read_day(text: str) -> date:
    """A day as in 2027-01-31; ValueError for anything else."""
    if not _DAY.fullmatch(text):
        raise ValueError(f"{text!r} is not a day")
    return date.fromisoformat(text)


def hold_words(hold: SessionHold) -> str:
    """Who holds or held a session, until when and why, in one line."""
    by = clean(hold.by) or ("the configuration" if hold.configured else "somebody")
    end = f"for the case {clean(hold.legal)}, without an end" if hold.until is None else f"until {hold.until}"
    over = "" if hold.released is None else f", released at {show_time(hold.released)}"
    return f"held by {by} {end}{over}" + (f": {clean(hold.reason)}" if hold.reason else "")


def holds_words(holds: Iterable[SessionHold]) -> str:
    """The same of several holds on one session."""
    return "; ".join(hold_words(hold) for hold in holds)


def hold_json(hold: SessionHold) -> dict[str, Any]:
    """A hold as one object."""
    return {
        "id": hold.id,
        "project": hold.project,
        "agent": hold.agent,
        "session": hold.session,
        "created_at": hold.created_at,
        "until": hold.until.isoformat() if hold.until else None,
        "legal": hold.legal or None,
        "reason": hold.reason,
        "by": hold.by,
        "configured": hold.configured,
        "placed_at": hold.at or None,
        "released_at": hold.released,
        "client": hold.client or None,
    }

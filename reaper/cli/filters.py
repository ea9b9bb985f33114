"""Which sessions a person asks for: statuses, time since the last use, and ids, all of which must fit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reaper.cli.endings import CommandError, Exit
from reaper.core.conditions import Condition, Idle, IdMatches, StatusIn, TimeCondition
from reaper.core.durations import parse_duration
from reaper.core.model import STATUSES, Agent, Session
from reaper.core.text import clean

_ANY_AGENT: Final = Agent("")
"""None of these conditions asks about the agent."""


@dataclass(frozen=True, slots=True)
class Filter:
    """The sessions on which every condition holds; with none, all."""

    conditions: tuple[Condition, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.conditions)

    def fits(self, session: Session, now: float | None) -> bool:
        """Whether it is one of them; `now` is the platform's time, without which no idle time can be judged."""
        return all(self._holds(condition, session, now) for condition in self.conditions)

    def compared(self, session: Session, now: float) -> list[dict[str, str]]:
        """The values that were compared, as evidence."""
        return [
            {"condition": c.name, "wanted": c.wanted(), "actual": c.actual(session, _ANY_AGENT, now)}
            for c in self.conditions
        ]

    def text(self) -> str:
        """The filter in words: `status idle, idle at least 7d`."""
        return ", ".join(f"{condition.name} {condition.wanted()}" for condition in self.conditions)

    def _holds(self, condition: Condition, session: Session, now: float | None) -> bool:
        if now is None and isinstance(condition, TimeCondition):
            untimed = "the platform's answer carried no time, so --idle-over cannot be judged"
            raise CommandError(untimed, Exit.FAILED)
        holds_from = condition.holds_from(session, _ANY_AGENT)
        return holds_from is not None and holds_from <= (now or 0.0)


def read_filter(statuses: Sequence[str], idle_over: str | None, globs: Sequence[str]) -> Filter:
    """The filter of a command line; a wrong duration, or an empty word, is a wrong command line."""
    if not all((*statuses, *globs)):
        raise CommandError("--status and --id need a word; an empty one fits nothing")
    found: list[Condition] = []
    if unknown := [word for word in statuses if word not in STATUSES]:
        # The platform's statuses are open: a new one may be meant, or a word mistyped.
        print(f"note: no status that this version knows: {clean(', '.join(unknown))}", file=sys.stderr)
    if statuses:
        found.append(StatusIn(frozenset(statuses)))
    if idle_over is not None:
        try:
            seconds = parse_duration(idle_over)
        except ValueError as error:
            raise CommandError(f"--idle-over: {error}") from None
        if not seconds:
            raise CommandError("--idle-over must be more than zero: 0s would fit every session")
        found.append(Idle(seconds))
    if globs:
        found.append(IdMatches(tuple(globs)))
    return Filter(tuple(found))

"""Actions that the platform refused: when each may be tried again. Pure; in the memory of one process."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from reaper.core.model import Incarnation
from reaper.engine.report import Outcome

PAUSE_S: Final = 3_600.0
PAUSE_MAX_S: Final = 86_400.0


@dataclass(slots=True)
class Refusals:
    """The refused actions of one agent; each pause is twice the one before, an hour at first, a day at most."""

    _paused: dict[Incarnation, tuple[float, float]] = field(default_factory=dict)

    def waiting(self, now: float) -> frozenset[Incarnation]:
        """The sessions that are left alone at monotonic `now`."""
        return frozenset(who for who, (until, _) in self._paused.items() if until > now)

    def note(self, outcomes: Iterable[Outcome], now: float) -> None:
        """Remember what was refused at monotonic `now`; what was not tried for a day after its pause is forgotten."""
        self._paused = {who: pause for who, pause in self._paused.items() if now < pause[0] + PAUSE_MAX_S}
        for outcome in outcomes:
            who = outcome.item.session.incarnation
            _, lasted = self._paused.pop(who, (0.0, PAUSE_S / 2))
            if outcome.refused:
                pause = min(2 * lasted, PAUSE_MAX_S)
                self._paused[who] = (now + pause, pause)

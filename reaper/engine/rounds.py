"""A plan's deletes in rounds: each is verified before the next one begins, and none is larger than what was proven.

So a platform that accepts deletes and does nothing is found out with few.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

from reaper.clock import Clock
from reaper.core.model import Action, Incarnation, OutcomeKind
from reaper.core.plan import Item
from reaper.engine.bulk_verification import BulkVerification
from reaper.engine.report import Outcome
from reaper.store.journal import Intent

PROVEN_FIRST: Final = 5
"""So many deletes have to be seen to have had their effect, each by a look of its own, before any wait for a page."""
ROUND_MAX: Final = 256
"""At most so many deletes may be accepted and not verified yet."""
ROUND_MAX_S: Final = 10.0
"""Nothing more begins in a round that is older: however slow the platform is, no delete waits long to be verified."""
AHEAD_MAX: Final = 1_024
"""So much of a plan is read and put in order of creation at once: what lies together is verified together."""

_NOT_PROVEN: Final = frozenset({OutcomeKind.UNVERIFIED, OutcomeKind.IN_DOUBT})


class Accepted(NamedTuple):
    """A delete or stop that the platform accepted at platform time `at`: no proof of anything yet."""

    item: Item
    at: float
    window_s: float | None
    request_id: str | None

    def ended(self, kind: OutcomeKind, why: str = "") -> Outcome:
        """How it ended."""
        return Outcome(self.item, kind, self.at, why, self.window_s, request_id=self.request_id)


@dataclass(slots=True)
class Later:
    """Deletes that are verified `together` once they are accepted; those that wait for it, with their intents."""

    together: frozenset[Incarnation] = frozenset()
    waiting: dict[Incarnation, tuple[Accepted, Intent]] = field(default_factory=dict)

    def takes(self, accepted: Accepted, intent: Intent) -> bool:
        """Whether it waits from now on; otherwise it is to be verified at once."""
        incarnation = accepted.item.session.incarnation
        if incarnation not in self.together:
            return False
        self.waiting[incarnation] = (accepted, intent)
        return True


class Round(NamedTuple):
    """What to act on next, and those of it that are verified together."""

    items: Iterator[Item]
    together: frozenset[Incarnation]


class Rounds:
    """Takes from a plan what to act on next; the landmarks among it go last, each verified by itself."""

    def __init__(self, queue: Iterator[Item], pages: BulkVerification, clock: Clock) -> None:
        self._queue, self._pages, self._clock = queue, pages, clock
        self._ahead: deque[Item] = deque()
        self._last: list[Item] = []
        self._proven = 0

    def learn(self, outcomes: Iterable[Outcome]) -> None:
        """Take in how the actions of a round ended: one that had no effect, or may have had none, ends all trust."""
        kinds = [outcome.kind for outcome in outcomes if outcome.item.action is Action.DELETE]
        if _NOT_PROVEN.isdisjoint(kinds):
            self._proven += kinds.count(OutcomeKind.DONE)
        else:
            self._proven = 0

    def next(self) -> Round | None:
        """The next round; None when everything has been taken."""
        if not self._ahead:
            self._look_ahead()
        if not self._ahead:
            last, self._last = self._last, []
            return Round(iter(last), frozenset()) if last else None
        is_trusted = self._proven >= PROVEN_FIRST
        size = min(self._proven if is_trusted else PROVEN_FIRST, ROUND_MAX)
        head = [item for item in islice(self._ahead, size) if item.action is Action.DELETE]
        return Round(self._taken(size), self._pages.worth(head) if is_trusted else frozenset())

    def _look_ahead(self) -> None:
        while not self._ahead and (ahead := list(islice(self._queue, AHEAD_MAX))):
            self._last += [item for item in ahead if self._pages.is_landmark(item)]
            others = [item for item in ahead if not self._pages.is_landmark(item)]
            self._ahead.extend(sorted(others, key=lambda item: item.session.created_at))

    def _taken(self, size: int) -> Iterator[Item]:
        """So many of what is ahead, as long as the round is young."""
        until = self._clock.monotonic() + ROUND_MAX_S
        for _ in range(size):
            if not self._ahead or self._clock.monotonic() > until:
                return
            yield self._ahead.popleft()

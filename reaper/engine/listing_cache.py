"""What a sweep may know from the one before, so that not each of them has to list all sessions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from reaper.core.model import Action, OutcomeKind
from reaper.engine.report import Swept
from reaper.listing.index import ListingIndex

CANDIDATES_MAX: Final = 20_000
"""So many candidates are kept between the sweeps, those of all agents together."""
_GONE: Final = frozenset({OutcomeKind.DONE, OutcomeKind.ALREADY_GONE})


@dataclass(slots=True)
class ListingCache:
    """What one agent's sweeps hand on, so that all sessions are listed only every `full_every_s` seconds.

    Kept in memory alone: a new process begins with a full listing.
    """

    full_every_s: int
    index: ListingIndex | None = None
    made_at: float = 0.0

    def take(self, key: str, now: float) -> ListingIndex | None:
        """The index if it is about the same rules and not too old, at monotonic `now`. Only once: see `keep`."""
        index, self.index = self.index, None
        fits = index is not None and index.key == key and now - self.made_at < self.full_every_s
        return index if fits else None

    @property
    def candidates(self) -> int:
        """How many candidates it keeps in memory."""
        return len(self.index.counts.candidates) if self.index else 0

    def keep(self, report: Swept, index: ListingIndex, now: float) -> None:
        """Hand an index on after a sweep that believed it, made at monotonic `now` if it is new."""
        if not report.trusted or not index.is_worth_it:
            return
        if report.snapshot.listed_at == report.snapshot.now:
            self.made_at = now
        for outcome in report.outcomes:
            is_gone = outcome.item.action is Action.DELETE and outcome.kind in _GONE
            index.acted_on(outcome.item.session, is_gone=is_gone)
        self.index = index


def make_room(caches: Iterable[ListingCache]) -> None:
    """Give up indexes, those with the most candidates first, until memory may hold those of the others."""
    most_first = sorted(caches, key=lambda cache: cache.candidates, reverse=True)
    total = sum(cache.candidates for cache in most_first)
    for cache in most_first:
        if total <= CANDIDATES_MAX:
            return
        total -= cache.candidates
        cache.index = None

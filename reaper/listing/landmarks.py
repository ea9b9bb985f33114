"""Landmarks: sessions, about one of each page, by which a place in the listing is known and found again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from reaper.core.model import TOMBSTONES, Malformed, Session
from reaper.core.provider import Order


class Landmark(NamedTuple):
    """A session that was listed, with about so many records before it: its `place`."""

    id: str
    created_at: int
    place: int

    @property
    def incarnation(self) -> tuple[str, int]:
        return (self.id, self.created_at)


class Landmarks:
    """Takes in pages from both ends of a listing, and remembers one session of each."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, Order, int]] = {}
        self._passed: dict[Order, int] = {"asc": 0, "desc": 0}

    def take(self, records: Sequence[Session | Malformed], order: Order, is_kept: Callable[[Session], bool]) -> None:
        """Choose from a page: a session that is kept where there is one at hand, since it stays."""
        passed = self._passed[order]
        self._passed[order] += len(records)
        placed = [
            (place, record)
            for place, record in enumerate(records, passed)
            if not isinstance(record, Malformed) and record.status not in TOMBSTONES
        ]
        if not placed:
            return
        tried = placed[-1], placed[len(placed) // 2], placed[0]
        place, chosen = next(((place, one) for place, one in tried if is_kept(one)), placed[-1])
        self._found[chosen.id] = (chosen.created_at, order, place)

    def forget(self, session: Session) -> None:
        """It is gone, or was another one than it seemed."""
        self._found.pop(session.id, None)

    def all(self) -> tuple[Landmark, ...]:
        """In order of creation, with their places from the oldest session on."""
        last = sum(self._passed.values()) - 1
        found = (
            Landmark(name, created_at, place if order == "asc" else last - place)
            for name, (created_at, order, place) in self._found.items()
        )
        return tuple(sorted(found, key=lambda landmark: (landmark.created_at, landmark.place)))

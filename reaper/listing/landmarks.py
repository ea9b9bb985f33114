"""Landmarks: sessions, about one of each page, by which a place in the listing is known and found again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from reaper.core.model import TOMBSTONES, Incarnation, Malformed, Session
from reaper.core.provider import Order


class Landmark(NamedTuple):
    """A session that was listed, with about so many records before it: its `place`."""

    id: str
    created_at: int
    place: int

    @property
    def incarnation(self) -> Incarnation:
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
        last = len(records) - 1
        tried = _living(records, (last, last // 2, 0)) or _living(records, range(last, -1, -1))[:1]
        if tried:
            place, chosen = next(((place, one) for place, one in tried if is_kept(one)), tried[0])
            self._found[chosen.id] = (chosen.created_at, order, passed + place)

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


def _living(records: Sequence[Session | Malformed], places: Iterable[int]) -> list[tuple[int, Session]]:
    """The records at some of these places that can be read and are no tombstones."""
    found = ((place, records[place]) for place in places if records)
    return [(at, one) for at, one in found if not isinstance(one, Malformed) and one.status not in TOMBSTONES]

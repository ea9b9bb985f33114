"""How a plan's lines are kept: all of them, or those by which it differs from another plan of the same agent.

A plan's row holds the first few thousand. The others are parts, rows beside it that are no plans themselves; they are
written first, some at a time, so that a plan is there whole or not at all.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain as joined
from typing import Final

from sqlalchemy import func

from reaper.store import tables

WHOLE: Final = "all"
REFERS: Final = "of "
ID_CHARS: Final = 32
PART_LINES: Final = 1_000
"""So many lines are written, or compared, before others may have their turn."""
_PARTS: Final = "parts "
_PLANS: Final = tables.plans.c

IS_PART: Final = func.length(_PLANS.id) > ID_CHARS
"""Whether a row is a part of a plan, and no plan."""
OWN_PLAN: Final = func.substr(_PLANS.id, 1, ID_CHARS)
"""Of which plan it is a part."""


@dataclass(frozen=True, slots=True)
class Body:
    """What a plan's row says: how its lines are meant, the first of them, and where the others are."""

    head: str
    lines: Sequence[str]
    token: str = ""
    parts: int = 0

    @classmethod
    def read(cls, body: object) -> Body | None:
        """What was written; None when it cannot be made out."""
        if not isinstance(body, bytes):
            return None
        head, *lines = body.decode().split("\n")
        if not lines or not lines[-1].startswith(_PARTS):
            return cls(head, lines)
        try:
            token, parts = lines[-1].removeprefix(_PARTS).split(" ")
            return cls(head, lines[:-1], token, int(parts))
        except ValueError:
            return None

    def written(self) -> bytes:
        """The same for the row."""
        end = [f"{_PARTS}{self.token} {self.parts}"] if self.parts else []
        return "\n".join([self.head, *self.lines, *end]).encode()

    def part_ids(self, name: str) -> Iterator[str]:
        """The rows that hold its other lines."""
        return (part_id(name, self.token, number) for number in range(self.parts))


def part_id(name: str, token: str, number: int) -> str:
    """The id of a part's row; `token` tells it from what a plan of this name wrote before and left unfinished."""
    return f"{name}/{token}/{number:06d}"


def lines_of_plan(fetch: Callable[[str], object], name: str) -> Iterator[str]:
    """The lines of a plan in their order, read row by row: `fetch` gives what a row of the plan's agent holds.

    LookupError when they cannot be made out.
    """
    body = Body.read(fetch(name))
    if body is None:
        raise LookupError(name)
    own = joined(body.lines, *(_part(fetch, row) for row in body.part_ids(name)))
    if body.head == WHOLE:
        yield from own
        return
    if not body.head.startswith(REFERS):
        raise LookupError(name)
    changes = [line for line in own if line]
    less = {line[1:] for line in changes if line.startswith("-")}
    more = sorted(line[1:] for line in changes if line.startswith("+"))
    base = lines_of_plan(fetch, body.head.removeprefix(REFERS))
    yield from heapq.merge((line for line in base if line not in less), more)


def _part(fetch: Callable[[str], object], row: str) -> Iterator[str]:
    body = fetch(row)
    if type(body) is not bytes:
        raise LookupError(row)
    yield from body.decode().split("\n")


def differences(before: Iterable[str], now: Iterable[str]) -> Iterator[str | None]:
    """What two sorted sequences differ by: lines that went, `-`, or came, `+`; None for each that is in both."""
    old, new = iter(before), iter(now)
    one, other = next(old, None), next(new, None)
    while one is not None or other is not None:
        if one == other:
            yield None
            one, other = next(old, None), next(new, None)
        elif other is None or (one is not None and one < other):
            yield f"-{one}"
            one = next(old, None)
        else:
            yield f"+{other}"
            other = next(new, None)

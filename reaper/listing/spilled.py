"""Candidates that are too many for memory: sorted runs on disk, merged whenever they are read."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

from reaper.core.model import Action, Session
from reaper.core.plan import Candidate
from reaper.core.plan_lines import line_of
from reaper.core.policy import Decision, Rule
from reaper.listing.spool import Block, Spool

_FIRST: Final = min(Action)
"""The action whose lines come before those of all others."""

_ACTIONS: Final = {action.value: action for action in Action}

Plain = tuple[Any, ...]
Entry = tuple[str, int, Plain | None]
"""An id, minus the number of its run, and the candidate, None for what is none any more. The first of one counts."""

PASSED_MAX: Final = 250
"""So many entries are passed over before others may have their turn."""


@dataclass(slots=True)
class Packing:
    """Makes candidates plain, so that they can be written, and candidates of what is plain."""

    rules: list[Rule | None] = field(default_factory=list)
    _numbers: dict[int, int] = field(default_factory=dict)

    def plain(self, session: Session, decision: Decision) -> Plain:
        action, rule, *more = decision
        number = self._numbers.get(id(rule))
        if number is None:
            # They stay alive in the list, so that no other can be given the same identity.
            number = self._numbers[id(rule)] = len(self.rules)
            self.rules.append(rule)
        return tuple(session), (action.value, number, *more)

    def session(self, plain: Plain) -> Session:
        return Session._make(plain)

    def decision(self, plain: Plain) -> Decision:
        action, number, *more = plain
        return Decision(_ACTIONS[action], self.rules[number], *more)


@dataclass(slots=True)
class Spilled:
    """One agent's candidates on disk. What was put there last of an id counts."""

    spool: Spool
    packing: Packing = field(default_factory=Packing)
    runs: list[Sequence[Block]] = field(default_factory=list)

    def add(self, candidates: Mapping[str, Candidate], gone: Collection[str]) -> None:
        """Put these on disk, and that those which are `gone` are none any more."""
        plain = self.packing.plain
        entries: list[tuple[str, Plain | None]] = [(name, plain(*one)) for name, one in candidates.items()]
        entries += [(name, None) for name in gone if name not in candidates]
        entries.sort(key=itemgetter(0))
        if entries:
            self.runs.append(self.spool.write(entries))

    def candidates(self) -> InOrder:
        """They, as of now."""
        return InOrder(self.spool, self.packing, tuple(self.runs))


@dataclass(frozen=True, slots=True)
class InOrder:
    """Candidates on disk, in the order of the lines of a plan; read as often as one likes."""

    spool: Spool
    packing: Packing
    runs: Sequence[Sequence[Block]]

    def __iter__(self) -> Iterator[Candidate]:
        """Each of them."""
        return (candidate for candidate in self.by_steps() if candidate is not None)

    def by_steps(self) -> Iterator[Candidate | None]:
        """Each of them; None where many were passed over, so that others may have their turn.

        They are sorted by id: those of the first action go by, the others are set aside.
        """
        aside: dict[str, Pile] = {}
        passed = 0
        for plain in self._newest():
            action = plain[1][0] if plain is not None else ""
            if plain is not None and action == _FIRST.value:
                yield self._candidate(plain)
                continue
            if plain is not None:
                aside.setdefault(action, Pile(self.spool)).put([plain])
            passed += 1
            if passed % PASSED_MAX == 0:
                yield None
        for action in sorted(aside):
            yield from map(self._candidate, aside[action])

    def _candidate(self, plain: Plain) -> Candidate:
        return Candidate(self.packing.session(plain[0]), self.packing.decision(plain[1]))

    def _newest(self) -> Iterator[Plain | None]:
        """What counts of each entry, None where that is nothing."""
        last = ""
        for name, _, plain in heapq.merge(*(self._run(number, run) for number, run in enumerate(self.runs))):
            yield plain if name != last else None
            last = name

    def _run(self, number: int, run: Iterable[Block]) -> Iterator[Entry]:
        for block in run:
            for name, plain in self.spool.read(block):
                yield name, -number, plain


@dataclass(slots=True)
class Pile:
    """Plain values in the order in which they came, the last few in memory."""

    spool: Spool
    blocks: list[Block] = field(default_factory=list)
    rest: list[Plain] = field(default_factory=list)

    def put(self, values: Iterable[Plain]) -> None:
        self.rest += values
        if len(self.rest) >= self.spool.run_min:
            self.blocks += self.spool.write(self.rest)
            self.rest = []

    def __iter__(self) -> Iterator[Plain]:
        for block in self.blocks:
            yield from self.spool.read(block)
        yield from self.rest


def in_line_order(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Candidates in memory as a plan takes them."""
    return tuple(sorted(candidates, key=line_of))

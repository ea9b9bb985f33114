"""What must be true of a backlog that limits work off: who goes first, and what waits when candidates jump."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.sim.law import (
    AGE_FLOOR_S,
    SECOND_S,
    Deed,
    Facts,
    Judge,
    Law,
    Line,
    Routed,
    ViolationError,
    is_out_of_place,
)


class Usual(NamedTuple):
    """How many candidates an agent may be thought to have, and whether more than that wait for a person."""

    candidates: int
    jumped: bool = False


class Told(NamedTuple):
    """What a believed sweep says of an agent: its candidates that nobody approved, of these whose record it knows
    whole, and how many of them it is about to act on."""

    candidates: int
    known: int
    acting: int


@dataclass
class Turns:
    """Knows of each agent what is usual: several numbers while nobody knows what a dying process wrote down.

    None among them: that nothing is, and whatever comes next will be.
    """

    judge: Judge
    usual: dict[str, set[Usual | None]] = field(default_factory=dict)
    _next: dict[str, set[Usual | None]] = field(default_factory=dict)

    def told(self, agent: str, told: Told, laws: Sequence[Law], inventory: int) -> None:
        """One believed sweep, by `laws` that have to agree.

        Raises where it acts although its candidates jumped by all that may be usual.
        """
        before = self.usual.get(agent, {None})
        allowed = min(law.allows(law.jump, inventory) for law in laws)
        acts = all(law.spread and law.enforce for law in laws)
        if acts and told.acting and all(usual and told.known > usual.candidates + allowed for usual in before):
            raise ViolationError(f"{told} of {agent} where {before} were usual, and {allowed} more are allowed")
        self._next[agent] = {_after(usual, told, allowed, acts) for usual in before}

    def swept(self, agent: str, *, surely: bool) -> None:
        """The sweep is over; it `surely` wrote down what is usual now, or nobody knows."""
        found = self._next.pop(agent, None)
        if found is not None:
            self.usual[agent] = found if surely else found | self.usual.get(agent, {None})

    def check_order(self, agent: str, deeds: Sequence[Deed], left: Iterable[Facts], began: float) -> None:
        """Of what was ready when a sweep `began`, nobody may be `left` who was overdue for longer than who went.

        Where developers have spoken since the first of it was marked, nobody knows how long each grace is by now. How
        sessions rank, a listing says that may have shown what was made or used meanwhile, or not.
        """
        if not deeds or len({deed.ask for deed in deeds}) > 1 or self._spoken_since_marked(agent):
            return
        there = deeds[0].there
        if there is None:
            return
        laws, (_, latest, served) = self.judge.law(began).agreeing(deeds[0].ask), self.judge.standing(agent, began)
        routed = self.judge.routed(agent, latest, served)
        touched = {facts.id for facts in there if facts.last_accessed_at >= int(began)}
        untouched = [facts for facts in there if facts.id not in touched]
        waiting = [
            (facts, due)
            for facts in left
            if all(law.wants(facts, routed, began) == "delete" for law in laws)
            if all(
                is_out_of_place(laws[0], law, facts, routed, began, shown)
                for law in laws
                for shown in (there, untouched)
            )
            if not self.judge.is_approved(agent, "delete", facts)
            if not self.judge.claims.held_since(agent, facts.id, facts.created_at, began)
            for due in [self._due(agent, facts, routed, began, laws)]
            if due is not None and max(due) <= began
        ]
        for deed in deeds:
            went = self._due(agent, deed.facts, routed, began, laws)
            for facts, due in waiting:
                if went is not None and _goes_before(due, went):
                    raise ViolationError(f"{facts} waits, due since {due}, where one went due since {went}: {deed}")

    def _spoken_since_marked(self, agent: str) -> bool:
        marked = min((promise.made[1] for promise in self.judge.promises.get(agent, {}).values()), default=math.inf)
        return any(moment >= marked for moment, _ in self.judge.sayings.get(agent, ()))

    def _due(
        self, agent: str, facts: Facts, routed: Routed, now: float, laws: Sequence[Law]
    ) -> tuple[float, float] | None:
        """When a session's grace was over, and when the rules of all `laws` caught it.

        None if it is not promised, or if that is since when a sweep saw its version left behind, which is not known
        to the second.
        """
        lines = [line for law in laws for line in [law.decides(facts, routed, now)] if line and not line.superseded]
        if len(lines) < len(laws):
            return None
        since = max(_caught(line, facts) for line in lines)
        promise = self.judge.promises.get(agent, {}).get(facts.seen)
        if promise is None:
            return None if any(law.grace_s for law in laws) else (since, since)
        made = promise.made[1]
        if any(abs(law.since - made) <= SECOND_S for law in self.judge.laws):
            return None  # by which of the two laws it was marked, whole seconds do not tell
        stood = [*laws, *(law for law in self.judge.laws if made < law.since <= now)]
        return made + max(law.grace_s for law in (self.judge.law(made), *stood)), since


def _caught(line: Line, facts: Facts) -> float:
    idle = facts.last_accessed_at + (line.idle_s or 0)
    return max(idle if line.idle_s else 0.0, facts.created_at + max(line.age_s or 0, AGE_FLOOR_S))


def _goes_before(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether one was surely due before the other, by clocks that tell whole seconds."""
    if abs(one[0] - other[0]) > SECOND_S:
        return one[0] < other[0]
    return one[0] == other[0] and one[1] < other[1] - SECOND_S


def _after(usual: Usual | None, told: Told, allowed: int, acts: bool) -> Usual:
    if usual is None:
        return Usual(told.candidates)
    most = usual.candidates + allowed
    if told.candidates <= most or not (acts or usual.jumped):
        return Usual(told.candidates)
    return Usual(usual.candidates, jumped=told.known > most)

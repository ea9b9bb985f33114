"""What must be true of a backlog that limits work off: who goes first, and what waits when candidates jump."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.sim.law import AGE_FLOOR_S, SECOND_S, Deed, Facts, Judge, Law, Routed, ViolationError


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
    """Knows of each agent what is usual: several numbers while nobody knows what a dying process wrote down."""

    judge: Judge
    usual: dict[str, set[Usual]] = field(default_factory=dict)
    _next: dict[str, set[Usual]] = field(default_factory=dict)

    def told(self, agent: str, told: Told, law: Law, inventory: int) -> None:
        """One believed sweep; raises where it acts although its candidates jumped by all that may be usual."""
        before = self.usual.get(agent)
        if before is None:
            self._next[agent] = {Usual(told.candidates)}
            return
        allowed = law.allows(law.jump, inventory)
        acts = law.spread and law.enforce
        if acts and told.acting and all(told.known > usual.candidates + allowed for usual in before):
            raise ViolationError(f"{told} of {agent} where {before} were usual, and {allowed} more are allowed")
        self._next[agent] = {_after(usual, told, allowed, acts) for usual in before}

    def swept(self, agent: str, *, surely: bool) -> None:
        """The sweep is over; it `surely` wrote down what is usual now, or nobody knows."""
        found = self._next.pop(agent, None)
        if found is not None:
            self.usual[agent] = found if surely else found | self.usual.get(agent, found)

    def check_order(self, agent: str, deeds: Iterable[Deed], left: Iterable[Facts], began: float) -> None:
        """Of what was ready when a sweep `began`, nobody may be `left` who was overdue for longer than who went."""
        law, (_, latest, served) = self.judge.law(began), self.judge.standing(agent, began)
        routed = self.judge.routed(agent, latest, served)
        waiting = [
            (facts, due)
            for facts in left
            if law.wants(facts, routed, began) == "delete" and not self.judge.is_approved(agent, "delete", facts)
            if not self.judge.claims.held_since(agent, facts.id, facts.created_at, began)
            for due in [self._due(agent, facts, routed, began)]
            if due is not None and max(due) <= began
        ]
        for deed in deeds:
            went = self._due(agent, deed.facts, routed, began)
            for facts, due in waiting:
                if went is not None and _goes_before(due, went):
                    raise ViolationError(f"{facts} waits, due since {due}, where one went due since {went}: {deed}")

    def _due(self, agent: str, facts: Facts, routed: Routed, now: float) -> tuple[float, float] | None:
        """When a session's grace was over, and when its rule caught it; None if it is not promised, or if that is
        since when a sweep saw its version left behind, which is not known to the second."""
        line = self.judge.law(now).decides(facts, routed, now)
        if line is None or line.superseded:
            return None
        idle = facts.last_accessed_at + (line.idle_s or 0)
        since = max(idle if line.idle_s else 0.0, facts.created_at + max(line.age_s or 0, AGE_FLOOR_S))
        promise = self.judge.promises.get(agent, {}).get(facts.seen)
        if promise is None:
            return None if self.judge.law(now).grace_s else (since, since)
        made = promise.made[1]
        stood = [law for law in self.judge.laws if made < law.since <= now]
        return made + max(law.grace_s for law in (self.judge.law(made), *stood)), since


def _goes_before(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether one was surely due before the other, by clocks that tell whole seconds."""
    if abs(one[0] - other[0]) > SECOND_S:
        return one[0] < other[0]
    return one[0] == other[0] and one[1] < other[1] - SECOND_S


def _after(usual: Usual, told: Told, allowed: int, acts: bool) -> Usual:
    most = usual.candidates + allowed
    if told.candidates <= most or not (acts or usual.jumped):
        return Usual(told.candidates)
    return Usual(usual.candidates, jumped=told.known > most)

"""People who hold sessions and release them, at any moment, and the configuration that names some."""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime

from reaper.core.holds import SessionHold
from reaper.engine.report import Swept
from reaper.store.database import StateError
from reaper.store.session_holds import StoredHolds
from reaper.store.store import Store
from tests.clock import true_time
from tests.sim.filed import FiledWorld
from tests.sim.law_of_holds import DAY_S, Claim
from tests.sim.steps import Steps
from tests.sim.world import PROJECT, World


@contextlib.contextmanager
def beside(world: World) -> Iterator[StoredHolds | None]:
    """The holds in the state, as a process beside the reaper opens it: its steps are none of the reaper's.

    None when that state is not there, or not to be relied on.
    """
    if isinstance(world, FiledWorld):
        store = Store.open(world.url, create=False)
        try:
            yield None if store.fault else store.holds
        finally:
            store.close()
        return
    steps, world.disk.steps = world.disk.steps, Steps()
    try:
        yield Store(world.disk).holds
    finally:
        world.disk.steps = steps


def place(
    world: World, session: str, agent: str = "", *, days: float | None = 2, id_only: bool = False, by: str = "kim"
) -> SessionHold | None:
    """A person holds a session for so many days, or for ever; None when that could not be put on disk."""
    agent, now = agent or world.agent, true_time()
    known = world.platform.find(agent, session)
    made = None if id_only or known is None else known.created_at
    until = None if days is None else _day(now + days * DAY_S)
    legal = "" if until else "case"
    wanted = SessionHold(PROJECT, agent, session, until, legal, "a reason", by, made, at=now)
    with beside(world) as holds:
        if holds is None:
            return None
        try:
            placed = holds.place(wanted, {})
        except StateError:
            return None
    number = len(world.platform.history)
    claim = Claim(placed.hold.id, agent, session, made, true_time(), number, _day_number(until), bool(placed.late))
    world.judge.claims.known.append(claim)
    return placed.hold


def release(world: World, hold: SessionHold) -> None:
    """A person takes a hold back."""
    with beside(world) as holds:
        if holds is None:
            return
        try:
            holds.release([hold.id], true_time(), {})
        except StateError:
            return
    _end(world, hold.id)


def configure(world: World, *sessions: str, agent: str = "", days: float | None = None) -> None:
    """The configuration names holds on these ids, and no others: in force from the next sweep on."""
    agent, now = agent or world.agent, true_time()
    until = None if days is None else _day(now + days * DAY_S)
    case = "" if until else "case"
    kept = {hold.session: hold for hold in world.configured if hold.agent == agent and hold.until == until}
    for hold in world.configured:
        if hold.session not in sessions or hold not in kept.values():
            _end(world, hold.id, unheard=not _was_planned_since(world, hold))
    world.configured = tuple(
        kept.get(session)
        or SessionHold(
            PROJECT, agent, session, until, case, "a reason", "ops", id=f"named at {now}", configured=True, at=now
        )
        for session in sessions
    )
    number = len(world.platform.history)
    for hold in world.configured:
        if hold.at == now and hold not in kept.values():
            claim = Claim(hold.id, agent, hold.session, None, now, number, _day_number(until))
            world.judge.claims.known.append(claim)


def _end(world: World, name: str, *, unheard: bool = False) -> None:
    for claim in world.judge.claims.known:
        if claim.id == name and math.isinf(claim.over):
            claim.over, claim.unheard = true_time(), unheard


def _was_planned_since(world: World, hold: SessionHold) -> bool:
    """Whether a sweep came to a plan that knew of it: what no sweep knew of has made no promise void."""
    plans = (
        report.plan for report in world.heard.reports if isinstance(report, Swept) and report.agent == hold.agent
    )
    return any(hold in plan.holds and plan.now for plan in plans)


class Holders:
    """People of a history who hold and release as chance has it."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.chance = world, chance
        self.placed: list[SessionHold] = []

    def act(self, agent: str, session: str) -> None:
        """One of them does something about a session, or about one that was held before."""
        chance = self.chance
        if self.placed and chance.random() < 0.4:
            release(self.world, self.placed.pop(chance.randrange(len(self.placed))))
            return
        hold = place(
            self.world,
            session,
            agent,
            days=chance.choice([0, 1, 3, None]),
            id_only=chance.random() < 0.3,
            by=f"person {chance.randrange(3)}",
        )
        self.placed += [hold] if hold else []

    def configure(self, agent: str, living: list[str]) -> None:
        """The configuration names some of these, and none that it named before."""
        chosen = self.chance.sample(living, min(len(living), self.chance.randrange(3)))
        configure(self.world, *chosen, agent=agent, days=self.chance.choice([1, None]))

    def leave(self) -> None:
        """All go, and take back what they held."""
        for hold in self.placed:
            release(self.world, hold)
        self.placed.clear()
        configure(self.world)


def _day(moment: float) -> date:
    return datetime.fromtimestamp(moment, UTC).date()


def _day_number(until: date | None) -> int | None:
    """The number of the day after, by the days since 1970."""
    return None if until is None else (until - date(1970, 1, 1)).days + 1

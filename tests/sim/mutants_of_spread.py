"""The guards of backlogs that limits work off, each with a switch that removes it; see `mutants`."""

from __future__ import annotations

from typing import Any

from reaper.core import backlog, jump, limits, plan, planner
from reaper.core.jump import Level
from reaper.core.plan import Hold
from reaper.engine import item_shelf
from reaper.store.store import Store
from tests.sim import scenes_spread
from tests.sim.switches import Mutant, Patch, Remove, around


def _placed_by(order: Any) -> Remove:
    """Whoever asks whose turn it is goes by this order."""

    def remove(patch: Patch) -> None:
        for module in (backlog, limits, plan, item_shelf):
            patch.setattr(module, "place_of", order)

    return remove


def _blind_to(hold: Hold) -> Remove:
    """Who chooses what goes first does not know this limit."""

    def make(kept: Any) -> Any:
        return lambda *given: [(room, of) for room, of in kept(*given) if of is not hold]

    return around(limits, "rooms_of", make)


def _newest_first(due: Any) -> Any:
    return -due.ripe_at, -due.decision.since, due.session.incarnation


def _by_id(due: Any) -> Any:
    return due.ripe_at, 0.0, due.session.incarnation


def _levels_only_in_memory(patch: Patch) -> None:
    patch.setattr(Store, "level", lambda self, *_: getattr(self, "kept_level", None))
    patch.setattr(Store, "put_level", lambda self, p, a, level, at: setattr(self, "kept_level", level))


def _every_number_is_the_level(kept: Any) -> Any:
    def judge(level: Level | None, counted: Any, *given: Any) -> Any:
        _, found = kept(level and Level(level.candidates), counted, *given)
        return Level(counted.candidates), found

    return judge


def _forgets_while_nobody_acts(kept: Any) -> Any:
    return lambda level, *given: kept(level and Level(level.candidates), *given)


def _no_jump(kept: Any) -> Any:
    return lambda *given: ((name, hold) for name, hold in kept(*given) if hold is not Hold.JUMP)


SPREAD = [
    Mutant("hold: jump", around(planner, "guards", _no_jump), scenes_spread.caught_by_another_law),
    Mutant("spread: the limit of a sweep", _blind_to(Hold.LIMIT_SWEEP), scenes_spread.beyond_the_sweep),
    Mutant("spread: the limit of a day", _blind_to(Hold.LIMIT_DAY), scenes_spread.beyond_the_day),
    Mutant(
        "spread: the longest overdue first",
        _placed_by(_newest_first),
        scenes_spread.beyond_the_sweep,
    ),
    Mutant("spread: of those ripe together the longest idle", _placed_by(_by_id), scenes_spread.with_grace),
    Mutant("the level survives a restart", _levels_only_in_memory, scenes_spread.jumped_before_a_restart),
    Mutant(
        "a jump makes no level", around(jump, "judge", _every_number_is_the_level), scenes_spread.jumped_and_waited
    ),
    Mutant(
        "a jump is not forgotten by observing",
        around(jump, "judge", _forgets_while_nobody_acts),
        scenes_spread.jumped_and_observed,
    ),
]

"""The guards of how sessions rank, each with a switch that removes it; see `mutants`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from reaper.core import planner, ranks
from reaper.core import recheck as rechecking
from reaper.core.plan import Hold
from reaper.core.policy import BEYOND, Policy
from reaper.core.ranks import Places, Ranks
from reaper.engine import last_look, sweep
from reaper.engine.runner import Runner
from tests.sim import scenes_ranks
from tests.sim.switches import Mutant, Patch, around, put


def _no_hold_by_rank(kept: Any) -> Any:
    return lambda *given: ((name, hold) for name, hold in kept(*given) if hold is not Hold.RANK)


def _reads_any_version(kept: Any) -> Any:
    """A session whose version is unreadable is one of none."""
    return lambda self, one: one if one.session.version is None else kept(self, one)


def _limit_comes_first(kept: Any) -> Any:
    """`at_most` takes whatever is beyond it, before any rule is asked."""
    return lambda self, rule: replace(self, rules=(rule, *self.rules)) if rule == BEYOND else kept(self, rule)


def _lesser_id_first(place: str) -> Any:
    """Of one second, the lesser id ranks first."""

    def make(kept: Any) -> Any:
        def by(session: Any) -> Any:
            mirrored = "".join(chr(1_000 - ord(letter)) for letter in session.id)
            return kept(session._replace(id=mirrored))

        return by

    return around(ranks, place, make)


def _ranks_last(patch: Patch) -> None:
    """What was ranked once stays so for the whole sweep."""
    for module in (last_look, rechecking, sweep):
        patch.setattr(module, "RANKING_MAX_S", math.inf)


def _listed_in_part(kept: Any) -> Any:
    """What a short listing shows is good enough to rank."""
    return lambda self, key, _: kept(self, key, scenes_ranks.FULL_EVERY_S)


RANKS = [
    Mutant("hold: rank", around(planner, "guards", _no_hold_by_rank), scenes_ranks.with_crowded_versions),
    Mutant(
        "the newest stay", around(Ranks, "_offer_newest", lambda _: lambda _, one: one), scenes_ranks.among_newest
    ),
    Mutant(
        "the newest stay beyond the limit, too",
        put(Places, "decide", lambda *_: False),
        scenes_ranks.among_newest_beyond_limit,
    ),
    Mutant(
        "an unreadable version may be one of which a session is the newest",
        around(Ranks, "_offer_newest", _reads_any_version),
        scenes_ranks.with_unreadable_version,
    ),
    Mutant(
        "at_most takes what no rule speaks of",
        around(Policy, "with_last", _limit_comes_first),
        scenes_ranks.kept_beyond_limit,
    ),
    Mutant(
        "of one second, the greater id is newer", _lesser_id_first("by_creation"), scenes_ranks.made_in_one_second
    ),
    Mutant(
        "of one second, the greater id was used later", _lesser_id_first("by_use"), scenes_ranks.used_in_one_second
    ),
    Mutant(
        "records that are not understood push nobody out",
        put(ranks, "is_ranked", lambda _: True),
        scenes_ranks.beside_strange_records,
    ),
    Mutant("ranks count for a quarter of an hour", _ranks_last, scenes_ranks.deleted_slowly),
    Mutant("who ranks lists in full", around(Runner, "_cache", _listed_in_part), scenes_ranks.listed_in_full),
]

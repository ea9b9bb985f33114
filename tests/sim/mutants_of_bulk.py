"""The guards of deletes that are verified together, each with a switch that removes it; see `mutants`."""

from __future__ import annotations

from typing import Any

from reaper.engine import rounds
from reaper.engine.bulk_verification import BulkVerification
from reaper.engine.rounds import Rounds
from tests.sim import scenes_bulk
from tests.sim.switches import Mutant, Patch, around, put


def _nothing_is_enough(patch: Patch) -> None:
    """Pages that end too early, or do not fit, have shown nobody: so nobody is there."""
    kept = BulkVerification._shown

    async def shown(self: Any, stretch: Any) -> Any:
        found = await kept(self, stretch)
        return set() if found is None else found

    patch.setattr(BulkVerification, "_shown", shown)
    patch.setattr(BulkVerification, "_expected", lambda *_: set())


def _whatever_they_show(_: Any) -> Any:
    """Pages that are whole prove that all of it is gone."""

    async def proven(self: Any, stretch: Any) -> Any:
        shown = await self._shown(stretch)
        return [] if shown is None else [item.session.incarnation for item in stretch.items]

    return proven


def _trusts_from_the_start(patch: Patch) -> None:
    patch.setattr(rounds, "PROVEN_FIRST", 0)
    kept = Rounds.next

    def following(self: Any) -> Any:
        self._proven = rounds.ROUND_MAX
        return kept(self)

    patch.setattr(Rounds, "next", following)


BULK = [
    Mutant("bulk: pages that end too early prove nothing", _nothing_is_enough, scenes_bulk.on_empty_pages),
    Mutant(
        "bulk: pages must show every landmark",
        put(BulkVerification, "_expected", lambda *_: set()),
        scenes_bulk.on_pages_without_landmarks,
    ),
    Mutant(
        "bulk: what pages show is not gone",
        around(BulkVerification, "_proven", _whatever_they_show),
        scenes_bulk.shown_still,
    ),
    Mutant("bulk: no more is accepted than was proven", _trusts_from_the_start, scenes_bulk.ignoring_all),
    Mutant(
        "bulk: it is done where it spares looks",
        put(BulkVerification, "worth", lambda *_: frozenset()),
        scenes_bulk.found_worthwhile,
    ),
]

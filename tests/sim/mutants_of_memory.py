"""Guards of what is put on disk because memory is too small for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reaper.core.plan import Limited
from reaper.engine.item_shelf import ItemShelf, ShelvedItems
from tests.sim import scenes_memory
from tests.sim.switches import Mutant, around


def _forgets_holds(kept: Any) -> Any:
    return lambda self, plain: replace(kept(self, plain), hold=None)


MEMORY = [
    Mutant(
        "limits hold back what is on disk",
        around(ItemShelf, "settled", lambda kept: lambda self, _: kept(self, Limited())),
        scenes_memory.over_limit_on_disk,
    ),
    Mutant(
        "what is on disk knows what holds it",
        around(ShelvedItems, "_item", _forgets_holds),
        scenes_memory.in_grace_on_disk,
    ),
]

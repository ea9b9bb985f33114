"""The guards of versions and of where traffic goes, each with a switch that removes it; see `mutants`."""

from __future__ import annotations

from typing import Any

from reaper.core import model, routing
from reaper.core.conditions import ALWAYS
from reaper.core.recheck import Verdict
from reaper.core.routing import Serving, Unserved
from reaper.engine import last_look, routed_agent
from reaper.engine.routed_agent import KnownVersions
from tests.sim import scenes_routing
from tests.sim.switches import Mutant, Patch, around, put


def _no_selector(kept: Any) -> Any:
    """All traffic reaches the latest version, whatever the endpoint says."""

    def serving_by(latest: str | None, _: Any) -> Serving:
        found: Serving = kept(latest, None)
        return found

    return serving_by


def _believes_any_version(_: Any) -> Any:
    async def checked(self: Any, agent: Any, *_: Any) -> Any:
        return agent

    return checked


def _remembers_for_ever(patch: Patch) -> None:
    """Since when a version was first seen left behind, whatever happened since."""
    patch.setattr(routed_agent, "still_unserved", lambda since, *_: dict(since))


def _as_planned(kept: Any) -> Any:
    """The last look judges by the agent as it was when the plan was made."""

    def recheck(item: Any, fresh: Any, plan: Any, now: Any, _: Any = None) -> Verdict:
        found: Verdict = kept(item, fresh, plan, now, None)
        return found

    return recheck


ROUTING = [
    Mutant(
        "what a selector serves is not left behind",
        around(model, "serving_by", _no_selector),
        scenes_routing.during_canary,
    ),
    Mutant(
        "what is not understood of a selector cannot be judged",
        put(routing, "_unclear", lambda _: ""),
        scenes_routing.with_unknown_selector,
    ),
    Mutant(
        "a version that a selector names must be there",
        around(KnownVersions, "checked", _believes_any_version),
        scenes_routing.with_version_nowhere,
    ),
    Mutant(
        "superseded is only what was left behind for the grace",
        put(Unserved, "superseded_from", lambda *_: ALWAYS),
        scenes_routing.just_left_behind,
    ),
    Mutant("what is served again begins anew", _remembers_for_ever, scenes_routing.rolled_back_for_an_hour),
    Mutant(
        "last look: versions as they are then",
        around(last_look, "recheck", _as_planned),
        scenes_routing.rolled_back_in_sweep,
    ),
]

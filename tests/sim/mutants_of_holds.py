"""The guards around holds, each with a switch that removes it; see `mutants`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reaper.core import plan_lines, planner
from reaper.core.holds import NO_HOLDS, SessionHold
from reaper.core.plan import Hold
from reaper.engine.executor import Executor
from reaper.engine.last_look import LastLooks
from reaper.engine.quota_relief import PoolMember
from reaper.engine.sweep import Sweep
from reaper.store import hold_rows, journal, session_holds
from tests.sim import scenes_holds
from tests.sim.switches import Mutant, Patch, Remove, around, put


def _not_planned(patch: Patch) -> None:
    """The planner does not know this reason."""
    kept = planner.guards
    patch.setattr(planner, "guards", lambda *given: ((n, h) for n, h in kept(*given) if h is not Hold.HOLD))


def _not_read_again(kept: Any) -> Any:
    """Intents are let in whoever holds the session."""
    return lambda _, wanted: [None for _ in wanted]


def _only_standing_ones_keep(patch: Patch) -> None:
    """A hold that is over again says nothing of what was promised before."""
    patch.setattr(SessionHold, "forbids", lambda self, now, _: self.stands(now))


def _on_the_id_alone(patch: Patch) -> None:
    patch.setattr(SessionHold, "is_on", lambda *_: True)


def _on_incarnations_alone(patch: Patch) -> None:
    patch.setattr(SessionHold, "is_on", lambda self, created_at: self.created_at == created_at)


def _ends_all(patch: Patch) -> None:
    """What has no end written is over."""
    kept = SessionHold.stands
    patch.setattr(SessionHold, "stands", lambda self, now: self.until is not None and kept(self, now))


def _ends_nothing(patch: Patch) -> None:
    patch.setattr(SessionHold, "stands", lambda self, _: self.released is None)


def _unreadable_are_none(patch: Patch) -> None:
    """What cannot be read is believed to hold nobody."""
    kept = hold_rows.hold_of_row

    def hold_of_row(row: Any) -> Any:
        try:
            return kept(row)
        except ValueError:
            return SessionHold("", "", "", released=0.0)

    for module in (hold_rows, session_holds):
        patch.setattr(module, "hold_of_row", hold_of_row)


def _marks_stay(patch: Patch) -> None:
    """The planner keeps what was promised about held sessions."""
    kept = planner._marks

    def marks(candidates: Any, policy: Any, context: Any, now: float) -> Any:
        return kept(candidates, policy, replace(context, holds=NO_HOLDS), now)

    patch.setattr(planner, "_marks", marks)


def _nothing_is_dropped(*_: Any) -> Any:
    """Marks of held sessions stay where a sweep leaves marks alone."""
    return iter(())


def _relief_takes_any(patch: Patch) -> None:
    kept = PoolMember.offers

    def offers(self: Any) -> Any:
        return kept(replace(self, report=replace(self.report, plan=replace(self.report.plan, holds=NO_HOLDS))))

    patch.setattr(PoolMember, "offers", offers)


def _approves_the_held(patch: Patch) -> None:
    for module in (plan_lines, planner):
        patch.setattr(module, "can_be_approved", lambda item: not item.session.strange)


def _nothing_elsewhere(patch: Patch) -> None:
    """Nobody asks for the holds that are not in the state."""
    kept = Executor.execute
    patch.setattr(Executor, "execute", lambda self, plan: kept(replace(self, held_elsewhere=lambda: NO_HOLDS), plan))


_ONCE: Remove = around(journal, "held_errors", _not_read_again)

HOLDING = [
    Mutant("hold: hold", _not_planned, scenes_holds.held_while_planning),
    Mutant("last look: who holds it is asked again", _ONCE, scenes_holds.held_in_mid_sweep),
    Mutant("last look: a stop asks, too", _ONCE, scenes_holds.held_from_stops),
    Mutant(
        "last look: asked again after the intent",
        put(LastLooks, "_holds", lambda self, _: self.held_elsewhere()),
        scenes_holds.held_while_it_waits,
    ),
    Mutant(
        "last look: the configuration's holds, too", _nothing_elsewhere, scenes_holds.held_by_the_configuration_alone
    ),
    Mutant("a hold binds one incarnation", _on_the_id_alone, scenes_holds.made_anew_after_it_was_held),
    Mutant(
        "a hold on the id binds whoever has it", _on_incarnations_alone, scenes_holds.another_under_an_id_that_is_held
    ),
    Mutant("a hold for a case has no end", _ends_all, scenes_holds.held_for_a_case),
    Mutant("a hold ends with its day", _ends_nothing, scenes_holds.held_to_the_end_of_a_day),
    Mutant("holds that cannot be read are not none", _unreadable_are_none, scenes_holds.unreadable),
    Mutant(
        "holds that cannot be read any more are not none", _unreadable_are_none, scenes_holds.unreadable_in_mid_sweep
    ),
    Mutant(
        "a mark from before the end of a hold is void",
        _only_standing_ones_keep,
        scenes_holds.released_between_sweeps,
    ),
    Mutant(
        "last look: a hold that came and went voids the mark",
        _only_standing_ones_keep,
        scenes_holds.held_for_a_moment_in_mid_sweep,
    ),
    Mutant(
        "last look: one that came and went after the intent does, too",
        _only_standing_ones_keep,
        scenes_holds.held_for_a_moment_while_it_waits,
    ),
    Mutant("a held session has no mark", _marks_stay, scenes_holds.held_by_the_configuration_for_a_while),
    Mutant(
        "a held session has no mark whatever is doubted",
        put(Sweep, "_drop_marks_of_held", _nothing_is_dropped),
        scenes_holds.held_while_doubted,
    ),
    Mutant("relief takes what nobody holds", _relief_takes_any, scenes_holds.relief_without_the_held),
    Mutant("an approval is for nothing that is held", _approves_the_held, scenes_holds.approved_and_then_held),
]

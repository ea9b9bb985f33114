"""How a sweep ended: its result, from what it believes and what became of its plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from reaper.core.model import OutcomeKind
from reaper.core.plan import Hold
from reaper.engine.executor import Execution
from reaper.engine.report import Result, Swept
from reaper.engine.sweep_texts import failing_text, withheld_text

SWEEP_MAX_S: Final = 3_600
OUT_OF_TIME: Final = f"the sweep took over {SWEEP_MAX_S} s"
"""Why a sweep begins no new action any more, where that is all."""


class Belief(NamedTuple):
    """Every doubt about the inventory, the hold that follows from it or None, and the words for a person."""

    doubts: Sequence[str]
    doubt: Hold | None = None
    why: str = ""


def concluded(report: Swept, belief: Belief, execution: Execution, unresolved: Sequence[str]) -> Swept:
    """The report with its result, and what a person should know or do."""
    unfinished = False
    if belief.doubt is not None:
        result, why = Result.INCOMPLETE if belief.doubt is Hold.INCOMPLETE else Result.UNTRUSTED, belief.why
    elif execution.halted and not (unfinished := _is_unfinished(execution)):
        result, why = Result.FAILED, execution.halted
    elif unresolved:
        result, why = Result.FAILED, f"{len(unresolved)} earlier actions are still in doubt"
    elif failing := failing_text(report):
        result, why = Result.FAILED, failing
    else:
        result, why = (Result.WITHHELD, withheld_text(report)) if report.withheld else (Result.OK, "")
    return replace(report, result=result, why=why, unfinished=unfinished)


def _is_unfinished(execution: Execution) -> bool:
    """Whether a sweep that had its effect has run out of time: nothing is wrong, and what is left comes next."""
    return execution.halted == OUT_OF_TIME and any(one.kind is OutcomeKind.DONE for one in execution.outcomes)

"""How a sweep ends: what makes it a success, and what does not."""

from __future__ import annotations

from dataclasses import replace

from reaper.core.model import OutcomeKind
from reaper.core.plan import Hold
from reaper.engine.conclusion import OUT_OF_TIME, Belief, concluded
from reaper.engine.executor import Execution
from reaper.engine.report import Outcome, Result, Swept
from tests.scenarios.story import Story, one, tell

BELIEVED = Belief([])


async def swept() -> Swept:
    """A sweep that deleted three sessions."""
    story = Story()
    await story.stale_and_fresh(3, 60)
    report = one(await story.sweep())
    assert isinstance(report, Swept)
    assert [outcome.kind for outcome in report.outcomes] == [OutcomeKind.DONE] * 3
    return report


def ended(report: Swept, halted: str, *kinds: OutcomeKind) -> tuple[Result, bool]:
    """The result of a sweep that was halted after these outcomes, and whether it is called unfinished."""
    outcomes = [Outcome(each.item, kind, each.at) for each, kind in zip(report.outcomes, kinds, strict=False)]
    execution = Execution(outcomes, halted)
    found = concluded(replace(report, outcomes=outcomes), BELIEVED, execution, ())
    return found.result, found.unfinished


@tell
async def test_a_sweep_whose_hour_is_over_is_a_success_only_when_it_had_an_effect_and_nothing_failed() -> None:
    report = await swept()
    assert ended(report, OUT_OF_TIME, OutcomeKind.DONE) == (Result.OK, True)
    assert ended(report, OUT_OF_TIME) == (Result.FAILED, False)
    assert ended(report, OUT_OF_TIME, OutcomeKind.CHANGED) == (Result.FAILED, False)
    assert ended(report, OUT_OF_TIME, OutcomeKind.DONE, OutcomeKind.FAILED)[0] is Result.FAILED


@tell
async def test_a_sweep_that_is_halted_for_any_other_reason_has_failed_whatever_it_had_done() -> None:
    report = await swept()
    assert ended(report, "the token was refused", OutcomeKind.DONE) == (Result.FAILED, False)
    assert ended(report, "", OutcomeKind.DONE) == (Result.OK, False)


@tell
async def test_a_doubt_outweighs_all_that_was_done() -> None:
    report = await swept()
    doubted = concluded(report, Belief(["must_see"], Hold.UNTRUSTED, "short"), Execution(report.outcomes), ())
    assert (doubted.result, doubted.why, doubted.unfinished) == (Result.UNTRUSTED, "short", False)

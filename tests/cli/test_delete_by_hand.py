"""A session goes only as it was shown and asked for: the last look before a deletion by hand."""

from __future__ import annotations

from typing import Any

import pytest

from reaper.cli.delete_by_hand import FilterJudge
from reaper.cli.filters import Filter
from reaper.core.conditions import Idle, StatusIn
from reaper.core.model import ACTIVE, DAY_S, FAILED, IDLE, TOMBSTONES, Action, Malformed, Session
from reaper.core.plan import Item, PlanContext
from reaper.core.policy import Decision
from reaper.core.provider import Answer
from reaper.engine.last_look import Look
from tests.world import NOW, plan_of, policy, session

NAMED = Filter()
WEEK = Filter((StatusIn(frozenset({IDLE, FAILED})), Idle(7 * DAY_S)))
SHOWN = session()


def judged(which: Filter, fresh: Session | Malformed, shown: Session = SHOWN, date: float | None = NOW) -> Any:
    item = Item(shown, Decision(Action.DELETE), NOW, approved=True)
    look = Look(Answer(fresh, date, NOW, 0.0))
    return FilterJudge(which).recheck(item, look, plan_of([], PlanContext(1), policy()))


@pytest.mark.parametrize("which", [NAMED, WEEK])
def test_a_session_that_is_as_it_was_shown_goes(which: Filter) -> None:
    assert judged(which, SHOWN).go


@pytest.mark.parametrize("which", [NAMED, WEEK])
@pytest.mark.parametrize(
    ("fresh", "why"),
    [
        (SHOWN._replace(created_at=SHOWN.created_at + 1), "another session has its id now"),
        (SHOWN._replace(status=ACTIVE), "it was idle when looked at first, and is active now"),
        (Malformed(SHOWN.id, "time_zero"), "its record is malformed: time_zero"),
    ],
)
def test_a_session_that_is_another_one_or_woke_up_or_cannot_be_read_stays(
    which: Filter, fresh: Session | Malformed, why: str
) -> None:
    verdict = judged(which, fresh)
    assert (verdict.go, verdict.gone, verdict.why) == (False, False, why)


def test_what_a_filter_chose_must_fit_it_still_and_what_was_named_need_not() -> None:
    used = SHOWN._replace(last_accessed_at=NOW - DAY_S)
    failed = SHOWN._replace(status=FAILED)
    for fresh in (used, failed):
        assert judged(WEEK, fresh).why == "it does not fit any more: status failed or idle, idle at least 7d"
        assert judged(NAMED, fresh).go


@pytest.mark.parametrize("status", sorted(TOMBSTONES))
def test_a_session_that_went_meanwhile_is_gone_and_not_changed(status: str) -> None:
    verdict = judged(NAMED, SHOWN._replace(status=status))
    assert (verdict.go, verdict.gone) == (False, True)


@pytest.mark.parametrize("which", [NAMED, WEEK])
def test_without_the_platforms_time_nothing_goes(which: Filter) -> None:
    assert judged(which, SHOWN, date=None).why == "the platform's clock could not be read"

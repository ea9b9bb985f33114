"""What is a jump of candidates, and what ends it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reaper.core.jump import Counted, Jump, Level, count, judge, standing_jump
from reaper.core.plan import Hold, PlanContext
from reaper.core.policy import Beyond, Limits, Mode, Policy
from tests.core.test_backlog import idle
from tests.world import NOW, plan_of, policy

SPREADS = policy(limits=Limits(beyond=Beyond.SPREAD))
SESSIONS = 1_000


def judged(level: Level | None, candidates: int, of: Policy = SPREADS) -> tuple[Level, Jump | None]:
    return judge(level, Counted(candidates, candidates), SESSIONS, of, NOW)


def test_the_first_sweep_has_nothing_to_compare_with() -> None:
    assert judged(None, 900) == (Level(900), None)


@pytest.mark.parametrize("candidates", [0, 100, 350])
def test_what_comes_slowly_or_goes_is_the_new_level(candidates: int) -> None:
    assert judged(Level(100), candidates) == (Level(candidates), None)


def test_more_than_the_share_is_a_jump_and_no_level() -> None:
    level, jump = judged(Level(100), 351)
    assert level == Level(100, NOW, 351)
    assert str(jump) == "351 candidates where 100 were, limit jump: 25% allows 250 more"


def test_a_jump_stays_one_until_the_number_falls() -> None:
    level, _ = judged(Level(100), 351)
    again, jump = judge(level, Counted(400, 400), SESSIONS, SPREADS, NOW + 9)
    assert (again, jump is None) == (level, False)
    assert judged(again, 350) == (Level(350), None)


def test_a_small_agent_may_have_a_few_more() -> None:
    few = Counted(5, 5)
    assert judge(Level(0), few, 8, SPREADS, NOW) == (Level(5), None)
    assert judge(Level(0), Counted(6, 6), 8, SPREADS, NOW)[1] is not None


@pytest.mark.parametrize(
    "asks",
    [replace(SPREADS, limits=Limits()), replace(SPREADS, mode=Mode.OBSERVE)],
    ids=["withhold", "observe"],
)
def test_a_policy_that_does_nothing_by_itself_makes_any_number_the_level(asks: Policy) -> None:
    assert judged(Level(100), 900, asks) == (Level(900), None)


def test_observing_for_a_while_does_not_forget_a_jump() -> None:
    level, _ = judged(Level(100), 900)
    still, _ = judged(level, 900, replace(SPREADS, mode=Mode.OBSERVE))
    _, jump = judged(still, 900)
    assert jump is not None


def test_what_is_approved_does_not_count() -> None:
    assert count([(True, False), (False, False), (False, True), (True, True)]) == Counted(2, 1)


def test_records_that_nobody_understands_are_no_jump_and_no_level_above_one() -> None:
    strange = Counted(900, 50)
    assert judge(Level(100), strange, SESSIONS, SPREADS, NOW) == (Level(100), None)
    all_at_once = Counted(100, 0)
    level, _ = judge(Level(100), all_at_once, SESSIONS, SPREADS, NOW)
    assert judged(level, 100) == (Level(100), None)


def test_a_jump_holds_back_whatever_is_not_approved_and_grace_goes_on_beneath() -> None:
    jump = Jump(900, 100, "25%", 250)
    made = plan_of(idle(9, 12), PlanContext(100, jump=jump), replace(SPREADS, grace_s=60))
    assert made.blocked == {Hold.JUMP: 2}
    assert made.marks is not None
    assert len(made.marks) == 2


def test_a_jump_that_stands_is_told_of_policies_that_it_holds_back() -> None:
    assert standing_jump(Level(100), SPREADS) is None
    level = Level(100, NOW, 351)
    assert str(standing_jump(level, SPREADS)) == "351 candidates where 100 were, limit jump: 25%"
    assert standing_jump(level, policy()) is None

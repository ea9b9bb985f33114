"""Which of a backlog go first, and about how long the rest takes."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from reaper.core.backlog import Turns, backlog
from reaper.core.model import ACTIVE, DAY_S, Action
from reaper.core.plan import Approval, Candidate, Hold, Item, Mark, Plan, PlanContext
from reaper.core.policy import Beyond, Limit, Limits, Policy
from tests.world import HOUR_S, NOW, RUNAWAY, candidate, examples, plan_of, policy, session

SPREAD = Limits(Limit(3), Limit(10), beyond=Beyond.SPREAD)
WEEK_S = 7 * DAY_S


def spreading(**limits: object) -> Policy:
    return policy(limits=replace(SPREAD, **limits))  # type: ignore[arg-type]


def idle(*days: int) -> list[Candidate]:
    return [candidate(session(f"idle-{number:05d}", idle=each * DAY_S)) for number, each in enumerate(days)]


def acted(made: Plan) -> list[str]:
    return sorted(item.session.id for item in made.act)


def test_the_longest_overdue_go_first_and_the_rest_waits_for_the_next_sweep() -> None:
    made = plan_of(idle(9, 12, 8, 20, 11), PlanContext(100), spreading())
    assert acted(made) == ["idle-00001", "idle-00003", "idle-00004"]
    assert made.blocked == {Hold.LIMIT_SWEEP: 2}
    assert [str(each) for each in made.left] == ["2 deletes left: about 1 more sweep"]
    assert (made.excess, made.foreseen) == ((), ())


def test_what_the_day_has_no_room_for_waits_for_the_day() -> None:
    made = plan_of(idle(9, 12, 8, 20, 11), PlanContext(100, used_today={Action.DELETE: 8}), spreading())
    assert acted(made) == ["idle-00001", "idle-00003"]
    assert made.blocked == {Hold.LIMIT_DAY: 3}
    assert [str(each) for each in made.left] == ["3 deletes left: about 1 more sweep, 1 day"]


def test_on_a_day_that_is_used_up_nothing_goes_and_nobody_is_asked() -> None:
    made = plan_of(idle(9, 12), PlanContext(100, used_today={Action.DELETE: 12}), spreading())
    assert made.act == ()
    assert (made.blocked, made.foreseen) == ({Hold.LIMIT_DAY: 2}, ())


def test_a_plan_within_the_limits_leaves_nothing() -> None:
    made = plan_of(idle(9, 12, 8), PlanContext(100), spreading())
    assert (len(made.act), made.left, made.ahead) == (3, (), ())


def test_deletes_and_stops_have_their_turns_apart() -> None:
    runaways = [candidate(session(f"busy-{n:05d}", status=ACTIVE, idle=n * HOUR_S), RUNAWAY) for n in range(3, 9)]
    made = plan_of([*idle(9, 12), *runaways], PlanContext(100), spreading())
    assert acted(made) == ["busy-00006", "busy-00007", "busy-00008", "idle-00000", "idle-00001"]
    assert [each.action for each in made.left] == [Action.STOP]


def test_what_a_person_approved_goes_beside_the_turns() -> None:
    made = plan_of(idle(9, 12, 8, 20, 11), PlanContext(100), spreading())
    leave = frozenset(Approval.needed(item.session, item.action) for item in made.items if item.hold)
    assert len(plan_of(idle(9, 12, 8, 20, 11), PlanContext(100, approved=leave), spreading()).act) == 5


def test_a_limit_of_zero_asks_a_person_as_ever() -> None:
    made = plan_of(idle(9, 12), PlanContext(100), spreading(per_sweep=Limit(0)))
    assert made.act == ()
    assert (made.blocked, made.left) == ({Hold.LIMIT_SWEEP: 2}, ())
    assert made.foreseen


def test_what_ripened_together_goes_in_the_order_in_which_its_rule_caught_it() -> None:
    found = idle(9, 12, 8, 20, 11)
    marks = {
        each.session.incarnation: Mark(each.session, Action.DELETE, "stale", NOW - DAY_S - 1, NOW - 1)
        for each in found
    }
    made = plan_of(found, PlanContext(100, marks=marks), replace(spreading(), grace_s=DAY_S))
    assert acted(made) == ["idle-00001", "idle-00003", "idle-00004"]


def test_who_is_ripe_for_longer_goes_before_who_was_idle_for_longer() -> None:
    found = idle(18, 22, 17, 25, 20)
    marks = {
        each.session.incarnation: Mark(each.session, Action.DELETE, "stale", NOW - 9 * DAY_S, NOW - number)
        for number, each in enumerate(found)
    }
    made = plan_of(found, PlanContext(100, marks=marks), replace(spreading(), grace_s=DAY_S))
    assert acted(made) == ["idle-00002", "idle-00003", "idle-00004"]


def test_before_it_is_due_a_plan_says_how_long_it_will_take() -> None:
    made = plan_of(idle(*[9] * 25), PlanContext(100, observe=True), spreading())
    assert [(each.left, each.sweeps, each.days) for each in made.ahead] == [(25, 10, 2)]


@examples
@given(st.lists(st.integers(8, 25), max_size=40, unique=True), st.integers(0, 12))
def test_no_one_who_waits_is_overdue_for_longer_than_one_who_goes(days: list[int], used: int) -> None:
    made = plan_of(idle(*days), PlanContext(100, used_today={Action.DELETE: used}), spreading())
    assert len(made.act) == min(len(days), 3, max(10 - used, 0))
    going = [item.ripe_at for item in made.act]
    waiting = [item.ripe_at for item in made.items if item.hold]
    assert not going or not waiting or max(going) < min(waiting)


@examples
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30), st.integers(0, 12))
def test_the_choice_does_not_depend_on_the_order_of_what_it_is_chosen_from(
    dues: list[tuple[int, int]], most: int
) -> None:
    items = [
        Item(each.session, each.decision._replace(since=NOW - since), ripe_at=NOW - ripe)
        for each, (ripe, since) in zip(idle(*[9] * len(dues)), dues, strict=True)
    ]
    forth, back = Turns[Item](most), Turns[Item](most)
    for one, other in zip(items, reversed(items), strict=True):
        forth.offer(one)
        back.offer(other)
    chosen = forth.chosen
    assert chosen == back.chosen
    assert len(chosen) == min(most, len(items))


def test_an_estimate_is_what_working_it_off_takes() -> None:
    """Played through with shares that shrink with the inventory, four sweeps a day."""
    limits, inventory, left, sweeps, days = Limits(beyond=Beyond.SPREAD), 1_000, 700, 0, 0
    told = backlog(Action.DELETE, left, limits, inventory, limits.per_day.of(inventory, 5))
    while left:
        room = limits.per_day.of(inventory, 5)
        while left and room:
            going = min(limits.per_sweep.of(inventory, 5), left, room)
            left, room, inventory, sweeps = left - going, room - going, inventory - going, sweeps + 1
        days += 1
    assert abs(told.days - (days - 1)) <= 1
    assert abs(told.sweeps - sweeps) <= days


def test_an_estimate_of_very_many_is_made_at_once() -> None:
    told = backlog(Action.DELETE, 10**9, Limits(Limit(1), Limit(1)), 10**9, 0)
    assert told.days == told.sweeps == 10**9
    assert str(told) == "1,000,000,000 deletes left: about 1,000,000,000 more sweeps, 1,000,000,000 days"

"""Which candidates may be acted on now, and what holds the others back."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper.core.conditions import Idle, StatusIn
from reaper.core.model import ACTIVE, DAY_S, Action
from reaper.core.plan import Approval, Candidate, Hold, Item, Mark, Plan, PlanContext
from reaper.core.plan_lines import joint_plan_id, plan_id
from reaper.core.policy import Limit, Limits, Mode, Policy, Rule
from reaper.core.windows import DAYS, Window
from tests.world import HOUR_S, NOW, RUNAWAY, STALE, candidate, examples, plan_of, policy, session

GRACE_S = DAY_S
DOUBTS = (Hold.STATE, Hold.INCOMPLETE, Hold.UNTRUSTED, Hold.CLOCK)
OPEN = Window(frozenset(DAYS), time(0), time(0), ZoneInfo("UTC"))
SHUT = Window(frozenset(), time(0), time(0), ZoneInfo("UTC"))


def stale(count: int, first: int = 0) -> list[Candidate]:
    return [candidate(session(f"stale-{number:05d}")) for number in range(first, first + count)]


def runaways(count: int) -> list[Candidate]:
    return [candidate(session(f"busy-{number:06d}", status=ACTIVE, idle=DAY_S), RUNAWAY) for number in range(count)]


def approvals(found: list[Candidate]) -> frozenset[Approval]:
    seen = [(each.session, each.decision.action) for each in found]
    return frozenset(Approval(s.id, s.created_at, s.last_accessed_at, action) for s, action in seen)


def marked(made: Plan) -> dict[tuple[str, int], Mark]:
    assert made.marks is not None
    return {mark.seen.incarnation: mark for mark in made.marks}


def acted(made: Plan) -> Counter[Action]:
    return Counter(item.action for item in made.act)


# The partition


@st.composite
def crowds(draw: st.DrawFn) -> list[Candidate]:
    kinds = draw(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(8, 20)), max_size=40))
    found = []
    for number, (active, strange, days) in enumerate(kinds):
        seen = session(f"session-{number:04d}", idle=days * DAY_S, strange=("colour",) if strange else ())
        found.append(candidate(seen._replace(status=ACTIVE), RUNAWAY) if active else candidate(seen))
    return found


@st.composite
def standings(draw: st.DrawFn, found: list[Candidate]) -> PlanContext:
    lucky = [each for each in found if draw(st.booleans())]
    promised = [each for each in found if each.decision.action is Action.DELETE and draw(st.booleans())]
    ages = [draw(st.integers(0, 3 * DAY_S)) for _ in promised]
    marks = [
        Mark(each.session, Action.DELETE, STALE.name, NOW - age, NOW - age + GRACE_S)
        for each, age in zip(promised, ages, strict=True)
    ]
    return PlanContext(
        inventory=draw(st.integers(len(found), 400)),
        marks={mark.seen.incarnation: mark for mark in marks},
        used_today={action: draw(st.integers(0, 30)) for action in (Action.DELETE, Action.STOP)},
        approved=approvals(lucky) if draw(st.booleans()) else frozenset(),
        doubt=draw(st.sampled_from([None, None, None, *DOUBTS])),
        breaker=draw(st.sampled_from([False, False, True])),
        observe=draw(st.sampled_from([False, False, True])),
    )


limit_values = st.one_of(st.builds(Limit, st.integers(0, 30)), st.builds(Limit, st.integers(0, 100), st.just(True)))
limits_ = st.builds(Limits, limit_values, limit_values, st.integers(0, 10))
policies = st.builds(
    lambda grace, limits, windows, mode: policy(grace_s=grace, limits=limits, windows=windows, mode=mode),
    st.sampled_from([0, HOUR_S, GRACE_S]),
    limits_,
    st.sampled_from([(), (OPEN,), (SHUT,)]),
    st.sampled_from([Mode.ENFORCE, Mode.ENFORCE, Mode.OBSERVE]),
)


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Candidate], PlanContext, Policy]:
    found = draw(crowds())
    chosen = draw(policies)
    standing = draw(standings(found))
    observing = standing.observe or chosen.mode is Mode.OBSERVE
    return found, replace(standing, observe=observing), chosen


@examples
@given(situations())
def test_every_candidate_is_in_the_plan_exactly_once_acted_on_or_held(
    situation: tuple[list[Candidate], PlanContext, Policy],
) -> None:
    found, standing, chosen = situation
    made = plan_of(found, standing, chosen)
    assert [item.session for item in made.items] == [each.session for each in found]
    assert len(made.act) + sum(made.blocked.values()) == len(found)


@examples
@given(situations())
def test_no_plan_acts_on_more_than_the_limits_allow_unless_approved(
    situation: tuple[list[Candidate], PlanContext, Policy],
) -> None:
    found, standing, chosen = situation
    made = plan_of(found, standing, chosen)
    limits = chosen.limits
    unapproved = Counter(item.action for item in made.act if not item.approved)
    for action, count in unapproved.items():
        assert count <= limits.per_sweep.of(standing.inventory, limits.at_least)
        spent = count + standing.used_today[action]
        assert spent <= limits.per_day.of(standing.inventory_today, limits.at_least)


@examples
@given(situations())
def test_doubt_breaker_and_observing_let_nothing_through_not_even_what_is_approved(
    situation: tuple[list[Candidate], PlanContext, Policy],
) -> None:
    found, standing, chosen = situation
    made = plan_of(found, standing, chosen)
    if standing.doubt or standing.breaker or standing.observe:
        assert made.act == ()


@examples
@given(situations())
def test_what_is_acted_on_is_whole_ripe_and_inside_a_window(
    situation: tuple[list[Candidate], PlanContext, Policy],
) -> None:
    found, standing, chosen = situation
    made = plan_of(found, standing, chosen)
    for item in made.act:
        assert not item.session.strange
        if item.action is Action.DELETE:
            assert SHUT not in chosen.windows
            mark = standing.marks.get(item.session.incarnation)
            assert chosen.grace_s == 0 or (mark is not None and mark.marked_at + chosen.grace_s <= NOW)


def test_the_strongest_reason_is_the_one_that_is_told() -> None:
    found = [candidate(session(strange=("colour",)))]
    chosen = policy(grace_s=GRACE_S, windows=(SHUT,), limits=Limits(Limit(0), Limit(0)))
    told = [PlanContext(1, doubt=Hold.CLOCK, breaker=True, observe=True), PlanContext(1, breaker=True, observe=True)]
    told += [PlanContext(1, observe=True), PlanContext(1)]
    holds = [plan_of(found, standing, chosen).items[0].hold for standing in told]
    assert holds == [Hold.CLOCK, Hold.BREAKER, Hold.OBSERVE, Hold.STRANGE]
    plain = [candidate(session())]
    assert plan_of(plain, PlanContext(1), chosen).items[0].hold is Hold.GRACE
    assert plan_of(plain, PlanContext(1), replace(chosen, grace_s=0)).items[0].hold is Hold.WINDOW
    assert plan_of(plain, PlanContext(1), replace(chosen, grace_s=0, windows=())).items[0].hold is Hold.LIMIT_SWEEP


def test_windows_and_grace_are_for_deletes_only() -> None:
    made = plan_of(runaways(1), PlanContext(1), policy(grace_s=GRACE_S, windows=(SHUT,)))
    assert acted(made) == {Action.STOP: 1}
    assert made.marks == ()


# Grace

GRACED = policy(grace_s=GRACE_S)


def first_sweep(found: list[Candidate], chosen: Policy = GRACED, now: float = NOW) -> dict[tuple[str, int], Mark]:
    made = plan_of(found, PlanContext(100), chosen, now)
    assert made.act == ()
    return marked(made)


def later(
    found: list[Candidate], marks: dict[tuple[str, int], Mark], after: float, chosen: Policy = GRACED, **standing: Any
) -> Plan:
    return plan_of(found, PlanContext(100, marks=marks, **standing), chosen, NOW + after)


def test_the_first_sweep_only_marks() -> None:
    found = stale(3)
    marks = first_sweep(found)
    assert [mark.seen for mark in marks.values()] == [each.session for each in found]
    assert {(mark.marked_at, mark.ripe_at) for mark in marks.values()} == {(NOW, NOW + GRACE_S)}


def test_a_marked_session_is_deleted_from_exactly_the_end_of_its_grace() -> None:
    found = stale(1)
    marks = first_sweep(found)
    assert later(found, marks, GRACE_S - 0.5).blocked == {Hold.GRACE: 1}
    assert acted(later(found, marks, GRACE_S)) == {Action.DELETE: 1}


def test_a_mark_that_is_seen_again_keeps_its_time() -> None:
    found = stale(1)
    marks = first_sweep(found)
    assert marked(later(found, marks, HOUR_S)) == marks


@pytest.mark.parametrize(
    "change",
    [
        {"status": "failed"},
        {"version": "4"},
        {"version": None},
        {"last_accessed_at": NOW - 8 * DAY_S + 1},
        {"expires_at": NOW + 30 * DAY_S},
        {"stopped_at": NOW - DAY_S},
        {"strange": ("colour",)},
        {"created_at": NOW - 8 * DAY_S},
    ],
)
def test_any_change_drops_the_mark_and_starts_the_grace_anew(change: dict[str, Any]) -> None:
    marks = first_sweep([candidate(session())])
    changed = candidate(session()._replace(**change))
    made = later([changed], marks, GRACE_S)
    assert made.act == ()
    (mark,) = marked(made).values()
    assert (mark.seen, mark.marked_at, mark.ripe_at) == (changed.session, NOW + GRACE_S, NOW + 2 * GRACE_S)


def test_a_session_created_again_under_the_same_id_has_no_mark() -> None:
    marks = first_sweep([candidate(session(idle=9 * DAY_S))])
    again = candidate(session(idle=8 * DAY_S, age=8 * DAY_S))
    made = later([again], marks, 2 * GRACE_S)
    assert made.blocked == {Hold.GRACE: 1}
    assert list(marked(made)) == [again.session.incarnation]


def test_a_session_that_is_no_candidate_any_more_loses_its_mark() -> None:
    found = stale(2)
    marks = first_sweep(found)
    between = later(found[:1], marks, HOUR_S)
    assert list(marked(between)) == [found[0].session.incarnation]
    assert later(found, marked(between), GRACE_S).blocked == {Hold.GRACE: 1}


def test_another_rule_or_another_action_starts_the_grace_anew() -> None:
    seen = session(status=ACTIVE)
    deletes = Rule("deletes", Action.DELETE, (StatusIn(frozenset({ACTIVE})), Idle(DAY_S)))
    renamed = replace(deletes, name="renamed")
    marks = first_sweep([candidate(seen, deletes)], policy(deletes, grace_s=GRACE_S))
    made = later([candidate(seen, renamed)], marks, GRACE_S, policy(renamed, grace_s=GRACE_S))
    assert made.blocked == {Hold.GRACE: 1}
    stopped = later([candidate(seen, RUNAWAY)], marks, HOUR_S, policy(RUNAWAY, grace_s=GRACE_S))
    assert marked(stopped) == {}


@pytest.mark.parametrize("new_grace_s", [HOUR_S, GRACE_S, 3 * GRACE_S])
def test_a_new_grace_never_ripens_a_mark_before_the_old_or_the_new_one(new_grace_s: int) -> None:
    found = stale(1)
    marks = first_sweep(found)
    ripe = max(GRACE_S, new_grace_s)
    chosen = policy(grace_s=new_grace_s)
    assert later(found, marks, ripe - 1, chosen).act == ()
    assert acted(later(found, marks, ripe, chosen)) == {Action.DELETE: 1}


@examples
@given(st.lists(st.tuples(st.integers(1, 3 * DAY_S), st.integers(1, 3 * DAY_S)), min_size=1, max_size=6))
def test_no_sequence_of_graces_breaks_a_promise_that_was_made(steps: list[tuple[int, int]]) -> None:
    found, marks, passed, promised = stale(1), {}, 0, 0.0
    for wait, grace in steps:
        made = later(found, marks, passed, policy(grace_s=grace))
        if made.act:
            assert NOW + passed >= promised
            return
        (mark,) = marked(made).values()
        assert mark.ripe_at >= promised
        marks, promised, passed = marked(made), mark.ripe_at, passed + wait


def test_a_promise_stands_even_when_the_policy_gives_up_its_grace() -> None:
    found = stale(1)
    assert later(found, first_sweep(found), HOUR_S, policy(grace_s=0)).act == ()


def test_an_observing_policy_makes_no_promises_and_drops_those_that_stood() -> None:
    found = stale(1)
    observing = policy(grace_s=GRACE_S, mode=Mode.OBSERVE)
    assert later(found, first_sweep(found), HOUR_S, observing, observe=True).marks == ()


def test_a_sweep_that_a_person_runs_observing_leaves_the_marks_alone() -> None:
    found = stale(1)
    assert later(found, first_sweep(found), HOUR_S, observe=True).marks is None


@pytest.mark.parametrize("doubt", DOUBTS)
def test_a_doubted_sweep_leaves_the_marks_alone(doubt: Hold) -> None:
    found = stale(1)
    assert later(found, first_sweep(found), 2 * GRACE_S, doubt=doubt).marks is None
    assert later([], first_sweep(found), 2 * GRACE_S, doubt=doubt).marks is None


def test_an_open_breaker_holds_actions_back_and_lets_the_grace_run() -> None:
    found = stale(1)
    marks = first_sweep(found)
    made = later(found, marks, GRACE_S, breaker=True)
    assert made.blocked == {Hold.BREAKER: 1}
    assert marked(made) == marks


# Limits


AMPLE = Limit(10_000)


def limited(sweep: Limit, day: Limit = AMPLE, at_least: int = 0, **changes: Any) -> Policy:
    return policy(limits=Limits(sweep, day, at_least), **changes)


@pytest.mark.parametrize(("inventory", "allowed"), [(100, 10), (109, 10), (110, 11), (9, 0), (0, 0)])
def test_a_share_of_the_inventory_rounds_down(inventory: int, allowed: int) -> None:
    assert Limit(10, percent=True).of(inventory, at_least=0) == allowed
    chosen = limited(Limit(10, percent=True))
    assert len(plan_of(stale(allowed), PlanContext(inventory), chosen).act) == allowed
    assert plan_of(stale(allowed + 1), PlanContext(inventory), chosen).act == ()


def test_a_share_is_never_less_than_at_least() -> None:
    assert Limit(10, percent=True).of(3, at_least=5) == 5
    assert Limit(10, percent=True).of(1000, at_least=5) == 100
    assert Limit(2).of(1000, at_least=5) == 2


@pytest.mark.parametrize("none", [Limit(0), Limit(0, percent=True)])
def test_zero_means_none_and_never_unlimited(none: Limit) -> None:
    for chosen in (limited(none, at_least=5), limited(Limit(10_000), none, at_least=5)):
        assert plan_of(stale(1), PlanContext(1000), chosen).act == ()
        assert plan_of(runaways(1), PlanContext(1000), chosen).act == ()


def test_a_plan_larger_than_a_limit_is_withheld_whole() -> None:
    made = plan_of(stale(11), PlanContext(100), limited(Limit(10, percent=True)))
    assert made.act == ()
    assert made.blocked == {Hold.LIMIT_SWEEP: 11}
    assert [str(each) for each in made.excess] == ["11 deletes, limit per_sweep: 10% allows 10"]


def test_what_was_done_today_counts_against_the_day() -> None:
    chosen = limited(Limit(100), Limit(25, percent=True))
    spent = PlanContext(80, used_today={Action.DELETE: 20})
    assert len(plan_of(stale(5), spent, chosen).act) == 5
    made = plan_of(stale(6), spent, chosen)
    assert made.blocked == {Hold.LIMIT_DAY: 6}
    assert str(made.excess[0]) == "6 deletes after 20 in the last 24 hours, limit per_day: 25% allows 25"


def test_deletes_and_stops_are_counted_apart() -> None:
    chosen = limited(Limit(10), Limit(10))
    assert len(plan_of([*stale(10), *runaways(10)], PlanContext(100), chosen).act) == 20
    used = PlanContext(100, used_today={Action.STOP: 10})
    assert len(plan_of(stale(10), used, chosen).act) == 10
    assert plan_of(runaways(1), used, chosen).act == ()


def test_a_candidate_in_grace_is_not_counted_until_it_is_ripe_but_foreseen() -> None:
    old, new = stale(5), stale(10, first=5)
    chosen = limited(Limit(5), grace_s=GRACE_S)
    made = later([*old, *new], first_sweep(old, chosen), GRACE_S, chosen)
    assert len(made.act) == 5
    assert made.excess == ()
    assert [(each.planned, each.limit) for each in made.foreseen] == [(15, 5)]


def test_what_a_person_approved_passes_the_limits_and_leaves_them_to_the_others() -> None:
    approved = stale(50)
    others = stale(5, first=50)
    chosen = limited(Limit(5), Limit(5))
    made = plan_of([*approved, *others], PlanContext(100, approved=approvals(approved)), chosen)
    assert len(made.act) == 55
    more = plan_of([*approved, *stale(6, first=50)], PlanContext(100, approved=approvals(approved)), chosen)
    assert {item.approved for item in more.act} == {True}
    assert more.blocked == {Hold.LIMIT_SWEEP: 6}


def test_what_a_person_approved_passes_no_other_guard() -> None:
    found = stale(1)
    leave = approvals(found)
    chosen = limited(Limit(0), grace_s=GRACE_S)
    assert plan_of(found, PlanContext(1, approved=leave), chosen).blocked == {Hold.GRACE: 1}
    shut = limited(Limit(0), windows=(SHUT,))
    assert plan_of(found, PlanContext(1, approved=leave), shut).blocked == {Hold.WINDOW: 1}
    for standing in (
        PlanContext(1, breaker=True),
        PlanContext(1, observe=True),
        *(PlanContext(1, doubt=d) for d in DOUBTS),
    ):
        assert plan_of(found, replace(standing, approved=leave), limited(Limit(0))).act == ()


@pytest.mark.parametrize("change", [{"created_at": NOW - 20 * DAY_S}, {"last_accessed_at": NOW - 9 * DAY_S}])
def test_an_approval_is_for_one_incarnation_as_it_was_seen(change: dict[str, int]) -> None:
    leave = approvals([candidate(session())])
    changed = candidate(session()._replace(**change))
    assert plan_of([changed], PlanContext(1, approved=leave), limited(Limit(0))).act == ()


def test_an_approval_to_stop_is_none_to_delete() -> None:
    seen = session(status=ACTIVE)
    stops, deletes = candidate(seen, RUNAWAY), candidate(seen, replace(RUNAWAY, action=Action.DELETE))
    assert plan_of([deletes], PlanContext(1, approved=approvals([stops])), limited(Limit(0))).act == ()


# The id of a plan


def identity(found: list[Candidate], project: str = "prod", agent: str = "desk") -> str:
    return plan_id(project, agent, [Item(each.session, each.decision, NOW) for each in found])


@examples
@given(st.permutations(stale(6)))
def test_the_id_of_a_plan_does_not_depend_on_the_order(found: list[Candidate]) -> None:
    assert identity(found) == identity(stale(6))


def test_the_id_of_a_plan_does_not_depend_on_time_or_on_what_holds_it() -> None:
    found = stale(6)
    ids = {
        plan_of(found, PlanContext(100), chosen, NOW + after).id for chosen in (policy(), GRACED) for after in (0, 9)
    }
    held = (PlanContext(100, observe=True), PlanContext(100, breaker=True), PlanContext(100, doubt=Hold.CLOCK))
    ids |= {plan_of(found, standing, policy()).id for standing in held}
    assert len(ids) == 1


def test_the_id_of_a_plan_with_a_strange_record_is_the_same_when_observed() -> None:
    found = [*stale(6), candidate(session(strange=("colour",)))]
    assert (
        plan_of(found, PlanContext(100, observe=True), policy()).id == plan_of(found, PlanContext(100), policy()).id
    )


def test_the_id_of_a_plan_changes_with_everything_it_is_about() -> None:
    found = stale(3)
    first = found[0].session
    changed = [
        first._replace(**change) for change in ({"id": "stale-99999"}, {"created_at": 1}, {"last_accessed_at": 2})
    ]
    others = [identity([candidate(seen), *found[1:]]) for seen in changed]
    others += [identity(found[1:]), identity([*found, *stale(1, first=9)]), identity(found, project="test")]
    others += [identity(found, agent="other"), identity([candidate(first, RUNAWAY), *found[1:]])]
    assert len({identity(found), *others}) == len(others) + 1


def test_several_plans_have_one_id_together_and_a_single_one_its_own() -> None:
    assert joint_plan_id(["aaa"]) == "aaa"
    assert joint_plan_id(["aaa", "bbb"]) == joint_plan_id(["bbb", "aaa"])
    assert joint_plan_id(["aaa", "bbb"]) != joint_plan_id(["aaa", "ccc"])

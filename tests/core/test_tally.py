"""What a plan comes to, counted beside it, is what counting its items would give."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from reaper.core.model import ACTIVE, IDLE, Action
from reaper.core.plan import Hold, Item, Limited
from reaper.core.policy import Decision
from reaper.core.tally import SHOWN_MAX, Soonest, Tally, minute_of
from tests.world import NOW, RUNAWAY, STALE, examples, session

GRACE_S = 3_600


@st.composite
def planned(draw: st.DrawFn) -> list[Item]:
    found = []
    for number in range(draw(st.integers(0, 12))):
        rule, status = draw(st.sampled_from([(STALE, IDLE), (RUNAWAY, ACTIVE)]))
        hold = draw(st.sampled_from([None, None, Hold.GRACE, Hold.STRANGE, Hold.OBSERVE]))
        since = NOW - draw(st.integers(0, 5_000))
        found.append(
            Item(
                session(f"session-{number:04d}", status=status),
                Decision(rule.action, rule, since),
                NOW + draw(st.integers(-200, 200)),
                draw(st.booleans()),
                hold,
            )
        )
    return found


def tally_of(items: list[Item]) -> Tally[Item, Hold]:
    tally = Tally[Item, Hold](NOW, GRACE_S)
    tally.take(items)
    return tally


def check(tally: Tally[Item, Hold], items: list[Item]) -> None:
    assert (tally.total, tally.act) == (len(items), sum(item.hold is None for item in items))
    assert tally.by_hold == Counter(item.hold for item in items if item.hold)
    assert tally.by_rule == Counter(item.rule for item in items)
    assert tally.by_action == Counter(item.action for item in items)
    due = [item.decision.since + (GRACE_S if item.action is Action.DELETE else 0) for item in items]
    assert tally.due_since == min(due, default=float("inf"))
    minutes = sum((counted.minutes for counted in tally.groups.values()), Counter[int]())
    assert minutes == Counter(minute_of(item.ripe_at, NOW) for item in items)
    assert sum(counted.due for counted in tally.groups.values()) == sum(item.ripe_at <= NOW for item in items)
    for hold in Hold:
        ripe = [item.ripe_at for item in items if item.hold is hold]
        assert not ripe or tally.first_ripe(hold) == min(ripe)
    in_order = sorted(items, key=lambda item: (item.ripe_at, item.session.id))
    assert tally.ready.items == [item for item in in_order if item.hold is None]
    assert tally.waiting.items == [item for item in in_order if item.hold]


@examples
@given(planned(), planned())
def test_a_tally_is_what_counting_the_items_gives_however_they_came(first: list[Item], second: list[Item]) -> None:
    second = [replace(one, session=one.session._replace(id=f"other-{one.session.id}")) for one in second]
    check(tally_of(first), first)
    check(tally_of(first).plus(tally_of(second)), first + second)


@examples
@given(planned())
def test_what_a_limit_holds_back_is_counted_as_held(items: list[Item]) -> None:
    limited = Limited(Hold.LIMIT_DAY)
    check(tally_of(items).withheld(Hold.LIMIT_DAY, limited.of), [limited.of(item) for item in items])


def test_of_many_the_first_few_are_known_by_name_and_no_more_are_held() -> None:
    first, most = Soonest[Item](), 0
    many = [
        Item(session(f"session-{number:05d}"), Decision(Action.DELETE, STALE), NOW + number * 37 % 5_000)
        for number in range(5_000)
    ]
    for item in many:
        first.offer(item)
        most = max(most, len(first.held))
    assert first.items == sorted(many, key=lambda item: (item.ripe_at, item.session.id))[:SHOWN_MAX]
    assert most <= 2 * SHOWN_MAX

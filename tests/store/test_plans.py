"""Plans and approvals as they are kept: what an id stands for, for how long, and that nothing replaces it."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Callable

import pytest

from reaper.core.model import ACTIVE, DAY_S, Action
from reaper.core.plan import Approval, Item
from reaper.core.plan_lines import joint_plan_id, plan_id
from reaper.core.policy import Decision
from reaper.store import dropped_plans
from reaper.store.database import StateError
from reaper.store.dropped_plans import PLAN_KEPT_S
from reaper.store.plans import LISTED_OF_AGENT
from reaper.store.store import Breaker, Store
from tests.world import NOW, RUNAWAY, STALE, session

HERE = ("prod", "desk")
NOBODY = "0" * 32


def item(ident: str = "session-0001") -> Item:
    return Item(session(ident), Decision(Action.DELETE, STALE), NOW)


def items(*numbers: int) -> list[Item]:
    return [item(f"session-{number:04d}") for number in numbers]


def remember(store: Store, *planned: Item, agent: str = "desk", at: float = NOW) -> str:
    """Keep a plan, and give its id."""
    name = plan_id("prod", agent, planned)
    store.plans.remember(name, "prod", agent, at, planned)
    return name


def sessions(store: Store, name: str) -> set[str]:
    return {one.session for plan in store.plans.known(name) for one in plan.approvals}


def approved(store: Store, agent: str = "desk") -> set[str]:
    return {one.session for one in store.plans.approved("prod", agent)}


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        return raw.execute(query).fetchall()


# What an id stands for


def test_plans_and_approvals_survive(store: Store, reopen: Callable[[], Store]) -> None:
    stop = Item(session("session-0002", status=ACTIVE), Decision(Action.STOP, RUNAWAY), NOW)
    name = remember(store, item(), stop)
    assert store.plans.approve(name, NOW)
    again = reopen()
    seen = session()
    expected = {
        Approval("session-0001", seen.created_at, seen.last_accessed_at, Action.DELETE),
        Approval("session-0002", seen.created_at, seen.last_accessed_at, Action.STOP),
    }
    assert again.plans.approved(*HERE) == expected
    assert [(plan.id, set(plan.approvals)) for plan in again.plans.known(name)] == [(name, expected)]
    assert again.plans.approved("prod", "other") == frozenset()


def test_an_approved_plan_is_never_replaced_by_another_under_its_id(store: Store) -> None:
    name = remember(store, *items(1, 2))
    store.plans.approve(name, NOW)
    store.plans.remember(name, *HERE, NOW + 1, items(3, 4, 5))
    assert approved(store) == {"session-0001", "session-0002"}


def test_a_plan_whose_kept_sessions_were_altered_approves_nothing(store: Store, url: str) -> None:
    name = remember(store, *items(1, 2))
    store.plans.approve(name, NOW)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        raw.execute("UPDATE plans SET sessions = CAST(replace(sessions, '0002', '0003') AS BLOB)")
    assert approved(store) == set()
    assert store.plans.known(name) == []


@pytest.mark.parametrize("altered", ["'nonsense'", "x'ff00'", "CAST('all' || char(10) || 'a b' AS BLOB)"])
def test_kept_sessions_that_are_no_longer_what_was_written_are_a_fault_and_no_crash(
    store: Store, url: str, altered: str
) -> None:
    name = remember(store, *items(1, 2))
    store.plans.approve(name, NOW)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        raw.execute(f"UPDATE plans SET sessions = {altered}")
    found: set[str] = set()
    with contextlib.suppress(StateError):
        found = approved(store)
    assert found == set()


def test_a_session_with_a_strange_record_is_no_part_of_what_is_approved(store: Store) -> None:
    strange = Item(session("session-0009", strange=("colour",)), Decision(Action.DELETE, STALE), NOW)
    name = remember(store, item(), strange)
    assert name == plan_id(*HERE, [item()])
    assert sessions(store, name) == {"session-0001"}


def test_plans_that_differ_little_are_kept_by_their_difference_and_read_back_whole(store: Store, url: str) -> None:
    chance = random.Random(7)
    present = set(range(400))
    made: dict[str, set[str]] = {}
    for step in range(120):
        present ^= {chance.randrange(500) for _ in range(3)}
        planned = items(*sorted(present))
        made[remember(store, *planned, at=NOW + step)] = {one.session.id for one in planned}
    assert {name: sessions(store, name) for name in made} == made
    ((kept_bytes,),) = rows(url, "SELECT sum(length(sessions)) FROM plans")
    whole = 400 * 55
    assert int(str(kept_bytes)) < 120 * whole / 5


def test_an_id_is_128_bits() -> None:
    assert len(plan_id(*HERE, [item()])) == len(joint_plan_id([NOBODY, NOBODY])) == 32


def test_a_plan_of_before_with_a_short_id_approves_nothing_and_closes_no_breaker(store: Store, url: str) -> None:
    store.open_breaker(*HERE, Breaker(NOW, "why"))
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        row = ("abcdef012345", *HERE, NOW, b'[["session-0001", 1, 2, "delete"]]')
        raw.execute("INSERT INTO plans VALUES (?, ?, ?, ?, ?)", row)
        raw.execute("INSERT INTO approvals VALUES ('abcdef012345', 'prod', 'desk', 1)")
    assert not store.plans.approve("abcdef012345", NOW)
    assert store.plans.named("abcdef012345") == store.plans.latest(5) == []
    assert approved(store) == set()
    assert store.breaker(*HERE) is not None


# Approving


def test_an_approval_of_a_plan_that_is_not_known_approves_nothing(store: Store) -> None:
    assert not store.plans.approve(plan_id(*HERE, [item()]), NOW)
    remember(store, item())
    assert approved(store) == set()


def test_a_joint_plan_is_approved_for_each_of_its_agents(store: Store) -> None:
    here, there = remember(store, item()), remember(store, item("session-0002"), agent="other")
    joint = joint_plan_id([here, there])
    store.plans.remember_joint(joint, [(here, *HERE, NOW), (there, "prod", "other", NOW)])
    assert len(store.plans.known(joint)) == 2
    assert store.plans.approve(joint, NOW)
    assert approved(store) == {"session-0001"}
    assert approved(store, "other") == {"session-0002"}


def test_a_standing_approval_closes_a_breaker_once_and_not_the_next_one(store: Store) -> None:
    name = remember(store, item())
    store.open_breaker(*HERE, Breaker(NOW, "first"))
    store.plans.approve(name, NOW, standing=True)
    assert store.breaker(*HERE) is None
    store.open_breaker(*HERE, Breaker(NOW, "second"))
    store.plans.approve(name, NOW, standing=True)
    assert store.breaker(*HERE) == Breaker(NOW, "second")
    store.plans.approve(name, NOW)
    assert store.breaker(*HERE) is None


def test_a_plan_is_named_by_the_beginning_of_its_id_only_when_no_other_begins_alike(store: Store) -> None:
    name = remember(store, item())
    assert store.plans.named(name) == store.plans.named(name[:12]) == [name]
    assert store.plans.named(name[:11]) == store.plans.named("f" * 20) == []
    alike = name[:12] + "0" * 20
    store.plans.remember(alike, *HERE, NOW, items(7))
    assert store.plans.named(name[:12]) == sorted([name, alike])
    assert store.plans.named(name) == [name]


def test_an_approval_that_is_judged_with_is_not_noted_as_given(store: Store) -> None:
    name = remember(store, item())
    assert {one.session for one in store.plans.approved(*HERE, [name])} == {"session-0001"}
    assert store.plans.awaits(*HERE, [name])
    assert not store.plans.awaits("prod", "other", [name])
    assert approved(store) == set()
    store.plans.approve(name, NOW)
    assert not store.plans.awaits(*HERE, [name])


# For how long


def test_a_plan_can_be_approved_for_fourteen_days_whatever_was_planned_since(store: Store) -> None:
    first = remember(store, *items(*range(20)))
    for quarter in range(1, 14 * 96):
        remember(store, *items(*range(20)), item(f"session-9{quarter:04d}"), at=NOW + quarter * 900)
    store.plans.forget(NOW + PLAN_KEPT_S - 1)
    assert len(sessions(store, first)) == 20
    assert store.plans.approve(first, NOW + PLAN_KEPT_S - 1)
    store.plans.forget(NOW + PLAN_KEPT_S + 1)
    assert approved(store) == set()


def test_a_plan_that_is_made_again_and_again_stays_known(store: Store, url: str) -> None:
    for day in range(40):
        name = remember(store, *items(1, 2), at=NOW + day * DAY_S)
        store.plans.forget(NOW + day * DAY_S)
    assert sessions(store, name) == {"session-0001", "session-0002"}
    assert rows(url, "SELECT count(*) FROM plans") == [(1,)]


def test_what_other_plans_are_kept_by_is_kept_as_long_as_they_are(store: Store) -> None:
    remember(store, *items(*range(40)))
    late = remember(store, *items(*range(41)), at=NOW + DAY_S)
    joint = joint_plan_id([late, NOBODY])
    store.plans.remember_joint(joint, [(late, *HERE, NOW + DAY_S)])
    store.plans.forget(NOW + PLAN_KEPT_S + 1)
    assert len(sessions(store, late)) == len(sessions(store, joint)) == 41
    store.plans.forget(NOW + PLAN_KEPT_S + DAY_S + 1)
    assert sessions(store, joint) == set()


def test_beyond_the_newest_thousands_only_approved_plans_are_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dropped_plans, "PLANS_KEPT", 5)
    given = remember(store, item())
    store.plans.approve(given, NOW)
    names = [remember(store, item(f"session-1{number:03d}"), at=NOW + 1 + number) for number in range(9)]
    store.plans.forget(NOW + 60)
    assert [bool(store.plans.known(name)) for name in names] == [False] * 4 + [True] * 5
    assert approved(store) == {"session-0001"}


# What a file's approvals are


def test_an_approval_in_a_file_is_unknown_waits_or_was_given(store: Store) -> None:
    waits, given = remember(store, item()), remember(store, *items(1, 2))
    store.plans.approve(given, NOW + 5, standing=True)
    names = [waits, given, NOBODY, NOBODY]
    assert store.plans.unknown(names) == [NOBODY]
    assert [(one.id, one.actions, one.given) for one in store.plans.standing_approvals(names)] == [
        (waits, 1, None),
        (given, 2, NOW + 5),
        (NOBODY, 0, None),
    ]


def test_the_plans_made_last_are_listed_and_no_agent_crowds_out_another(store: Store) -> None:
    quiet = remember(store, item(), agent="other")
    busy = [remember(store, *items(1, number), at=NOW + number) for number in range(2, 30)]
    parts = [(busy[-1], *HERE, NOW + 40), (quiet, "prod", "other", NOW + 40)]
    store.plans.remember_joint(joint_plan_id([busy[-1], quiet]), parts)
    listed = [plan.id for plan in store.plans.latest(20)]
    assert listed == [*reversed(busy[-LISTED_OF_AGENT:]), quiet]
    assert [plan.id for plan in store.plans.latest(1)] == [busy[-1]]

"""Which sessions make room: arithmetic without a platform."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper.core.model import ACTIVE, DAY_S, EXPIRY_S, IDLE, Action, Agent, Session
from reaper.core.policy import KEPT, Decision
from reaper.core.quotas import Reserve, choose, pools
from reaper.core.settings import Pressure, Quota
from tests.engine.quota_world import MINUTE_S, NOW, VIP

AGENT = Agent("desk")
POOL = pools([Quota("pool", 10, ("prod",), pressure=Pressure(above=80, until=60, idle_s=10 * MINUTE_S))])[0]


def session(ident: str, idle_s: int = 3_600, **changes: object) -> Session:
    used = NOW - idle_s
    made = Session(ident, ACTIVE, "1", used - DAY_S, used, used + EXPIRY_S)
    return made._replace(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("used", "needed"), [(0, 0), (8, 0), (9, 3), (10, 4), (25, 19)])
def test_up_to_the_line_nothing_is_needed_and_above_it_what_leads_to_until(used: int, needed: int) -> None:
    assert POOL.needed(used) == needed


@given(st.integers(1, 5_000), st.integers(0, 6_000), st.integers(1, 100), st.integers(0, 99))
def test_what_is_left_is_at_most_until_and_one_fewer_stop_would_leave_more(
    limit: int, used: int, above: int, until: int
) -> None:
    until = min(until, above - 1)
    pool = pools([Quota("q", limit, (), pressure=Pressure(above, until, 600))])[0]
    needed = pool.needed(used)
    if used * 100 <= above * limit:
        assert needed == 0
    else:
        assert (used - needed) * 100 <= until * limit < (used - needed + 1) * 100


def test_a_quota_without_pressure_or_that_active_sessions_do_not_use_is_no_pool() -> None:
    pressed = Pressure(80, 60, 600)
    assert pools([Quota("a", 10, ()), Quota("b", 10, (), frozenset({"creating"}), pressed)]) == ()


agents = st.sampled_from([("prod", "a"), ("prod", "b"), ("test", "a")])
sessions = st.lists(st.tuples(agents, st.integers(0, 50), st.booleans()), max_size=40)


@given(sessions, st.integers(-2, 45), st.dictionaries(agents, st.integers(-3, 20)))
def test_the_longest_idle_that_may_go_are_chosen_as_many_as_are_needed(
    drawn: list[tuple[tuple[str, str], int, bool]], needed: int, left: dict[tuple[str, str], int]
) -> None:
    offers: dict[tuple[str, str], list[Session]] = {}
    for number, (key, idle, strange) in enumerate(drawn):
        made = session(f"session-{number:04d}", idle, strange=("new",) if strange else ())
        offers.setdefault(key, []).append(made)

    chosen = choose(needed, offers, left)

    going = {key: [s for s in group if not s.strange] for key, group in chosen.items()}
    count = sum(map(len, going.values()))
    able = sum(min(max(left.get(key, 0), 0), sum(not s.strange for s in group)) for key, group in offers.items())
    assert count == min(max(needed, 0), able)
    for key, group in going.items():
        assert len(group) <= max(left.get(key, 0), 0)
        stay = [s for s in offers[key] if not s.strange and s not in group]
        assert all(out.last_accessed_at <= kept.last_accessed_at for out in group for kept in stay)
    assert all(s in offers[key] for key, group in chosen.items() for s in group)


@given(st.lists(st.integers(0, 10_000), max_size=80))
def test_a_reserve_holds_the_longest_idle_in_bounded_memory(idles: list[int]) -> None:
    reserve = Reserve(POOL)
    for number, idle in enumerate(idles):
        reserve.offer(session(f"session-{number:04d}", idle), KEPT, AGENT, NOW)
        assert len(reserve._held) < 2 * POOL.quota.limit
    due = sorted((idle for idle in idles if idle >= 600), reverse=True)
    assert [NOW - s.last_accessed_at for s in reserve.sessions] == due[: POOL.quota.limit]


def test_a_reserve_takes_only_what_no_rule_of_the_policy_speaks_for() -> None:
    reserve = Reserve(POOL)
    reserve.offer(session("vip-0001"), Decision(Action.KEEP, VIP), AGENT, NOW)
    reserve.offer(session("suspended", status=IDLE), KEPT, AGENT, NOW)
    reserve.offer(session("too-young", created_at=NOW - 60, last_accessed_at=NOW - 60), KEPT, AGENT, NOW)
    assert reserve.sessions == []


def test_a_session_that_is_listed_again_and_was_used_meanwhile_leaves_the_reserve() -> None:
    reserve = Reserve(POOL)
    reserve.offer(session("session-0001"), KEPT, AGENT, NOW)
    reserve.offer(session("session-0001", 5), KEPT, AGENT, NOW)
    assert reserve.sessions == []

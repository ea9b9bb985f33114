"""Ranks, folded from sessions as they come, are those of all of them sorted at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper.core import ranks
from reaper.core.conditions import IdMatches
from reaper.core.model import DAY_S, Action, Session
from reaper.core.plan import Candidate
from reaper.core.policy import BEYOND, NEWEST, KeepNewest, Policy, Rule, decide
from reaper.core.ranks import SPARE, Places, Ranks, is_ranked
from reaper.core.standing import Standing, decide_among
from tests.world import AGENT, NOW, RUNAWAY, STALE, examples, policy, session

VIP = Rule("vip", Action.KEEP, (IdMatches(("vip-*",)),))
SESSIONS = st.lists(
    st.builds(
        lambda name, number, idle, age, status, version, odd: session(
            f"{name}-{number:06d}",
            idle=min(idle, age) * DAY_S // 4 + 400,
            age=age * DAY_S // 4 + 400,
            status=status,
            version=version,
            strange=("unheard_of",) if odd else (),
        ),
        st.sampled_from(["sess", "vip"]),
        st.integers(0, 10**6),
        st.integers(0, 60),
        st.integers(0, 60),
        st.sampled_from(["idle", "idle", "idle", "active", "failed", "deleted", "hibernating"]),
        st.sampled_from(["1", "2", None]),
        st.integers(0, 9).map(lambda roll: roll == 0),
    ),
    max_size=80,
    unique_by=lambda one: one.id,
)
NEWEST_OF = st.one_of(st.none(), st.builds(KeepNewest, st.integers(1, 12), st.booleans()))
POLICIES = st.builds(
    lambda newest, at_most: policy(VIP, STALE, RUNAWAY, keep_newest=newest, at_most=at_most),
    NEWEST_OF,
    st.one_of(st.none(), st.integers(1, 30)),
).filter(lambda made: made.ranks)


def due(sessions: list[Session], of: Policy) -> dict[str, str]:
    """Who is due by which rule, by the whole population sorted."""
    known = [one for one in sessions if is_ranked(one)]
    used = sorted((one for one in known if one.status == "idle"), key=lambda one: (one.last_accessed_at, one.id))
    beyond = set() if of.at_most is None else {one.id for one in used[::-1][of.at_most :]}
    newest: set[str] = set()
    if of.keep_newest:
        groups: dict[str | None, list[Session]] = {}
        for one in sorted(known, key=lambda one: (one.created_at, one.id), reverse=True):
            groups.setdefault(one.version if of.keep_newest.per_version else None, []).append(one)
        newest = {one.id for group in groups.values() for one in group[: of.keep_newest.count]}
        newest |= {one.id for one in sessions if of.keep_newest.per_version and one.version is None}
    found = {}
    for one in sessions:
        decision = decide(one, of, AGENT, NOW)
        if decision.rule is None and one.id in beyond:
            found[one.id] = "at_most"
        elif decision.action is not Action.KEEP and decision.rule is not None:
            found[one.id] = decision.rule.name
        if found.get(one.id) in {"at_most", "stale"} and one.id in newest:
            del found[one.id]
    return found


def folded(sessions: list[Session], of: Policy, copies: list[Session] | None = None) -> dict[str, str]:
    """Who is due, ranked as they come; the `copies` come first, and are taken back."""
    fold = Ranks(of, AGENT, NOW)
    candidates: dict[str, Candidate] = {}
    for one in [*(copies or []), *sessions]:
        if copies and one in sessions:
            for copy in [copy for copy in copies if copy.id == one.id]:
                candidates.pop(copy.id, None)
                fold.forget(copy)
        candidates |= {each.session.id: each for each in fold.take(one, decide(one, of, AGENT, NOW))}
    candidates |= {each.session.id: each for each in fold.finish()}
    assert not fold.doubt
    return {name: one.decision.rule.name for name, one in candidates.items() if one.decision.rule}


@given(SESSIONS, POLICIES)
@examples
def test_who_is_due_is_whoever_is_due_in_the_sorted_population(sessions: list[Session], of: Policy) -> None:
    assert folded(sessions, of) == due(sessions, of)


@given(SESSIONS, POLICIES, st.data())
@examples
def test_a_session_that_was_used_between_two_pages_ranks_by_its_later_copy(
    sessions: list[Session], of: Policy, data: st.DataObject
) -> None:
    chosen = data.draw(st.lists(st.sampled_from(sessions), max_size=10, unique=True)) if sessions else []
    earlier = [one._replace(last_accessed_at=one.created_at, status="idle") for one in chosen]
    earlier = [one for one, later in zip(earlier, chosen, strict=True) if one != later]
    assert folded(sessions, of, earlier) == due(sessions, of)


@given(SESSIONS, POLICIES)
@examples
def test_of_one_session_alone_is_said_what_a_sweep_makes_of_it(sessions: list[Session], of: Policy) -> None:
    found = folded(sessions, of)
    for one in sessions:
        standing = Standing(one, of.keep_newest)
        for other in sessions:
            standing.count(other)
        decision = decide_among(decide(one, of, AGENT, NOW), of, AGENT, standing, NOW)
        name = decision.rule.name if decision.rule and decision.action is not Action.KEEP else None
        assert found.get(one.id) == name


@given(SESSIONS, POLICIES)
@examples
def test_who_is_spared_is_due_without_the_newest_being_kept(sessions: list[Session], of: Policy) -> None:
    fold = Ranks(of, AGENT, NOW)
    for one in sessions:
        fold.take(one, decide(one, of, AGENT, NOW))
    fold.finish()
    spared = {one.session.id for one in fold.spared()}
    assert all(one.decision.rule == NEWEST for one in fold.spared())
    assert spared <= due(sessions, replace(of, keep_newest=None)).keys() - due(sessions, of).keys()


def test_memory_holds_the_first_ranks_and_no_more_whatever_their_order() -> None:
    first = Places(10)
    for number in range(10_000):
        first.offer((number * 7919 % 10_007, "", 0), Candidate(session(), decide(session(), policy(), AGENT, NOW)))
    assert len(first) == 10 + SPARE
    assert len(first.turn_away()) == SPARE


def test_when_more_were_taken_back_than_were_remembered_the_ranks_cannot_be_judged() -> None:
    fold = Ranks(policy(at_most=5), AGENT, NOW)
    sessions = [session(f"sess-{number:06d}", idle=DAY_S + number) for number in range(200)]
    for one in sessions:
        fold.take(one, decide(one, policy(), AGENT, NOW))
    for one in sessions[:SPARE]:
        fold.forget(one)
    assert not fold.doubt
    fold.forget(sessions[SPARE])
    assert fold.doubt == "too many sessions changed while they were listed"


def test_a_version_for_each_session_is_more_than_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "REMEMBERED_MAX", 50)
    of = policy(keep_newest=KeepNewest(1, per_version=True))
    fold = Ranks(of, AGENT, NOW)
    taken = []
    for number in range(200):
        one = session(f"sess-{number:06d}", version=str(number))
        taken += fold.take(one, decide(one, of, AGENT, NOW))
    assert fold.doubt == "more than 50 sessions are the newest of their versions"
    assert len(fold.spared()) == 51
    assert not taken


def test_what_was_used_just_now_is_not_taken_however_few_may_be() -> None:
    of = policy(at_most=1)
    fold = Ranks(of, AGENT, NOW)
    found = []
    for number in range(3):
        one = session(f"sess-{number:06d}", idle=298 + number, age=DAY_S)
        found += fold.take(one, decide(one, of, AGENT, NOW))
    found += fold.finish()
    assert [(one.session.id, one.decision.rule) for one in found] == [("sess-000002", BEYOND)]

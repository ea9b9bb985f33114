"""Which versions traffic reaches, and which are superseded: what is not understood cannot be judged."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper.core.conditions import ALWAYS, LATEST, NEVER, SERVING, SUPERSEDED, Idle, VersionIs
from reaper.core.model import DAY_S, Action, Agent
from reaper.core.policy import Policy, Rule, decide, earliest, reason
from reaper.core.recheck import agent_now
from reaper.core.routing import (
    FIXED_RATIO,
    SelectionRule,
    Selector,
    Unserved,
    newly_unserved,
    serving_by,
    still_unserved,
)
from tests.world import HOUR_S, NOW, examples, policy, session


def split(*shares: tuple[str | None, int | None], kind: str | None = FIXED_RATIO) -> Selector:
    """A selector of fixed ratios."""
    return Selector(tuple(SelectionRule(kind, version, percent) for version, percent in shares))


CANARY = split(("1", 90), ("2", 10))
SEEN = Unserved({"0": NOW - 3.0 * DAY_S}, seen_at=NOW, wait_s=DAY_S)
DESK = Agent("desk", "2", selector=CANARY, unserved=SEEN)


def holds_from(word: str, version: str | None, agent: Agent) -> float | None:
    return VersionIs(frozenset({word})).holds_from(session(version=version), agent)


def test_without_a_selector_all_traffic_reaches_the_latest_version() -> None:
    assert serving_by("2", None).shares == (("2", 100),)
    assert Agent("desk", "2").routing == "latest 2"


def test_without_a_grace_a_version_is_superseded_as_soon_as_it_is_seen_whatever_clocks_say() -> None:
    seen_later = replace(DESK, unserved=Unserved({}, seen_at=NOW + 0.6, wait_s=0))
    assert holds_from(SUPERSEDED, "0", seen_later) == ALWAYS
    assert holds_from(SUPERSEDED, "1", seen_later) == NEVER


def test_a_selector_says_which_versions_traffic_reaches_and_none_reaches_what_has_no_share() -> None:
    assert DESK.serving.shares == (("1", 90), ("2", 10))
    assert DESK.routing == "1: 90 %, 2: 10 %, latest 2"
    assert serving_by("2", split(("1", 100), ("2", 0))).shares == (("1", 100),)


@pytest.mark.parametrize(
    ("selector", "why"),
    [
        (split(), "no rules"),
        (split(("1", 100), kind="WeightedRandom"), "type WeightedRandom, which is not known"),
        (split(("1", 100), kind=None), "type unreadable"),
        (split(("1", 90), ("2", 9)), "come to 99 %, not 100"),
        (split(("1", 90), ("2", 20)), "come to 110 %, not 100"),
        (split(("1", 150), ("2", -50)), "no share from 0 to 100"),
        (split(("1", None)), "no share from 0 to 100"),
        (split((None, 100)), "without a readable version"),
        (split(("1", 50), ("1", 50)), "names a version twice"),
        (Selector(unclear="it is strange"), "it is strange"),
    ],
)
def test_a_selector_that_is_not_understood_cannot_be_judged_and_says_why(selector: Selector, why: str) -> None:
    agent = Agent("desk", "2", selector=selector, unserved=SEEN)
    assert why in agent.serving.unclear
    assert (agent.serving.shares, agent.serving.reaches("1")) == ((), None)
    assert holds_from(SERVING, "1", agent) is None
    assert holds_from(SUPERSEDED, "0", agent) is None
    assert (holds_from(SUPERSEDED, "2", agent), holds_from(LATEST, "2", agent)) == (NEVER, ALWAYS)
    keeping = policy(Rule("newest", Action.KEEP, (VersionIs(frozenset({SERVING})),)), *policy().rules)
    ending = policy(Rule("old", Action.DELETE, (VersionIs(frozenset({SUPERSEDED})), Idle(DAY_S))))
    seen = session(version="0")
    assert decide(seen, keeping, agent, NOW).action is Action.KEEP
    decided = decide(seen, ending, agent, NOW)
    assert decided.action is Action.KEEP
    assert f"cannot be judged ({agent.serving.unclear}), which old asks for" in reason(
        seen, decided, ending, agent, NOW
    )


@given(st.lists(st.tuples(st.sampled_from(["1", "2", "3", None]), st.integers(-1, 101) | st.none()), max_size=4))
@examples
def test_whatever_a_selector_says_shares_are_whole_or_nothing_is_judged(
    rules: list[tuple[str | None, int | None]],
) -> None:
    serving = serving_by("2", split(*rules))
    assert bool(serving.unclear) is not bool(serving.shares)
    assert not serving.shares or sum(percent for _, percent in serving.shares) == 100


def test_a_version_is_superseded_when_it_is_neither_served_nor_the_latest_and_was_so_for_the_grace() -> None:
    assert holds_from(SUPERSEDED, "1", DESK) == NEVER
    assert holds_from(SUPERSEDED, "2", DESK) == NEVER
    assert holds_from(SUPERSEDED, "0", DESK) == NOW - 2 * DAY_S
    assert holds_from(SUPERSEDED, "new-to-us", DESK) == NOW + DAY_S
    rolled_back = replace(DESK, selector=split(("1", 100)))
    assert holds_from(SUPERSEDED, "2", rolled_back) == NEVER, "the latest is what comes next"
    assert (holds_from(SERVING, "1", DESK), holds_from(SERVING, "0", DESK)) == (ALWAYS, NEVER)


def test_what_nobody_looked_up_is_not_known_to_be_superseded() -> None:
    unread = replace(DESK, unserved=None)
    assert holds_from(SUPERSEDED, "0", unread) is None
    assert holds_from(SUPERSEDED, "0", Agent("desk")) is None
    assert holds_from(SERVING, "0", Agent("desk")) is None


def test_of_several_words_one_that_cannot_be_judged_leaves_the_others_in_doubt() -> None:
    both, unclear = VersionIs(frozenset({LATEST, SERVING})), replace(DESK, selector=split())
    assert both.holds_from(session(version="2"), unclear) == ALWAYS
    assert both.holds_from(session(version="1"), unclear) is None
    assert both.holds_from(session(version="1"), DESK) == ALWAYS
    named = VersionIs(frozenset({"0", SUPERSEDED}))
    assert named.holds_from(session(version="0"), unclear) == ALWAYS


def test_a_session_of_a_version_left_behind_is_due_when_the_grace_of_the_version_is_over() -> None:
    rules = Policy("p", (Rule("old", Action.DELETE, (Idle(HOUR_S), VersionIs(frozenset({SUPERSEDED})))),))
    young = replace(DESK, unserved=replace(SEEN, since={"0": NOW - HOUR_S}))
    assert earliest(session(version="0"), rules, young) == NOW - HOUR_S + DAY_S


def test_explaining_words_say_for_how_long_no_traffic_came() -> None:
    condition = VersionIs(frozenset({SUPERSEDED}))
    young = replace(DESK, unserved=replace(SEEN, since={"0": NOW - 3 * HOUR_S}))
    assert condition.actual(session(version="0"), young, NOW) == (
        "0, unserved for 3h of 1d, 1: 90 %, 2: 10 %, latest 2"
    )
    assert condition.actual(session(version="0"), DESK, NOW) == "0, unserved for 3d, 1: 90 %, 2: 10 %, latest 2"
    assert condition.actual(session(version="1"), DESK, NOW) == "1, 1: 90 %, 2: 10 %, latest 2"
    assert condition.actual(session(version="1"), Agent("desk", "2"), NOW) == "1, latest 2"


def test_a_version_that_is_served_again_or_may_be_begins_anew_when_it_is_left_behind_again() -> None:
    since = {"0": 1.0, "1": 2.0}
    assert still_unserved(since, "2", CANARY) == {"0": 1.0}
    assert still_unserved(since, "0", split(("1", 100))) == {}
    assert still_unserved(since, "2", split(("1", 90))) == {}, "any version may be served"
    assert still_unserved(since, None, None) == since, "an agent that could not be read says nothing"
    assert still_unserved(since, None, CANARY) == {"0": 1.0}
    assert newly_unserved({"0", "1", "2"}, "2", CANARY, 5.0) == {"0": 5.0}
    assert newly_unserved({"0"}, None, CANARY, 5.0) == newly_unserved({"0"}, "2", split(), 5.0) == {}


def test_what_was_served_when_the_plan_was_made_is_left_behind_since_the_last_look_at_the_earliest() -> None:
    fresh = Agent("desk", "3", selector=split(("3", 100)))
    assert holds_from(SUPERSEDED, "1", agent_now(DESK, fresh, NOW + 9)) == NOW + 9 + DAY_S
    assert holds_from(SUPERSEDED, "0", agent_now(DESK, fresh, NOW + 9)) == NOW - 2 * DAY_S
    assert agent_now(replace(DESK, unserved=None), fresh, NOW) == fresh

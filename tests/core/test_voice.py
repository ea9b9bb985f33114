"""What developers may ask for only ever adds keeping, and what is not understood keeps."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper.core.conditions import ALWAYS, NEVER, Age, Idle, IdMatches, StatusIn
from reaper.core.hold_text import hold_text
from reaper.core.model import ACTIVE, DAY_S, FAILED, IDLE, Action, Agent, Metadata, Session
from reaper.core.plan import Hold, Plan, PlanContext
from reaper.core.policy import Limit, Limits, Mode, Policy, Rule, decide, earliest, next_due, reason, trials
from reaper.core.settings import AgentPattern
from reaper.core.voice import SILENT, Voice, both, hear, hold_end
from reaper.core.windows import DAYS, Window
from tests.world import AGENT, HOUR_S, NOW, candidate, examples, plan_of, policy, session

TODAY = "2026-12-31"
GENTLE = policy(Rule("three-weeks", Action.DELETE, (Idle(21 * DAY_S),)), name="gentle")
ENTRY = AgentPattern("*", policy(), (GENTLE,))


def unix(*when: int) -> float:
    return datetime(*when, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]


def hears(
    *said: tuple[str, str], before: Metadata | None = None, entry: AgentPattern = ENTRY, **metadata: Any
) -> Voice:
    return hear(Agent("desk", "7", Metadata(said, **metadata)), entry, before)


# What is said


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2026-12-31", unix(2027, 1, 1)),
        ("2024-02-29", unix(2024, 3, 1)),
        ("2026-12-31T18:00:00Z", unix(2026, 12, 31, 18)),
        ("2026-12-31t18:00:00.5z", unix(2026, 12, 31, 18) + 0.5),
        ("2026-12-31T18:00:00+02:00", unix(2026, 12, 31, 16)),
        ("9999-12-31", NEVER),
        ("9999-12-31T23:59:59-14:00", NEVER),
    ],
)
def test_a_hold_lasts_through_its_day_or_to_its_time(text: str, end: float) -> None:
    assert hold_end(text) == end


@pytest.mark.parametrize(
    "text",
    ["soon", "", "2026-13-01", "2025-02-29", "31.12.2026", "2026-12-31T18:00:00", "20261231", "2026-W53-4",
     "٢٠٢٦-١٢-٣١",     "2026-12-31 18:00:00Z", " 2026-12-31", "2026-12-31\n", "0000-01-01", "1767225600"],
)  # fmt: skip
def test_what_is_no_date_and_no_time_holds_for_good(text: str) -> None:
    assert hold_end(text) is None
    voice = hears(("reaper.hold", text))
    assert voice.until == NEVER
    assert (
        voice.why == f"kept: its version 7's metadata says reaper.hold: {text!r}, which is neither a date nor a time"
    )


def test_nothing_said_asks_for_nothing() -> None:
    assert hears() == Voice(source="its version 7's metadata")
    assert hears().told(NOW) == ""
    assert SILENT.keeps(NOW) == ""


def test_a_hold_says_where_it_comes_from_until_it_is_over() -> None:
    voice, end = hears(("reaper.hold", TODAY)), unix(2027, 1, 1)
    assert voice.keeps(end - 1) == "held by its version 7's metadata reaper.hold until 2026-12-31"
    assert voice.told(end - 1) == voice.keeps(end - 1)
    assert voice.keeps(end) == voice.told(end) == ""


def test_a_policy_that_may_be_chosen_has_to_agree() -> None:
    voice = hears(("reaper.policy", "gentle"))
    assert voice.chosen == GENTLE
    assert voice.keeps(NOW) == ""
    assert voice.told(NOW) == "its version 7's metadata reaper.policy chose policy gentle, which has to agree"


@pytest.mark.parametrize("name", ["standard", "nobody", "", "Gentle", "gentle "])
def test_a_policy_that_may_not_be_chosen_keeps_everything(name: str) -> None:
    assert hears(("reaper.policy", name)).keeps(NOW) == (
        f"kept: its version 7's metadata says reaper.policy: {name!r}, which the configuration does not let it choose"
    )


@pytest.mark.parametrize("key", ["reaper.hodl", "Reaper.hold", "reaper.", " reaper.hold"])
def test_a_key_that_is_not_known_keeps_everything_whatever_else_is_said(key: str) -> None:
    voice = hears((key, TODAY), ("reaper.policy", "gentle"))
    assert voice.keeps(NOW) == f"kept: its version 7's metadata says {key!r}, which this version does not know"


def test_metadata_that_makes_no_sense_keeps_everything() -> None:
    assert hears(fault="it is a list").keeps(NOW) == (
        "kept: what its developers ask for cannot be known: it is a list"
    )


def test_where_nobody_may_be_heard_nothing_is_held_unless_it_was_heard_before_or_is_required() -> None:
    refused = {"fault": "get_agent: no (HTTP 403)", "read": False, "refused": True}
    voice = hears(**refused)
    assert voice.keeps(NOW) == ""
    unread = "its record cannot be read (get_agent: no (HTTP 403))"
    assert voice.told(NOW) == f"{unread}: what its developers ask for in its metadata is not heard"
    assert hears(before=Metadata((("reaper.hold", TODAY),)), **refused).keeps(NOW) == (
        f"kept: {unread}, and when it was read last its metadata said reaper.hold: 2026-12-31"
    )
    assert "not understood" in hears(before=Metadata(fault="a list"), **refused).keeps(NOW)
    assert "voice: required" in hears(entry=AgentPattern("*", policy(), (), True), **refused).keeps(NOW)


def test_a_reading_that_failed_otherwise_keeps_everything() -> None:
    assert hears(fault="get_agent: no answer in time", read=False).until == NEVER


# What a plan makes of it


def test_a_hold_holds_stops_and_deletes_with_its_words_and_the_grace_goes_on() -> None:
    voice = Voice(NOW + HOUR_S, "held by its version 7's metadata reaper.hold until 2026-12-31")
    plan = plan_of([candidate(session())], PlanContext(1, voice=voice), policy(grace_s=HOUR_S))
    (item,) = plan.items
    assert item.hold is Hold.HOLD
    assert hold_text(item, plan) == voice.why
    assert plan.marks
    assert plan_of([candidate(session())], PlanContext(1, voice=voice), policy(), NOW + HOUR_S).act


# Two policies that have to agree

_IDLE = st.integers(HOUR_S, 20 * DAY_S).map(Idle)
_WHEN = st.lists(
    st.one_of(
        _IDLE,
        st.integers(HOUR_S, 20 * DAY_S).map(Age),
        st.sampled_from([StatusIn(frozenset({ACTIVE})), StatusIn(frozenset({IDLE, FAILED, ACTIVE}))]),
        st.just(IdMatches(("vip-*",))),
    ),
    max_size=2,
)
_RULES = st.lists(
    st.builds(
        lambda action, idle, when: Rule("r", action, (idle, *when)), st.sampled_from(list(Action)), _IDLE, _WHEN
    ),
    min_size=1,
    max_size=4,
)
_LIMIT = st.builds(Limit, st.integers(0, 100), st.booleans())
_HOURS = st.builds(
    lambda first, last: Window(frozenset(DAYS), time(first), time(last), ZoneInfo("UTC")),
    st.integers(0, 22),
    st.integers(0, 23),
)
_POLICY = st.builds(
    lambda rules, mode, grace, sweep, day, least, windows: Policy(
        "p", tuple(rules), mode, grace, Limits(sweep, day, least), tuple(windows)
    ),
    _RULES,
    st.sampled_from(list(Mode)),
    st.integers(0, DAY_S),
    _LIMIT,
    _LIMIT,
    st.integers(0, 9),
    st.lists(_HOURS, max_size=2),
)
_SESSION = st.builds(
    lambda ident, status, idle, more: session(ident, idle=idle, age=idle + more, status=status),
    st.sampled_from(["vip-00000001", "sess-0000001"]),
    st.sampled_from([IDLE, ACTIVE, FAILED]),
    st.integers(0, 25 * DAY_S),
    st.integers(0, 25 * DAY_S),
)


@examples
@given(_SESSION, _POLICY, _POLICY)
def test_together_they_ask_for_what_both_do_since_the_later_moment(seen: Session, one: Policy, other: Policy) -> None:
    mine, theirs, found = (decide(seen, each, AGENT, NOW) for each in (one, other, both(one, other)))
    if mine.action is theirs.action is not Action.KEEP:
        assert found == mine._replace(since=max(mine.since, theirs.since))
    else:
        assert found.action is Action.KEEP
        assert found.rule is None or found.rule in {mine.rule, theirs.rule}
        assert found.since in {ALWAYS, mine.since, theirs.since}


@examples
@given(_SESSION, _POLICY, _POLICY)
def test_a_session_is_due_when_both_ask_and_not_before_the_earliest_moment(
    seen: Session, one: Policy, other: Policy
) -> None:
    joint = both(one, other)
    due = next_due(seen, joint, AGENT, NOW)
    if due is not None:
        moment, decision = due
        assert {decide(seen, each, AGENT, moment).action for each in (one, other)} == {decision.action}
        assert earliest(seen, joint, AGENT) <= moment
    assert len(list(trials(seen, joint, AGENT, NOW))) == len(one.rules) + (len(other.rules) if other != one else 0)


@examples
@given(_POLICY, _POLICY, st.integers(0, 10_000), st.integers(0, 20 * DAY_S))
def test_every_guard_is_at_least_as_strict_as_each_of_theirs(
    one: Policy, other: Policy, inventory: int, later: int
) -> None:
    joint, now = both(one, other), NOW + later
    for each in (one, other):
        assert joint.grace_s >= each.grace_s
        assert joint.mode is Mode.OBSERVE or each.mode is Mode.ENFORCE
        assert not joint.is_open(now) or each.is_open(now)
        for limit in ("per_sweep", "per_day"):
            allowed = getattr(joint.limits, limit).of(inventory, joint.limits.at_least)
            assert allowed <= getattr(each.limits, limit).of(inventory, each.limits.at_least)
    opens = joint.opens_at(now)
    if opens is not None:
        assert joint.is_open(opens)


def test_windows_that_never_open_together_never_open() -> None:
    day = Window(frozenset(DAYS), time(8), time(18), ZoneInfo("UTC"))
    night = Window(frozenset(DAYS), time(18), time(8), ZoneInfo("UTC"))
    assert both(policy(windows=(day,)), policy(windows=(night,), name="night")).opens_at(NOW) is None


def test_a_share_and_a_number_are_compared_by_what_there_is() -> None:
    share = policy(limits=Limits(Limit(10, percent=True), Limit(10, percent=True), 0))
    number = policy(limits=Limits(Limit(50), Limit(50), 0), name="gentle")
    limit = both(share, number).limits.per_sweep
    assert (limit.of(100, 0), limit.of(1000, 0), str(limit)) == (10, 50, "10% and 50")


def test_the_reason_says_what_each_policy_asks_for() -> None:
    seen = session(idle=10 * DAY_S)
    joint = both(policy(), GENTLE)
    told = reason(seen, decide(seen, joint, AGENT, NOW), joint, AGENT, NOW)
    assert told == (
        "standard asks for delete by rule stale: status idle, idle 10d (at least 7d); "
        "gentle asks for keep: no rule matches"
    )


def test_one_more_rule_behind_both_speaks_for_itself() -> None:
    relief = Rule("quota:pool", Action.STOP, (StatusIn(frozenset({ACTIVE})), Idle(HOUR_S)))
    joint = both(policy(Rule("stale", Action.DELETE, (Idle(DAY_S),))), GENTLE).with_last(relief)
    seen = session(idle=2 * HOUR_S, age=DAY_S, status=ACTIVE)
    decision = decide(seen, joint, AGENT, NOW)
    assert decision.rule == relief
    assert isinstance(plan_of([candidate(seen, relief)], PlanContext(1), joint), Plan)

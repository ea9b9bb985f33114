"""What a policy says of one session: which rule, from when on, and why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper.config.thresholds import FLOORS_S
from reaper.core.conditions import Age, Condition, ExpiresWithin, Idle, IdMatches, StatusIn, VersionIs
from reaper.core.model import (
    ACTIVE,
    AGE_FLOOR_S,
    DAY_S,
    ELIGIBLE,
    EXPIRY_S,
    FAILED,
    IDLE,
    STATUSES,
    Action,
    Agent,
    Session,
)
from reaper.core.policy import DEFAULT_STATUSES, KEPT, Policy, Rule, decide, next_due, reason, trials
from tests.world import AGENT, HOUR_S, NOW, RUNAWAY, STALE, UNTOUCHABLE, examples, policy, session

LONGEST_S = 40 * DAY_S
IDLE_OR_FAILED = StatusIn(frozenset({IDLE, FAILED}))
UNREAD = Agent("desk", latest=None)


@st.composite
def sessions(draw: st.DrawFn, statuses: tuple[str, ...] = (*STATUSES, "hibernating")) -> Session:
    created = NOW - draw(st.integers(0, LONGEST_S))
    used = draw(st.integers(created, NOW))
    return Session(
        id=draw(st.sampled_from(["vip-000001", "demo-00001", "0123456789"])),
        status=draw(st.sampled_from(statuses)),
        version=draw(st.sampled_from([None, "1", "2", "3"])),
        created_at=created,
        last_accessed_at=used,
        expires_at=used + EXPIRY_S,
    )


seconds = st.one_of(st.integers(0, HOUR_S), st.integers(0, LONGEST_S))
conditions: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Idle, seconds),
    st.builds(Age, seconds),
    st.builds(ExpiresWithin, seconds),
    st.builds(StatusIn, st.frozensets(st.sampled_from([*STATUSES, "hibernating"]), min_size=1)),
    st.builds(IdMatches, st.sampled_from([("vip-*",), ("demo-*", "0*"), ("*",)])),
    st.builds(VersionIs, st.frozensets(st.sampled_from(["latest", "superseded", "1", "3"]), min_size=1)),
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    actions = st.sampled_from([Action.DELETE, Action.DELETE, Action.STOP, Action.KEEP])
    bodies = draw(st.lists(st.tuples(actions, st.lists(conditions, max_size=2)), max_size=5))
    return Policy("any", tuple(Rule(f"rule-{i}", action, tuple(when)) for i, (action, when) in enumerate(bodies)))


agents = st.builds(Agent, st.just("desk"), st.sampled_from([None, "3"]))


def verdict(seen: Session, *rules: Rule, agent: Agent = AGENT, now: float = NOW) -> Action:
    return decide(seen, policy(*rules), agent, now).action


def test_the_first_rule_that_holds_decides() -> None:
    vip = Rule("vip", Action.KEEP, (IdMatches(("vip-*",)),))
    assert decide(session("vip-000001"), policy(vip, STALE), AGENT, NOW).rule == vip
    assert decide(session("vip-000001"), policy(STALE, vip), AGENT, NOW).rule == STALE
    assert decide(session("somebody-1"), policy(vip, STALE), AGENT, NOW).rule == STALE


def test_a_session_that_no_rule_matches_is_kept() -> None:
    seen = session(idle=6 * DAY_S)
    assert decide(seen, policy(STALE), AGENT, NOW) == KEPT
    assert decide(seen, Policy("empty", ()), AGENT, NOW) == KEPT
    assert reason(seen, KEPT, policy(STALE), AGENT, NOW) == "no rule matches"


def test_idle_holds_from_exactly_its_threshold() -> None:
    rule = Rule("idle", Action.DELETE, (IDLE_OR_FAILED, Idle(7 * DAY_S)))
    assert verdict(session(idle=7 * DAY_S), rule) is Action.DELETE
    assert verdict(session(idle=7 * DAY_S - 1), rule) is Action.KEEP


def test_age_holds_from_exactly_its_threshold_however_recently_the_session_was_used() -> None:
    rule = Rule("old", Action.DELETE, (IDLE_OR_FAILED, Age(3 * DAY_S)))
    assert verdict(session(idle=60, age=3 * DAY_S), rule) is Action.DELETE
    assert verdict(session(idle=60, age=3 * DAY_S - 1), rule) is Action.KEEP


def test_expires_within_holds_from_exactly_its_threshold() -> None:
    rule = Rule("expiring", Action.DELETE, (IDLE_OR_FAILED, ExpiresWithin(DAY_S)))
    assert verdict(session(expires_at=NOW + DAY_S), rule) is Action.DELETE
    assert verdict(session(expires_at=NOW + DAY_S + 1), rule) is Action.KEEP


def test_a_fraction_of_a_second_before_the_threshold_is_before_it() -> None:
    assert verdict(session(idle=7 * DAY_S), STALE, now=NOW - 0.001) is Action.KEEP


@pytest.mark.parametrize(
    ("globs", "ident", "matches"),
    [
        (("vip-*",), "vip-000001", True),
        (("vip-*",), "VIP-000001", False),
        (("vip-*",), "not-vip-01", False),
        (("vip-*", "demo-*"), "demo-00001", True),
        (("vip-0000?1",), "vip-000011", True),
        (("vip-00001",), "vip-000011", False),
        (("vip-[ab]",), "vip-a", True),
        ((), "vip-000001", False),
    ],
)
def test_an_id_matches_a_glob_whole_and_case_and_all(globs: tuple[str, ...], ident: str, matches: bool) -> None:
    rule = Rule("ids", Action.DELETE, (IDLE_OR_FAILED, Age(HOUR_S), IdMatches(globs)))
    assert (verdict(session(ident), rule) is Action.DELETE) is matches


@pytest.mark.parametrize(
    ("wanted", "version", "matches"),
    [
        ({"latest"}, "3", True),
        ({"latest"}, "2", False),
        ({"superseded"}, "2", True),
        ({"superseded"}, "3", False),
        ({"1", "2"}, "2", True),
        ({"1", "2"}, "3", False),
        ({"1", "latest"}, "1", True),
        ({"1", "latest"}, "3", True),
        ({"1", "latest"}, "2", False),
    ],
)
def test_a_version_is_compared_by_name_or_by_place(wanted: set[str], version: str, matches: bool) -> None:
    rule = Rule("versions", Action.DELETE, (IDLE_OR_FAILED, Age(HOUR_S), VersionIs(frozenset(wanted))))
    assert (verdict(session(version=version), rule) is Action.DELETE) is matches


@pytest.mark.parametrize(
    ("wanted", "seen", "agent"),
    [
        ({"superseded"}, session(version="2"), UNREAD),
        ({"latest"}, session(version="3"), UNREAD),
        ({"superseded"}, session(version=None), AGENT),
        ({"2"}, session(version=None), AGENT),
    ],
)
def test_a_version_that_cannot_be_read_never_deletes_and_always_keeps(
    wanted: set[str], seen: Session, agent: Agent
) -> None:
    condition = VersionIs(frozenset(wanted))
    deletes = Rule("deletes", Action.DELETE, (IDLE_OR_FAILED, Age(HOUR_S), condition))
    keeps = Rule("keeps", Action.KEEP, (condition,))
    assert decide(seen, policy(deletes), agent, NOW) == KEPT
    kept = decide(seen, policy(keeps, STALE), agent, NOW)
    assert (kept.action, kept.rule) == (Action.KEEP, keeps)
    assert "unreadable" in reason(seen, kept, policy(keeps, STALE), agent, NOW)


def test_a_name_that_is_known_needs_no_list_of_versions() -> None:
    rule = Rule("second", Action.DELETE, (IDLE_OR_FAILED, Age(HOUR_S), VersionIs(frozenset({"2"}))))
    assert verdict(session(version="2"), rule, agent=UNREAD) is Action.DELETE
    assert verdict(session(version="3"), rule, agent=UNREAD) is Action.KEEP


def test_the_trials_tell_which_condition_could_not_be_judged() -> None:
    rule = Rule("old", Action.DELETE, (IDLE_OR_FAILED, Age(HOUR_S), VersionIs(frozenset({"superseded"}))))
    trial = next(trials(session(), policy(rule), UNREAD, NOW))
    assert not trial.holds
    assert [(check.condition, check.holds) for check in trial.checks] == [
        ("status", True),
        ("age", True),
        ("version", None),
        ("age floor", True),
    ]
    assert "unreadable" in trial.checks[2].actual


def test_the_reason_of_a_session_kept_for_an_unreadable_version_says_so() -> None:
    rule = Rule("old", Action.DELETE, (IDLE_OR_FAILED, Age(HOUR_S), VersionIs(frozenset({"superseded"}))))
    kept = decide(session(version="2"), policy(rule), UNREAD, NOW)
    assert kept.action is Action.KEEP
    assert "unreadable" in reason(session(version="2"), kept, policy(rule), UNREAD, NOW)


def test_only_active_sessions_are_ever_stopped() -> None:
    anything = Rule("stops", Action.STOP, (StatusIn(frozenset({*STATUSES, "hibernating"})), Age(HOUR_S)))
    stopped = [status for status in (*STATUSES, "hibernating") if verdict(session(status=status), anything) != "keep"]
    assert stopped == [ACTIVE]


def test_an_active_session_is_deleted_only_by_a_rule_that_names_active() -> None:
    busy = session(status=ACTIVE, idle=20 * DAY_S)
    named = Rule("named", Action.DELETE, (StatusIn(frozenset({ACTIVE})), Idle(7 * DAY_S)))
    assert verdict(busy, STALE) is Action.KEEP
    assert verdict(busy, STALE, RUNAWAY) is Action.STOP
    assert verdict(busy, named) is Action.DELETE


@pytest.mark.parametrize("status", UNTOUCHABLE)
def test_a_status_that_is_not_touched_is_not_touched_even_by_a_rule_that_names_it(status: str) -> None:
    deletes = Rule("deletes", Action.DELETE, (StatusIn(frozenset({status})), Idle(DAY_S)))
    stops = Rule("stops", Action.STOP, (StatusIn(frozenset({status})), Idle(DAY_S)))
    assert verdict(session(status=status, idle=29 * DAY_S), deletes, stops) is Action.KEEP


@examples
@given(sessions(statuses=UNTOUCHABLE), policies(), agents)
def test_no_policy_ever_touches_what_is_never_touched(seen: Session, any_policy: Policy, agent: Agent) -> None:
    assert decide(seen, any_policy, agent, NOW).action is Action.KEEP
    assert next_due(seen, any_policy, agent, NOW) is None


@examples
@given(sessions(), policies(), agents)
def test_what_is_touched_has_an_eligible_status_and_the_least_age(
    seen: Session, any_policy: Policy, agent: Agent
) -> None:
    decision = decide(seen, any_policy, agent, NOW)
    if decision.action is not Action.KEEP:
        assert seen.status in ELIGIBLE[decision.action]
        assert NOW - seen.created_at >= AGE_FLOOR_S


@pytest.mark.parametrize(("status", "action"), [(FAILED, Action.DELETE), (ACTIVE, Action.STOP)])
def test_a_session_below_the_floor_of_age_is_safe_from_any_rule(status: str, action: Action) -> None:
    at_once = Rule("at-once", action, (StatusIn(frozenset({status})), Age(1)))
    assert verdict(session(status=status, idle=0, age=AGE_FLOOR_S - 1), at_once) is Action.KEEP
    assert verdict(session(status=status, idle=0, age=AGE_FLOOR_S), at_once) is action


@examples
@given(sessions(), policies(), agents)
def test_a_decision_knows_since_when_its_rule_holds(seen: Session, any_policy: Policy, agent: Agent) -> None:
    decision = decide(seen, any_policy, agent, NOW)
    if decision.rule is not None:
        assert decision.since == decision.rule.holds_from(seen, agent) <= NOW


@examples
@given(sessions(), policies(), agents, st.lists(st.integers(0, 2 * LONGEST_S), max_size=8))
def test_next_due_is_the_first_moment_at_which_decide_acts(
    seen: Session, any_policy: Policy, agent: Agent, offsets: list[int]
) -> None:
    due = next_due(seen, any_policy, agent, NOW)
    turns = {rule.holds_from(seen, agent) for rule in any_policy.rules}
    near = [turn + step for turn in turns if abs(turn) < float("inf") for step in (-1, 0, 1)]
    moments = [moment for moment in [NOW, *near, *(NOW + offset for offset in offsets)] if moment >= NOW]
    if due is None:
        assert all(decide(seen, any_policy, agent, moment).action is Action.KEEP for moment in moments)
        return
    moment, decision = due
    assert moment >= NOW
    assert decision.action is not Action.KEEP
    assert decide(seen, any_policy, agent, moment) == decision
    before = [earlier for earlier in (*moments, moment - 1) if NOW <= earlier < moment]
    assert all(decide(seen, any_policy, agent, earlier).action is Action.KEEP for earlier in before)


def test_next_due_looks_past_a_keep_rule_that_comes_first_in_time() -> None:
    spared = Rule("spared", Action.KEEP, (Idle(9 * DAY_S),))
    assert next_due(session(idle=8 * DAY_S), policy(spared, STALE), AGENT, NOW) is not None
    assert next_due(session(idle=9 * DAY_S), policy(spared, STALE), AGENT, NOW) is None
    due = next_due(session(idle=6 * DAY_S), policy(spared, STALE), AGENT, NOW)
    assert due is not None
    assert due[0] == NOW + DAY_S


@examples
@given(sessions(), policies(), agents)
def test_the_trial_that_decides_is_the_rule_that_decided(seen: Session, any_policy: Policy, agent: Agent) -> None:
    tried = list(trials(seen, any_policy, agent, NOW))
    assert [trial.rule for trial in tried] == list(any_policy.rules)
    deciding = [trial.rule for trial in tried if trial.decides]
    decision = decide(seen, any_policy, agent, NOW)
    assert deciding == ([] if decision.rule is None else [decision.rule])
    assert all(trial.holds for trial in tried if trial.decides)


def test_the_reason_compares_what_was_found_with_what_was_wanted() -> None:
    seen = session(idle=9 * DAY_S + 3 * HOUR_S)
    line = reason(seen, decide(seen, policy(STALE), AGENT, NOW), policy(STALE), AGENT, NOW)
    assert line == "status idle, idle 9d3h (at least 7d)"


def test_the_reason_of_a_version_rule_names_both_versions() -> None:
    rule = Rule("old", Action.DELETE, (IDLE_OR_FAILED, Idle(2 * DAY_S), VersionIs(frozenset({"superseded"}))))
    seen = session(version="2")
    line = reason(seen, decide(seen, policy(rule), AGENT, NOW), policy(rule), AGENT, NOW)
    assert line.startswith("status idle, idle 8d (at least 2d), version 2")
    assert "latest" in line
    assert "3" in line


def test_every_action_but_keep_says_what_it_may_touch_what_it_touches_by_default_and_how_soon() -> None:
    acting = set(Action) - {Action.KEEP}
    assert acting == ELIGIBLE.keys() == DEFAULT_STATUSES.keys() == FLOORS_S.keys()
    for action in acting:
        assert DEFAULT_STATUSES[action] <= ELIGIBLE[action]

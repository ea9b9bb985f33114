"""What is allowed but hardly meant is said; what could be meant is left in peace."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reaper.config import parse
from reaper.config.unreachable_rules import shadowing_rule
from reaper.core.conditions import Age, Condition, ExpiresWithin, Idle, IdMatches, StatusIn, VersionIs
from reaper.core.model import STATUSES, Action, Agent, Session
from reaper.core.policy import Rule

HEAD = """\
version: 1
projects:
  main:
    endpoint: https://contoso.services.ai.azure.com/api/projects/main
    agents: AGENTS
policies:
  weekly:
    rules:
"""
AGENTS = '[{name: "*", policy: weekly}]'
OLD = "{name: old, action: delete, when: {idle: 7d}}"


def warned(*rules: str, agents: str = AGENTS, more: str = "") -> list[str]:
    text = HEAD.replace("AGENTS", agents) + "".join(f"      - {rule}\n" for rule in rules or (OLD,)) + more
    return [str(problem) for problem in parse(text, "t", {}).warnings]


def test_a_policy_that_no_agent_uses_is_said() -> None:
    assert warned(more="  spare: {rules: [{name: a, action: keep, when: {id: vip-*}}]}\n") == [
        "t:10:3: policies.spare: no agent uses this policy"
    ]


def test_a_shadowed_rule_is_said_with_the_rule_that_shadows_it() -> None:
    assert warned(OLD, "{name: older, action: delete, when: {idle: 14d}}") == [
        "t:10:9: policies.weekly.rules[1]: never decides: the earlier rule old holds for everything that older does: "
        "put the narrower rule first"
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("delete, when: {idle: 7d}", "delete, when: {idle: 7d, status: failed}"),
        ("delete, when: {age: 7d}", "delete, when: {idle: 7d}"),
        ("delete, when: {expires_within: 5d}", "delete, when: {expires_within: 4d}"),
        ("delete, when: {idle: 7d, status: [idle, failed, active]}", "stop, when: {idle: 8d}"),
        ('keep, when: {id: "*"}', "delete, when: {idle: 8d}"),
        ("keep, when: {id: vip-*}", "delete, when: {idle: 8d, id: [vip-a-*, vip-0001]}"),
        ("delete, when: {version: [a, superseded], idle: 2d}", "delete, when: {version: superseded, idle: 3d}"),
        ("stop, when: {idle: 1h}", "stop, when: {idle: 2h, id: ci-*}"),
        ("keep, when: {age: 5m}", "delete, when: {expires_within: 5d}"),
    ],
)
def test_a_rule_is_shadowed_by_one_that_asks_for_less(first: str, second: str) -> None:
    assert len(warned(f"{{name: a, action: {first}}}", f"{{name: b, action: {second}}}")) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("delete, when: {idle: 7d}", "delete, when: {idle: 6d}"),
        ("delete, when: {idle: 7d}", "delete, when: {age: 70d}"),
        ("delete, when: {idle: 7d}", "stop, when: {idle: 8d}"),
        ("delete, when: {idle: 7d}", "delete, when: {idle: 8d, status: active}"),
        ("delete, when: {idle: 7d}", "keep, when: {idle: 8d}"),
        (
            "delete, when: {idle: 7d, version: superseded}",
            "keep, when: {idle: 8d, version: superseded, status: idle}",
        ),
        ("delete, when: {idle: 7d, id: ci-*}", "delete, when: {idle: 8d}"),
        ("delete, when: {idle: 7d, id: ci-a*}", "delete, when: {idle: 8d, id: ci-*}"),
        ("delete, when: {idle: 7d, id: ci-a*z}", "delete, when: {idle: 8d, id: ci-ab*}"),
        ("delete, when: {expires_within: 4d}", "delete, when: {expires_within: 5d}"),
        ("delete, when: {idle: 8d, version: [a, b]}", "delete, when: {idle: 8d, version: [a, c]}"),
    ],
)
def test_a_rule_that_can_still_decide_is_left_in_peace(first: str, second: str) -> None:
    assert warned(f"{{name: a, action: {first}}}", f"{{name: b, action: {second}}}") == []


def test_an_agent_pattern_that_never_gets_its_turn_is_said() -> None:
    found = warned(agents='[{name: "*", policy: weekly}, {name: research, policy: weekly}]')
    assert found == [
        "t:5:50: projects.main.agents[1].name: 'research' never gets its turn: "
        "projects.main.agents[0] matches all of it first: put the narrower pattern first"
    ]
    assert warned(agents='[{name: research, policy: weekly}, {name: "*", policy: weekly}]') == []
    assert warned(agents='[{name: "r?search", policy: weekly}, {name: "res*", policy: weekly}]') == []


@pytest.mark.parametrize(
    ("more", "warning"),
    [
        ("    limits: {per_sweep: 10%, per_day: 5%}\n", "per_day (5%) is lower than per_sweep (10%)"),
        ("    limits: {per_sweep: 10, per_day: 9}\n", "per_day (9) is lower than per_sweep (10)"),
        ("    mode: enforce\n    limits: {per_sweep: 0}\n", "'0' lets nothing be stopped or deleted"),
        ("    limits: {jump: 10%}\n", "'10%' has no effect without `beyond: spread`"),
        (
            "    limits: {beyond: spread, jump: 0}\n",
            "'0' withholds everything as soon as there is one",
        ),
        ("    limits: {beyond: spread, jump: 100%}\n", "'100%' is never exceeded"),
        ("    grace: 25d\n", "'7d' leaves no room for the grace of 25d"),
        ("schedule: {every: 1h, timezone: Europe/Madrid}\n", "'Europe/Madrid' has no effect without cron"),
        (
            "quotas: {q: {limit: 9, counts: [idle], projects: [main], pressure: {above: 9%, until: 8%, idle: 1h}}}\n",
            "active sessions do not count in this quota",
        ),
    ],
)
def test_a_doubtful_value_is_said(more: str, warning: str) -> None:
    found = warned(more=more)
    assert any(warning in line for line in found), found


def test_a_share_and_a_number_are_not_compared() -> None:
    assert warned(more="    limits: {per_sweep: 100, per_day: 5%}\n") == []
    assert warned(more="    limits: {beyond: spread}\n") == warned(more="    limits: {beyond: withhold}\n") == []
    assert warned(more="    limits: {beyond: spread, jump: 30}\n") == []


_GLOBS = st.lists(
    st.sampled_from(["*", "ab*", "abc*", "a*d", "?bcdefgh", "abcdefgh", "[ab]*", "*h"]), min_size=1, max_size=2
)
_CONDITIONS = st.one_of(
    st.integers(1, 9).map(lambda n: Idle(n * 100)),
    st.integers(1, 9).map(lambda n: Age(n * 100)),
    st.integers(1, 9).map(lambda n: ExpiresWithin(n * 100)),
    st.sets(st.sampled_from(STATUSES), min_size=1).map(lambda found: StatusIn(frozenset(found))),
    _GLOBS.map(lambda globs: IdMatches(tuple(globs))),
    st.sets(st.sampled_from(["latest", "superseded", "1", "2"]), min_size=1).map(lambda v: VersionIs(frozenset(v))),
)
_RULES = st.builds(
    lambda action, conditions: Rule("r", action, tuple(conditions)),
    st.sampled_from(Action),
    st.lists(_CONDITIONS, min_size=1, max_size=4, unique_by=lambda condition: condition.name),
)


@st.composite
def _sessions(draw: st.DrawFn) -> Session:
    created = draw(st.integers(0, 1000))
    accessed = created + draw(st.integers(0, 900))
    return Session(
        draw(st.sampled_from(["abcdefgh", "abxxxxxx", "bbcdefgh", "zzzzzzzh", "zzzzzzzz"])),
        draw(st.sampled_from([*STATUSES, "novel"])),
        draw(st.sampled_from([None, "1", "2", "3"])),
        created,
        accessed,
        accessed + draw(st.integers(0, 1200)),
    )


@given(_RULES, _RULES, _sessions(), st.sampled_from([None, "1", "2"]), st.integers(0, 3000))
@settings(max_examples=1500, deadline=None, derandomize=True)
def test_a_shadow_is_claimed_only_where_the_later_rule_can_never_decide(
    first: Rule, second: Rule, session: Session, latest: str | None, now: int
) -> None:
    agent = Agent("a", latest)
    if shadowing_rule([first, second], 1) == 0 and second.holds_from(session, agent) <= now:
        assert first.holds_from(session, agent) <= now


def test_a_condition_that_does_not_say_what_it_covers_shadows_nothing() -> None:
    class Moon(Condition):
        name = "moon"

        @classmethod
        def read(cls, written: object) -> Moon:
            return cls()

        def written(self) -> str:
            return "full"

        def holds_from(self, session: Session, agent: Agent) -> float | None:
            return None

        def wanted(self) -> str:
            return "full"

        def actual(self, session: Session, agent: Agent, now: float) -> str:
            return "new"

    assert shadowing_rule([Rule("a", Action.KEEP, (Moon(),)), Rule("b", Action.KEEP, (Moon(),))], 1) is None


def test_an_approval_by_a_short_id_is_said_to_approve_nothing() -> None:
    (said,) = warned(more=f"approvals: [abcdef012345, {'0123456789abcdef' * 2}]\n")
    assert "approvals[0]: 'abcdef012345' approves nothing: ids are 32 digits long now" in said


def test_an_approval_that_stands_twice_is_said() -> None:
    (said,) = warned(more=f"approvals: [{'0123456789abcdef' * 2}, {'0123456789abcdef' * 2}]\n")
    assert "approvals[1]" in said
    assert "stands here twice" in said


NIGHTS = '    windows: [{days: [sat, sun], from: "22:00", to: "06:00", timezone: Europe/Madrid, except: DATES}]\n'
IN_2026 = 1_795_357_320.0
"""Sun 22 Nov 2026 14:22 UTC."""


def warned_of_dates(dates: str, now: float = IN_2026) -> list[str]:
    text = HEAD.replace("AGENTS", AGENTS) + f"      - {OLD}\n" + NIGHTS.replace("DATES", dates)
    return [str(problem).split("windows[0].except")[-1] for problem in parse(text, "t", {}, now).warnings]


@pytest.mark.parametrize(
    ("dates", "warning"),
    [
        ("[2026-11-14]", "[0]: '2026-11-14' is over: remove it"),
        ("[2026-12-26, 2026-11-01..2026-11-20]", "[1]: '2026-11-01..2026-11-20' is over: remove it"),
        ("[2026-12-25]", "[0]: '2026-12-25' skips nothing: on these dates the window would not open anyway"),
        ("[2026-12-24..2027-01-02, 2026-12-26]", "[1]: '2026-12-26' lies within another of these dates: remove it"),
        ("[2026-12-26, 2026-12-26]", "[1]: '2026-12-26' lies within another of these dates: remove it"),
    ],
)
def test_dates_that_a_window_skips_in_vain_are_said(dates: str, warning: str) -> None:
    (said,) = warned_of_dates(dates)
    assert said.startswith(warning)


@pytest.mark.parametrize("dates", ["[2026-12-24..2027-01-02, 2027-01-09]", "[2026-11-21]", "[2026-11-22]"])
def test_dates_that_are_meant_are_left_in_peace(dates: str) -> None:
    assert warned_of_dates(dates) == []


def test_windows_that_open_on_no_day_for_more_than_a_year_are_said() -> None:
    (said,) = warned_of_dates("[2026-01-01..2026-12-31, 2027-01-01..2027-12-31]")
    assert "no window opens in the next 400 days, so nothing is deleted" in said


@pytest.mark.parametrize(
    ("fields", "warning"),
    [
        ("[status, legal_hold]", "known_fields[0]: 'status' is a field that this version knows anyway: remove it"),
        ("[legal_hold, hint, legal_hold]", "known_fields[2]: 'legal_hold' stands here twice: remove one of them"),
    ],
)
def test_a_field_that_is_accepted_in_vain_is_said(fields: str, warning: str) -> None:
    text = (
        HEAD.replace("    agents: AGENTS", f"    known_fields: {fields}\n    agents: {AGENTS}") + f"      - {OLD}\n"
    )
    (said,) = [str(problem) for problem in parse(text, "t", {}).warnings]
    assert said.endswith(warning)


def held(*holds: str) -> list[str]:
    whom = "project: main, agent: research, session: sess-0000001"
    return warned(more="holds:\n" + "".join(f"  - {{{whom}, {hold}}}\n" for hold in holds))


def test_a_hold_that_has_ended_is_said() -> None:
    assert held("until: 2020-01-31, reason: thesis") == [
        "t:11:68: holds[0].until: '2020-01-31' has ended: it holds nothing any more: "
        "remove the hold, or write a later day"
    ]
    assert held("until: 2999-01-31, reason: thesis", "legal: ABC-1") == []


def test_a_hold_that_says_the_same_as_another_is_said_and_another_persons_is_not() -> None:
    one = "until: 2999-01-31, reason: thesis, by: kim"
    assert held(one, one) == ["t:12:5: holds[1]: says the same as holds[0]: remove one of them"]
    assert held(one, one.replace("kim", "lee"), one.replace("01-31", "02-28")) == []


def test_a_policy_that_may_be_chosen_and_is_the_policy_anyway_is_said_and_another_counts_as_used() -> None:
    gentle = "  gentle: {rules: [{name: late, action: delete, when: {idle: 21d}}]}\n"
    agents = '[{name: "*", policy: weekly, may_choose: [weekly, gentle]}]'
    assert warned(agents=agents, more=gentle) == [
        "t:5:55: projects.main.agents[0].may_choose[0]: 'weekly' is the policy of these agents anyway, so choosing "
        "it changes nothing: remove it, or name a gentler one"
    ]


def test_a_policy_that_keeps_the_newest_and_deletes_nothing_is_said() -> None:
    runaway = "{name: runaway, action: stop, when: {idle: 2h}}"
    assert warned(runaway, more="    keep_newest: 3\n") == [
        "t:10:18: policies.weekly.keep_newest: '3' keeps nothing: no rule of this policy deletes: remove it, or add "
        "what it is for"
    ]
    assert not warned(runaway, more="    keep_newest: 3\n    at_most: 500\n")


def test_keeping_more_of_the_newest_than_may_be_idle_is_said() -> None:
    assert warned(more="    keep_newest: 600\n    at_most: 500\n") == [
        "t:10:5: policies.weekly.keep_newest: is more than at_most (500): of the newest, more than that may stay "
        "idle: write less here, or more there"
    ]
    assert not warned(more="    keep_newest: 500\n    at_most: 500\n")


@pytest.mark.parametrize("rule", ['{name: all, action: keep, when: {id: "*"}}', OLD.replace("7d", "5m")])
def test_a_limit_of_idle_sessions_that_another_rule_leaves_nothing_is_said(rule: str) -> None:
    (found,) = warned(rule, more="    at_most: 500\n")
    assert "policies.weekly.at_most: takes nothing: rule " in found
    assert not warned(more="    at_most: 500\n")


def test_full_listings_now_and_then_for_agents_whose_ranks_need_one_each_time_are_said() -> None:
    schedule = "schedule: {every: 15m, full_listing: 6h}\n"
    assert warned(more=f"    at_most: 500\n{schedule}") == [
        "t:11:38: schedule.full_listing: '6h' does not apply to the agents of weekly, which are listed in full for "
        "each sweep: ranks need all sessions; keep it for the other agents"
    ]
    assert not warned(more=schedule)

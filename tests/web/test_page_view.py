"""What the page says, before it is HTML."""

from __future__ import annotations

import fnmatch
import re
import shlex
from collections import Counter
from dataclasses import replace
from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from page_world import DAY_S, HOSTILE, HOUR_S, NOW, RULES, STANDARD, broken, busy, crowd, live, session, swept

from reaper.core.jump import Jump
from reaper.core.model import Agent, OutcomeKind
from reaper.core.plan import Hold
from reaper.core.policy import Beyond, Limits, Mode
from reaper.core.routing import FIXED_RATIO, SelectionRule, Selector
from reaper.core.settings import Quota
from reaper.core.voice import Voice
from reaper.core.windows import DAYS, Window
from reaper.daemon import command_option
from reaper.engine.events import ActionEnded, Judged, SweepEnded, UnknownApprovals
from reaper.engine.live_status import LiveStatus
from reaper.engine.report import Result
from reaper.listing.snapshot import Durations
from reaper.web.page.charts import COLUMNS_MAX, idle_bars, status_parts, time_line
from reaper.web.page.detail import CANDIDATES_MAX, Detail, detail
from reaper.web.page.digest import Digests, digest
from reaper.web.page.health import Tone
from reaper.web.page.overview import AGENTS_FIRST, AGENTS_MAX, Overview, overview
from reaper.web.page.wording import HOLDS, OUTCOMES, address, compact, moment, plural, relative

AT_ONCE = replace(STANDARD, grace_s=0)
CAREFUL = replace(AT_ONCE, limits=Limits(), name="careful")
OBSERVING = replace(STANDARD, mode=Mode.OBSERVE)
NIGHTLY = Window(frozenset(DAYS), time(22), time(6), ZoneInfo("UTC"))


def front(made: LiveStatus, stuck: str = "") -> Overview:
    return overview(made, Digests().of(made.latest.values()), stuck, NOW)


def page_of(made: LiveStatus, agent: str) -> Detail:
    found = detail(made, Digests().of(made.latest.values()), ("prod-eu", agent), "", NOW)
    assert found is not None
    return found


def test_one_sentence_tells_the_whole_state() -> None:
    made = live(
        swept("a", crowd(40, 6)),
        swept("b", crowd(400, 6, stale=48), AT_ONCE, done=99),
        swept("c", crowd(200, 6, stale=60), CAREFUL),
    )
    assert front(made).state.sentence == (
        "All 3 agents swept, 48 deleted and 6 stopped in the last sweeps, 1 plan waits for you."
    )
    assert front(made).state.tone is Tone.WAIT


def test_a_quiet_house_is_told_in_quiet_words() -> None:
    page = front(live(swept("a", [session(1, HOUR_S)])))
    assert (
        page.state.sentence == "The only agent was swept, nothing deleted in the last sweeps, nothing waits for you."
    )
    assert (page.state.tone, page.problems, page.waits, page.next) == (Tone.OK, (), (), ())


def test_before_the_first_sweep_nothing_is_claimed() -> None:
    page = front(live(managed={"prod-eu": {"a": "standard"}}))
    assert page.state.sentence == "No sweep has finished yet."
    assert (page.state.tone, page.inventory, page.agents[0].result) == (Tone.WAIT, None, "not swept yet")


def test_a_process_that_stands_by_says_who_sweeps() -> None:
    page = front(live(standby="another process sweeps this state"))
    assert page.state.sentence == "This process stands by: another process sweeps this state."


def test_being_stuck_outdoes_all_good_news() -> None:
    page = front(live(swept("a", crowd(40, 6))), stuck="no sweep has made progress for 4000 s")
    assert page.state.tone is Tone.BAD
    assert page.state.sentence == "Something is stuck: no sweep has made progress for 4000 s."


def test_observing_agents_say_how_much_they_only_observe() -> None:
    page = front(live(swept("a", crowd(100, 6, stale=12), OBSERVING)))
    assert "nothing deleted in the last sweeps, 13 candidates only observed" in page.state.sentence
    assert {(one.when, one.holds) for one in page.next} == {("never, while it only observes", "observing only")}
    assert page.line is None


def test_actions_without_success_are_told() -> None:
    made = live(swept("a", crowd(100, 6, stale=12), AT_ONCE, done=99, kind=OutcomeKind.FAILED))
    assert "actions without success" in front(made).state.sentence
    assert not front(made).actions[0].good


@pytest.mark.parametrize("result", [Result.FAILED, Result.INCOMPLETE, Result.UNTRUSTED])
def test_a_sweep_that_went_wrong_says_what_failed_and_why(result: Result) -> None:
    page = front(live(swept("a", crowd(40, 6)), broken("b", result, "the listing broke off at page 3")))
    assert page.state.tone is Tone.BAD
    assert page.state.sentence.startswith("1 of 2 agents swept")
    assert [(one.agents, one.why) for one in page.problems] == [("prod-eu / b", "the listing broke off at page 3")]
    assert page.agents[0].agent == "b"


def test_agents_that_fail_for_one_reason_are_one_problem() -> None:
    made = live(*(broken(f"agent-{n:02}", Result.FAILED, "no token") for n in range(30)))
    assert len(front(made).problems) == 1
    assert front(made).problems[0].agents.endswith("and 22 more")


def test_an_agent_that_is_not_believed_shows_no_numbers_but_why() -> None:
    row = next(row for row in front(busy()).agents if row.agent == "onboarding")
    assert (row.inventory, row.waits) == (None, "not known")
    assert row.why == "12 sessions listed; 340 expected from the last believed sweep"
    assert page_of(busy(), "onboarding").candidates == ()
    assert front(busy()).not_counted == "1 agent is not counted: not swept, or not believed."


UNKNOWN = "What waits is not known where the last sweep did not go well."


@pytest.mark.parametrize("result", [Result.FAILED, Result.INCOMPLETE, Result.UNTRUSTED])
def test_no_page_says_that_nothing_waits_when_the_last_sweep_did_not_go_well(result: Result) -> None:
    made = live(swept("a", [session(1, HOUR_S)]), broken("b", result, "why"))
    page, detailed = front(made), page_of(made, "b")
    assert page.state.sentence.endswith("1 agent needs a look.")
    assert (page.nothing_next, detailed.nothing_next) == (UNKNOWN, UNKNOWN)
    assert (detailed.row.did, detailed.row.waits) == ("nothing known", "not known")
    assert page_of(made, "a").nothing_next == "No candidate waits for anything."


def test_actions_without_success_need_a_look_even_where_the_sweep_went_on() -> None:
    made = live(
        swept("a", crowd(400, 6, stale=48), AT_ONCE, done=5, kind=OutcomeKind.FAILED),
        swept("c", crowd(200, 6, stale=60), CAREFUL),
    )
    page = front(made)
    assert page.state.sentence.endswith("5 actions without success, 1 plan waits for you, 1 agent needs a look.")
    assert page.state.tone is Tone.BAD
    assert next(row for row in page.agents if row.agent == "a").tone is Tone.BAD


def test_a_configuration_with_errors_needs_a_look() -> None:
    page = front(live(swept("a", [session(1, HOUR_S)]), config_errors=["reaper.yaml:3:1: unknown key"]))
    assert page.state.sentence.endswith("the configuration needs a look.")


def test_commands_for_an_agent_with_a_hostile_name_can_be_pasted() -> None:
    name = "a$(touch pwned)`id`'; rm -rf ~ #*"
    report = swept(name, crowd(200, 6, stale=60), CAREFUL)
    [wait] = front(live(report, option=" --config 'my reaper.yaml'")).waits
    words = shlex.split(wait.look)
    assert words[-2:] == ["--config", "my reaper.yaml"]
    assert fnmatch.fnmatchcase(name, words[words.index("--agent") + 1])
    look = report.why.partition("Look: ")[2].partition(". Approve: ")[0]
    assert shlex.split(look) == words[:-2]


def test_what_is_withheld_comes_with_the_exact_command() -> None:
    report = swept("billing bot", crowd(200, 6, stale=60), CAREFUL)
    [wait] = front(live(report, option=" --config /etc/reaper.yaml")).waits
    assert report.plan is not None
    assert wait.approve == f"reaper approve {report.plan.id} --config /etc/reaper.yaml"
    assert wait.look == "reaper plan --project prod-eu --agent 'billing bot' --config /etc/reaper.yaml"
    assert "60 deletes, limit per_sweep: 10% allows 20" in wait.why


def test_an_open_breaker_says_what_opened_it() -> None:
    [wait] = front(live(swept("a", crowd(200, 6, stale=30), breaker="30 sessions became stale at once"))).waits
    assert wait.why[0] == "the breaker is open: 30 sessions became stale at once"


def test_a_plan_that_will_be_withheld_can_be_approved_ahead_and_waits_for_nobody_yet() -> None:
    page = front(live(swept("a", crowd(200, 6, stale=60), replace(CAREFUL, grace_s=DAY_S))))
    assert [wait.ahead for wait in page.waits] == [True]
    assert "nothing waits for you" in page.state.sentence


def test_a_backlog_that_goes_by_turns_waits_for_nobody_and_says_how_long_it_takes() -> None:
    turns = replace(CAREFUL, limits=Limits(beyond=Beyond.SPREAD))
    made = live(swept("a", crowd(200, 6, stale=60), turns, done=23))
    page = front(made)
    assert (page.waits, page.state.tone) == ((), Tone.OK)
    assert "20 deleted and 3 stopped in the last sweeps, nothing waits for you" in page.state.sentence
    assert [(one.count, one.when) for one in page.next if one.count > 1][-1][1].startswith("by turns: about ")
    assert sum(one.count for one in page.next) == 40
    assert dict(page_of(made, "a").facts)["Left for later sweeps"].startswith("40 deletes left: about ")


def test_a_jump_waits_for_a_person_with_what_was_there_before() -> None:
    turns = replace(STANDARD, limits=Limits(beyond=Beyond.SPREAD))
    report = swept("a", crowd(200, 6, stale=60), turns, jump=Jump(60, 3, "25%", 50))
    [wait] = front(live(report)).waits
    assert wait.why == ("60 candidates where 3 were, limit jump: 25% allows 50 more",)
    assert (wait.what, wait.ahead) == ("63 actions", False)
    assert {one.when for one in front(live(report)).next} == {"when you approve it"}


def test_marks_stand_on_the_time_line_until_the_last_ripens() -> None:
    report = swept("a", crowd(300, 6, stale=80), marked_ago_s=3 * HOUR_S)
    page = front(live(report))
    assert page.line is not None
    assert sum(column.count for column in page.line.columns) == page.promised == 80
    assert len(page.line.columns) <= COLUMNS_MAX
    assert page.line.columns[-1].count > 0
    assert {one.rule for one in page.next if one.first} == {"broken", "idle-a-week"}


def test_a_mark_outside_every_window_goes_when_one_opens() -> None:
    one = digest(swept("a", crowd(60, 6, stale=9), replace(AT_ONCE, windows=(NIGHTLY,))))
    opening = NOW - NOW % DAY_S + 22 * HOUR_S
    assert one.ripening == Counter({int(opening): 9})


def test_a_digest_is_made_once_for_each_report() -> None:
    known, reports = Digests(), [swept("a", crowd(40, 6)), swept("b", crowd(40, 6))]
    first = known.of(reports)
    assert all(one is other for one, other in zip(first, known.of(reports), strict=True))
    assert known.of([replace(reports[0])])[0] is not first[0]


def test_while_a_plan_is_carried_out_the_page_says_so_and_counts_what_was_done() -> None:
    ended = swept("a", crowd(40, 6, stale=20), AT_ONCE, done=20)
    made, digests, all_of_it = live(), Digests(), ended.plan.tally.act
    made.hear(Judged(replace(ended, outcomes=(), under_way=True)))
    for number, outcome in enumerate(ended.outcomes, 1):
        made.hear(ActionEnded("prod-eu", "a", outcome, NOW))
        [row] = overview(made, digests.of(made.latest.values()), "", NOW).agents
        assert (row.result, row.tone) == ("under way", Tone.OK)
        assert sum(map(int, re.findall(r"\d+", row.did))) == number
        assert row.waits == (f"{all_of_it - number} going now" if number < all_of_it else "none")
    made.hear(SweepEnded(ended))
    [row] = overview(made, digests.of(made.latest.values()), "", NOW).agents
    assert row.result == "swept"


def test_the_quota_says_how_full_it_is_and_unknown_when_nothing_is_believed() -> None:
    pool = Quota("sweden", 100, ("prod-eu",), counts=frozenset({"idle"}))
    full = front(live(swept("a", [session(n, 60) for n in range(90)]), pools=[pool])).pools[0]
    assert (full.words, full.share, full.tone) == ("90 of 100 in use, 90%", 90.0, Tone.WAIT)
    unknown = front(live(broken("a", Result.FAILED, "no token"), pools=[pool])).pools[0]
    assert (unknown.used, unknown.words) == (None, "unknown: no inventory of it is believed")


def test_hundreds_of_agents_stay_bounded_and_the_rest_is_summed_up() -> None:
    made = live(managed={"prod-eu": {f"agent-{n:04}": "standard" for n in range(250)}})
    page = front(made)
    assert (len(page.agents), len(page.agents) + len(page.further_agents)) == (AGENTS_FIRST, AGENTS_MAX)
    assert page.more_agents.startswith("and 50 agents more: 50 not swept yet")


def test_an_agents_page_gives_the_reason_behind_each_candidate() -> None:
    page = page_of(busy(), "support-eu")
    assert page.candidates[0].became == "in grace, may go in 1h10m"
    assert any("(at least 7d)" in one.reason for one in page.candidates)
    assert {one.rule for one in page.candidates} <= {rule.name for rule in RULES}
    assert page.candidates[-1].became == "done"


def test_an_agents_page_shows_so_many_candidates_and_says_how_many_there_are() -> None:
    page = page_of(live(swept("a", crowd(900, 6, stale=700))), "a")
    assert len(page.candidates) == CANDIDATES_MAX
    assert page.more_candidates.startswith("The first 500 of 7")


def test_an_agent_that_no_sweep_has_met_has_no_page() -> None:
    assert detail(live(), [], ("prod-eu", "ghost"), "", NOW) is None


def test_actions_of_one_kind_that_followed_each_other_are_one_row() -> None:
    page = front(live(swept("a", crowd(400, 6, stale=48), AT_ONCE, done=99)))
    assert sum(one.count for one in page.actions) == 54
    assert {(one.rule, one.action) for one in page.actions} == {
        ("broken", "delete"),
        ("idle-a-week", "delete"),
        ("runaway", "stop"),
    }


def test_idle_times_are_told_in_words_beside_the_picture() -> None:
    histogram = Durations()
    for idle_s in (60, 2 * DAY_S, 40 * DAY_S):
        histogram.add([idle_s])
    alt = idle_bars([histogram]).alt
    assert alt == "Idle times of 3 sessions: idle 0 to 1h 1; idle 1d to 2d 1; idle longer than 28d 1."


def test_tombstones_are_no_part_of_the_inventory_and_unknown_statuses_are() -> None:
    parts = status_parts({"idle": 3, "deleted": 9, "paused": 1})
    assert [(one.name, one.style, one.width) for one in parts] == [
        ("idle", "idle", 75.0),
        ("paused", "unknown", 25.0),
    ]


@pytest.mark.parametrize("ahead_s", [60, HOUR_S, 7 * HOUR_S, DAY_S, 5 * DAY_S, 30 * DAY_S, 400 * DAY_S])
def test_a_time_line_never_has_more_columns_than_fit(ahead_s: int) -> None:
    line = time_line(Counter({int(NOW): 1, int(NOW) + ahead_s: 2}), NOW)
    assert line is not None
    assert len(line.columns) <= COLUMNS_MAX
    assert sum(column.count for column in line.columns) == 3


def test_nothing_promised_draws_no_time_line() -> None:
    assert time_line({}, NOW) is None


def test_moments_are_said_as_people_say_them() -> None:
    assert [relative(seconds) for seconds in (0, -124, 11_520, -20)] == ["now", "2m ago", "in 3h12m", "20s ago"]
    assert moment(NOW, NOW).clock == "14:22 UTC"
    assert moment(float("inf"), NOW).iso == "9999-12-31T23:59:59Z"


def test_numbers_are_short_and_addresses_are_quoted() -> None:
    assert [compact(n) for n in (7, 1_000, 1_240, 12_400, 3_400_000)] == ["7", "1k", "1.2k", "12k", "3.4M"]
    assert plural(12_040, "session") == "12,040 sessions"
    assert address("p", "a/b <c>") == "/agents/p/a%2Fb%20%3Cc%3E"


def test_a_command_names_the_configuration_only_where_it_would_not_be_found() -> None:
    assert command_option(Path("config/reaper.yaml"), {}) == ""
    assert command_option(Path("/etc/r.yaml"), {"REAPER_CONFIG": "/etc/r.yaml"}) == ""
    assert command_option(Path("/etc/my reaper.yaml"), {}) == " --config '/etc/my reaper.yaml'"


def test_a_candidate_with_unknown_fields_says_which_they_are() -> None:
    page = page_of(live(swept("a", [session(1, 9 * DAY_S, strange=("lease",))], AT_ONCE)), "a")
    assert page.candidates[0].became == "fields this version does not know: lease"
    assert page.next[0].when == "never, until an update knows the field or a person accepts it"


def test_approvals_for_no_known_plan_are_shown_and_want_a_look() -> None:
    made = live(swept("a", [session(1, HOUR_S)]))
    made.hear(UnknownApprovals(["0" * 32]))
    assert front(made).state.unknown_approvals == ("0" * 32,)
    assert front(made).state.tone is Tone.WAIT
    made.hear(UnknownApprovals([]))
    assert front(made).state.tone is Tone.OK


def test_what_an_agents_developers_ask_for_is_on_its_page_with_where_it_comes_from() -> None:
    voice = Voice(NOW + DAY_S, "held by its version 7's metadata reaper.hold until 2026-12-31")
    page = page_of(live(replace(swept("a", crowd(40, 6), voice=voice), voice=voice)), "a")
    assert ("Its developers ask", voice.why) in page.facts
    assert {row.became for row in page.candidates} == {voice.why}
    assert {row.when for row in page.next} == {"never, while it is held"}


def test_the_page_has_words_for_every_reason_and_every_outcome() -> None:
    assert HOLDS.keys() == set(Hold)
    assert OUTCOMES.keys() == set(OutcomeKind)


def test_the_page_of_an_agent_says_where_its_traffic_goes_or_why_nobody_can_say() -> None:
    def traffic(selector: Selector) -> str:
        report = swept("desk", crowd(5, 2))
        report = replace(report, plan=replace(report.plan, agent=Agent("desk", "2", selector=selector)))
        made = live(report)
        found = detail(made, Digests().of(made.latest.values()), ("prod-eu", "desk"), "", NOW)
        assert found is not None
        return dict(found.facts)["Traffic"]

    rules = tuple(SelectionRule(FIXED_RATIO, version, share) for version, share in (("1", 90), ("2", 10)))
    assert traffic(Selector(rules)) == "1: 90 %, 2: 10 %, latest 2"
    assert traffic(Selector()) == "traffic cannot be judged (the version selector has no rules), latest 2"


def test_a_new_field_is_told_with_the_setting_that_accepts_it_and_is_no_trouble() -> None:
    report = swept("a", [session(1, 9 * DAY_S, strange=("lease",))], AT_ONCE)
    report = replace(report, snapshot=replace(report.snapshot, strange=frozenset({"lease", HOSTILE})))
    made = live(replace(report, known_fields=frozenset({"region_hint"})))
    (notice,) = front(made).state.notices
    assert notice.setting == 'known_fields: ["lease", region_hint]'
    assert "write under projects.prod-eu" in notice.words
    assert notice.words.isprintable()
    assert front(made).state.tone is Tone.OK


def test_enforcing_without_must_see_is_a_quiet_notice() -> None:
    made = live(swept("a", [session(1, HOUR_S)]), unwatched=("prod-eu",))
    (notice,) = front(made).state.notices
    assert notice.words.startswith("Enforcing without must_see: prod-eu.")
    assert not notice.setting
    assert front(made).state.tone is Tone.OK

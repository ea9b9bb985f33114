"""What `/metrics` says: every name of the contract, and nothing about what is not known."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from reaper.core.conditions import IdMatches
from reaper.core.model import STATUSES, Action, OutcomeKind
from reaper.core.plan import Hold
from reaper.core.policy import Mode, Policy, Rule
from reaper.core.settings import AgentPattern, Connection, CredentialKind, Project, Quota, Requests, Settings
from reaper.emulator import Emulator, Fault
from reaper.engine.events import SweepEnded, to_all
from reaper.engine.live_status import LiveStatus
from reaper.engine.report import Report, Result, Swept
from reaper.engine.runner import Run, Runner, Scope
from reaper.store.store import Breaker, Store
from reaper.telemetry import PREFIX, EventLog, Metrics
from reaper.wiring import Connector
from tests.clock import ManualClock
from tests.world import ENDPOINT, NOW, RUNAWAY, STALE, policy

AGENTS = ("support-eu", "research")
VIP = Rule("vip", Action.KEEP, (IdMatches(("vip-*",)),))
Key = tuple[str, frozenset[tuple[str, str]]]

NAMES = {
    "build_info", "sessions", "session_idle_seconds", "session_age_seconds", "agents", "candidates", "blocked",
    "actions_total", "sweeps_total", "sweep_duration_seconds", "sweep_last_success_timestamp_seconds",
    "oldest_overdue_seconds", "inventory_trusted", "breaker_open", "limit_remaining", "clock_skew_seconds",
    "quota_limit", "quota_used", "api_requests_total", "api_request_duration_seconds", "api_throttled_total",
    "config_info", "config_last_reload_successful", "config_last_reload_success_timestamp_seconds",
}  # fmt: skip
"""Every name in §4 of the contract."""

OF_THE_INVENTORY = {
    "sessions", "session_idle_seconds_bucket", "session_age_seconds_bucket", "candidates", "blocked",
    "oldest_overdue_seconds", "limit_remaining", "withheld",
}  # fmt: skip
"""What is only known of an agent whose inventory is believed."""


@dataclass
class Watched:
    """A sweeper on the emulator, with a live status and the metrics read from it."""

    policy: Policy = field(default_factory=lambda: policy(VIP, STALE, RUNAWAY))
    patterns: tuple[str, ...] = ("support-*", "research")
    must_see: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.emulator = Emulator(clock=self.clock, agents=2, sessions=150, seed=3)
        self.store = Store.open("sqlite://")
        self.live = LiveStatus(
            self.clock, pools=(Quota("sweden", 2000, ("prod",)),), config_hash="abc", config_read_at=7
        )
        self.metrics = Metrics(self.live)
        connect = Connector(self.clock, self.metrics.request, self.emulator.transport("reaper"))
        self.sweeper = Runner(self.store, self.clock, to_all(self.live.hear, self.metrics.hear), connect)

    def sweep(self, **scope: bool) -> Run:
        self.clock.passed += 900
        connection = Connection(ENDPOINT, CredentialKind.NONE, requests=Requests(concurrency=2, max_per_second=1000))
        patterns = tuple(AgentPattern(name, self.policy) for name in self.patterns)
        settings = Settings((Project("prod", connection, patterns, self.must_see),), (self.policy,))
        return asyncio.run(self.sweeper.run(settings, Scope(**scope)))

    def text(self) -> str:
        return generate_latest(self.metrics.registry).decode()

    def families(self) -> dict[str, Metric]:
        return {family.name: family for family in text_string_to_metric_families(self.text())}

    def samples(self) -> dict[Key, float]:
        return {
            (sample.name.removeprefix(PREFIX), frozenset(sample.labels.items())): sample.value
            for family in self.families().values()
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        return self.samples().get((name, frozenset(labels.items())))

    def told_of(self, agent: str) -> set[str]:
        """The names under which anything is said of an agent."""
        return {name for name, labels in self.samples() if ("agent", agent) in labels}


@pytest.fixture
def watched() -> Watched:
    made = Watched()
    made.sweep()
    return made


def names_in(text: str) -> set[str]:
    return {line.split()[2].removeprefix(PREFIX) for line in text.splitlines() if line.startswith("# HELP")}


def test_every_name_of_the_contract_is_exported(watched: Watched) -> None:
    assert names_in(watched.text()) >= NAMES
    sampled = {name for name, _ in watched.samples()}
    assert all(any(sample.startswith(name) for sample in sampled) for name in NAMES)


def test_the_exposition_is_read_by_prometheus_in_both_formats(watched: Watched) -> None:
    assert len(watched.families()) >= len(NAMES)
    assert generate_openmetrics(watched.metrics.registry).endswith(b"# EOF\n")


def test_before_the_first_sweep_nothing_is_said_of_any_agent() -> None:
    assert {labels for _, labels in Watched().samples() if any(key == "agent" for key, _ in labels)} == set()


def test_no_label_ever_holds_a_session_id(watched: Watched) -> None:
    ids = {seen.id for agent in AGENTS for seen in watched.emulator.platform.sessions(agent)}
    values = {value for _, labels in watched.samples() for _, value in labels}
    assert values.isdisjoint(ids)


def test_the_labels_are_those_of_the_contract(watched: Watched) -> None:
    labels: dict[str, set[frozenset[str]]] = {}
    for name, pairs in watched.samples():
        labels.setdefault(name, set()).add(frozenset(key for key, _ in pairs))
    agent = {"project", "agent"}
    expected = {
        "sessions": agent | {"status"},
        "agents": {"project", "policy"},
        "candidates": agent | {"policy", "rule", "action"},
        "blocked": agent | {"reason"},
        "withheld": agent | {"reason"},
        "actions_total": agent | {"rule", "action", "outcome"},
        "sweeps_total": agent | {"result"},
        "limit_remaining": agent | {"window"},
        "oldest_overdue_seconds": agent,
        "inventory_trusted": agent,
        "breaker_open": agent,
        "clock_skew_seconds": {"project"},
        "quota_used": {"quota"},
        "api_requests_total": {"project", "operation", "code"},
        "api_throttled_total": {"project", "operation"},
        "build_info": {"version", "python"},
        "config_info": {"hash"},
    }
    assert {name: labels[name] for name in expected} == {name: {frozenset(keys)} for name, keys in expected.items()}


def test_the_gauges_tell_what_was_listed(watched: Watched) -> None:
    report = watched.live.latest["prod", "research"]
    assert isinstance(report, Swept)
    for status in STATUSES:
        told = watched.value("sessions", project="prod", agent="research", status=status)
        assert told == report.snapshot.by_status[status]
    total = watched.value("session_idle_seconds_bucket", project="prod", agent="research", le="+Inf")
    assert total == watched.value("session_idle_seconds_gcount", project="prod", agent="research")
    assert total == report.snapshot.sessions
    assert watched.value("agents", project="prod", policy="standard") == 2
    assert watched.value("agents", project="prod", policy="") == 0
    assert watched.value("inventory_trusted", project="prod", agent="research") == 1


def test_outcomes_and_reasons_that_never_happened_are_zero(watched: Watched) -> None:
    research = {"project": "prod", "agent": "research"}
    for rule in (STALE, RUNAWAY):
        for kind in OutcomeKind:
            told = watched.value(
                "actions_total", **research, rule=rule.name, action=str(rule.action), outcome=str(kind)
            )
            assert told is not None
            assert kind is OutcomeKind.DONE or told == 0
    for hold in Hold:
        assert watched.value("blocked", **research, reason=str(hold)) == 0
    for result in Result:
        assert watched.value("sweeps_total", **research, result=str(result)) == (result is Result.OK)
    assert watched.value("api_throttled_total", project="prod", operation="delete_session") == 0


def test_actions_are_counted_as_often_as_the_platform_saw_them(watched: Watched) -> None:
    deleted = [event for event in watched.emulator.platform.history if event.kind == "deleted"]
    counted = sum(
        value for (name, labels), value in watched.samples().items()
        if name == "actions_total" and {("action", "delete"), ("outcome", "done")} <= labels
    )  # fmt: skip
    assert counted == len(deleted) > 0


def test_observing_counts_no_actions_and_says_why_nothing_was_done() -> None:
    watched = Watched(policy(VIP, STALE, RUNAWAY, mode=Mode.OBSERVE))
    watched.sweep()
    done = [value for (name, _), value in watched.samples().items() if name == "actions_total"]
    assert set(done) == {0}
    assert watched.emulator.platform.history == []
    candidates = sum(value for (name, _), value in watched.samples().items() if name == "candidates")
    blocked = sum(value for (name, _), value in watched.samples().items() if name == "blocked")
    assert candidates == blocked > 0


@pytest.mark.parametrize(
    ("fault", "result"),
    [
        (Fault(operation="list", agent="research", lie="empty_list"), Result.UNTRUSTED),
        (Fault(operation="list", agent="research", lie="only_own"), Result.UNTRUSTED),
        (Fault(operation="list", agent="research", lie="loop_cursor"), Result.INCOMPLETE),
        (Fault(operation="list", agent="research", after=1, status=500), Result.INCOMPLETE),
        (Fault(operation="list", agent="research", status=403), Result.FAILED),
        (Fault(operation="list", agent="research", lie="no_date"), Result.UNTRUSTED),
    ],
)
def test_the_gauges_of_an_agent_that_is_not_believed_vanish_and_are_never_zero(
    watched: Watched, fault: Fault, result: Result
) -> None:
    assert watched.told_of("research") >= OF_THE_INVENTORY
    watched.emulator.faults.add(fault)
    watched.sweep()
    assert watched.value("sweeps_total", project="prod", agent="research", result=str(result)) == 1
    assert watched.told_of("research").isdisjoint(OF_THE_INVENTORY)
    assert watched.value("inventory_trusted", project="prod", agent="research") == 0
    assert watched.told_of("support-eu") >= OF_THE_INVENTORY
    watched.emulator.faults.clear()
    watched.sweep()
    assert watched.told_of("research") >= OF_THE_INVENTORY


def test_the_gauges_of_an_agent_that_is_gone_vanish(watched: Watched) -> None:
    gauges = OF_THE_INVENTORY | {"inventory_trusted", "breaker_open", "sweep_last_success_timestamp_seconds"}
    assert gauges <= watched.told_of("support-eu")
    del watched.emulator.platform.agents["support-eu"]
    watched.sweep()
    assert watched.told_of("support-eu").isdisjoint(gauges)
    assert gauges <= watched.told_of("research")


def test_the_gauges_of_a_project_that_is_gone_vanish(watched: Watched) -> None:
    watched.live.keep_projects([])
    told = {name for name, labels in watched.samples() if name in OF_THE_INVENTORY | {"clock_skew_seconds", "agents"}}
    assert told == set()


def test_the_gauges_of_an_agent_found_by_a_wildcard_vanish_when_the_project_cannot_be_asked(watched: Watched) -> None:
    watched.emulator.faults.add(Fault(status=401))
    run = watched.sweep()
    assert {report.result for report in run.reports} == {Result.FAILED}
    assert watched.told_of("support-eu").isdisjoint(OF_THE_INVENTORY)
    assert watched.value("inventory_trusted", project="prod", agent="support-eu") != 1


def test_the_gauges_of_an_agent_found_by_name_vanish_when_the_project_cannot_be_asked(watched: Watched) -> None:
    watched.emulator.faults.add(Fault(status=401))
    watched.sweep()
    assert watched.told_of("research").isdisjoint(OF_THE_INVENTORY)


def test_an_open_breaker_shows(watched: Watched) -> None:
    assert watched.value("breaker_open", project="prod", agent="research") == 0
    watched.store.open_breaker("prod", "research", Breaker(watched.clock.wall(), "a person must look"))
    watched.sweep()
    assert watched.value("breaker_open", project="prod", agent="research") == 1
    assert watched.value("breaker_open", project="prod", agent="support-eu") == 0


def test_an_open_breaker_never_reads_closed_because_a_sweep_failed(watched: Watched) -> None:
    watched.store.open_breaker("prod", "research", Breaker(watched.clock.wall(), "a person must look"))
    watched.sweep()
    watched.emulator.faults.add(Fault(operation="list", agent="research", status=403))
    watched.sweep()
    assert watched.value("breaker_open", project="prod", agent="research") != 0


def test_the_last_success_is_remembered_while_agents_cannot_be_listed(watched: Watched) -> None:
    before = watched.value("sweep_last_success_timestamp_seconds", project="prod", agent="support-eu")
    watched.emulator.faults.add(Fault(operation="list_agents", status=500))
    watched.sweep()
    assert watched.value("sweep_last_success_timestamp_seconds", project="prod", agent="support-eu") == before


def test_a_quota_counts_what_is_believed_and_is_silent_while_nothing_is(watched: Watched) -> None:
    counted = sum(
        report.snapshot.by_status[status]
        for report in watched.live.latest.values()
        if isinstance(report, Swept)
        for status in ("creating", "active", "updating")
    )
    assert watched.value("quota_used", quota="sweden") == counted
    assert watched.value("quota_limit", quota="sweden") == 2000
    watched.emulator.faults.add(Fault(operation="list", lie="empty_list"))
    watched.sweep()
    assert watched.value("quota_used", quota="sweden") is None
    assert watched.value("quota_limit", quota="sweden") == 2000


def test_a_listing_tells_each_kept_session_once() -> None:
    watched = Watched()
    assert duplicates(watched.sweep(keeps=True, rehearsal=True)) == []


def test_a_listing_that_lost_its_place_tells_each_kept_session_once() -> None:
    watched = Watched()
    watched.emulator.faults.add(Fault(operation="list", after=2, times=1, status=400))
    assert duplicates(watched.sweep(keeps=True, rehearsal=True)) == []


def duplicates(run: Run) -> list[tuple[str, str]]:
    told = [(report.agent, kept.session.id) for report in run.swept for kept in report.snapshot.kept]
    return sorted({each for each in told if told.count(each) > 1})


def test_throttled_requests_are_counted_under_their_operation(watched: Watched) -> None:
    watched.emulator.faults.add(Fault(operation="list", times=2, status=429, retry_after_seconds=1))
    watched.sweep()
    assert watched.value("api_throttled_total", project="prod", operation="list_sessions") == 2
    assert watched.value("api_requests_total", project="prod", operation="list_sessions", code="429") == 2


def test_a_report_that_is_untrusted_is_no_success(watched: Watched) -> None:
    before = watched.value("sweep_last_success_timestamp_seconds", project="prod", agent="research")
    watched.emulator.faults.add(Fault(operation="list", agent="research", lie="empty_list"))
    watched.sweep()
    assert watched.value("sweep_last_success_timestamp_seconds", project="prod", agent="research") == before
    report: Report = watched.live.latest["prod", "research"]
    assert replace(report, doubts=()).trusted
    assert not report.trusted


def test_an_agent_that_nobody_hears_is_warned_of_once(watched: Watched) -> None:
    watched.patterns = ("support-eu",)
    watched.emulator.faults.add(Fault(operation="get_agent", status=403))
    heard = EventLog()
    with capture_logs() as lines:
        for _ in range(3):
            for report in watched.sweep().reports:
                heard.hear(SweepEnded(report))
    (line,) = [line for line in lines if line["event"] == "agent_not_heard"]
    assert (line["agent"], line["log_level"]) == ("support-eu", "warning")
    assert "is not heard" in line["why"]


def test_the_first_expiry_of_the_must_see_sessions_is_a_gauge_and_vanishes_with_them(watched: Watched) -> None:
    name = "must_see_expires_timestamp_seconds"
    assert watched.value(name, project="prod") is None
    some = sorted(watched.emulator.platform.sessions(AGENTS[0]), key=lambda seen: seen.expires_at)[-3:]
    watched.must_see = frozenset(seen.id for seen in some)
    watched.sweep(observe=True)
    assert watched.value(name, project="prod") == some[0].expires_at
    watched.must_see = frozenset()
    watched.sweep(observe=True)
    assert watched.value(name, project="prod") is None


def test_the_pace_of_the_schedule_and_who_is_unwatched_are_told_as_soon_as_they_are_known() -> None:
    watched = Watched()
    assert watched.value("sweep_interval_seconds") is None
    watched.live.sweep_interval_s, watched.live.unwatched = 900, ("prod",)
    watched.live.policies = (("prod", watched.policy), ("test", replace(watched.policy, mode=Mode.OBSERVE)))
    assert watched.value("sweep_interval_seconds") == 900
    assert watched.value("policy_info", project="prod", policy="standard", mode="enforce") == 1
    assert watched.value("policy_info", project="test", policy="standard", mode="observe") == 1
    assert watched.value("unwatched", project="prod") == 1
    assert watched.value("unwatched", project="test") == 0


def test_a_configuration_knows_which_policies_its_projects_use() -> None:
    one, other = replace(policy(STALE), name="one"), replace(policy(STALE), name="other")
    connection = Connection(ENDPOINT, CredentialKind.NONE)
    patterns = (AgentPattern("a", one), AgentPattern("b", one), AgentPattern("*", other))
    projects = (Project("p", connection, patterns), Project("q", connection, patterns[:1]))
    assert Settings(projects, (one, other)).policies_in_use == (("p", one), ("p", other), ("q", one))

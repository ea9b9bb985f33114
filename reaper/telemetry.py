"""The only place that knows metric names and log events. Metrics are rendered from `LiveStatus` at each scrape."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, Final, assert_never

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeHistogramMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reaper import __version__
from reaper.core.model import STATUSES, Action, OutcomeKind
from reaper.core.plan import Hold
from reaper.core.policy import Rule
from reaper.core.provider import CallRecord
from reaper.core.text import clean
from reaper.engine import events
from reaper.engine.live_status import LiveStatus
from reaper.engine.report import ASKS_A_PERSON, Outcome, Report, Result, Swept, is_trusted
from reaper.engine.status_json import summary_json
from reaper.listing.snapshot import BUCKETS_S, Durations
from reaper.logs import get_logger

PREFIX: Final = "session_reaper_"
SWEEP_BUCKETS_S: Final = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
WINDOW_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

_AGENT: Final = ("project", "agent")


class Metrics:
    """The product's metrics: counters of what is heard, and gauges read from the live status when asked."""

    def __init__(self, live: LiveStatus) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(StatusCollector(live))
        self._actions = self._counter("actions", "Actions by how they ended", *_AGENT, "rule", "action", "outcome")
        self._sweeps = self._counter("sweeps", "Sweeps of one agent by how they ended", *_AGENT, "result")
        self._requests = self._counter("api_requests", "Requests to the platform", "project", "operation", "code")
        self._throttled = self._counter("api_throttled", "Requests the platform throttled", "project", "operation")
        took = "How long a sweep of one agent took"
        self._durations = self._histogram("sweep_duration_seconds", took, _AGENT, SWEEP_BUCKETS_S)
        unseen = "From the answer to the last look at a session until its stop or delete was sent"
        self._windows = self._histogram("action_window_seconds", unseen, _AGENT, WINDOW_BUCKETS_S)
        answered = "How long the platform took to answer"
        self._latencies = self._histogram("api_request_duration_seconds", answered, ("project", "operation"))

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}{name}", meaning, labels, registry=self.registry)

    def _histogram(
        self, name: str, meaning: str, labels: Sequence[str], buckets: Sequence[float] = Histogram.DEFAULT_BUCKETS
    ) -> Histogram:
        return Histogram(f"{PREFIX}{name}", meaning, labels, buckets=buckets, registry=self.registry)

    def rendered(self, accept: str) -> tuple[bytes, str]:
        """All of them in the form that an `Accept` header asks for, with its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def request(self, project: str, record: CallRecord) -> None:
        """Count one request to the platform."""
        self._requests.labels(project, record.operation, record.code).inc()
        self._latencies.labels(project, record.operation).observe(record.seconds)
        self._throttled.labels(project, record.operation).inc(int(record.throttled))

    def hear(self, event: events.Event) -> None:
        """Count what a sweep has just done."""
        match event:
            case events.ActionEnded(project, agent, outcome):
                self._action_ended(project, clean(agent), outcome)
            case events.Planned(project, plan):
                # Every outcome stands at 0 before the first action, so that an increase can be seen.
                self._show_outcomes((project, clean(plan.agent.name)), plan.policy.rules)
            case events.AgentsFound(project, managed):
                for agent, result in product(managed, Result):
                    self._sweeps.labels(project, clean(agent), str(result))
            case events.SweepEnded(report):
                self._sweep_ended(report)
            case events.SweepBegun() | events.PageRead() | events.Judged() | events.QuotaRelieved():
                pass
            case events.UnknownApprovals() | events.MustSeeListed():
                pass
            case _:
                assert_never(event)

    def _action_ended(self, project: str, agent: str, outcome: Outcome) -> None:
        item = outcome.item
        self._actions.labels(project, agent, item.rule, str(item.action), str(outcome.kind)).inc()
        if outcome.window_s is not None:
            self._windows.labels(project, agent).observe(outcome.window_s)

    def _sweep_ended(self, report: Report) -> None:
        where = _where(report)
        for result in Result:
            self._sweeps.labels(*where, str(result)).inc(int(result is report.result))
        self._durations.labels(*where).observe(report.seconds)
        self._windows.labels(*where)
        self._show_outcomes(where, report.rules)

    def _show_outcomes(self, where: Sequence[str], rules: Sequence[Rule]) -> None:
        for rule in rules:
            for kind in OutcomeKind if rule.action is not Action.KEEP else ():
                self._actions.labels(*where, rule.name, str(rule.action), str(kind))


class StatusCollector(Collector):
    """Builds every gauge anew on each scrape, so that agents that are gone or not believed vanish."""

    def __init__(self, live: LiveStatus) -> None:
        self._live = live

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        version = (__version__, platform.python_version())
        yield _gauge("build_info", "Version of the program", ("version", "python"), [(version, 1)])
        yield from self._configuration()
        yield from self._inventory()
        yield from self._plans()
        yield from self._pace()
        yield from self._health()
        yield from self._quotas()

    def _configuration(self) -> Iterator[Metric]:
        live = self._live
        yield _gauge("config_info", "Digest of the configuration in force", ("hash",), [((live.config_hash,), 1)])
        yield _single("config_last_reload_successful", "Whether the last reading succeeded", not live.config_errors)
        read = "When the configuration was last read"
        yield _single("config_last_reload_success_timestamp_seconds", read, live.config_read_at)
        policies = (((project, one.name, str(one.mode)), 1) for project, one in live.policies)
        used = "Policies that agents of a project get, and whether they enforce"
        yield _gauge("policy_info", used, ("project", "policy", "mode"), policies)
        told = "Whether sweeps may act in a project, and no must_see session would show that its role is lost"
        projects = dict.fromkeys(project for project, _ in live.policies)
        yield _gauge("unwatched", told, ("project",), (((one,), int(one in live.unwatched)) for one in projects))

    def _inventory(self) -> Iterator[Metric]:
        sessions = _gauge("sessions", "Sessions by status", (*_AGENT, "status"))
        idle = _spread("session_idle_seconds", "Time since the last access, of the present inventory")
        age = _spread("session_age_seconds", "Time since the creation, of the present inventory")
        for report in self._live.trusted():
            snapshot, where = report.snapshot, _where(report)
            unknown = sum(count for status, count in snapshot.by_status.items() if status not in STATUSES)
            for status in STATUSES:
                sessions.add_metric([*where, status], snapshot.by_status[status])
            sessions.add_metric([*where, "unknown"], unknown)
            idle.add_metric(where, _buckets(snapshot.idle), snapshot.idle.total_s)
            age.add_metric(where, _buckets(snapshot.age), snapshot.age.total_s)
        agents = _gauge(
            "agents", "Agents by the policy that manages them", ("project", "policy"), self._live.agents()
        )
        yield from (sessions, idle, age, agents)

    def _plans(self) -> Iterator[Metric]:
        by_rule = (*_AGENT, "policy", "rule", "action")
        candidates = _gauge("candidates", "Sessions that a rule would stop or delete", by_rule)
        blocked = _gauge("blocked", "Candidates not acted on, by reason", (*_AGENT, "reason"))
        waits = "Candidates that wait for a person to approve them, by reason"
        withheld = _gauge("withheld", waits, (*_AGENT, "reason"))
        overdue = _gauge("oldest_overdue_seconds", "How long the most overdue candidate has been overdue", _AGENT)
        remaining = _gauge("limit_remaining", "Deletes that the limits still allow", (*_AGENT, "window"))
        for report in self._live.trusted():
            where = _where(report)
            for rule in report.rules:
                if rule.action is not Action.KEEP:
                    labels = [*where, report.policy.name, rule.name, str(rule.action)]
                    candidates.add_metric(labels, report.by_rule[rule.name])
            for hold in Hold:
                blocked.add_metric([*where, str(hold)], report.blocked[hold])
            for hold in ASKS_A_PERSON:
                withheld.add_metric([*where, str(hold)], report.waiting[hold])
            overdue.add_metric(where, report.oldest_overdue_s)
            for window, left in report.limit_remaining.items():
                remaining.add_metric([*where, window], left)
        yield from (candidates, blocked, withheld, overdue, remaining)

    def _pace(self) -> Iterator[Metric]:
        """What is to be expected of the sweeps, and how far they are."""
        live = self._live
        if live.sweep_interval_s is not None:
            gap = "The longest time from one start of the schedule to the next"
            yield _single("sweep_interval_seconds", gap, live.sweep_interval_s)
        if live.progressed_on is not None:
            ended = "When a request, an action or a sweep last ended"
            yield _single("last_progress_timestamp_seconds", ended, live.progressed_on)
        begun = "When the sweep that is under way began; nothing while none is"
        started = (((project, clean(agent)), at) for (project, agent), at in live.sweeping.copy().items())
        yield _gauge("sweep_started_timestamp_seconds", begun, _AGENT, started)

    def _health(self) -> Iterator[Metric]:
        fault = "Whether the state cannot be relied on, so that nothing is touched"
        yield _single("state_fault", fault, bool(self._live.state_fault))
        trusted = _gauge("inventory_trusted", "Whether the last listing was complete and believed", _AGENT)
        holds = _gauge("holds", "Holds of people that stand on sessions, as of the last sweep", _AGENT)
        listed = _gauge("inventory_listed_timestamp_seconds", "When all sessions were last listed", _AGENT)
        breaker = _gauge("breaker_open", "Whether actions wait for a person", _AGENT)
        success = _gauge("sweep_last_success_timestamp_seconds", "When a sweep last did its job", _AGENT)
        skew = _gauge("clock_skew_seconds", "The platform's clock minus the local one", ("project",))
        for report in self._live.latest.values():
            where = _where(report)
            trusted.add_metric(where, int(is_trusted(report)))
            breaker.add_metric(where, int(report.breaker is not None))
            if isinstance(report, Swept):
                holds.add_metric(where, len(report.holds))
            if is_trusted(report) and report.snapshot.listed_at is not None:
                listed.add_metric(where, report.snapshot.listed_at)
        for (project, agent), moment in self._live.succeeded.items():
            success.add_metric([project, clean(agent)], moment)
        for project, seconds in self._live.skews().items():
            skew.add_metric([project], seconds)
        yield from (trusted, listed, breaker, holds, success, skew, self._must_see())

    def _must_see(self) -> Metric:
        first = "When the first of the must_see sessions that the last listing showed expires"
        expiries = ((project, min(known.values())) for project, known in self._live.must_see.items() if known)
        name = "must_see_expires_timestamp_seconds"
        return _gauge(name, first, ("project",), [((project,), at) for project, at in expiries])

    def _quotas(self) -> Iterator[Metric]:
        limits = _gauge("quota_limit", "Sessions that may run at once, as configured", ("quota",))
        used = _gauge("quota_used", "Sessions counted against the quota: a lower bound", ("quota",))
        for quota, count in self._live.quotas():
            limits.add_metric([quota.name], quota.limit)
            if count is not None:
                used.add_metric([quota.name], count)
        yield from (limits, used)


def _where(report: Report) -> list[str]:
    """The labels of an agent; its name comes from outside, and must not steer the terminal of whoever reads it."""
    return [report.project, clean(report.agent)]


def _gauge(name: str, meaning: str, labels: tuple[str, ...], values: Any = ()) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{PREFIX}{name}", meaning, labels=labels)
    for key, value in values:
        family.add_metric(list(key), value)
    return family


def _single(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}{name}", meaning, value)


def _spread(name: str, meaning: str) -> GaugeHistogramMetricFamily:
    return GaugeHistogramMetricFamily(f"{PREFIX}{name}", meaning, labels=_AGENT)


def _buckets(spread: Durations) -> list[tuple[str, float]]:
    total, found = 0, []
    for bound, count in zip([*map(str, BUCKETS_S), "+Inf"], spread.counts, strict=True):
        total += count
        found.append((bound, float(total)))
    return found


class EventLog:
    """Says what sweeps do, one line an event. The sweep's id is bound to every line by the runner."""

    def __init__(self) -> None:
        self._log = get_logger("reaper")
        self._strange_seen: set[tuple[str, str, str]] = set()
        self._unheard_of: set[tuple[str, str]] = set()

    def hear(self, event: events.Event) -> None:
        """Write down what a sweep has just done, where it is worth a line."""
        match event:
            case events.ActionEnded(outcome=outcome):
                self._action_ended(outcome)
            case events.SweepEnded(report):
                self._sweep_ended(report)
            case events.AgentsFound(project, _, unmanaged):
                if unmanaged:
                    self._log.info("unmanaged_agents", project=project, agents=list(unmanaged))
            case events.SweepBegun() | events.PageRead() | events.Planned() | events.Judged():
                pass
            case events.QuotaRelieved() | events.UnknownApprovals() | events.MustSeeListed():
                pass
            case _:
                assert_never(event)

    def _action_ended(self, outcome: Outcome) -> None:
        write = self._log.info if outcome.kind in {OutcomeKind.DONE, OutcomeKind.ALREADY_GONE} else self._log.warning
        session, item = outcome.item.session, outcome.item
        write(
            "action",
            session=session.id,
            created_at=session.created_at,
            action=str(item.action),
            rule=item.rule,
            outcome=str(outcome.kind),
            why=outcome.why,
        )

    def _sweep_ended(self, report: Report) -> None:
        write, shown = self._log.info if report.result is Result.OK else self._log.warning, summary_json(report)
        write(
            "sweep",
            **{name: shown[name] for name in ("project", "agent", "policy", "result", "why")},
            **({"notes": shown["notes"]} if shown["notes"] else {}),
            observed=report.observed,
            plan=shown["plan_id"],
            **{name: shown[name] for name in ("sessions", "pages", "totals", "blocked", "doubts")},
            actions=len(report.outcomes) if isinstance(report, Swept) else 0,
            seconds=shown["duration_seconds"],
        )
        if isinstance(report, Swept):
            self._say_once(report.project, "unknown_status", report.snapshot.unknown_statuses)
            setting = {"setting": report.accepts_with} if report.accepts_with else {}
            self._say_once(report.project, "unknown_field", report.snapshot.strange, **setting)
        if report.voice.unheard and (report.project, report.agent) not in self._unheard_of:
            self._unheard_of.add((report.project, report.agent))
            self._log.warning("agent_not_heard", project=report.project, agent=report.agent, why=report.voice.unheard)

    def _say_once(self, project: str, event: str, names: frozenset[str], **also: str) -> None:
        for name in sorted(names):
            if (project, event, name) not in self._strange_seen:
                self._strange_seen.add((project, event, name))
                meaning = "sessions that show it are kept" + (", until the project has this setting" if also else "")
                self._log.warning(event, project=project, name=name, meaning=meaning, **also)

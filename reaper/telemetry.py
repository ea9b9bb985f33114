"""The only place that knows metric names and log events. Metrics are rendered from `LiveStatus` at each scrape."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeHistogramMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reaper import __version__
from reaper.core.model import STATUSES, Action, OutcomeKind
from reaper.core.planner import Hold, Plan
from reaper.core.provider import CallRecord
from reaper.core.text import clean
from reaper.engine.live_status import LiveStatus
from reaper.engine.report import Listener, Outcome, Report, Result
from reaper.listing.snapshot import BUCKETS_S
from reaper.listing.snapshot import Histogram as StaleCounts
from reaper.logs import get_logger

PREFIX: Final = "session_reaper_"
SWEEP_BUCKETS_S: Final = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
WINDOW_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
OPERATIONS: Final = ("list_agents", "get_agent", "list_sessions", "get_session", "delete_session", "stop_session")

_AGENT: Final = ("project", "agent")


class Metrics(Listener):
    """The product's metrics: counters that are told, and gauges read from the board when asked."""

    def __init__(self, board: LiveStatus) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(StatusCollector(board))
        self._actions = self._counter("actions", "Actions by how they ended", *_AGENT, "rule", "action", "outcome")
        self._sweeps = self._counter("sweeps", "Sweeps of one agent by how they ended", *_AGENT, "result")
        self._requests = self._counter("api_requests", "Requests to the platform", "project", "operation", "code")
        self._throttled = self._counter("api_throttled", "Requests the platform throttled", "project", "operation")
        self._durations = Histogram(
            f"{PREFIX}sweep_duration_seconds",
            "How long a sweep of one agent took",
            _AGENT,
            buckets=SWEEP_BUCKETS_S,
            registry=self.registry,
        )
        self._windows = Histogram(
            f"{PREFIX}action_window_seconds",
            "From the answer to the last look at a session until its stop or delete was sent",
            _AGENT,
            buckets=WINDOW_BUCKETS_S,
            registry=self.registry,
        )
        self._latencies = Histogram(
            f"{PREFIX}api_request_duration_seconds",
            "How long the platform took to answer",
            ("project", "operation"),
            registry=self.registry,
        )

    def _counter(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}{name}", told, labels, registry=self.registry)

    def rendered(self, accept: str) -> tuple[bytes, str]:
        """All of them in the form that an `Accept` header asks for, with its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def request(self, project: str, record: CallRecord) -> None:
        """Count one request to the platform."""
        self._requests.labels(project, record.operation, record.code).inc()
        self._latencies.labels(project, record.operation).observe(record.seconds)
        throttled = self._throttled.labels(project, record.operation)
        if record.throttled:
            throttled.inc()

    def outcome(self, project: str, agent: str, outcome: Outcome) -> None:
        labels = (project, clean(agent), outcome.item.rule, str(outcome.item.action), str(outcome.kind))
        self._actions.labels(*labels).inc()
        if outcome.window_s is not None:
            self._windows.labels(project, clean(agent)).observe(outcome.window_s)

    def planned(self, project: str, plan: Plan) -> None:
        """Every outcome stands at 0 before the first action, so that an increase can be seen."""
        for rule in plan.policy.rules:
            for kind in OutcomeKind if rule.action is not Action.KEEP else ():
                self._actions.labels(project, clean(plan.agent.name), rule.name, str(rule.action), str(kind))

    def roster(self, project: str, managed: Mapping[str, str], unmanaged: Sequence[str]) -> None:
        for agent in managed:
            for result in Result:
                self._sweeps.labels(project, clean(agent), str(result))

    def report(self, report: Report) -> None:
        where = _where(report)
        for result in Result:
            self._sweeps.labels(*where, str(result)).inc(int(result is report.result))
        self._durations.labels(*where).observe(report.seconds)
        self._windows.labels(*where)
        for rule in report.rules:
            for kind in OutcomeKind if rule.action is not Action.KEEP else ():
                self._actions.labels(*where, rule.name, str(rule.action), str(kind)).inc(0)


class StatusCollector(Collector):
    """Builds every gauge anew on each scrape, so that agents that are gone or not believed vanish."""

    def __init__(self, board: LiveStatus) -> None:
        self._board = board

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        yield _gauge(
            "build_info",
            "Version of the program",
            ("version", "python"),
            [((__version__, platform.python_version()), 1)],
        )
        yield from self._configuration()
        yield from self._inventory()
        yield from self._plans()
        yield from self._health()
        yield from self._quotas()

    def _configuration(self) -> Iterator[Metric]:
        board = self._board
        yield _gauge("config_info", "Digest of the configuration in force", ("hash",), [((board.config_hash,), 1)])
        yield _gauge(
            "config_last_reload_successful",
            "Whether the last reading succeeded",
            (),
            [((), int(not board.config_errors))],
        )
        yield _gauge(
            "config_last_reload_success_timestamp_seconds",
            "When the configuration was last read",
            (),
            [((), board.config_read_at)],
        )

    def _inventory(self) -> Iterator[Metric]:
        sessions = _gauge("sessions", "Sessions by status", (*_AGENT, "status"))
        idle = _spread("session_idle_seconds", "Time since the last access, of the present inventory")
        age = _spread("session_age_seconds", "Time since the creation, of the present inventory")
        for report in self._board.trusted():
            snapshot = report.snapshot
            if snapshot is None:
                continue
            where = _where(report)
            unknown = sum(count for status, count in snapshot.by_status.items() if status not in STATUSES)
            for status in STATUSES:
                sessions.add_metric([*where, status], snapshot.by_status[status])
            sessions.add_metric([*where, "unknown"], unknown)
            idle.add_metric(where, _buckets(snapshot.idle), snapshot.idle.total_s)
            age.add_metric(where, _buckets(snapshot.age), snapshot.age.total_s)
        agents = _gauge(
            "agents", "Agents by the policy that manages them", ("project", "policy"), self._board.agents()
        )
        yield from (sessions, idle, age, agents)

    def _plans(self) -> Iterator[Metric]:
        by_rule = (*_AGENT, "policy", "rule", "action")
        candidates = _gauge("candidates", "Sessions that a rule would stop or delete", by_rule)
        blocked = _gauge("blocked", "Candidates not acted on, by reason", (*_AGENT, "reason"))
        overdue = _gauge("oldest_overdue_seconds", "How long the most overdue candidate has been overdue", _AGENT)
        remaining = _gauge("limit_remaining", "Deletes that the limits still allow", (*_AGENT, "window"))
        for report in self._board.trusted():
            if report.plan is None or report.snapshot is None:
                continue
            where = _where(report)
            for rule in report.rules:
                if rule.action is not Action.KEEP:
                    labels = [*where, report.policy.name, rule.name, str(rule.action)]
                    candidates.add_metric(labels, report.by_rule[rule.name])
            for hold in Hold:
                blocked.add_metric([*where, str(hold)], report.blocked[hold])
            overdue.add_metric(where, report.oldest_overdue_s)
            for window, left in report.limit_remaining.items():
                remaining.add_metric([*where, window], left)
        yield from (candidates, blocked, overdue, remaining)

    def _health(self) -> Iterator[Metric]:
        fault = int(bool(self._board.state_fault))
        yield _gauge(
            "state_fault", "Whether the state cannot be relied on, so that nothing is touched", (), [((), fault)]
        )
        trusted = _gauge("inventory_trusted", "Whether the last listing was complete and believed", _AGENT)
        listed = _gauge("inventory_listed_timestamp_seconds", "When all sessions were last listed", _AGENT)
        breaker = _gauge("breaker_open", "Whether actions wait for a person", _AGENT)
        success = _gauge("sweep_last_success_timestamp_seconds", "When a sweep last did its job", _AGENT)
        skew = _gauge("clock_skew_seconds", "The platform's clock minus the local one", ("project",))
        for report in self._board.latest.values():
            where = _where(report)
            trusted.add_metric(where, int(report.trusted))
            breaker.add_metric(where, int(report.breaker is not None))
            if report.trusted and report.snapshot is not None and report.snapshot.listed_at is not None:
                listed.add_metric(where, report.snapshot.listed_at)
        for (project, agent), moment in self._board.succeeded.items():
            success.add_metric([project, clean(agent)], moment)
        for project, seconds in self._board.skews().items():
            skew.add_metric([project], seconds)
        yield from (trusted, listed, breaker, success, skew)

    def _quotas(self) -> Iterator[Metric]:
        limits = _gauge("quota_limit", "Sessions that may run at once, as configured", ("quota",))
        used = _gauge("quota_used", "Sessions counted against the quota: a lower bound", ("quota",))
        for quota, count in self._board.quotas():
            limits.add_metric([quota.name], quota.limit)
            if count is not None:
                used.add_metric([quota.name], count)
        yield from (limits, used)


def _where(report: Report) -> list[str]:
    """The labels of an agent; its name comes from outside, and must not steer the terminal of whoever reads it."""
    return [report.project, clean(report.agent)]


def _gauge(name: str, told: str, labels: tuple[str, ...], values: Any = ()) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{PREFIX}{name}", told, labels=labels)
    for key, value in values:
        family.add_metric(list(key), value)
    return family


def _spread(name: str, told: str) -> GaugeHistogramMetricFamily:
    return GaugeHistogramMetricFamily(f"{PREFIX}{name}", told, labels=_AGENT)


def _buckets(spread: StaleCounts) -> list[tuple[str, float]]:
    total, found = 0, []
    for bound, count in zip([*map(str, BUCKETS_S), "+Inf"], spread.counts, strict=True):
        total += count
        found.append((bound, float(total)))
    return found


class EventLog(Listener):
    """Says what sweeps do, one line an event. The sweep's id is bound to every line by the sweeper."""

    def __init__(self) -> None:
        self._log = get_logger("reaper")
        self._strange_seen: set[tuple[str, str]] = set()

    def outcome(self, project: str, agent: str, outcome: Outcome) -> None:
        said = self._log.info if outcome.kind in {OutcomeKind.DONE, OutcomeKind.ALREADY_GONE} else self._log.warning
        session, item = outcome.item.session, outcome.item
        said(
            "action",
            session=session.id,
            created_at=session.created_at,
            action=str(item.action),
            rule=item.rule,
            outcome=str(outcome.kind),
            why=outcome.why,
        )

    def report(self, report: Report) -> None:
        said = self._log.info if report.result is Result.OK else self._log.warning
        snapshot = report.snapshot
        said(
            "sweep",
            project=report.project,
            agent=report.agent,
            policy=report.policy.name,
            result=str(report.result),
            why=report.why,
            **({"notes": list(report.notes)} if report.notes else {}),
            observed=report.observed,
            plan=report.plan.id if report.plan else None,
            sessions=snapshot.sessions if snapshot else None,
            pages=snapshot.pages if snapshot else None,
            totals=report.totals,
            blocked={reason: count for reason, count in report.blocked.items() if count},
            doubts=list(report.doubts),
            actions=len(report.outcomes),
            seconds=round(report.seconds, 3),
        )
        if snapshot is not None:
            self._say_once("unknown_status", snapshot.unknown_statuses)
            self._say_once("unknown_field", snapshot.strange)

    def _say_once(self, event: str, names: frozenset[str]) -> None:
        for name in sorted(names):
            if (event, name) not in self._strange_seen:
                self._strange_seen.add((event, name))
                self._log.warning(event, name=name, meaning="sessions that show it are kept")

    def roster(self, project: str, managed: Any, unmanaged: Any) -> None:
        if unmanaged:
            self._log.info("unmanaged_agents", project=project, agents=list(unmanaged))

"""What the dashboard shows: rows that are questions, panels that answer them, and the queries they ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

RELEASE: Final = 'namespace=~"$namespace", release=~"$release"'
JOB: Final = f'{RELEASE}, job=~"$job", instance=~"$instance"'
PROJECT: Final = f'{JOB}, project=~"$project"'
AGENT: Final = f'{PROJECT}, agent=~"$agent"'
MANAGED: Final = 'policy!=""'
UNMANAGED: Final = 'policy=""'
DONE: Final = 'outcome="done"'
GONE: Final = ('action="delete"', 'outcome=~"done|already_gone"')
FORECAST_S: Final = 4 * 3600


@dataclass(frozen=True)
class Query:
    """One expression and the name its series get; `buckets` asks for a histogram, now."""

    expr: str
    legend: str = ""
    buckets: bool = False


@dataclass(frozen=True)
class Panel:
    """One panel: what it shows, in which unit, and the queries it asks."""

    kind: str
    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    size: tuple[int, int] = (8, 8)
    steps: tuple[tuple[float, str], ...] = ()
    texts: dict[str, tuple[str, str]] = field(default_factory=dict)
    stacked: bool = False
    bars: bool = False
    signed: bool = False
    top: float | None = None


def sample(name: str, selector: str = AGENT, *more: str) -> str:
    """The series of a metric that the dashboard's variables choose."""
    return f"session_reaper_{name}{{{', '.join((selector, *more))}}}"


def counted(name: str, selector: str = AGENT, *more: str) -> str:
    return f"increase({sample(name, selector, *more)}[$__rate_interval])"


def quantile(share: float, name: str, by: str, selector: str = AGENT) -> str:
    rate = f"rate({sample(f'{name}_bucket', selector)}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by (le, {by}) ({rate}))"


def number(title: str, told: str, unit: str, expr: str, *steps: tuple[float, str], **more: Any) -> Panel:
    return Panel("stat", title, told, unit, (Query(expr),), steps=steps, **{"size": (3, 4), **more})


def lines(title: str, told: str, unit: str, *queries: Query, **more: Any) -> Panel:
    return Panel("timeseries", title, told, unit, queries, **more)


RED_ABOVE_0: Final = ((0, "green"), (1, "red"))
YES_NO: Final = {"0": ("no", "red"), "1": ("yes", "green")}
LATEST: Final = f"max by (namespace, release, project, agent) ({sample('sweep_last_success_timestamp_seconds')})"
INTERVAL: Final = f"max by (namespace, release) ({sample('sweep_interval_seconds', JOB)})"
INTERVALS_SINCE: Final = f"(time() - {LATEST}) / on (namespace, release) group_left () {INTERVAL}"
IN_INTERVALS: Final = ((0.0, "green"), (2.0, "orange"), (3.0, "red"))
"""One interval passes between two good sweeps; over three an alert fires."""
ALERTS: Final = f'ALERTS{{alertname=~"SessionReaper.*", alertstate="firing", {RELEASE}}}'


def policies(mode: str) -> str:
    told = sample("policy_info", JOB, 'project=~"$project"', f'mode="{mode}"')
    return f"count(group by (project, policy) ({told})) or vector(0)"


SWEEPING: Final = (
    number(
        "Since a good sweep",
        "Intervals since the last good sweep of the agent that waits longest. Over three an alert fires.",
        "short",
        f"max({INTERVALS_SINCE})",
        *IN_INTERVALS,
    ),
    number(
        "Since progress",
        "Time since a page was read, an action ended or a sweep ended, whatever came of it.",
        "s",
        f"time() - max({sample('last_progress_timestamp_seconds', JOB)})",
    ),
    number(
        "Agents swept",
        "Agents that the reaper has looked at and reports on.",
        "short",
        f"count(group by (project, agent) ({sample('inventory_trusted')}))",
    ),
    number(
        "Agents not believed",
        "Agents whose last listing failed, was incomplete or contradicts earlier ones. They are only observed.",
        "short",
        f"sum(1 - min by (project, agent) ({sample('inventory_trusted')}))",
        *RED_ABOVE_0,
    ),
    number(
        "Breakers open",
        "Agents on which nothing is done until a person approves a plan.",
        "short",
        f"sum(max by (project, agent) ({sample('breaker_open')}))",
        *RED_ABOVE_0,
    ),
    number(
        "Configuration read",
        "Whether the last reading of the configuration succeeded. After a mistake the old one stays in force.",
        "bool_yes_no",
        f"min({sample('config_last_reload_successful', JOB)})",
        texts=YES_NO,
    ),
    number(
        "Reapers running",
        "Instances that answer their scrapes. More than one is fine only while one stands by.",
        "short",
        f"count({sample('build_info', JOB)})",
        (0, "red"),
        (1, "green"),
        (2, "orange"),
    ),
    number(
        "Unwatched projects",
        "Projects that enforce without a session under must_see: lost rights would look like a clean house there.",
        "short",
        f"sum(max by (project) ({sample('unwatched', PROJECT)})) or vector(0)",
        (0, "green"),
        (1, "orange"),
    ),
    Panel(
        "state-timeline",
        "Alerts",
        "What fires, and since when; a click on a bar opens its runbook.",
        "short",
        (
            Query(
                f"max by (alertname, severity, project, agent, quota) ({ALERTS})", "{{alertname}} {{agent}}{{quota}}"
            ),
        ),
        (24, 6),
        texts={"1": ("fires", "red")},
    ),
    lines(
        "Sweeps by result",
        "How the sweeps of single agents ended. Withheld means that a person has to look.",
        "short",
        Query(f"sum by (result) ({counted('sweeps_total')})", "{{result}}"),
        stacked=True,
        bars=True,
    ),
    lines(
        "Since a good sweep, by agent",
        "In intervals: a saw with teeth of one is healthy; a line that climbs is an agent that is not swept.",
        "short",
        Query(INTERVALS_SINCE, "{{project}}/{{agent}}"),
        steps=IN_INTERVALS,
    ),
    lines(
        "How long sweeps take",
        "95 % of the sweeps of an agent took at most so long.",
        "s",
        Query(quantile(0.95, "sweep_duration_seconds", "project, agent"), "{{project}}/{{agent}}"),
    ),
)

THERE: Final = (
    lines(
        "Sessions by status",
        "Sessions in the inventories that are believed. An agent that is not believed is missing here, not 0.",
        "short",
        Query(f"sum by (status) ({sample('sessions')})", "{{status}}"),
        stacked=True,
    ),
    lines(
        "Sessions by agent",
        "All sessions of an agent, whatever their status.",
        "short",
        Query(f"sum by (project, agent) ({sample('sessions')})", "{{project}}/{{agent}}"),
    ),
    lines(
        "Agents by policy",
        "Agents that a policy manages; unmanaged agents match no pattern of the configuration.",
        "short",
        Query(f"sum by (policy) ({sample('agents', PROJECT, MANAGED)})", "{{policy}}"),
        Query(f"sum({sample('agents', PROJECT, UNMANAGED)})", "unmanaged"),
    ),
    Panel(
        "bargauge",
        "Time since the last access",
        "How many of the present sessions were last used so long ago, at most (in seconds).",
        "short",
        (Query(f"sum by (le) ({sample('session_idle_seconds_bucket')})", "{{le}}", buckets=True),),
        (12, 8),
    ),
    Panel(
        "bargauge",
        "Age",
        "How many of the present sessions were created so long ago, at most (in seconds).",
        "short",
        (Query(f"sum by (le) ({sample('session_age_seconds_bucket')})", "{{le}}", buckets=True),),
        (12, 8),
    ),
)

DOING: Final = (
    Panel(
        "stat",
        "Is it enforcing?",
        "How many policies enforce, and how many only observe.",
        "short",
        (Query(policies("enforce"), "enforce"), Query(policies("observe"), "observe")),
        (12, 4),
    ),
    number(
        "Deleted in this range",
        "Sessions that deletes removed in the time that the dashboard shows.",
        "short",
        f"sum(increase({sample('actions_total', AGENT, *GONE)}[$__range])) or vector(0)",
        size=(12, 4),
    ),
    lines(
        "Candidates by rule",
        "Sessions that a rule would stop or delete now, whether or not a guard holds them back.",
        "short",
        Query(f"sum by (rule, action) ({sample('candidates')})", "{{action}}: {{rule}}"),
        stacked=True,
    ),
    lines(
        "Actions by outcome",
        "Stops and deletes that were sent, by how they ended. Changed means used in the meantime, and kept.",
        "short",
        Query(f"sum by (action, outcome) ({counted('actions_total')})", "{{action}} {{outcome}}"),
        bars=True,
    ),
    lines(
        "Deleted and stopped by rule",
        "Actions that had their effect, by the rule that asked for them.",
        "short",
        Query(f"sum by (rule, action) ({counted('actions_total', AGENT, DONE)})", "{{action}}: {{rule}}"),
        stacked=True,
        bars=True,
    ),
    lines(
        "Most overdue candidate",
        "How long the most overdue session should have been gone, grace included. It climbs while none goes.",
        "s",
        Query(f"max by (project, agent) ({sample('oldest_overdue_seconds')})", "{{project}}/{{agent}}"),
        size=(12, 8),
    ),
    lines(
        "From the last look to the action",
        "The time in which a session can be used without being seen: 99 % of the actions were sent within so long.",
        "s",
        Query(quantile(0.99, "action_window_seconds", "project, agent"), "{{project}}/{{agent}}"),
        size=(12, 8),
    ),
)

WHY_NOT: Final = (
    lines(
        "Candidates held back, by reason",
        "Why candidates are not acted on; the reasons are those of docs/policies.md.",
        "short",
        Query(f"sum by (reason) ({sample('blocked')})", "{{reason}}"),
        stacked=True,
    ),
    lines(
        "Deletes that the limits still allow",
        "What each agent may still delete in one sweep and in 24 hours. A larger plan is withheld or spread.",
        "short",
        Query(f"min by (window, project, agent) ({sample('limit_remaining')})", "{{project}}/{{agent}}, {{window}}"),
    ),
    lines(
        "Believed inventories and open breakers",
        "Agents whose listing is believed, and agents whose breaker waits for a person.",
        "short",
        Query(f"sum(min by (project, agent) ({sample('inventory_trusted')}))", "believed"),
        Query(f"sum(max by (project, agent) ({sample('breaker_open')}))", "breaker open"),
    ),
    lines(
        "Holds that people have on sessions",
        "Held sessions are neither stopped nor deleted, whatever a policy says; `reaper holds` lists them.",
        "short",
        Query(f"max by (project, agent) ({sample('holds')})", "{{project}}/{{agent}}"),
    ),
    lines(
        "Age of the full listing",
        "How long ago all sessions of the agent were listed: as old are its counts by status, idle time and age.",
        "s",
        Query(f"max(time() - max by (project, agent) ({sample('inventory_listed_timestamp_seconds')}))", "oldest"),
    ),
)

USED: Final = f"max by (quota) ({sample('quota_used', JOB)})"
LIMIT: Final = f"max by (quota) ({sample('quota_limit', JOB)})"
QUOTA: Final = (
    lines(
        "Quota used and its limit",
        "Sessions counted against each quota, and the limit as configured. The use is a lower bound.",
        "short",
        Query(USED, "{{quota}} used"),
        Query(LIMIT, "{{quota}} limit"),
    ),
    lines(
        "Share of the quota in use",
        "The use as a share of the limit; alerts fire at 85 % and at 100 %.",
        "percentunit",
        Query(f"{USED} / {LIMIT}", "{{quota}}"),
        steps=((0, "green"), (0.85, "orange"), (1, "red")),
    ),
    lines(
        "Share in four hours",
        "What the share would be in four hours if the last six hours went on; means little on a short history.",
        "percentunit",
        Query(
            f"max by (quota) (clamp_min(predict_linear({sample('quota_used', JOB)}[6h], {FORECAST_S}), 0)) / {LIMIT}",
            "{{quota}}",
        ),
        top=2,
        steps=((0, "green"), (1, "red")),
    ),
)

PLATFORM: Final = (
    lines(
        "Requests by operation and answer",
        "Requests to the platform. 404 on get_session is normal after a delete: the look that proves it gone.",
        "reqps",
        Query(
            f"sum by (operation, code) (rate({sample('api_requests_total', PROJECT)}[$__rate_interval]))",
            "{{operation}} {{code}}",
        ),
    ),
    lines(
        "How long the platform takes",
        "95 % of the requests of an operation were answered within so long.",
        "s",
        Query(quantile(0.95, "api_request_duration_seconds", "operation", PROJECT), "{{operation}}"),
    ),
    lines(
        "Throttled requests",
        "Requests that the platform refused because there were too many. The whole project then backs off.",
        "reqps",
        Query(
            f"sum by (project, operation) (rate({sample('api_throttled_total', PROJECT)}[$__rate_interval]))",
            "{{project}} {{operation}}",
        ),
    ),
    lines(
        "Clock skew",
        "The platform's clock minus the local one. Over 10 minutes apart, the reaper only observes.",
        "s",
        Query(f"max by (project) ({sample('clock_skew_seconds', PROJECT)})", "{{project}}"),
        size=(24, 6),
        signed=True,
    ),
)

ROWS: Final = (
    ("Is it sweeping?", SWEEPING),
    ("What is there?", THERE),
    ("What will it delete, what did it?", DOING),
    ("Why not?", WHY_NOT),
    ("Quota?", QUOTA),
    ("The platform's API?", PLATFORM),
)

EVENTS: Final = (
    ("Configuration read", f"changes({sample('config_last_reload_success_timestamp_seconds', JOB)}[2m]) > 0"),
    ("Restart", f"{sample('build_info', JOB)} unless {sample('build_info', JOB)} offset 2m"),
    (
        "A plan waits no longer",
        f"sum by (project, agent) ({sample('withheld')} offset 2m) > 0"
        f" unless sum by (project, agent) ({sample('withheld')}) > 0",
    ),
)
"""What is marked in every panel: approved plans wait no longer, nor do those whose candidates are gone."""

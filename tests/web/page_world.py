"""Live statuses as sweeps would have left them, made by hand: every situation that the page tells of."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from reaper.core.conditions import Age, Idle, StatusIn
from reaper.core.model import Action, Agent, OutcomeKind, Session
from reaper.core.plan import Candidate, Hold, Mark, PlanContext
from reaper.core.planner import make_plan
from reaper.core.policy import Limit, Limits, Mode, Policy, Rule, decide
from reaper.core.quotas import Pressure
from reaper.core.settings import Quota
from reaper.engine.events import ActionEnded, SweepEnded
from reaper.engine.live_status import LiveStatus
from reaper.engine.report import Failed, Outcome, Report, Result, Swept
from reaper.engine.sweep_texts import withheld_text
from reaper.listing.snapshot import Durations, Snapshot
from reaper.store.store import Breaker
from tests.clock import ManualClock

NOW = 1_795_357_320.0
"""Sun 22 Nov 2026 14:22 UTC."""
HOUR_S, DAY_S = 3_600, 86_400
HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m\u202e\x00"
AGENT_HOSTILE = "<script>alert(1)</script>"
WIDE = Limits(Limit(100_000), Limit(100_000))
RULES = (
    Rule("broken", Action.DELETE, (StatusIn(frozenset({"failed"})), Age(HOUR_S))),
    Rule("idle-a-week", Action.DELETE, (Idle(7 * DAY_S),)),
    Rule("runaway", Action.STOP, (StatusIn(frozenset({"active"})), Idle(2 * HOUR_S))),
)
STANDARD = Policy("standard", RULES, Mode.ENFORCE, limits=WIDE)


def session(number: int, idle_s: int, status: str = "idle", **other: Any) -> Session:
    """A session that was last used so long ago."""
    used = int(NOW) - idle_s
    known: dict[str, Any] = {"id": f"5e{number:04x}{number * 2654435761 % 16**18:018x}", "version": "3"}
    return Session(
        **{
            **known,
            "status": status,
            "created_at": used - DAY_S,
            "last_accessed_at": used,
            "expires_at": used + 30 * DAY_S,
            **other,
        }
    )


def swept(
    agent: str,
    sessions: list[Session],
    policy: Policy = STANDARD,
    *,
    project: str = "prod-eu",
    marked_ago_s: int | None = None,
    done: int = 0,
    kind: OutcomeKind = OutcomeKind.DONE,
    breaker: str = "",
    **standing: Any,
) -> Swept:
    """The report of a sweep over these sessions; its first `done` allowed actions ended, as `kind`."""
    known = Agent(agent, "3")
    decided = [(one, decide(one, policy, known, NOW)) for one in sessions]
    found = tuple(Candidate(one, decision) for one, decision in decided if decision.action is not Action.KEEP)
    marks = {} if marked_ago_s is None else dict(_marks(found, marked_ago_s, policy))
    stands = PlanContext(
        len(sessions), marks=marks, breaker=bool(breaker), observe=policy.mode is Mode.OBSERVE, **standing
    )
    plan = make_plan(found, stands, project=project, agent=known, policy=policy, now=NOW)
    snapshot = _snapshot(sessions, found)
    outcomes = tuple(Outcome(item, kind, NOW) for item in plan.act[:done])
    report = Swept(
        sweep_id="5eed",
        project=project,
        agent=agent,
        policy=policy,
        result=Result.OK,
        started=NOW - 124,
        seconds=4.2,
        observed=stands.observe or policy.mode is Mode.OBSERVE,
        snapshot=snapshot,
        plan=plan,
        outcomes=outcomes,
        breaker=Breaker(NOW - HOUR_S, breaker) if breaker else None,
    )
    return replace(report, result=Result.WITHHELD, why=withheld_text(report)) if report.withheld else report


def _marks(found: tuple[Candidate, ...], ago_s: int, policy: Policy) -> Any:
    """Marks that were made one after another, the newest so long ago."""
    for number, one in enumerate(found):
        if one.decision.action is Action.DELETE and one.decision.rule:
            at = NOW - ago_s - number * 700 % (20 * HOUR_S)
            yield (
                one.session.incarnation,
                Mark(one.session, Action.DELETE, one.decision.rule.name, at, at + policy.grace_s),
            )


def _snapshot(sessions: list[Session], found: tuple[Candidate, ...]) -> Snapshot:
    idle, age = Durations(), Durations()
    for one in sessions:
        idle.add([NOW - one.last_accessed_at])
        age.add([NOW - one.created_at])
    return Snapshot(
        now=NOW,
        pages=len(sessions) // 100 + 1,
        sessions=len(sessions),
        by_status=Counter(one.status for one in sessions),
        malformed=Counter(),
        candidates=found,
        seen=frozenset(),
        idle=idle,
        age=age,
        strange=frozenset(),
    )


def broken(agent: str, result: Result, why: str) -> Failed:
    """The report of a sweep that did not go well."""
    return Failed(
        sweep_id="5eed",
        project="prod-eu",
        agent=agent,
        policy=STANDARD,
        result=result,
        started=NOW - 124,
        seconds=1.0,
        observed=False,
        why=why,
    )


def doubted(agent: str, why: str, *doubts: str) -> Swept:
    """The report of a sweep that did not believe what it listed."""
    made = swept(agent, crowd(12, 2), doubt=Hold.UNTRUSTED)
    return replace(made, result=Result.UNTRUSTED, why=why, doubts=doubts)


def crowd(count: int, days: float, *, stale: int = 0, first: int = 0) -> list[Session]:
    """So many sessions idle up to so many days, the stale ones for over a week."""
    fresh = [
        session(
            first + n, int((n / count) ** 2 * days * DAY_S) + 60, "active" if n % 9 == 0 and n < count / 4 else "idle"
        )
        for n in range(count - stale)
    ]
    old = [
        session(first + count + n, 7 * DAY_S + n * 9_000 % (20 * DAY_S), "failed" if n % 5 == 0 else "idle")
        for n in range(stale)
    ]
    return fresh + old


def live(*reports: Report, **known: Any) -> LiveStatus:
    """A live status that has heard these reports."""
    clock = ManualClock(NOW - 120)
    made = LiveStatus(clock, **{"next_sweep_at": NOW + 640, "config_hash": "9f2ab31c77d0", **known})
    for report in reports:
        made.managed.setdefault(report.project, {})
        made.managed[report.project] = {**made.managed[report.project], report.agent: report.policy.name}
        made.hear(SweepEnded(report))
        for outcome in report.outcomes if isinstance(report, Swept) else ():
            made.hear(ActionEnded(report.project, report.agent, outcome, clock.wall()))
    clock.passed = 120
    return made


def no_metrics(_accept: str) -> tuple[bytes, str]:
    """What stands for the metrics where only the page is looked at."""
    return b"", "text/plain"


def busy() -> LiveStatus:
    """A house in which a bit of everything has happened."""
    careful = replace(STANDARD, limits=Limits(), name="careful")
    gentle = replace(STANDARD, mode=Mode.OBSERVE, name="gentle")
    instant = replace(STANDARD, grace_s=0)
    made = live(
        swept("support-eu", crowd(640, 6, stale=118), marked_ago_s=3 * HOUR_S, done=9),
        swept("support-us", crowd(410, 6, stale=48, first=2_000), instant, done=99),
        swept("billing-bot", crowd(230, 6, stale=61, first=4_000), replace(careful, grace_s=0)),
        swept("research", crowd(95, 6.5, stale=12, first=6_000), gentle),
        doubted("onboarding", "12 sessions listed; 340 expected from the last believed sweep", "shrunk"),
        pools=(Quota("sweden-central", 250, ("prod-eu",), pressure=Pressure(85, 70, 600)),),
        unmanaged={"prod-eu": ["playground"]},
    )
    made.succeeded["prod-eu", "onboarding"] = NOW - 3 * HOUR_S
    return made

"""Reports as the JSON that `--output json` prints and `/api/v1/status` serves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from reaper.core.planner import Item, hold_text
from reaper.core.policy import reason
from reaper.core.text import clean
from reaper.engine.live_status import LiveStatus, RecentAction
from reaper.engine.report import Report
from reaper.engine.runner import Run


def run_json(run: Run, *, planned: bool = False) -> dict[str, Any]:
    """A run as one object, every stop and delete with its outcome; `planned`: nothing was sent."""
    return {
        "plan_id": run.plan_id,
        "observed": run.observed,
        "sweeps": [report_json(report, planned=planned) for report in run.reports],
        "unmanaged_agents": {project: list(names) for project, names in run.unmanaged.items()},
    }


def report_json(report: Report, *, planned: bool = False) -> dict[str, Any]:
    """One agent's sweep, with its decisions."""
    return {**summary_json(report), "decisions": list(decisions(report, planned=planned))}


def summary_json(report: Report) -> dict[str, Any]:
    """One agent's sweep without its decisions."""
    snapshot, plan = report.snapshot, report.plan
    return {
        "project": report.project,
        "agent": report.agent,
        "policy": report.policy.name,
        "mode": str(report.policy.mode),
        "observed": report.observed,
        "sweep_id": report.sweep_id,
        "plan_id": plan.id if plan else None,
        "result": str(report.result),
        "why": report.why,
        "notes": list(report.notes),
        "started": instant(report.started),
        "platform_time": instant(plan.now) if plan and plan.now else None,
        "sessions": snapshot.sessions if snapshot else None,
        "pages": snapshot.pages if snapshot else None,
        "listed_at": instant(snapshot.listed_at) if snapshot and snapshot.listed_at else None,
        "by_status": dict(snapshot.by_status) if snapshot else {},
        "malformed": dict(snapshot.malformed) if snapshot else {},
        "totals": report.totals,
        "blocked": {reason: count for reason, count in report.blocked.items() if count},
        "would_exceed": [str(excess) for excess in plan.foreseen] if plan else [],
        "doubts": list(report.doubts),
        "trusted": report.trusted,
        "breaker": report.breaker.reason if report.breaker else None,
        "limit_remaining": report.limit_remaining,
        "duration_seconds": round(report.seconds, 3),
    }


def decisions(report: Report, *, planned: bool = False) -> Iterable[dict[str, Any]]:
    """Every stop and delete that the policy asks for, with what became of it and why."""
    plan = report.plan
    if plan is None:
        return
    ended = {outcome.item.session.incarnation: outcome for outcome in report.outcomes}
    for item in plan.items:
        outcome = ended.get(item.session.incarnation)
        if outcome is not None:
            kind, note = str(outcome.kind), outcome.why
        elif item.hold is not None:
            kind, note = str(item.hold), hold_text(item, plan)
        else:
            kind, note = ("planned", "") if planned else ("not_tried", report.why)
        why = reason(item.session, item.decision, plan.policy, plan.agent, plan.now)
        yield decision_json(item, kind, "; ".join(part for part in (why, note) if part))
    for session, decision in ((kept.session, kept.decision) for kept in report.kept):
        item = Item(session, decision, ripe_at=plan.now)
        yield decision_json(item, "kept", reason(session, decision, plan.policy, plan.agent, plan.now))


def decision_json(item: Item, outcome: str, why: str) -> dict[str, Any]:
    """One decision in the words of the contract."""
    return {
        "session": item.session.id,
        "created_at": item.session.created_at,
        "action": str(item.action),
        "rule": item.rule,
        "outcome": outcome,
        "reason": clean(why),
    }


def status_json(board: LiveStatus) -> dict[str, Any]:
    """What the daemon knows now."""
    return {
        "ready": board.ready,
        "standby": board.standby or None,
        "state_fault": board.state_fault or None,
        "config": {
            "hash": board.config_hash,
            "errors": list(board.config_errors),
            "unknown_approvals": list(board.approvals_unknown),
        },
        "next_sweep": instant(board.next_sweep_at) if board.next_sweep_at else None,
        "agents": [summary_json(report) for _, report in sorted(board.latest.items())],
        "unmanaged_agents": {project: list(names) for project, names in board.unmanaged.items() if names},
        "quotas": [{"quota": q.name, "limit": q.limit, "used": used} for q, used in board.quotas()],
        "planned": [
            {"project": report.project, "agent": report.agent, **decision}
            for _, report in sorted(board.latest.items())
            for decision in _first(decisions(report), 100)
        ],
        "recent_actions": [_recent_json(action) for action in reversed(board.recent)],
    }


def _first(decisions_: Iterable[dict[str, Any]], count: int) -> Iterable[dict[str, Any]]:
    return (decision for decision, _ in zip(decisions_, range(count), strict=False))


def _recent_json(action: RecentAction) -> dict[str, Any]:
    told = decision_json(action.outcome.item, str(action.outcome.kind), action.outcome.why)
    return {"at": instant(action.at), "project": action.project, "agent": action.agent, **told}


def instant(seconds: float) -> str:
    """Unix seconds as an RFC 3339 time in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

"""Reports as the JSON that `--output json` prints and `/api/v1/status` serves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any, Final

from reaper.core.hold_text import hold_text
from reaper.core.holds import hold_json
from reaper.core.model import Action
from reaper.core.plan import Item
from reaper.core.policy import reason
from reaper.core.text import clean
from reaper.engine.events import ActionEnded
from reaper.engine.live_status import LiveStatus
from reaper.engine.report import LEFT, Failed, Report, Swept, is_trusted
from reaper.engine.routed_agent import routing_json
from reaper.engine.runner import Run
from reaper.engine.voices import voice_json

HOLDS_SHOWN: Final = 100
"""So many holds of one agent are shown; how many there are is told beside."""


class Streamed(list[Any]):
    """A list as its JSON is written: of its elements there is one at a time. Only once."""

    def __init__(self, elements: Iterable[Any]) -> None:
        super().__init__()
        self._elements = iter(elements)
        self._first = list(islice(self._elements, 1))

    def __len__(self) -> int:
        """Whether there are any."""
        return len(self._first)

    def __iter__(self) -> Iterator[Any]:
        return chain(self._first, self._elements)


def run_json(run: Run, *, planned: bool = False, shown: int | None = None) -> dict[str, Any]:
    """A run as one object, stops and deletes with their outcome, so many of each agent at most.

    `planned`: nothing was sent.
    """
    return _run_json(run, [report_json(report, planned=planned, shown=shown) for report in run.reports])


def run_text(run: Run, *, planned: bool = False) -> Iterator[str]:
    """The same with every stop and delete as text, piece by piece: a million of them fit into no memory."""
    sweeps = ({**summary_json(one), "decisions": Streamed(decisions(one, planned=planned))} for one in run.reports)
    yield from json.JSONEncoder(indent=2).iterencode(_run_json(run, Streamed(sweeps)))
    yield "\n"


def _run_json(run: Run, sweeps: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "plan_id": run.plan_id,
        "observed": run.observed,
        "sweeps": sweeps,
        "unmanaged_agents": {project: list(names) for project, names in run.unmanaged.items()},
    }


def report_json(report: Report, *, planned: bool = False, shown: int | None = None) -> dict[str, Any]:
    """One agent's sweep, with its decisions, so many at most."""
    return {**summary_json(report), "decisions": list(islice(decisions(report, planned=planned), shown))}


def summary_json(report: Report) -> dict[str, Any]:
    """One agent's sweep without its decisions; what is only known of an agent that could be listed is else empty."""
    found = report if isinstance(report, Swept) else None
    plan, snapshot = (found.plan, found.snapshot) if found else (None, None)
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
        "voice": voice_json(report.voice, plan.now if plan else report.started),
        "notes": list(found.notes) if found else [],
        "started": instant(report.started),
        "platform_time": instant(plan.now) if plan and plan.now else None,
        "sessions": snapshot.sessions if snapshot else None,
        "pages": snapshot.pages if snapshot else None,
        "listed_at": instant(snapshot.listed_at) if snapshot and snapshot.listed_at else None,
        "by_status": dict(snapshot.by_status) if snapshot else {},
        "malformed": dict(snapshot.malformed) if snapshot else {},
        "totals": found.totals if found else dict.fromkeys(map(str, Action), 0),
        "blocked": {hold: count for hold, count in found.blocked.items() if count} if found else {},
        "would_exceed": [str(excess) for excess in plan.foreseen] if plan else [],
        "backlog": [{**asdict(one), "action": str(one.action)} for one in plan.left] if plan else [],
        "jump": str(plan.jump) if plan and plan.jump else None,
        "doubts": list(found.doubts) if found else [],
        "routing": routing_json(plan.agent) if plan else None,
        "trusted": is_trusted(report),
        "breaker": report.breaker.reason if report.breaker else None,
        "holds": len(found.holds) if found else None,
        "limit_remaining": found.limit_remaining if found else {},
        "duration_seconds": round(report.seconds, 3),
    }


def decisions(report: Report, *, planned: bool = False) -> Iterable[dict[str, Any]]:
    """Every stop and delete that the policy asks for, what nothing held first, with what became of it and why."""
    if isinstance(report, Failed):
        return
    plan = report.plan
    ended = {outcome.item.session.incarnation: outcome for outcome in report.outcomes}
    for item in chain(plan.act, (item for item in plan.items if item.hold is not None)):
        outcome = ended.get(item.session.incarnation)
        if outcome is not None:
            kind, note = str(outcome.kind), outcome.why
        elif item.hold is not None:
            kind, note = str(item.hold), hold_text(item, plan)
        elif planned or report.under_way:
            kind, note = "planned", ""
        else:
            kind, note = "not_tried", LEFT if report.unfinished else report.why
        why = reason(item.session, item.decision, plan.policy, plan.agent, plan.now)
        yield decision_json(item, kind, "; ".join(part for part in (why, note) if part))
    for session, decision in report.snapshot.kept:
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


def status_json(live: LiveStatus) -> dict[str, Any]:
    """What the daemon knows now."""
    return {
        "ready": live.ready,
        "standby": live.standby or None,
        "state_fault": live.state_fault or None,
        "config": {
            "hash": live.config_hash,
            "errors": list(live.config_errors),
            "unknown_approvals": list(live.approvals_unknown),
        },
        "sweeping": [
            {"project": project, "agent": agent, "since": instant(at)}
            for (project, agent), at in sorted(live.sweeping.items())
        ],
        "next_sweep": instant(live.next_sweep_at) if live.next_sweep_at else None,
        "agents": [summary_json(report) for _, report in sorted(live.latest.items())],
        "unmanaged_agents": {project: list(names) for project, names in live.unmanaged.items() if names},
        "quotas": [{"quota": q.name, "limit": q.limit, "used": used} for q, used in live.quotas()],
        "holds": [
            hold_json(hold)
            for _, report in sorted(live.latest.items())
            if isinstance(report, Swept)
            for hold in report.holds[:HOLDS_SHOWN]
        ],
        "planned": [
            {"project": report.project, "agent": report.agent, **decision}
            for _, report in sorted(live.latest.items())
            for decision in islice(decisions(report), 100)
        ],
        "recent_actions": [_recent_json(action) for action in reversed(live.recent)],
    }


def _recent_json(action: ActionEnded) -> dict[str, Any]:
    decision = decision_json(action.outcome.item, str(action.outcome.kind), action.outcome.why)
    return {"at": instant(action.at), "project": action.project, "agent": action.agent, **decision}


def instant(seconds: float) -> str:
    """Unix seconds as an RFC 3339 time in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

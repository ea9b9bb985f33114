"""An explanation as the JSON that `explain --output json` prints and assistants get."""

from __future__ import annotations

from typing import Any

from reaper.core.holds import hold_json
from reaper.core.policy import RuleTrial
from reaper.engine.explain import Explanation
from reaper.engine.routed_agent import routing_json
from reaper.engine.voices import voice_json


def explanation_json(explanation: Explanation) -> dict[str, Any]:
    """The explanation as one object."""
    session = explanation.session
    return {
        "project": explanation.project,
        "agent": explanation.agent.name,
        "routing": routing_json(explanation.agent),
        "policy": explanation.policy.name,
        "mode": str(explanation.policy.mode),
        "voice": voice_json(explanation.voice, explanation.now),
        "platform_time": explanation.now,
        "session": session._asdict(),
        "rules": [_trial_json(trial) for trial in explanation.trials],
        "decision": {
            "action": str(explanation.decision.action),
            "rule": explanation.decision.rule.name if explanation.decision.rule else None,
            "reason": explanation.why,
        },
        "holds": [hold_json(hold) for hold in explanation.holds],
        "guards": [{"guard": g.name, "lets_through": g.lets_through, "told": g.text} for g in explanation.guards],
        "next_due": _due_json(explanation),
        "earliest": explanation.earliest,
        "next_due_text": explanation.due_text,
    }


def _trial_json(trial: RuleTrial) -> dict[str, Any]:
    return {
        "policy": trial.policy,
        "rule": trial.rule.name,
        "action": str(trial.rule.action),
        "holds": trial.holds,
        "decides": trial.decides,
        "checks": [
            {"condition": c.condition, "wanted": c.wanted, "actual": c.actual, "holds": c.holds} for c in trial.checks
        ],
    }


def _due_json(explanation: Explanation) -> dict[str, Any] | None:
    if explanation.due is None or explanation.is_spared or explanation.due[0] >= explanation.session.expires_at:
        return None
    moment, decision = explanation.due
    return {"at": moment, "action": str(decision.action), "rule": decision.rule.name if decision.rule else None}

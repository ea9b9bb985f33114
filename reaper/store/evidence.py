"""The evidence for an action: what came from the platform, how it was read, and what it was compared with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from reaper.core.model import Agent, Malformed, Session
from reaper.core.plan import Item, Plan
from reaper.core.policy import ConditionCheck, Policy, checks, decide
from reaper.core.provider import Answer
from reaper.core.windows import DAYS, Window
from reaper.store.origin import Origin

RECEIVED_MAX_BYTES: Final = 16 * 1024
"""So much of a record is kept as it came; the platform's records are below 1 KiB."""


def evidence(
    fresh: Answer[Session | Malformed],
    at: float,
    judged_by: Mapping[str, Any],
    sweep: str,
    origin: Origin | None = None,
) -> dict[str, Any]:
    """Why this session: the last look before the action, as it came and as it was read, and what it was judged by.

    And who acts: the `origin`, when it is known.
    """
    return {
        "received": fresh.body[:RECEIVED_MAX_BYTES].decode("utf-8", "replace"),
        "received_bytes": len(fresh.body),
        "record": None if isinstance(fresh.value, Malformed) else fresh.value._asdict(),
        "platform_time": at,
        "sweep": sweep,
        **judged_by,
        **({"origin": origin.as_json()} if origin else {}),
    }


def judged_by_policy(item: Item, plan: Plan, at: float, agent: Agent) -> dict[str, Any]:
    """The policy and the plan that ask for an action, and the values its rule compared, by the `agent` as it is."""
    rule = item.decision.rule
    # The last look was found equal to what was planned on, or nothing would be sent.
    compared = checks(item.session, rule, agent, at) if rule else ()
    said = [list(pair) for pair in plan.agent.metadata.said]
    return {
        "latest_version": agent.latest,
        **({"routing": agent.routing} if plan.policy.asks_version else {}),
        **({"metadata": said} if said else {}),
        "policy": plan.policy.name,
        "policy_digest": policy_digest(plan.policy),
        "plan": plan.id,
        "compared": [_compared(check) for check in compared],
        **_agreed(item, plan, at, agent),
    }


def _agreed(item: Item, plan: Plan, at: float, agent: Agent) -> dict[str, Any]:
    """The policy that had to agree, if one had to, and the values that its rule compared."""
    also = plan.policy.also
    rule = None if also is None else decide(item.session, also, agent, at).rule
    if also is None or rule is None:
        return {}
    compared = [_compared(check) for check in checks(item.session, rule, agent, at)]
    return {"agreed": {"policy": also.name, "rule": rule.name, "compared": compared}}


def _compared(check: ConditionCheck) -> dict[str, str]:
    return {"condition": check.condition, "wanted": check.wanted, "actual": check.actual}


def policy_digest(policy: Policy) -> str:
    """Sixteen hexadecimal digits that change when a rule or a guard does, the same in every process."""
    limits = policy.limits
    policy_json = {
        "rules": rules_json(policy),
        "mode": policy.mode,
        "grace_s": policy.grace_s,
        "limits": [str(limits.per_sweep), str(limits.per_day), limits.at_least],
        "windows": [_window(window) for window in policy.windows],
        **({"keep_newest": str(policy.keep_newest)} if policy.keep_newest else {}),
        **({"at_most": policy.at_most} if policy.at_most is not None else {}),
        **({"also": policy_digest(policy.also)} if policy.also else {}),
    }
    return hashlib.sha256(json.dumps(policy_json, sort_keys=True).encode()).hexdigest()[:16]


def rules_json(policy: Policy) -> list[Any]:
    """The rules as plain lists that read the same in every process; last, those of a policy that has to agree."""
    own = [[rule.name, rule.action, [[c.name, c.wanted()] for c in rule.when]] for rule in policy.rules]
    return own if policy.also is None else [*own, rules_json(policy.also)]


def _window(window: Window) -> list[Any]:
    days = [day for day in DAYS if day in window.days]
    skips = [[dates.written for dates in window.skips]] if window.skips else []
    return [days, window.start.isoformat(), window.end.isoformat(), window.zone.key, *skips]

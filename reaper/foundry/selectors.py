"""How the version selector of an agent's endpoint is read: what is not understood is a value with a reason.

Source: `AgentDetails.agent_endpoint.version_selector` of `azure-ai-projects` 2.10.0.
"""

from __future__ import annotations

from typing import Any, Final

from reaper.core.routing import SelectionRule, Selector
from reaper.core.text import clean
from reaper.foundry.fast_parsing import readable_name

RULES_MAX: Final = 20
"""Each version that is named has to be looked up."""
_SELECTOR: Final = frozenset({"version_selection_rules"})
_RULE: Final = frozenset({"type", "agent_version", "traffic_percentage"})


def parse_selector(agent: dict[str, Any]) -> Selector | None:
    """The selector of an agent's record, None when it has none. Never raises."""
    endpoint = agent.get("agent_endpoint")
    selector = endpoint.get("version_selector") if isinstance(endpoint, dict) else endpoint
    if selector is None:
        return None
    rules = selector.get("version_selection_rules") if isinstance(selector, dict) else None
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        return Selector(unclear="the version selector is not in a form that is known")
    strange = {*(selector.keys() - _SELECTOR), *(name for rule in rules for name in rule.keys() - _RULE)}
    if strange:
        names = ", ".join(sorted(clean(name, 64) for name in strange)[:5])
        return Selector(unclear=f"the version selector has fields that are not known: {names}")
    if len(rules) > RULES_MAX:
        return Selector(unclear=f"the version selector has more than {RULES_MAX} rules")
    return Selector(tuple(map(_rule, rules)))


def _rule(rule: dict[str, Any]) -> SelectionRule:
    kind, version, percent = (rule.get(name) for name in ("type", "agent_version", "traffic_percentage"))
    return SelectionRule(
        clean(kind, 64) if isinstance(kind, str) else None,
        readable_name(version) if isinstance(version, str) else None,
        # `type` and not `isinstance`: True is an int too.
        percent if type(percent) is int else None,
    )

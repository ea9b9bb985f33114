"""The alerts for Azure's managed Prometheus. `python -m monitoring.managed` writes them, `--check` compares.

It has no Kubernetes kind for rules: each group is a resource of Azure, and the template has those of
helm/session-reaper/files/alerts.yaml, for one cluster of one workspace.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from monitoring.generated import main

ROOT: Final = Path(__file__).parents[1]
RULES: Final = ROOT / "helm" / "session-reaper" / "files" / "alerts.yaml"
FILE: Final = ROOT / "packaging" / "aks" / "managed-prometheus.json"
API: Final = "2023-03-01"

RULES_MAX: Final = 20
"""The most that one group may have: Azure Monitor's service limits, where it cannot be raised."""

INTERVAL_MIN_SECONDS, INTERVAL_MAX_SECONDS = 60, 15 * 60
SEVERITIES: Final = {"critical": 0, "error": 1, "warning": 2, "info": 3}
"""Azure's numbers: 0 critical, 1 error, 2 warning, 3 informational, 4 verbose."""

RESOLVED_AFTER: Final = "10m"
UNITS: Final = {"y": 365 * 86400, "w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}
COMMON: Final = {"expr", "labels"}
KEYS: Final = {"alert": COMMON | {"alert", "for", "keep_firing_for", "annotations"}, "record": COMMON | {"record"}}

PARAMETERS: Final = {
    "azureMonitorWorkspaceId": {"type": "string", "metadata": {"description": "Resource id of the workspace."}},
    "clusterName": {
        "type": "string",
        "minLength": 1,
        "metadata": {"description": "Name of the cluster, as in the label `cluster` of its metrics."},
    },
    "location": {
        "type": "string",
        "defaultValue": "[resourceGroup().location]",
        "metadata": {"description": "Location of the workspace."},
    },
    "actionGroupId": {
        "type": "string",
        "defaultValue": "",
        "metadata": {"description": "Resource id of the action group that is told; empty: nobody is."},
    },
    "runbookUrl": {
        "type": "string",
        "defaultValue": "",
        "metadata": {"description": "Where you publish the runbooks; empty: where the rules' file says."},
    },
}
NOBODY_OR_ONE: Final = (
    "[if(empty(parameters('actionGroupId')), createArray(), "
    "createArray(createObject('actionGroupId', parameters('actionGroupId'))))]"
)


def text() -> str:
    """The template as it should be."""
    found = template(yaml.safe_load(RULES.read_text(encoding="utf-8")))
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def template(rules: dict[str, Any]) -> dict[str, Any]:
    """An ARM template with the groups of a Prometheus rules file; ValueError names what has no counterpart there."""
    return {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "metadata": {"comment": "Made from helm/session-reaper/files/alerts.yaml by python -m monitoring.managed."},
        "parameters": PARAMETERS,
        "variables": {"actions": NOBODY_OR_ONE},
        "resources": [resource for group in rules["groups"] for resource in _resources(group)],
    }


def iso8601(duration: str) -> str:
    """A duration as Prometheus writes it, such as `1h30m`, as ISO 8601 writes it; ValueError where there is none."""
    seconds = _seconds(duration)
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    time = "".join(f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M"), (rest, "S")) if count)
    date = f"{days}D" if days else ""
    return f"P{date}{'T' if time else ''}{time}" if date or time else "PT0S"


def _seconds(duration: str) -> int:
    parts = re.findall(r"(\d+)([ywdhms])", duration)
    if not parts or "".join(map("".join, parts)) != duration:
        raise ValueError(f"{duration!r} is not a duration in whole seconds: write it as in 1h30m")
    return sum(int(count) * UNITS[unit] for count, unit in parts)


def _resources(group: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A group as one resource, or as several where it has more rules than one may have."""
    if unknown := group.keys() - {"name", "interval", "rules"}:
        raise ValueError(f"group {group['name']}: {', '.join(sorted(unknown))} has no counterpart in Azure")
    interval = group.get("interval", "1m")
    if not INTERVAL_MIN_SECONDS <= _seconds(interval) <= INTERVAL_MAX_SECONDS:
        raise ValueError(f"group {group['name']}: interval {interval} is not between 1m and 15m")
    parts = [group["rules"][start : start + RULES_MAX] for start in range(0, len(group["rules"]), RULES_MAX)]
    for number, part in enumerate(parts, 1):
        name = group["name"] if len(parts) == 1 else f"{group['name']}.{number}"
        yield {
            "type": "Microsoft.AlertsManagement/prometheusRuleGroups",
            "apiVersion": API,
            "name": f"[concat({_quoted(name)}, '-', parameters('clusterName'))]",
            "location": "[parameters('location')]",
            "properties": {
                "scopes": ["[parameters('azureMonitorWorkspaceId')]"],
                "clusterName": "[parameters('clusterName')]",
                "enabled": True,
                "interval": iso8601(interval),
                "rules": [_rule(rule) for rule in part],
            },
        }


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    kind = "alert" if "alert" in rule else "record"
    if unknown := rule.keys() - KEYS[kind]:
        raise ValueError(f"{rule[kind]}: {', '.join(sorted(unknown))} has no counterpart in Azure")
    found = {kind: rule[kind], "enabled": True, "expression": _literal(rule["expr"])}
    if rule.get("labels"):
        found["labels"] = {name: _literal(str(value)) for name, value in rule["labels"].items()}
    return found | (_of_an_alert(rule) if kind == "alert" else {})


def _of_an_alert(rule: dict[str, Any]) -> dict[str, Any]:
    word = rule["labels"]["severity"]
    if word not in SEVERITIES:
        raise ValueError(f"{rule['alert']}: severity {word!r} has no number in Azure ({', '.join(SEVERITIES)} have)")
    resolved = iso8601(rule.get("keep_firing_for", RESOLVED_AFTER))
    return {
        **({"for": iso8601(rule["for"])} if "for" in rule else {}),
        "severity": SEVERITIES[word],
        "annotations": {name: _annotation(name, value) for name, value in rule.get("annotations", {}).items()},
        "resolveConfiguration": {"autoResolved": True, "timeToResolve": resolved},
        "actions": "[variables('actions')]",
    }


def _annotation(name: str, value: str) -> str:
    if name != "runbook_url":
        return _literal(value)
    place, _, page = value.rpartition("/")
    chosen = f"if(empty(parameters('runbookUrl')), {_quoted(place)}, parameters('runbookUrl'))"
    return f"[concat({chosen}, {_quoted('/' + page)})]"


def _literal(value: str) -> str:
    """A text that a template must not take for an expression."""
    return f"[{value}" if value.startswith("[") else value


def _quoted(value: str) -> str:
    """A text within an expression."""
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


if __name__ == "__main__":
    sys.exit(main(FILE, text))

"""The alerts: each is played to promtool, has its runbook, and asks only for metrics that exist."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from alert_files import ALERTS, PLAYED, ROOT, RULES

from reaper.telemetry import PREFIX, Metrics

RUNBOOKS = ROOT / "docs" / "runbooks"
SERVED = "http://localhost:9464/runbooks/"


def played(alert: str) -> list[dict[str, Any]]:
    """What promtool plays for an alert."""
    return list(yaml.safe_load((PLAYED / f"{alert}.yaml").read_text())["tests"])


def test_the_rules_ask_only_for_metrics_and_labels_that_exist(exported: Metrics) -> None:
    known = {sample.name for family in exported.registry.collect() for sample in family.samples}
    asked = {name for rule in RULES for name in re.findall(rf"\b{PREFIX}\w+", rule["expr"])}
    assert asked
    assert asked - known == set()
    labels = {label for family in exported.registry.collect() for sample in family.samples for label in sample.labels}
    grouped = {
        word
        for rule in RULES
        for part in re.findall(r"(?:by|on) \(([^)]*)\)", rule["expr"])
        for word in part.split(", ")
    }
    assert grouped - labels == {"namespace", "release", "job"}


def test_the_rules_ask_only_for_what_other_rules_record() -> None:
    recorded = [rule["record"] for rule in RULES if "record" in rule]
    asked = [name for rule in RULES for name in re.findall(r"\bsession_reaper:[\w:]+", rule["expr"])]
    assert set(asked) == set(recorded)
    assert len(recorded) == len(set(recorded))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.get("alert") or rule["record"]))
def test_reapers_are_told_apart_by_release_wherever_they_are_told_apart(rule: dict[str, Any]) -> None:
    for part in re.findall(r"(?:by|on) \(([^)]*)\)", rule["expr"]):
        assert part.split(", ")[:3] == ["namespace", "release", "job"]


@pytest.mark.parametrize("alert", ["SessionReaperDown", "SessionReaperNotSweeping", "SessionReaperAgentNotSwept"])
def test_what_is_late_is_measured_in_the_reapers_own_intervals(alert: str) -> None:
    assert "3 * session_reaper:sweep_interval:seconds" in ALERTS[alert]["expr"]


def test_the_values_that_rules_select_exist(exported: Metrics) -> None:
    found: dict[str, set[str]] = {"alertname": set(ALERTS), "alertstate": {"firing"}}
    for family in exported.registry.collect():
        for sample in family.samples:
            for label, value in sample.labels.items():
                found.setdefault(label, set()).add(value)
    for rule in RULES:
        for label, values in re.findall(r'(\w+)(?:=~?|!~|!=)"([^"]*)"', rule["expr"]):
            assert set(values.split("|")) <= found[label], rule


def test_names_of_alerts_are_unique_and_say_whose_they_are() -> None:
    assert len(ALERTS) == len([rule for rule in RULES if "alert" in rule])
    assert all(name.startswith("SessionReaper") for name in ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_how_bad_it_is_what_happened_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"] == {"severity": rule["labels"]["severity"]}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"{SERVED}{alert}"
    assert "$value }}" not in rule["annotations"]["description"], "a value is humanised"


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_runbook_that_says_what_to_do(alert: str) -> None:
    page = (RUNBOOKS / f"{alert}.md").read_text()
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert "](../operating.md" in page


def test_the_list_of_runbooks_has_every_alert_with_its_severity() -> None:
    index = (RUNBOOKS / "README.md").read_text()
    rows = dict(re.findall(r"^\| \[(\w+)\]\(\1\.md\) \| (\w+) \|", index, re.MULTILINE))
    assert rows == {alert: rule["labels"]["severity"] for alert, rule in ALERTS.items()}
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == {"README", *ALERTS}


@pytest.mark.parametrize("alert", ALERTS)
def test_what_promtool_plays_covers_firing_holding_still_a_restart_and_a_failed_scrape(alert: str) -> None:
    names = [case["name"] for case in played(alert)]
    for needed in ("fires", "does not fire", "survives a restart", "survives a failed scrape"):
        assert any(name.startswith(needed) for name in names), needed
    assert played(alert)[0]["alert_rule_test"][0]["exp_alerts"][0]["exp_annotations"]


def test_promtool_plays_nothing_that_is_no_alert() -> None:
    assert {file.stem for file in PLAYED.glob("*.yaml")} == set(ALERTS)

"""The template for Azure's managed Prometheus has the alerts as they are, in the shape that Azure documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from alert_files import RULES
from arm import deployed

from monitoring import managed

SCHEMA = json.loads((Path(__file__).parent / "prometheus-rule-groups.schema.json").read_text())
TEMPLATE = json.loads(managed.FILE.read_text())
GIVEN = {"azureMonitorWorkspaceId": "/subscriptions/s/accounts/w", "clusterName": "blue"}


def asked_for(**given: str) -> list[dict[str, Any]]:
    """The groups that a deployment of the file would ask Azure for."""
    return deployed(TEMPLATE, **GIVEN, **given)


def ruled(**rule: Any) -> dict[str, Any]:
    """A rules file with one group of one alert."""
    alert = {"alert": "A", "expr": "up == 0", "labels": {"severity": "info"}, **rule}
    return {"groups": [{"name": "g", "rules": [alert]}]}


def only(template: dict[str, Any]) -> dict[str, Any]:
    """The one rule of a template."""
    ((found,),) = (group["properties"]["rules"] for group in deployed(template, **GIVEN))
    return found


def test_the_template_for_managed_prometheus_is_current() -> None:
    """If not: make generate."""
    assert managed.FILE.read_text() == managed.text()


def test_every_rule_is_there_once_and_asks_the_same() -> None:
    rules = [rule for group in asked_for() for rule in group["properties"]["rules"]]
    asked = [(rule.get("alert") or rule["record"], rule["expression"]) for rule in rules]
    assert asked == [(rule.get("alert") or rule["record"], rule["expr"]) for rule in RULES]


def test_every_alert_waits_as_long_and_says_the_same() -> None:
    rules = {rule["alert"]: rule for group in asked_for() for rule in group["properties"]["rules"] if "alert" in rule}
    for rule in (rule for rule in RULES if "alert" in rule):
        found = rules[rule["alert"]]
        assert found.get("for") == (managed.iso8601(rule["for"]) if "for" in rule else None), rule["alert"]
        assert found["annotations"] == rule.get("annotations", {})
        assert found["labels"] == rule["labels"]


def test_each_group_is_of_the_documented_shape_and_of_one_workspace_and_cluster() -> None:
    groups = asked_for(actionGroupId="/subscriptions/s/actionGroups/a", location="westeurope")
    for group in groups:
        jsonschema.Draft202012Validator(SCHEMA).validate(group)
        assert group["properties"]["scopes"] == [GIVEN["azureMonitorWorkspaceId"]]
        assert group["properties"]["clusterName"] == "blue"
        assert group["location"] == "westeurope"
    assert len({group["name"] for group in groups}) == len(groups)


def test_two_clusters_of_one_resource_group_do_not_overwrite_each_other() -> None:
    green = {group["name"] for group in deployed(TEMPLATE, **{**GIVEN, "clusterName": "green"})}
    assert green.isdisjoint(group["name"] for group in asked_for())


def test_nobody_is_told_until_an_action_group_is_named() -> None:
    silent = [rule for group in asked_for() for rule in group["properties"]["rules"] if "alert" in rule]
    told = asked_for(actionGroupId="/subscriptions/s/actionGroups/a")
    assert {json.dumps(rule["actions"]) for rule in silent} == {"[]"}
    assert all(
        rule["actions"] == [{"actionGroupId": "/subscriptions/s/actionGroups/a"}]
        for group in told
        for rule in group["properties"]["rules"]
        if "alert" in rule
    )


def test_runbooks_are_where_you_publish_them() -> None:
    groups = asked_for(runbookUrl="https://wiki.example/runbooks")
    alerts = [rule for group in groups for rule in group["properties"]["rules"] if "alert" in rule]
    for rule in alerts:
        assert rule["annotations"]["runbook_url"].startswith(f"https://wiki.example/runbooks/{rule['alert']}")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("30s", "PT30S"),
        ("5m", "PT5M"),
        ("90m", "PT1H30M"),
        ("1h2m", "PT1H2M"),
        ("1d", "P1D"),
        ("1w12h", "P7DT12H"),
        ("1y", "P365D"),
        ("0s", "PT0S"),
    ],
)
def test_a_duration_means_the_same_in_iso_8601(written: str, said: str) -> None:
    assert managed.iso8601(written) == said


@pytest.mark.parametrize("written", ["", "5", "10ms", "5m ago", "-5m"])
def test_what_is_no_duration_in_seconds_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        managed.iso8601(written)


def test_a_group_with_more_rules_than_azure_takes_becomes_several_and_keeps_their_order() -> None:
    names = [f"A{number}" for number in range(45)]
    rules = [{"alert": name, "expr": "up", "labels": {"severity": "info"}} for name in names]
    groups = deployed(managed.template({"groups": [{"name": "g", "rules": rules}]}), **GIVEN)
    assert [group["name"] for group in groups] == ["g.1-blue", "g.2-blue", "g.3-blue"]
    assert [rule["alert"] for group in groups for rule in group["properties"]["rules"]] == names
    for group in groups:
        jsonschema.Draft202012Validator(SCHEMA).validate(group)


@pytest.mark.parametrize(("word", "number"), [("critical", 0), ("warning", 2), ("info", 3)])
def test_words_of_severity_become_azures_numbers(word: str, number: int) -> None:
    assert only(managed.template(ruled(labels={"severity": word})))["severity"] == number


def test_an_alert_is_kept_firing_for_as_long_as_its_rule_says() -> None:
    found = only(managed.template(ruled(keep_firing_for="15m")))
    assert found["resolveConfiguration"] == {"autoResolved": True, "timeToResolve": "PT15M"}


def test_a_text_that_looks_like_an_expression_stays_a_text() -> None:
    said = {"summary": "[parameters('clusterName')]", "runbook_url": "https://x.example/it's/A.md"}
    found = only(managed.template(ruled(annotations=said, expr="[up]")))
    assert (found["annotations"], found["expression"]) == (said, "[up]")


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (ruled(limit=3), "A: limit has no counterpart in Azure"),
        (ruled(labels={"severity": "page"}), "A: severity 'page' has no number in Azure"),
        ({"groups": [{"name": "g", "query_offset": "1m", "rules": []}]}, "group g: query_offset has no counterpart"),
        ({"groups": [{"name": "g", "interval": "30s", "rules": []}]}, "group g: interval 30s is not between 1m and"),
    ],
)
def test_what_azure_has_no_word_for_is_refused_and_not_dropped(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        managed.template(rules)


def test_the_schema_refuses_what_azure_would() -> None:
    """So that the tests above can fail."""
    group = asked_for()[0]
    rule = group["properties"]["rules"][0]
    for wrong in ({"for": "5m"}, {"severity": 5}, {"expr": "up"}, {"expression": ""}):
        broken = {**group, "properties": {**group["properties"], "rules": [{**rule, **wrong}]}}
        assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(broken)), wrong
    many = {**group, "properties": {**group["properties"], "rules": [rule] * 21}}
    assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(many))

"""The rules of a release look at that release, and lead to its runbooks."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_world import CHART, Helm, Release, Values, values

NAME = re.compile(r"\bsession_reaper[_:][a-zA-Z0-9_:]+")
SCRAPED: Values = {"serviceMonitor": {"enabled": True}}


def _rules(release: Release) -> list[dict[str, Any]]:
    return [rule for group in release.one("PrometheusRule")["spec"]["groups"] for rule in group["rules"]]


def _selectors(rules: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Each metric of ours in the expressions, with what stands in its braces."""
    for rule in rules:
        for found in NAME.finditer(rule["expr"]):
            braces = re.match(r"\{(.*?)\}", rule["expr"][found.end() :])
            yield found[0], braces[1] if braces else ""


def _with(selector: str = "auto", **changes: Any) -> Values:
    return values(prometheusRule={"enabled": True, "selector": selector}, **changes)


def _checked(release: Release, folder: Path) -> str:
    """What promtool says of the rules; '' when it takes them."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus): the rendered rules were not checked")
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump(release.one("PrometheusRule")["spec"]))
    done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_monitor_names_the_release_before_what_the_user_relabels(releases: dict[str, Release]) -> None:
    for name in ("full", "azure-managed-prometheus"):
        first, *rest = releases[name].one("ServiceMonitor")["spec"]["endpoints"][0]["relabelings"]
        assert first == {"action": "replace", "targetLabel": "release", "replacement": name}
        assert [one["targetLabel"] for one in rest] == (["node"] if name == "full" else [])


def test_every_metric_in_the_rules_is_that_of_the_release(helm: Helm, tmp_path: Path) -> None:
    release = helm.install(_with(**SCRAPED))
    selectors = list(_selectors(_rules(release)))
    assert len(selectors) > 30
    assert [one for one in selectors if not one[1].startswith('release="night",namespace="agents"')] == []
    assert _checked(release, tmp_path) == ""


def test_what_was_in_the_braces_is_still_there(helm: Helm) -> None:
    written = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"]
    before = list(_selectors([rule for group in written for rule in group["rules"]]))
    after = list(_selectors(_rules(helm.install(_with(**SCRAPED)))))
    own = 'release="night",namespace="agents"'
    assert [(name, inside.removeprefix(own).removeprefix(",")) for name, inside in after] == before


def test_alerts_and_records_of_two_releases_are_told_apart(helm: Helm) -> None:
    night, day = (_rules(helm.install(_with(**SCRAPED), name=name)) for name in ("night", "day"))
    assert {rule["labels"]["release"] for rule in night} == {"night"}
    assert {rule["labels"]["release"] for rule in day} == {"day"}
    recorded = [rule["labels"]["namespace"] for rule in night if "record" in rule]
    assert set(recorded) == {"agents"}


def test_without_a_monitor_that_names_the_release_the_rules_look_at_all(helm: Helm) -> None:
    rules = _rules(helm.install(_with()))
    assert not any("night" in inside for _, inside in _selectors(rules))


@pytest.mark.parametrize(
    ("selector", "recorded"),
    [
        ("{}", ""),
        ('{cluster="eu"}', ""),
        ('{cluster=~"eu|us", namespace!="x",job="y"}', 'namespace!="x",job="y"'),
    ],
)
def test_the_selector_is_the_users_to_choose_and_recorded_metrics_are_asked_for_labels_they_have(
    helm: Helm, selector: str, recorded: str, tmp_path: Path
) -> None:
    release = helm.install(_with(selector, **SCRAPED))
    for name, inside in _selectors(_rules(release)):
        assert inside.startswith(recorded if ":" in name else selector[1:-1])
        assert 'release="night"' not in inside
    assert _checked(release, tmp_path) == ""


def test_promtool_takes_the_rules_with_every_value_set(releases: dict[str, Release], tmp_path: Path) -> None:
    assert _checked(releases["full"], tmp_path) == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "http://night-session-reaper.agents.svc:9464/runbooks/"),
        ({"service": {"port": 80}, "namespaceOverride": "x"}, "http://night-session-reaper.x.svc:80/runbooks/"),
        ({"config__server": {"page": "[::]:9465"}}, "http://night-session-reaper.agents.svc:9464/runbooks/"),
    ],
    ids=["the service", "another port and namespace", "a page of its own"],
)
def test_runbooks_are_those_that_the_reaper_serves(helm: Helm, changes: Values, expected: str) -> None:
    alerts = [rule for rule in _rules(helm.install(_with(**changes))) if "alert" in rule]
    assert [rule["annotations"]["runbook_url"] for rule in alerts] == [expected + rule["alert"] for rule in alerts]


def test_runbooks_can_be_on_a_site_of_the_users(helm: Helm) -> None:
    rule = {"enabled": True, "runbookUrl": "https://wiki.internal/runbooks/"}
    alerts = [rule for rule in _rules(helm.install(values(prometheusRule=rule))) if "alert" in rule]
    for alert in alerts:
        assert alert["annotations"]["runbook_url"] == f"https://wiki.internal/runbooks/{alert['alert']}.md"


@pytest.mark.parametrize(
    ("url", "index", "runbook"),
    [
        ("", "http://night-session-reaper.agents.svc:9464/runbooks", "/${__field.labels.alertname}"),
        ("https://wiki.internal/r/", "https://wiki.internal/r", "/${__field.labels.alertname}.md"),
    ],
    ids=["served by the reaper", "on a site of the user's"],
)
def test_the_dashboard_leads_to_the_same_runbooks(helm: Helm, url: str, index: str, runbook: str) -> None:
    release = helm.install(values(grafanaDashboard={"enabled": True}, prometheusRule={"runbookUrl": url}))
    found = next(one for one in release.of("ConfigMap") if one["metadata"]["name"].endswith("-dashboard"))
    dashboard = json.loads(found["data"]["session-reaper.json"])
    [alerts] = [panel for panel in dashboard["panels"] if panel["title"] == "Alerts"]
    assert [link["url"] for link in dashboard["links"]] == [index]
    assert [link["url"] for link in alerts["fieldConfig"]["defaults"]["links"]] == [index + runbook]


def test_a_release_that_is_down_is_told_beside_another_that_is_up(helm: Helm, tmp_path: Path) -> None:
    """promtool plays three hours of two releases in one namespace, one of which ends after half an hour."""
    assert _checked(helm.install(_with(**SCRAPED)), tmp_path) == ""
    labels = '{namespace="agents",job="session-reaper",release="%s"}'
    lasting = {"day": 180, "night": 30}
    series = [
        {"series": f"session_reaper_{name}{labels % release}", "values": f"{value}x{minutes}"}
        for release, minutes in lasting.items()
        for name, value in {"build_info": 1, "sweep_interval_seconds": 900}.items()
    ]
    down = 'count by (namespace, release) (ALERTS{alertname="SessionReaperDown",alertstate="firing"})'
    told = [{"labels": '{namespace="agents", release="night"}', "value": 1}]
    played = {
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [{"expr": down, "eval_time": "3h", "exp_samples": told}],
    }
    file = tmp_path / "played.yaml"
    file.write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [played]}))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

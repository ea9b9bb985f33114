"""Monitors, rules and the dashboard: what ships in files/, with the values applied."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_world import CHART, Helm, Release, values

ALERTS = """\
groups:
  - name: first
    rules:
      - record: reaper:ratio
        expr: used / limit
      - alert: Late
        expr: time() - max_over_time(x[1d]) > 2700
        for: 10m
        labels: {severity: critical}
        annotations: {summary: "{{ $labels.agent }}", runbook_url: http://localhost:9464/runbooks/Late}
      - alert: Full
        expr: "reaper:ratio > 0.85 and x > 1"
        labels: {severity: warning}
      - alert: Gone
        expr: absent(x)
  - name: second
    rules:
      - {alert: Alone, expr: x == 0}
"""


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """The chart with rules of our own."""
    copied = Path(shutil.copytree(CHART, tmp_path / "session-reaper"))
    (copied / "files").mkdir(exist_ok=True)
    (copied / "files" / "alerts.yaml").write_text(ALERTS)
    (copied / "files" / "dashboard.json").write_text(json.dumps({"title": "{{ not a template }}"}))
    return copied


def _rules(release: Release) -> dict[str, Any]:
    groups = release.one("PrometheusRule")["spec"]["groups"]
    return {rule.get("alert") or rule["record"]: rule for group in groups for rule in group["rules"]}


def _with(**options: Any) -> dict[str, Any]:
    return values(prometheusRule={"enabled": True, **options})


def test_the_rules_are_those_of_the_file_but_for_their_runbooks_when_no_value_changes_them(
    helm: Helm, chart: Path
) -> None:
    told = helm.install(_with(), chart=chart).one("PrometheusRule")["spec"]["groups"]
    shipped = yaml.safe_load(ALERTS)["groups"]
    shipped[0]["rules"][1]["annotations"]["runbook_url"] = "http://night-session-reaper.agents.svc:9464/runbooks/Late"
    for rule in (rule for groups in (told, shipped) for group in groups for rule in group["rules"]):
        rule["labels"] = rule.get("labels") or {}
    assert told == shipped


def test_a_disabled_alert_is_left_out_and_its_empty_group_too(helm: Helm, chart: Path) -> None:
    release = helm.install(_with(disabled=["Alone", "Gone"]), chart=chart)
    assert list(_rules(release)) == ["reaper:ratio", "Late", "Full"]
    assert [group["name"] for group in release.one("PrometheusRule")["spec"]["groups"]] == ["first"]


def test_thresholds_times_severities_labels_and_runbooks_can_be_changed(helm: Helm, chart: Path) -> None:
    options = {
        "thresholds": {"Full": 0.9, "Late": 3600},
        "for": {"Full": "1h"},
        "severity": {"Full": "info"},
        "ruleLabels": {"team": "agents"},
        "runbookUrl": "https://wiki.internal/runbooks/",
    }
    rules = _rules(helm.install(_with(**options), chart=chart))
    assert rules["Full"] == {
        "alert": "Full",
        "expr": "reaper:ratio > 0.9 and x > 1",
        "for": "1h",
        "labels": {"severity": "info", "team": "agents"},
    }
    assert rules["Late"]["expr"] == "time() - max_over_time(x[1d]) > 3600"
    assert rules["Late"]["annotations"]["runbook_url"] == "https://wiki.internal/runbooks/Late.md"
    assert "labels" not in rules["reaper:ratio"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"disabled": ["Ful"]}, '"Ful" is none of the alerts (Alone, Full, Gone, Late)'),
        ({"thresholds": {"Fulll": 1}}, '"Fulll" is none of the alerts'),
        ({"severity": {"late": "info"}}, '"late" is none of the alerts'),
        ({"thresholds": {"Gone": 1}}, "thresholds.Gone: the expression of this alert compares with no number"),
        ({"severity": {"Late": "page"}}, "at '/prometheusRule/severity/Late': value must be one of"),
    ],
)
def test_a_typo_in_an_alert_is_refused(helm: Helm, chart: Path, options: dict[str, Any], told: str) -> None:
    assert told in helm.refusal(_with(**options), chart=chart)


def test_a_chart_without_the_files_still_installs_and_says_so(helm: Helm, chart: Path) -> None:
    shutil.rmtree(chart / "files")
    release = helm.install(
        {**_with(), "grafanaDashboard": {"enabled": True, "operator": {"enabled": True}}}, chart=chart
    )
    assert release.of("PrometheusRule") == []
    assert len(release.of("ConfigMap")) == 1
    assert release.of("GrafanaDashboard") == []
    assert "no files/alerts.yaml" in release.notes


def test_the_dashboard_is_shipped_as_it_is_with_the_label_of_the_sidecar(helm: Helm, chart: Path) -> None:
    release = helm.install(values(grafanaDashboard={"enabled": True}), chart=chart)
    found = next(one for one in release.of("ConfigMap") if one["metadata"]["name"].endswith("-dashboard"))
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["session-reaper.json"]) == {"title": "{{ not a template }}"}


def test_the_grafana_operator_gets_the_same_dashboard(releases: dict[str, Release]) -> None:
    spec = releases["full"].one("GrafanaDashboard")["spec"]
    configs = releases["full"].of("ConfigMap")
    assert {"session-reaper.json": spec.pop("json")} in [one["data"] for one in configs]
    assert spec == {
        "instanceSelector": {"matchLabels": {"dashboards": "agents"}},
        "folder": "Agents",
        "allowCrossNamespaceImport": False,
    }
    assert releases["minimal"].of("GrafanaDashboard") == []


def test_the_monitor_selects_the_service_under_the_api_that_is_asked_for(releases: dict[str, Release]) -> None:
    azure, full = releases["azure-managed-prometheus"], releases["full"]
    assert azure.one("ServiceMonitor")["apiVersion"] == "azmonitoring.coreos.com/v1"
    for release in (azure, full):
        monitor, service = release.one("ServiceMonitor"), release.one("Service")
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
        assert monitor["spec"]["jobLabel"] in service["metadata"]["labels"]


@pytest.mark.parametrize("kind", ["PrometheusRule", "ServiceMonitor"])
def test_monitor_and_rules_have_only_keys_that_their_api_knows(releases: dict[str, Release], kind: str) -> None:
    """The model drops what it does not know, so what it gives back must be what went in."""
    reason = "cloudcoil.models.prometheus-operator is not installed: monitors and rules were not validated"
    known = pytest.importorskip("cloudcoil.models.prometheus_operator.v1", reason=reason)
    for release in (releases["full"], releases["azure-managed-prometheus"]):
        for found in release.of(kind):
            model = getattr(known, kind).model_validate({**found, "apiVersion": "monitoring.coreos.com/v1"})
            told = json.loads(model.model_dump_json(by_alias=True, exclude_none=True))
            assert told["spec"] == found["spec"]

"""The dashboard: current, and as dashboard-linter wants it."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from reaper.telemetry import PREFIX, Metrics

FILE = Path(__file__).parents[2] / "helm" / "session-reaper" / "files" / "dashboard.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel, target["expr"]) for panel in PANELS for target in panel["targets"]]
VARIABLES = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def titled(panel: dict[str, Any]) -> str:
    return str(panel["title"])


def test_the_file_is_what_the_program_makes() -> None:
    dashboard = pytest.importorskip("monitoring.dashboard", reason="grafana-foundation-sdk is not installed")
    assert FILE.read_text() == dashboard.text()


def test_it_cannot_be_edited_and_keeps_its_address() -> None:
    assert DASHBOARD["editable"] is False
    assert DASHBOARD["uid"] == "session-reaper"
    assert DASHBOARD["schemaVersion"] >= 39


def test_its_rows_are_questions() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert len(rows) == 6
    assert all(row.endswith("?") for row in rows)


def test_the_first_variable_is_the_data_source() -> None:
    assert next(iter(VARIABLES)) == "datasource"
    assert (VARIABLES["datasource"]["type"], VARIABLES["datasource"]["query"]) == ("datasource", "prometheus")


@pytest.mark.parametrize("name", ["namespace", "release", "job", "instance", "project", "agent"])
def test_a_variable_takes_several_values_or_all_and_follows_the_time_range(name: str) -> None:
    variable = VARIABLES[name]
    every = ".*" if name in {"namespace", "release"} else ".+"  # without the operator there are no such labels
    assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, every)
    assert variable["datasource"] == DATASOURCE
    assert variable["refresh"] == 2


def test_reloads_restarts_and_plans_that_wait_no_longer_are_marked() -> None:
    marks = DASHBOARD["annotations"]["list"]
    assert [mark["name"] for mark in marks] == ["Configuration read", "Restart", "A plan waits no longer"]
    assert all(mark["enable"] and mark["datasource"] == DATASOURCE and mark["expr"] for mark in marks)


def test_runbooks_are_one_click_away_from_the_dashboard_and_from_an_alert() -> None:
    [alerts] = [panel for panel in PANELS if panel["title"] == "Alerts"]
    [link], [runbook] = DASHBOARD["links"], alerts["fieldConfig"]["defaults"]["links"]
    assert runbook["url"] == f"{link['url']}/${{__field.labels.alertname}}"


def test_ids_are_set_and_unique() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert ids == list(range(1, len(ids) + 1))


def test_no_panel_covers_another() -> None:
    def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        return {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}

    assert all(not cells(one) & cells(other) for one, other in combinations(DASHBOARD["panels"], 2))


@pytest.mark.parametrize("panel", PANELS, ids=titled)
def test_a_panel_has_a_title_a_description_a_unit_and_the_chosen_data_source(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert len(panel["description"]) > 20
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == DATASOURCE
    assert panel["targets"]
    assert all(target["datasource"] == DATASOURCE for target in panel["targets"])


@pytest.mark.parametrize(("panel", "expr"), QUERIES, ids=lambda each: each["title"] if isinstance(each, dict) else "")
def test_a_query_heeds_the_variables(panel: dict[str, Any], expr: str) -> None:
    selectors = re.findall(rf"\b(?:{PREFIX}\w+|ALERTS)(\{{[^}}]*\}})?", expr)
    assert selectors
    for name in ("namespace", "release") if "ALERTS" in expr else ("namespace", "release", "job", "instance"):
        assert all(f'{name}=~"${name}"' in chosen for chosen in selectors)


@pytest.mark.parametrize(("panel", "expr"), QUERIES, ids=lambda each: each["title"] if isinstance(each, dict) else "")
def test_counters_are_read_as_rates_over_grafanas_interval(panel: dict[str, Any], expr: str) -> None:
    counters = re.findall(rf"(\w+\()?{PREFIX}\w+_total\{{[^}}]*\}}(\[[^]]*\])?", expr)
    interval = "$__range" if panel["title"].endswith("in this range") else "$__rate_interval"
    assert all(asked in {("rate(", f"[{interval}]"), ("increase(", f"[{interval}]")} for asked in counters)
    for function, over in re.findall(r"\b(rate|increase)\([^[]*\[([^]]*)\]", expr):
        assert over == interval, function


def test_the_queries_ask_only_for_metrics_that_exist(exported: Metrics) -> None:
    known = {sample.name for family in exported.registry.collect() for sample in family.samples}
    asked = {name for _, expr in QUERIES for name in re.findall(rf"\b{PREFIX}\w+", expr)}
    variables = {name for each in VARIABLES.values() for name in re.findall(rf"\b{PREFIX}\w+", str(each["query"]))}
    assert asked | variables <= known


def test_every_metric_is_somewhere_on_the_dashboard_or_in_an_alert(exported: Metrics) -> None:
    rules = (FILE.parent / "alerts.yaml").read_text()
    marks = " ".join(mark["expr"] for mark in DASHBOARD["annotations"]["list"])
    used = " ".join(expr for _, expr in QUERIES) + marks + rules
    unused = {family.name for family in exported.registry.collect() if family.name not in used}
    assert unused == {f"{PREFIX}config_info"}


def test_legends_name_labels_that_the_query_keeps() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            kept = {word for part in re.findall(r"by \(([^)]*)\)", target["expr"]) for word in part.split(", ")}
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= kept, panel["title"]

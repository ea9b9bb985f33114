"""The Grafana dashboard as code. `python -m monitoring.dashboard` writes the chart's file, `--check` compares it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.builders import bargauge, dashboard, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.builders import common as parts
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import prometheus as asked

from monitoring.generated import main
from monitoring.panels import EVENTS, JOB, PROJECT, RELEASE, ROWS, Panel, Query

FILE: Final = Path(__file__).parents[1] / "helm" / "session-reaper" / "files" / "dashboard.json"
UID: Final = "session-reaper"
WIDTH: Final = 24
RUNBOOKS: Final = "http://localhost:9464/runbooks"
"""Where a daemon serves its runbooks; the chart puts its own address here."""
DATASOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")


def build() -> models.Dashboard:
    """The whole dashboard."""
    made = (
        dashboard.Dashboard("session-reaper")
        .uid(UID)
        .description("What session-reaper sees, does and holds back. Rows are questions.")
        .tags(["session-reaper", "azure", "foundry"])
        .readonly()
        .timezone("browser")
        .time("now-6h", "now")
        .refresh("1m")
        .link(dashboard.DashboardLink("Runbooks").url(RUNBOOKS).target_blank(True))
        .with_variable(_datasource())
    )
    for name, label, told, every in (
        ("namespace", "Namespace", "session_reaper_build_info", ".*"),
        ("release", "Release", 'session_reaper_build_info{namespace=~"$namespace"}', ".*"),
        ("job", "Job", f"session_reaper_build_info{{{RELEASE}}}", ".+"),
        ("instance", "Instance", f'session_reaper_build_info{{{RELEASE}, job=~"$job"}}', ".+"),
        ("project", "Project", f"session_reaper_clock_skew_seconds{{{JOB}}}", ".+"),
        ("agent", "Agent", f"session_reaper_inventory_trusted{{{PROJECT}}}", ".+"),
    ):
        made = made.with_variable(_choice(name, label, told, every))
    for name, expr in EVENTS:
        made = made.annotation(_event(name, expr))
    for place in _placed():
        made = made.with_row(place) if isinstance(place, dashboard.Row) else made.with_panel(place)
    return made.build()


def _placed() -> list[Any]:
    """Rows and panels with their ids, each row from the left, panels side by side while there is room."""
    placed: list[Any] = []
    y = 0
    for title, panels in ROWS:
        at = models.GridPos(h=1, w=WIDTH, x=0, y=y)
        placed.append(dashboard.Row(title).id(len(placed) + 1).grid_pos(at).collapsed(False))
        x, y, height = 0, y + 1, 0
        for panel in panels:
            width, tall = panel.size
            if x + width > WIDTH:
                x, y, height = 0, y + height, 0
            made = _panel(panel).id(len(placed) + 1)
            placed.append(made.grid_pos(models.GridPos(h=tall, w=width, x=x, y=y)))
            x, height = x + width, max(height, tall)
        y += height
    return placed


def _panel(panel: Panel) -> Any:
    kinds = {"stat": _stat, "timeseries": _lines, "bargauge": _bars, "state-timeline": _states}
    made: Any = kinds[panel.kind](panel)
    made = made.title(panel.title).description(panel.description)
    made = made.datasource(DATASOURCE).unit(panel.unit)
    if panel.steps:
        # The first step has no value: it holds for everything below the second.
        steps = [
            models.Threshold(color=color, value=value if i else None) for i, (value, color) in enumerate(panel.steps)
        ]
        made = made.thresholds(dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))
    now = panel.kind not in {"timeseries", "state-timeline"}
    for ref, query in zip("ABCDEF", panel.queries, strict=False):
        made = made.with_target(_target(ref, query, now=now))
    return made


def _target(ref: str, query: Query, now: bool) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(ref).datasource(DATASOURCE)
    target = target.instant() if now else target.range()
    return target.format(asked.PromQueryFormat.HEATMAP) if query.buckets else target


def _texts(panel: Panel) -> list[models.ValueMapping]:
    """Words and colours in place of values."""
    texts = {
        value: models.ValueMappingResult(text=text, color=color, index=i)
        for i, (value, (text, color)) in enumerate(panel.texts.items())
    }
    return [models.ValueMap(options=texts)] if texts else []


def _stat(panel: Panel) -> stat.Panel:
    made = stat.Panel().graph_mode(common.BigValueGraphMode.NONE).reduce_options(_last())
    return made.mappings(_texts(panel)).color_mode(common.BigValueColorMode.VALUE)


def _states(panel: Panel) -> statetimeline.Panel:
    link = dashboard.DashboardLink("Runbook").url(f"{RUNBOOKS}/${{__field.labels.alertname}}").target_blank(True)
    made = statetimeline.Panel().mappings(_texts(panel)).data_links([link]).no_value("no alert fires")
    return made.show_value(common.VisibilityMode.NEVER)


def _bars(_: Panel) -> bargauge.Panel:
    made = bargauge.Panel().reduce_options(_last()).orientation(common.VizOrientation.VERTICAL)
    return made.display_mode(common.BarGaugeDisplayMode.BASIC).min(0)


def _lines(panel: Panel) -> timeseries.Panel:
    legend = parts.VizLegendOptions().display_mode(common.LegendDisplayMode.LIST)
    legend = legend.placement(common.LegendPlacement.BOTTOM).show_legend(True)
    tooltip = parts.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
    made = timeseries.Panel().legend(legend).tooltip(tooltip).show_points(common.VisibilityMode.AUTO)
    if panel.bars:
        made = made.draw_style(common.GraphDrawStyle.BARS).fill_opacity(60)
    elif panel.stacked:
        made = made.fill_opacity(20)
    if panel.stacked:
        made = made.stacking(parts.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if panel.steps:
        made = made.thresholds_style(_threshold_lines())
    made = made if panel.top is None else made.max(panel.top)
    return made if panel.signed else made.min(0)


def _threshold_lines() -> Any:
    return parts.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)


def _last() -> Any:
    return parts.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def _datasource() -> dashboard.DatasourceVariable:
    return dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")


def _event(name: str, expr: str) -> dashboard.AnnotationQuery:
    """A mark in every panel, where a query has an answer."""
    return dashboard.AnnotationQuery().name(name).datasource(DATASOURCE).enable(True).icon_color("blue").expr(expr)


def _choice(name: str, label: str, series: str, matches_all: str) -> dashboard.QueryVariable:
    """A variable whose values are those of a label; at first all of them, which `matches_all` means."""
    made = dashboard.QueryVariable(name).label(label).datasource(DATASOURCE)
    made = made.query({"query": f"label_values({series}, {name})", "refId": name})
    made = made.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)
    every = models.VariableOption(selected=True, text=["All"], value=["$__all"])
    return made.multi(True).include_all(True).all_value(matches_all).current(every)


def text() -> str:
    """The dashboard as the file has it."""
    return json.dumps(build(), cls=JSONEncoder, sort_keys=True, indent=2) + "\n"


if __name__ == "__main__":
    sys.exit(main(FILE, text))

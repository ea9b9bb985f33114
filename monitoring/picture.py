"""Draws the dashboard's panels from live data, where the dashboard has them. Not Grafana's own rendering."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

LABEL: Final = (
    "session-reaper: the dashboard's panels, drawn from live data, not Grafana's rendering (below each: seconds)"
)
WIDE, COLUMN, LINE, TOP = 24, 0.8, 0.42, 1.0
UNITS: Final = {"s": " s", "percentunit": " %", "reqps": " /s"}
LEGEND_MAX: Final = 6
HOLE_S: Final = 1.5
Ask = Callable[[str], list[Any]]


def draw(file: Path, panels: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], ask: Ask) -> None:
    """One picture of all panels under the questions of their rows."""
    mpl.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False})
    lines = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    size = (WIDE * COLUMN, lines * LINE + TOP)
    figure = Figure(figsize=size, dpi=80)
    figure.text(0.01, 1 - 0.5 / size[1], LABEL, fontsize=13, weight="bold")
    for row in rows:
        top = 1 - (TOP + (row["gridPos"]["y"] + 0.75) * LINE) / size[1]
        figure.text(0.01, top, row["title"], fontsize=12, weight="bold", color="#3465a4")
    for panel in panels:
        _draw_panel(figure, size, panel, ask)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)


def _draw_panel(figure: Figure, size: tuple[float, float], panel: Mapping[str, Any], ask: Ask) -> None:
    at = panel["gridPos"]
    left, width = at["x"] / WIDE, at["w"] / WIDE
    bottom = 1 - (TOP + (at["y"] + at["h"]) * LINE) / size[1]
    height = at["h"] * LINE / size[1]
    inside = (left + 0.035, bottom + 0.8 / size[1], width - 0.045, height - 1.25 / size[1])
    if panel["type"] == "stat":
        inside = (left + 0.01, bottom, width - 0.02, height)
    axes = figure.add_axes(inside)
    kinds = {"stat": _draw_number, "bargauge": _draw_bars, "timeseries": _draw_lines, "state-timeline": _draw_states}
    kinds[panel["type"]](axes, panel, ask)


def _draw_number(axes: Any, panel: Mapping[str, Any], ask: Ask) -> None:
    shown = "  ".join(_number(panel, target, ask) for target in panel["targets"])
    axes.axis("off")
    axes.text(0.5, 0.8, panel["title"], ha="center", fontsize=9)
    axes.text(0.5, 0.35, shown, ha="center", fontsize=24, color="#4e9a06")


def _number(panel: Mapping[str, Any], target: Mapping[str, Any], ask: Ask) -> str:
    value, unit = float(ask(target["expr"])[0]["values"][-1][1]), panel["fieldConfig"]["defaults"]["unit"]
    shown = {0: "no", 1: "yes"}[int(value)] if unit == "bool_yes_no" else f"{value:.3g}{UNITS.get(unit, '')}"
    return f"{target['legendFormat']} {shown}".strip()


def _draw_states(axes: Any, panel: Mapping[str, Any], ask: Ask) -> None:
    """A bar for each series, for as long as it was there."""
    shown = list(_series(panel, ask))
    start = min((points[0][0] for _, points in shown if points), default=0)
    for line, (_, points) in enumerate(shown):
        axes.broken_barh([(when - start, HOLE_S) for when, _ in points], (line - 0.4, 0.8), color="#cc0000")
    axes.set_yticks(range(len(shown)), [name for name, _ in shown], fontsize=6)
    axes.set_title(panel["title"], fontsize=9, loc="left")


def _draw_bars(axes: Any, panel: Mapping[str, Any], ask: Ask) -> None:
    """The buckets as they are filled one by one; Prometheus has them added up."""
    found = {
        float(series["metric"]["le"]): float(series["values"][-1][1]) for series in ask(panel["targets"][0]["expr"])
    }
    bounds = sorted(found)
    counts = [found[bound] - (found[bounds[i - 1]] if i else 0) for i, bound in enumerate(bounds)]
    axes.bar([_shown(bound) for bound in bounds], counts, color="#729fcf")
    axes.tick_params(axis="x", rotation=30)
    axes.set_title(panel["title"], fontsize=9, loc="left")


def _shown(seconds: float) -> str:
    if seconds == float("inf"):
        return "more"
    return f"{seconds / 86400:g}d" if seconds >= 86400 else f"{seconds / 3600:g}h"


def _draw_lines(axes: Any, panel: Mapping[str, Any], ask: Ask) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    factor = 100 if defaults["unit"] == "percentunit" else 1
    shown = list(_series(panel, ask))
    start = min((points[0][0] for _, points in shown if points), default=0)
    for name, points in shown:
        drawn = list(_broken(points))
        axes.plot([when - start for when, _ in drawn], [value * factor for _, value in drawn], lw=1.2, label=name)
    for step in defaults.get("thresholds", {}).get("steps", ())[1:]:
        axes.axhline(step["value"] * factor, ls="--", lw=0.8, color=step["color"])
    if "min" in defaults:
        axes.set_ylim(0, defaults["max"] * factor if "max" in defaults else axes.get_ylim()[1] * 1.05)
    axes.set_title(f"{panel['title']}{UNITS.get(defaults['unit'], '').replace(' ', ', in ')}", fontsize=9, loc="left")
    more = len(shown) - LEGEND_MAX
    handles, names = axes.get_legend_handles_labels()
    names = [*names[:LEGEND_MAX]]
    if more > 0:
        names[-1] += f" … and {more} more"
    axes.legend(
        handles[:LEGEND_MAX], names, fontsize=6, ncols=3, loc="upper left", bbox_to_anchor=(0, -0.12), frameon=False
    )


def _broken(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """The points, with a hole where the series was gone: a line across it would say what nobody measured."""
    for i, (when, value) in enumerate(points):
        if i and when - points[i - 1][0] > HOLE_S:
            yield when, float("nan")
        yield when, value


def _series(panel: Mapping[str, Any], ask: Ask) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """The series with the names of their legend, those with the most to show first."""
    found = []
    for target in panel["targets"]:
        for series in ask(target["expr"]):
            name = target["legendFormat"]
            for label, value in series["metric"].items():
                name = name.replace(f"{{{{{label}}}}}", value)
            points = [(float(when), float(value)) for when, value in series["values"]]
            found.append((name, [point for point in points if point[1] == point[1]]))
    yield from sorted(found, key=lambda each: -max((value for _, value in each[1]), default=0))

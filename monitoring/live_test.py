"""A live Prometheus scrapes a live reaper: every dashboard query answers, and five incidents are told of, once each.

`python -m monitoring.live_test [--picture FILE]` starts, on loopback only: `reaper demo`, `reaper emulator` with
`reaper run`, Prometheus and Alertmanager (Debian's `prometheus` and `prometheus-alertmanager`). The rules and
inhibitions are the shipped ones, every duration divided by 60. It takes some ten minutes.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Final

from monitoring.incidents import INCIDENTS, go_through
from monitoring.live_world import SHIPPED, Live, LiveError, live, say, wait_for

WATCHED_S: Final = 60
VARIABLES: Final = re.compile(r"\$(namespace|release|job|instance|project|agent)\b")


def panels(kind: str = "") -> list[dict[str, Any]]:
    """The dashboard's panels with their queries, every variable on all; or its rows."""
    shown = json.loads((SHIPPED / "dashboard.json").read_text())["panels"]
    for panel in shown:
        for target in panel.get("targets", ()):
            asked = VARIABLES.sub(".*", target["expr"])
            target["expr"] = asked.replace("$__rate_interval", "30s").replace("$__range", f"{WATCHED_S}s")
    return [panel for panel in shown if (panel["type"] == "row") == (kind == "row")]


def silent_queries(world: Live) -> list[str]:
    """The dashboard's queries to which Prometheus has no answer."""
    now = time.time()
    return [
        f"{panel['title']}: {target['expr']}"
        for panel in panels()
        if panel["type"] != "state-timeline"  # of alerts there may be none
        for target in panel["targets"]
        if not world.ask_range(target["expr"], now - WATCHED_S, now, 1)
    ]


def every_query_answers(world: Live) -> None:
    """Observe, then enforce, so that there is something to be seen; then ask what the dashboard asks."""
    wait_for("two observing sweeps", lambda: world.ask('session_reaper_sweeps_total{job="session-reaper"} >= 2'))
    world.configure("enforce")
    done = 'session_reaper_actions_total{job="session-reaper", outcome="done"} > 0'
    wait_for("actions, after the configuration was reloaded", lambda: world.ask(done), 60)
    until = time.monotonic() + WATCHED_S
    wait_for("every query answers", lambda: time.monotonic() > until or not silent_queries(world), WATCHED_S + 30)
    if silent := silent_queries(world):
        raise LiveError("no data for\n" + "\n".join(silent))
    say(f"{sum(len(panel['targets']) for panel in panels())} queries of {len(panels())} panels: every one has data")


def main(arguments: list[str]) -> int:
    missing = [name for name in ("prometheus", "prometheus-alertmanager") if not shutil.which(name)]
    if missing:
        say(f"not run, missing: {', '.join(missing)}. apt-get install prometheus prometheus-alertmanager")
        return 1
    try:
        with live() as world:
            since = time.time()
            every_query_answers(world)
            for incident in INCIDENTS:
                go_through(world, incident)
            if arguments[:1] == ["--picture"]:
                from monitoring.picture import draw  # noqa: PLC0415 - it wants matplotlib

                draw(
                    Path(arguments[1]),
                    panels(),
                    panels("row"),
                    lambda expr: world.ask_range(expr, since, time.time(), 1),
                )
                say(f"drawn: {arguments[1]}")
    except LiveError as error:
        say(f"FAILED: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A live Prometheus scrapes a live reaper: every dashboard query answers, and a broken platform raises an alert.

`python -m monitoring.live_test [--picture FILE]` starts, on loopback only: `reaper demo`, `reaper emulator` with
`reaper run`, Prometheus and Alertmanager (Debian's `prometheus` and `prometheus-alertmanager`). The rules
are the shipped ones with every duration divided by 60. It takes three minutes.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
RULES: Final = ROOT / "helm" / "session-reaper" / "files" / "alerts.yaml"
DASHBOARD: Final = ROOT / "helm" / "session-reaper" / "files" / "dashboard.json"
FASTER: Final = 60
UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
WATCHED_S: Final = 60
STARTED_S: Final = 120
"""Six processes start at once, on a machine that may be busy."""
ALERT: Final = "SessionReaperSweepsFailing"
REAPER: Final = [sys.executable, "-c", "from reaper.cli import main; main()"]

CONFIG: Final = """\
version: 1
schedule: {{every: 10s, jitter: 0s}}
projects:
  live:
    endpoint: {endpoint}
    credential: none
    agents: [{{name: "*", policy: standard}}]
policies:
  standard:
    mode: {mode}
    grace: 0s
    rules:
      - {{name: vip, action: keep, when: {{id: "vip-*"}}}}
      - {{name: broken, action: delete, when: {{status: failed, age: 1h}}}}
      - {{name: idle-two-weeks, action: delete, when: {{idle: 14d}}}}
      - {{name: runaway, action: stop, when: {{status: active, idle: 45m}}}}
    limits: {{per_sweep: 60%, per_day: 80%}}
quotas:
  sweden-central: {{limit: 100, projects: [live]}}
state: sqlite:///{folder}/state.db
log: {{format: json, level: warning}}
"""

PROMETHEUS: Final = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{folder}/alerts.yaml]
alerting:
  alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]}}]
scrape_configs:
  - job_name: session-reaper
    static_configs: [{{targets: ["127.0.0.1:{run}"]}}]
  - job_name: session-reaper-demo
    static_configs: [{{targets: ["127.0.0.1:{demo}"]}}]
"""

ALERTMANAGER: Final = """\
route: {receiver: nobody, group_by: [alertname], group_wait: 1s, group_interval: 1s}
receivers: [{name: nobody}]
"""


class LiveError(Exception):
    """What should have happened and did not."""


@dataclass
class Live:
    """The processes, and where they answer."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    emulator: str = ""

    def url(self, name: str, path: str, **query: Any) -> str:
        return f"http://127.0.0.1:{self.ports[name]}{path}?{urllib.parse.urlencode(query)}"

    def ask(self, expr: str) -> list[Any]:
        return list(_json(self.url("prometheus", "/api/v1/query", query=expr))["data"]["result"])

    def ask_range(self, expr: str, since: float, until: float, step: float) -> list[Any]:
        url = self.url("prometheus", "/api/v1/query_range", query=expr, start=since, end=until, step=step)
        return list(_json(url)["data"]["result"])

    def targets(self) -> list[str]:
        """What Prometheus says of each reaper that it scrapes; of itself when it does not answer."""
        try:
            found = _json(self.url("prometheus", "/api/v1/targets"))["data"]["activeTargets"]
        except OSError as error:
            return [f"Prometheus does not answer: {error}"]
        return [f"{one['scrapeUrl']}: {one['health']} {one['lastError']}" for one in found]

    def alerts(self) -> list[Any]:
        return list(_json(self.url("alertmanager", "/api/v2/alerts")))

    def firing(self) -> set[str]:
        return {found["metric"]["alertname"] for found in self.ask('ALERTS{alertstate="firing"}')}

    def configure(self, mode: str) -> None:
        """The configuration of `reaper run`; it is read again while that runs."""
        text = CONFIG.format(endpoint=self.emulator, folder=self.folder, mode=mode)
        (self.folder / "reaper.yaml").write_text(text)

    def faults(self, *faults: dict[str, Any]) -> None:
        """What goes wrong on the emulated platform from now on."""
        place = urllib.parse.urlsplit(self.emulator)
        _json(f"http://{place.netloc}/_emulator/faults", json.dumps(faults).encode())


def _json(url: str, body: bytes | None = None) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=10) as answer:  # noqa: S310
        return json.load(answer)


def faster(rules: str) -> str:
    """The rules with every duration, and the seconds of three intervals, divided by `FASTER`."""

    def shorter(found: re.Match[str]) -> str:
        seconds = max(int(found[2]) * UNITS[found[3]] // FASTER, 2)
        return f"{found[1]}{seconds}s{found[4]}"

    rules = re.sub(r"(\[|offset |for: )(\d+)([smhd])(\]|\)|\n)", shorter, rules)
    return re.sub(r"\b2700\b", str(2700 // FASTER), rules)


def wait_for(what: str, found: Callable[[], Any], seconds: float = 30) -> Any:
    """What `found` finds, as soon as it is something; an error after so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if value := found():
                return value
        except OSError:
            pass
        time.sleep(0.5)
    raise LiveError(f"not within {seconds:.0f} s: {what}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def process(folder: Path, name: str, *command: str) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with the block; what it says goes to a file of its name."""
    with (folder / f"{name}.log").open("w") as log:
        started = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, text=True)  # noqa: S603
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(20)
            except subprocess.TimeoutExpired:
                started.kill()


@contextmanager
def live() -> Iterator[Live]:
    """Everything running, and scraped at least once."""
    with tempfile.TemporaryDirectory(prefix="reaper-live-") as name, ExitStack() as stack:
        world = Live(Path(name))
        world.ports = {each: free_port() for each in ("demo", "emulator", "run", "prometheus", "alertmanager")}
        for each, command in _commands(world).items():
            stack.enter_context(process(world.folder, each, *command))
            if each == "emulator":
                world.emulator = wait_for("the emulator", lambda: _endpoint(world.folder / "emulator.log"))
                world.configure("observe")
        try:
            wait_for("both reapers scraped", lambda: len(world.ask("session_reaper_build_info")) == 2, STARTED_S)
            yield world
        except LiveError:
            say("\n".join(world.targets()) or "Prometheus knows no target")
            for log in world.folder.glob("*.log"):
                say(f"--- {log.name}\n{log.read_text()[-800:]}")
            raise


def _commands(world: Live) -> dict[str, list[str]]:
    folder, at = world.folder, {name: f"127.0.0.1:{port}" for name, port in world.ports.items()}
    (folder / "alerts.yaml").write_text(faster(RULES.read_text()))
    (folder / "prometheus.yaml").write_text(PROMETHEUS.format(folder=folder, **world.ports))
    (folder / "alertmanager.yaml").write_text(ALERTMANAGER)
    return {
        "demo": [*REAPER, "demo", "--listen", at["demo"], "--agents", "3"],
        "emulator": [*REAPER, "emulator", "--listen", at["emulator"], "--agents", "3", "--sessions", "80"],
        "run": [*REAPER, "run", "--config", "reaper.yaml", "--listen", at["run"]],
        "alertmanager": [
            "prometheus-alertmanager",
            "--config.file=alertmanager.yaml",
            "--storage.path=alertmanager",
            f"--web.listen-address={at['alertmanager']}",
            "--cluster.listen-address=",
        ],
        "prometheus": [
            "prometheus",
            "--config.file=prometheus.yaml",
            "--storage.tsdb.path=prometheus",
            f"--web.listen-address={at['prometheus']}",
        ],
    }


def _endpoint(log: Path) -> str:
    ready = re.search(r"ready: (\S+)", log.read_text())
    return ready[1] if ready else ""


def panels(kind: str = "") -> list[dict[str, Any]]:
    """The dashboard's panels with their queries, every variable on all; or its rows."""
    shown = json.loads(DASHBOARD.read_text())["panels"]
    for panel in shown:
        for target in panel.get("targets", ()):
            target["expr"] = re.sub(r"\$(job|instance|project|agent)\b", ".+", target["expr"])
            target["expr"] = target["expr"].replace("$__rate_interval", "30s")
    return [panel for panel in shown if (panel["type"] == "row") == (kind == "row")]


def silent_queries(world: Live) -> list[str]:
    """The dashboard's queries to which Prometheus has no answer."""
    now = time.time()
    return [
        f"{panel['title']}: {target['expr']}"
        for panel in panels()
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


def one_alert_arrives(world: Live) -> None:
    """Break the platform; the alert must reach the Alertmanager, and end there when the platform is well again."""

    def arrived() -> list[Any]:
        found = [alert for alert in world.alerts() if alert["labels"]["alertname"] == ALERT]
        return [alert for alert in found if alert["labels"]["job"] == "session-reaper"]

    if ALERT in world.firing():
        raise LiveError(f"{ALERT} fires while the platform is well")
    say(f"firing while the platform is well: {', '.join(sorted(world.firing())) or 'nothing'}")
    world.faults({"operation": "list", "status": 500})
    since = time.monotonic()
    alert = wait_for(f"{ALERT} in the Alertmanager", arrived, 150)[0]
    say(f"platform broken (500 on every list); {ALERT} arrived after {time.monotonic() - since:.0f} s:")
    say(f"  {alert['labels']['severity']}: {alert['annotations']['description']}")
    say(f"  {alert['annotations']['runbook_url']}")
    world.faults()
    since = time.monotonic()
    wait_for(f"{ALERT} resolved", lambda: not arrived(), 180)
    say(f"platform well again; resolved after {time.monotonic() - since:.0f} s")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    missing = [name for name in ("prometheus", "prometheus-alertmanager") if not shutil.which(name)]
    if missing:
        say(f"not run, missing: {', '.join(missing)}. apt-get install prometheus prometheus-alertmanager")
        return 1
    try:
        with live() as world:
            since = time.time()
            every_query_answers(world)
            one_alert_arrives(world)
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

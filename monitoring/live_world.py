"""A reaper, an emulated platform, Prometheus and Alertmanager as processes on loopback, with the rules that ship."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
SHIPPED: Final = ROOT / "helm" / "session-reaper" / "files"
FASTER: Final = 60
LEAST_S: Final = 600
"""Numbers of as many digits are seconds; what is smaller is a count or a share."""
UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
STARTED_S: Final = 120
"""Six processes start at once, on a machine that may be busy."""
LOG_SHOWN_CHARS: Final = 800
QUOTA: Final = 100
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
  sweden-central: {{limit: {quota}, projects: [live]}}
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
    static_configs: [{{targets: ["127.0.0.1:{run}"], labels: {{namespace: live, release: reaper}}}}]
  - job_name: session-reaper-demo
    static_configs: [{{targets: ["127.0.0.1:{demo}"], labels: {{namespace: live, release: demo}}}}]
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
    reaper: subprocess.Popen[str] | None = None

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

    def alerts(self) -> dict[str, set[str]]:
        """The alerts of `reaper run` that have reached the Alertmanager, and the states in which they are."""
        found: dict[str, set[str]] = {}
        for alert in _json(self.url("alertmanager", "/api/v2/alerts")):
            if alert["labels"].get("release") == "reaper":
                found.setdefault(alert["labels"]["alertname"], set()).add(alert["status"]["state"])
        return found

    def configure(self, mode: str = "enforce", quota: int = QUOTA, more: str = "") -> None:
        """The configuration of `reaper run`; it is read again while that runs."""
        text = CONFIG.format(endpoint=self.emulator, folder=self.folder, mode=mode, quota=quota)
        (self.folder / "reaper.yaml").write_text(text + more)

    def faults(self, *faults: dict[str, Any]) -> None:
        """What goes wrong on the emulated platform from now on."""
        place = urllib.parse.urlsplit(self.emulator)
        _json(f"http://{place.netloc}/_emulator/faults", json.dumps(faults).encode())

    def start(self) -> None:
        """Start `reaper run`, which was not there or has ended."""
        command = [*REAPER, "run", "--config", "reaper.yaml", "--listen", f"127.0.0.1:{self.ports['run']}"]
        self.reaper = started(self.folder, "run", *command)

    def stop(self) -> None:
        """End `reaper run`."""
        if self.reaper is not None:
            ended(self.reaper)


def _json(url: str, body: bytes | None = None) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=10) as answer:  # noqa: S310
        return json.load(answer)


def faster(rules: str) -> str:
    """The rules with every duration, and every number of seconds, divided by `FASTER`."""

    def shorter(found: re.Match[str]) -> str:
        return f"{max(int(found[1]) * UNITS[found[2]] // FASTER, 2)}s"

    rules = re.sub(r"(?<=[\[ :])(\d+)([smhd])(?=[]\s:)])", shorter, rules)
    return re.sub(rf"(?<![:\d])\d{{{len(str(LEAST_S))},}}\b", lambda found: str(int(found[0]) // FASTER), rules)


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


def started(folder: Path, name: str, *command: str) -> subprocess.Popen[str]:
    """A process; what it says goes to a file of its name."""
    with (folder / f"{name}.log").open("a") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, text=True)  # noqa: S603


def ended(process: subprocess.Popen[str]) -> None:
    """Ask a process to end, and see to it that it does."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def live() -> Iterator[Live]:
    """Everything running, and scraped at least once."""
    with tempfile.TemporaryDirectory(prefix="reaper-live-") as name, ExitStack() as stack:
        world = Live(Path(name))
        world.ports = {each: free_port() for each in ("demo", "emulator", "run", "prometheus", "alertmanager")}
        for each, command in _commands(world).items():
            stack.callback(ended, started(world.folder, each, *command))
        world.emulator = wait_for("the emulator", lambda: _endpoint(world.folder / "emulator.log"), STARTED_S)
        world.configure("observe")
        world.start()
        stack.callback(world.stop)
        try:
            wait_for("both reapers scraped", lambda: len(world.ask("session_reaper_build_info")) == 2, STARTED_S)
            yield world
        except LiveError:
            say("\n".join(world.targets()) or "Prometheus knows no target")
            for log in world.folder.glob("*.log"):
                say(f"--- {log.name}\n{log.read_text()[-LOG_SHOWN_CHARS:]}")
            raise


def _commands(world: Live) -> dict[str, list[str]]:
    folder, at = world.folder, {name: f"127.0.0.1:{port}" for name, port in world.ports.items()}
    (folder / "alerts.yaml").write_text(faster((SHIPPED / "alerts.yaml").read_text()))
    (folder / "prometheus.yaml").write_text(PROMETHEUS.format(folder=folder, **world.ports))
    (folder / "alertmanager.yaml").write_text(ALERTMANAGER + (SHIPPED / "inhibit.yaml").read_text())
    return {
        "demo": [*REAPER, "demo", "--listen", at["demo"], "--agents", "3"],
        "emulator": [*REAPER, "emulator", "--listen", at["emulator"], "--agents", "3", "--sessions", "80"],
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


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()

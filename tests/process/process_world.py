"""Real processes on loopback ports: commands, daemons and emulators, with bounded waits."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

REAPER = Path(sys.executable).with_name("reaper")
EXACT = Path(__file__).with_name("exact_emulator.py")
AGENTS = ("support-eu", "research", "billing-bot")
DAY = 86_400

KEEP_VIP = {"name": "vip", "action": "keep", "when": {"id": ["vip-*", "demo-*"]}}
BROKEN = {"name": "broken", "action": "delete", "when": {"status": "failed", "age": "1h"}}
IDLE_A_WEEK = {"name": "idle-a-week", "action": "delete", "when": {"idle": "7d"}}
RULES = (KEEP_VIP, BROKEN, IDLE_A_WEEK)
WIDE = {"per_sweep": "100%", "per_day": "100%"}

T = TypeVar("T")

_http = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def wait_for(what: str, probe: Callable[[], T], seconds: float = 30.0) -> T:
    """The first true value of the probe; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for: {what}"
        time.sleep(0.05)
    return found


def fetch(url: str, body: Any = None) -> tuple[int, str]:
    """Status and text of a GET, or of a POST when there is a body; status 0 while nobody answers."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with _http.open(urllib.request.Request(url, data), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def harmless_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REAPER", "AZURE"))}
    return {**kept, "PYTHONUNBUFFERED": "1", "NO_PROXY": "127.0.0.1"}


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Process:
    """A process that stays, its output in files."""

    popen: subprocess.Popen[bytes]
    out: Path
    err: Path

    @classmethod
    def start(cls, folder: Path, *command: str) -> Process:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob("process-*.out")))
        out, err = folder / f"process-{number}.out", folder / f"process-{number}.err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=harmless_environment(),
                cwd=folder,
                preexec_fn=_heed_interrupts,  # noqa: PLW1509 - what runs the tests may ignore them, and pass that on
            )
        return cls(popen, out, err)

    @property
    def stdout(self) -> str:
        return self.out.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        return self.err.read_text(errors="replace")

    def end(self, number: int = signal.SIGTERM, seconds: float = 25.0) -> int:
        """Send a signal and give the exit code."""
        self.popen.send_signal(number)
        code = self.popen.wait(seconds)
        assert "Traceback" not in self.stderr + self.stdout, self.stderr[-3000:]
        return code

    def clear_away(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait(10)


@dataclass
class Town:
    """An emulator that runs, and what it knows to be true."""

    process: Process
    endpoint: str

    @property
    def root(self) -> str:
        return self.endpoint.split("/api/", 1)[0]

    def ask(self, route: str, body: Any = None) -> Any:
        status, text = fetch(f"{self.root}/_emulator/{route}", body)
        assert status == 200, (route, status, text)
        return json.loads(text)

    def sessions(self, agent: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask(f"sessions?agent={agent}")
        return found

    def history(self, *kinds: str) -> list[dict[str, Any]]:
        return [event for event in self.ask("history") if event["kind"] in kinds]

    def deleted(self) -> list[tuple[str, str]]:
        return [(event["agent"], event["session"]) for event in self.history("deleted")]

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = self.ask("requests")["counts"]
        return found

    def changes(self) -> int:
        """How many requests came that could have changed something."""
        counts = self.counts()
        return sum(counts.get(kind, 0) for kind in ("delete", "stop", "create", "forbidden", "unknown"))

    def break_with(self, *faults: dict[str, Any]) -> None:
        self.ask("faults", list(faults))


@contextlib.contextmanager
def town(folder: Path, *options: str, port: int = 0) -> Iterator[Town]:
    """`reaper emulator` with these options."""
    with _serving(folder, str(REAPER), "emulator", "--listen", f"127.0.0.1:{port}", *options) as made:
        yield made


@contextlib.contextmanager
def exact_town(folder: Path, agents: dict[str, Any], latency_s: float = 0.0) -> Iterator[Town]:
    """An emulator with exactly these sessions."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "exact.json"
    file.write_text(json.dumps(agents))
    with _serving(folder, sys.executable, str(EXACT), str(file), str(latency_s)) as made:
        yield made


@contextlib.contextmanager
def _serving(folder: Path, *command: str) -> Iterator[Town]:
    process = Process.start(folder, *command)
    try:
        wait_for("the emulator's ready line", lambda: "\n" in process.stdout or process.popen.poll() is not None, 30)
        assert process.stdout.startswith("ready: "), process.stderr
        yield Town(process, process.stdout.split()[1])
    finally:
        process.clear_away()


def session(id_: str, *, idle: float, age: float = 20 * DAY, held: str | None = None) -> dict[str, Any]:
    return {"id": id_, "idle": int(idle), "age": int(max(age, idle)), "held": held}


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def said(self) -> str:
        return self.stdout + self.stderr

    def ended(self, code: int) -> Done:
        assert self.returncode == code, f"exit {self.returncode}, not {code}\n{self.said[-3000:]}"
        return self


@dataclass
class Daemon:
    """`reaper run` with its log and its HTTP side."""

    process: Process

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of the log that are whole."""
        whole = self.process.stderr.rpartition("\n")[0]
        return [json.loads(line) for line in whole.split("\n") if line]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line.get("event") == name]

    @property
    def address(self) -> str:
        lines = wait_for(
            "the daemon's address", lambda: self.process.popen.poll() is not None or self.events("listening")
        )
        assert lines is not True, self.process.stderr
        return str(lines[0]["address"])  # type: ignore[index]

    def get(self, route: str) -> tuple[int, str]:
        return fetch(self.address + route)

    def metric(self, name: str, **labels: str) -> dict[str, float]:
        """The samples of a metric that carry these labels, by their text."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        lines = (line for line in self.get("/metrics")[1].splitlines() if not line.startswith("#"))
        split = (line.rpartition(" ") for line in lines)
        return {
            key: float(value)
            for key, _, value in split
            if key.partition("{")[0] == f"session_reaper_{name}" and all(want in key for want in wanted)
        }

    def until_ready(self, seconds: float = 30) -> None:
        wait_for("/readyz", lambda: self.get("/readyz")[0] == 200, seconds)


@dataclass
class Cli:
    """Commands with one configuration in one folder. No command may ever show a traceback."""

    folder: Path
    processes: list[Process] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "reaper.yaml"

    @property
    def state(self) -> Path:
        return self.folder / "state.db"

    def text(self, endpoint: str, **changes: Any) -> str:
        """A configuration over every agent; keywords replace parts of it."""
        policy = {"mode": "enforce", "grace": "0s", "rules": list(RULES), "limits": WIDE}
        policy |= {name: value for name, value in changes.items() if name in ("mode", "grace", "rules", "limits")}
        project = {"endpoint": endpoint, "credential": "none", "agents": [{"name": "*", "policy": "standard"}]}
        project["requests"] = {"concurrency": 16, "max_per_second": 1000}
        project |= {name: value for name, value in changes.items() if name in ("agents", "requests")}
        return yaml.safe_dump(
            {
                "version": 1,
                "schedule": {"every": changes.get("every", "1h"), "jitter": "0s"},
                "projects": changes.get("projects", {"here": project}),
                "policies": {"standard": policy},
                "state": f"sqlite:///{self.state}",
                "server": {"listen": "127.0.0.1:0"},
                "log": {"format": changes.get("log", "json")},
            },
            sort_keys=False,
        )

    def configure(self, endpoint: str, **changes: Any) -> Cli:
        self.config.write_text(self.text(endpoint, **changes))
        return self

    def bare(self, *arguments: str, seconds: float = 60.0, **environ: str) -> Done:
        """A command without `--config`."""
        ended = subprocess.run(
            [REAPER, *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            env={**harmless_environment(), **environ},
            cwd=self.folder,
        )
        done = Done(ended.returncode, ended.stdout.decode(), ended.stderr.decode())
        assert "Traceback" not in done.said, done.said[-3000:]
        return done

    def run(self, *arguments: str, seconds: float = 60.0) -> Done:
        return self.bare(*arguments, "--config", str(self.config), seconds=seconds)

    def start(self, *arguments: str) -> Process:
        process = Process.start(self.folder, str(REAPER), *arguments)
        self.processes.append(process)
        return process

    def daemon(self, config: Path | None = None) -> Daemon:
        return Daemon(self.start("run", "--config", str(config or self.config)))

    def journal(self) -> list[sqlite3.Row]:
        with contextlib.closing(sqlite3.connect(self.state)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute("SELECT * FROM journal ORDER BY seq").fetchall()

    def clear_away(self) -> None:
        for process in self.processes:
            process.clear_away()


def at_terminal(
    cli: Cli, *arguments: str, prompt: str, answer: Callable[[], str], seconds: float = 40
) -> tuple[int, str]:
    """Run at a pseudo terminal, answer its question, and give the exit code and all it showed.

    The answer comes when the terminal is quiet, as a person's would: the interpreter loses a Ctrl-C that arrives in
    the instant between the prompt and its blocking read.
    """
    ours, theirs = pty.openpty()
    environ = {**harmless_environment(), "TERM": "xterm", "COLUMNS": "150"}
    command = [str(REAPER), *arguments, "--config", str(cli.config)]

    def take_terminal() -> None:
        os.setsid()
        import fcntl
        import termios

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environ,
        preexec_fn=take_terminal,  # noqa: PLW1509 - only so does Ctrl-C on it become a signal
    )
    os.close(theirs)
    said, answered, deadline = "", False, time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    part = os.read(ours, 65_536)
                except OSError:
                    break
                said += part.decode(errors="replace")
            elif not answered and prompt in said:
                os.write(ours, answer().encode())
                answered = True
        assert "Traceback" not in said, said[-3000:]
        assert answered, f"no {prompt!r} within {seconds} s in: {said[-3000:]}"
        return process.wait(10), said
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
        os.close(ours)


def stale(record: dict[str, Any], now: float, week: float = 7 * DAY) -> bool:
    """What `RULES` ask to delete, worked out without the product."""
    if record["agent_session_id"].startswith(("vip-", "demo-")):
        return False
    idle, age = now - record["last_accessed_at"], now - record["created_at"]
    if record["status"] == "failed":
        return age >= 3600
    return record["status"] == "idle" and idle >= week


def stale_ids(records: Sequence[dict[str, Any]], now: float) -> set[str]:
    return {record["agent_session_id"] for record in records if stale(record, now)}


def raw_controls(text: str) -> set[str]:
    """Characters that steer a terminal or hide in a line."""
    return {char for char in text if not char.isprintable() and char != "\n"}

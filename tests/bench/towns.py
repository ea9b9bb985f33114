"""Processes that a measurement needs: the platform's stand-in, the daemon, and what is timed."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

REAPER: Final = Path(sys.executable).with_name("reaper")
_http: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REAPER", "AZURE"))}
    return {**kept, "PYTHONUNBUFFERED": "1", "NO_PROXY": "127.0.0.1"}


@contextlib.contextmanager
def town(agents: int, sessions: int, latency: str = "0ms") -> Iterator[str]:
    """The endpoint of an emulator with so many agents of so many sessions each."""
    command = [REAPER, "emulator", "--listen", "127.0.0.1:0", "--agents", str(agents), "--sessions", str(sessions)]
    with subprocess.Popen(
        [*command, "--latency", latency], stdout=subprocess.PIPE, env=environment(), text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[1]
        finally:
            process.kill()


@contextlib.contextmanager
def daemon(config: Path) -> Iterator[str]:
    """The address of a `reaper run` with this configuration."""
    with running(config) as (address, _):
        yield address


@contextlib.contextmanager
def running(config: Path) -> Iterator[tuple[str, int]]:
    """The same with its process's number."""
    log = config.with_suffix(".log")
    with (
        log.open("w") as stderr,
        subprocess.Popen([REAPER, "run", "--config", config], stderr=stderr, env=environment()) as process,
    ):
        try:
            yield str(until(lambda: _listening(log), 30)), process.pid
        finally:
            process.terminate()


def _listening(log: Path) -> str:
    lines = log.read_text().rpartition("\n")[0].splitlines()
    return next((str(told["address"]) for told in map(json.loads, lines) if told.get("event") == "listening"), "")


def until(probe: Any, seconds: float) -> Any:
    """The first true value of the probe."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        time.sleep(0.005)
    return found


def fetch(url: str) -> str:
    with _http.open(url, timeout=30) as answer:
        return str(answer.read().decode())


def requests(endpoint: str) -> dict[str, int]:
    """How many requests of each kind an emulator has had."""
    found: dict[str, int] = json.loads(fetch(f"{endpoint.split('/api/', maxsplit=1)[0]}/_emulator/requests"))[
        "counts"
    ]
    return found


def timed(name: str, **arguments: Any) -> dict[str, Any]:
    """What a subject told of itself, run in a process of its own; see `subject`."""
    command = [sys.executable, "-m", "tests.bench.subject", name, json.dumps(arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment())
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def peak_mib(pid: int) -> float:
    """The most memory that a process has held so far."""
    told = Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2]
    return int(told.split()[0]) / 1024


def peak_of(*command: str | Path, output: Path) -> float:
    """The most memory that a command held whose output went to a file; how it ended is its own affair."""
    with output.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL, env=environment())
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0
    return used.ru_maxrss / 1024


def wall_of(*command: str | Path, times: int = 5) -> float:
    """The shortest of several runs of a command, in seconds."""

    def once() -> float:
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment())
        return time.perf_counter() - started

    return min(once() for _ in range(times))

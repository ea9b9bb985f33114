"""A clock that only a test moves, and one emulator process for all tests that want a real port."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.clock import ManualClock

NOW = 1_790_000_000.0

PROGRAM = """
import asyncio
from reaper.emulator import Emulator

emulator = Emulator(agents=2, sessions=250, seed=7)
asyncio.run(emulator.serve(on_ready=lambda endpoint: print(endpoint, flush=True)))
"""


@dataclass(frozen=True)
class Served:
    """An emulator in a process of its own."""

    endpoint: str

    def admin(self, route: str, body: object = None) -> object:
        root = self.endpoint.partition("/api/")[0]
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{root}/_emulator/{route}", data=data, timeout=10) as answer:
            return json.load(answer)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture(scope="session")
def _process() -> Iterator[str]:
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture
def served(_process: str) -> Iterator[Served]:
    server = Served(_process)
    yield server
    server.admin("faults", [])

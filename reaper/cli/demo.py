"""demo: the whole product in one process against an emulated platform, no account needed."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from reaper.board import Board
from reaper.cli.endings import Exit
from reaper.cli.progress import Progress
from reaper.cli.running import sweep_exit
from reaper.cli.tables import console, print_run
from reaper.clock import SystemClock
from reaper.config import parse
from reaper.emulator import Emulator
from reaper.policy import Mode
from reaper.server import application, serving
from reaper.settings import AgentPattern, Settings
from reaper.store.store import opened
from reaper.sweeper import Run, Scope, Sweeper
from reaper.telemetry import Metrics, configure_logging
from reaper.wiring import Chorus, Connector

POLICY: Final = """\
version: 1
projects:
  demo:
    endpoint: {endpoint}
    credential: none
    agents:
      - {{name: {careful}, policy: careful}}
      - {{name: "*", policy: standard}}
policies:
  standard:
    mode: enforce
    grace: 0s            # a demo has no tomorrow; the default is 24h
    rules: &rules
      - {{name: vip, action: keep, when: {{id: ["vip-*", "demo-*"]}}}}
      - {{name: broken, action: delete, when: {{status: failed, age: 1h}}}}
      - {{name: superseded-version, action: delete, when: {{version: superseded, idle: 20d}}}}
      - {{name: idle-three-weeks, action: delete, when: {{idle: 21d}}}}
      - {{name: runaway, action: stop, when: {{status: active, idle: 10m}}}}
    limits: {{per_sweep: 60%, per_day: 60%}}
  careful:               # the default limits: a backlog this large waits for a person
    mode: enforce
    grace: 0s
    rules: *rules
"""


async def run_demo(once: bool, agents: int, sessions: int, seed: int, listen: tuple[str, int]) -> int:
    """One sweep observing, one enforcing, then metrics and status until interrupted."""
    configure_logging("console", "error")
    clock, out = SystemClock(), console()
    emulator = Emulator(agents=agents, sessions=sessions, seed=seed, latency_s=0.01)
    with tempfile.TemporaryDirectory(prefix="reaper-demo-") as folder:
        async with emulator.serving() as endpoint:
            settings = _settings(emulator, endpoint, Path(folder))
            board = Board(clock)
            board.config_hash, board.config_read_at = settings.fingerprint, clock.wall()
            metrics = Metrics(board)
            app = application(board, metrics.registry, lambda: "")
            async with serving(app, *_free(listen)) as address:
                out.print(f"emulated platform: {endpoint}, {agents} agents of {sessions} sessions\n")
                with opened(settings.state) as store:
                    sweeper = Sweeper(store, clock, Chorus([board, metrics]), Connector(clock, metrics.request))
                    run = await _two_sweeps(sweeper, settings, emulator)
                out.print(f"\nmetrics: {address}/metrics   status: {address}/api/v1/status")
                if not once:
                    out.print("Ctrl-C ends it")
                    await _interrupted()
    failed = sweep_exit(run) is Exit.FAILED
    return Exit.FAILED if failed else Exit.DONE


async def _two_sweeps(sweeper: Sweeper, settings: Settings, emulator: Emulator) -> Run:
    out = console()
    out.rule("[bold]1. observing: what would be done, nothing is touched", align="left")
    observed = await _sweep(sweeper, _observing(settings))
    out.print(_sent(emulator))
    out.rule("[bold]2. enforcing: the same policy, now it acts", align="left")
    run = await _sweep(sweeper, settings)
    out.print(_sent(emulator))
    return replace(run, reports=(*observed.reports, *run.reports))


async def _sweep(sweeper: Sweeper, settings: Settings) -> Run:
    with Progress(sys.stderr) as progress:
        heard, sweeper.listener = sweeper.listener, Chorus([progress, sweeper.listener])
        run = await sweeper.run(settings, Scope())
        sweeper.listener = heard
    print_run(run, planned=False)
    return run


def _settings(emulator: Emulator, endpoint: str, folder: Path) -> Settings:
    careful = list(emulator.platform.agents)[-1]
    text = POLICY.format(endpoint=endpoint, careful=careful)
    settings = parse(text, "the demo's configuration", {}).settings
    return replace(settings, state=f"sqlite:///{folder}/state.db")


def _observing(settings: Settings) -> Settings:
    """The same settings with every policy in observe mode, as they would be on a first day."""
    projects = tuple(
        replace(
            project,
            agents=tuple(
                AgentPattern(pattern.name, replace(pattern.policy, mode=Mode.OBSERVE)) for pattern in project.agents
            ),
        )
        for project in settings.projects
    )
    return replace(settings, projects=projects)


def _sent(emulator: Emulator) -> str:
    sent = emulator.api.requests
    return f"requests so far: {sent['list']} list, {sent['get']} get, {sent['delete']} delete, {sent['stop']} stop\n"


def _free(listen: tuple[str, int]) -> tuple[str, int]:
    """The address asked for, or another port when it is taken: a demo must not fail for that."""
    host, port = listen
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError:
        return host, 0
    return host, port


async def _interrupted() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()

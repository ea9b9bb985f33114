"""demo: the whole product in one process against an emulated platform, no account needed."""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from pathlib import Path
from typing import Final

from reaper.cli.endings import Exit
from reaper.cli.interrupts import until_signalled
from reaper.cli.printed import console, print_run
from reaper.cli.progress import Progress
from reaper.cli.sweep_commands import exit_of
from reaper.clock import SystemClock
from reaper.config import load
from reaper.core.command_lines import config_option
from reaper.core.settings import Server, Settings
from reaper.emulator import Emulator
from reaper.engine.events import to_all
from reaper.engine.live_status import LiveStatus
from reaper.engine.runner import Runner, Scope
from reaper.logs import configure_logging
from reaper.store.store import opened
from reaper.telemetry import Metrics
from reaper.web.server import Served, listening, sites
from reaper.wiring import Connector

EVERY_S: Final = 15
ROWS_OBSERVED, ROWS_ENFORCED = 3, 8

CONFIG: Final = """\
version: 1
state: sqlite:///{folder}/state.db
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
      - {{name: superseded-version, action: delete, when: {{version: superseded, idle: 10d}}}}
      - {{name: idle-two-weeks, action: delete, when: {{idle: 14d}}}}
      - {{name: runaway, action: stop, when: {{status: active, idle: 45m}}}}
    limits: {{per_sweep: 10%, per_day: 80%, beyond: spread}}   # the longest overdue first, the others by turns
  careful:               # the default limits: a backlog this large waits for a person
    mode: enforce
    grace: 0s
    rules: *rules
quotas:
  demo: {{limit: 250, projects: [demo]}}
"""


async def run_demo(once: bool, agents: int, sessions: int, seed: int, listen: tuple[str, int]) -> int:
    """One sweep observing, one enforcing; then metrics, status and a sweep now and then until interrupted."""
    configure_logging("console", "error")
    clock, out = SystemClock(), console()
    emulator = Emulator(agents=agents, sessions=sessions, seed=seed, latency_s=0.01)
    with tempfile.TemporaryDirectory(prefix="reaper-demo-") as folder:
        async with emulator.serving() as endpoint:
            path = _write_config(Path(folder), endpoint, emulator)
            settings = load(path, {}).settings
            live = LiveStatus(
                clock, config_hash=settings.fingerprint, config_read_at=clock.wall(), pools=settings.quotas
            )
            live.option = config_option(str(path))
            metrics = Metrics(live)
            where = sites(Served(live, metrics.rendered), Server(*_free(listen)))
            async with listening(where) as [address]:
                out.print(f"emulated platform: {endpoint}, {agents} agents of {sessions} sessions\n")
                with opened(settings.state) as store:
                    sweeper = Runner(store, clock, to_all(live.hear, metrics.hear), Connector(clock, metrics.request))
                    code = await _two_sweeps(sweeper, settings, emulator)
                    out.print(f"status page: {address}/   metrics: {address}/metrics   JSON: {address}/api/v1/status")
                    if not once:
                        out.print(f"approve here: add{live.option}   next sweeps: every {EVERY_S} s   end: Ctrl-C")
                        await _go_on(sweeper, settings, live)
    return code


async def _two_sweeps(sweeper: Runner, settings: Settings, emulator: Emulator) -> int:
    out, listener, sent, codes = console(), sweeper.listener, emulator.api.requests, set()
    for title, scope, rows in (
        ("1. observing: what would be done, nothing is touched", Scope(observe=True), ROWS_OBSERVED),
        ("2. enforcing: the same policies, now they act", Scope(), ROWS_ENFORCED),
    ):
        out.rule(f"[bold]{title}", align="left")
        with Progress(sys.stderr) as progress:
            sweeper.listener = to_all(progress.hear, listener)
            run = await sweeper.run(settings, scope)
        print_run(run, planned=False, rows_shown=rows)
        counts = ", ".join(f"{sent[operation]} {operation}" for operation in ("list", "get", "delete", "stop"))
        out.print(f"requests so far: {counts}\n")
        codes.add(exit_of(run))
    sweeper.listener = listener
    return Exit.FAILED if Exit.FAILED in codes else Exit.DONE


async def _go_on(sweeper: Runner, settings: Settings, live: LiveStatus) -> None:
    """Sweep now and then, so that an approval can be seen to work; returns when interrupted."""
    stop = until_signalled()
    while not stop.is_set():
        live.next_sweep_at = live.clock.wall() + EVERY_S
        try:
            await asyncio.wait_for(stop.wait(), EVERY_S)
        except TimeoutError:
            run = await sweeper.run(settings, Scope(), lambda: "stopping" if stop.is_set() else "")
            if any(report.outcomes for report in run.swept):
                print_run(run, planned=False, rows_shown=ROWS_ENFORCED)


def _write_config(folder: Path, endpoint: str, emulator: Emulator) -> Path:
    path = folder / "reaper.yaml"
    careful = list(emulator.platform.agents)[-1]
    path.write_text(CONFIG.format(folder=folder, endpoint=endpoint, careful=careful), encoding="utf-8")
    return path


def _free(listen: tuple[str, int]) -> tuple[str, int]:
    """The address asked for, or another port when it is taken: a demo must not fail for that."""
    host, port = listen
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError:
        return host, 0
    return host, port

"""A reaper that has swept an emulated platform once, in this process: what it then exports."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from reaper.clock import SystemClock
from reaper.config import parse
from reaper.emulator import Emulator
from reaper.engine.events import SweepBegun, to_all
from reaper.engine.live_status import LiveStatus
from reaper.engine.runner import Runner, Scope
from reaper.schedule import longest_gap_s
from reaper.store.store import Store
from reaper.telemetry import Metrics
from reaper.wiring import Connector

CONFIG = """\
version: 1
projects:
  demo:
    endpoint: http://127.0.0.1/api/projects/demo
    credential: none
    must_see: [canary-000001]
    agents: [{name: "*", policy: standard}]
policies:
  standard:
    mode: enforce
    grace: 0s
    rules:
      - {name: idle-two-weeks, action: delete, when: {idle: 14d}}
      - {name: runaway, action: stop, when: {status: active, idle: 45m}}
    limits: {per_sweep: 100%, per_day: 100%}
quotas:
  sweden-central: {limit: 200, projects: [demo]}
"""


def swept() -> Metrics:
    """The metrics after one enforcing sweep of two small agents, with a quota, when the next has just begun."""
    clock = SystemClock()
    settings = parse(CONFIG, "demo.yaml", {}).settings
    live = LiveStatus(clock, pools=settings.quotas, config_hash=settings.fingerprint, config_read_at=clock.wall())
    live.sweep_interval_s = longest_gap_s(settings.schedule, clock.wall())
    live.policies, live.unwatched = settings.policies_in_use, settings.unwatched
    metrics = Metrics(live)
    emulator = Emulator(agents=2, sessions=20)
    emulator.platform.create(sorted(emulator.platform.agents)[0], "canary-000001")
    connect = Connector(clock, metrics.request, emulator.transport("reaper"))
    sweeper = Runner(Store.open("sqlite://"), clock, to_all(live.hear, metrics.hear), connect)
    with capture_logs():
        asyncio.run(sweeper.run(settings, Scope()))
    sweeper.store.close()
    live.hear(SweepBegun("demo", sorted(emulator.platform.agents)[0], clock.wall()))
    return metrics

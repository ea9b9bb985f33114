"""What is timed, each in a process of its own: `python -m tests.bench.subject NAME JSON` prints one JSON object.

Seconds of the processor and of the wall count from after the imports, the peak of memory from the process's start.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

DAY_S: Final = 86_400


def sdk_loop(endpoint: str, limit: int | None = None, delete: bool = False) -> Callable[[], dict[str, Any]]:
    """List and compare, and delete if wished, as people write it today with the official SDK."""
    from azure.ai.projects import AIProjectClient
    from azure.core.credentials import AccessToken
    from azure.core.pipeline.policies import BearerTokenCredentialPolicy

    class Fixed:
        def get_token(self, *_: str, **__: Any) -> AccessToken:
            return AccessToken("a-token", int(time.time()) + 3600)

    class Loopback(BearerTokenCredentialPolicy):
        def on_request(self, request: Any) -> None:
            request.context.options["enforce_https"] = False
            super().on_request(request)

    policy = Loopback(Fixed(), "https://ai.azure.com/.default")

    def run() -> dict[str, Any]:
        listed, stale = 0, []
        with AIProjectClient(endpoint, Fixed(), authentication_policy=policy) as client:
            now = time.time()
            for agent in client.agents.list(kind="hosted"):
                for session in client.agents.list_sessions(agent.name, limit=limit):
                    listed += 1
                    idle_s = now - session.last_accessed_at.timestamp()
                    if session.status == "idle" and idle_s > 7 * DAY_S:
                        stale.append((agent.name, session.agent_session_id))
            for name, session_id in stale if delete else ():
                client.agents.delete_session(name, session_id)
        return {"sessions": listed, "stale": len(stale)}

    return run


def sweep(
    endpoint: str,
    state: str,
    concurrency: int = 16,
    observe: bool = True,
    in_memory: bool = False,
    rules: str = "",
    schedule: str = "{every: 15m}",
) -> Callable[[], dict[str, Any]]:
    """One sweep of all agents, wired as the daemon wires it."""
    from reaper.clock import SystemClock
    from reaper.config.load import load
    from reaper.engine.events import to_all
    from reaper.engine.live_status import LiveStatus
    from reaper.engine.runner import Runner, Scope
    from reaper.logs import configure_logging
    from reaper.store.store import Store
    from reaper.telemetry import EventLog, Metrics
    from reaper.wiring import Connector, settle_memory

    path = Path(state).with_suffix(".yaml")
    path.write_text(configuration(endpoint, state, concurrency, rules or USUAL, schedule))
    settings = load(path, {}).settings
    configure_logging("json", "error")
    settle_memory()

    async def swept() -> dict[str, Any]:
        clock = SystemClock()
        live = LiveStatus(clock)
        metrics = Metrics(live)
        store = Store.open("sqlite://" if in_memory else settings.state)
        sweeper = Runner(
            store, clock, to_all(live.hear, metrics.hear, EventLog().hear), Connector(clock, metrics.request)
        )
        run = await sweeper.run(settings, Scope(observe=observe))
        store.close()
        pages = sum(report.snapshot.pages for report in run.swept)
        return {
            "sessions": sum(report.snapshot.sessions for report in run.swept),
            "pages": pages,
            "done": sum(len(report.outcomes) for report in run.swept),
            "results": sorted({str(report.result) for report in run.reports}),
        }

    return lambda: asyncio.run(swept())


def stalls(endpoint: str, state: str, policy: Mapping[str, str]) -> Callable[[], dict[str, Any]]:
    """One sweep of all agents, and how long at most nothing else had its turn on the loop once the first page came.

    What comes before is the same for any number of sessions: modules and statements needed for the first time.
    """
    from reaper.clock import SystemClock
    from reaper.config.load import load
    from reaper.engine.events import Event, PageRead, to_all
    from reaper.engine.live_status import LiveStatus
    from reaper.engine.runner import Runner, Scope
    from reaper.logs import configure_logging
    from reaper.store.store import Store
    from reaper.telemetry import EventLog, Metrics
    from reaper.wiring import Connector, settle_memory

    path = Path(state).with_suffix(".yaml")
    path.write_text(backlog_configuration(endpoint, state, **policy))
    settings = load(path, {}).settings
    configure_logging("json", "error")
    settle_memory()
    longest = {"wall_s": 0.0, "busy_s": 0.0}
    began = asyncio.Event()

    def hear_first(event: Event) -> None:
        if isinstance(event, PageRead):
            began.set()

    async def tick() -> None:
        """Wake up every few milliseconds, and see how late that was, and how long the processor was at work."""
        await began.wait()
        wall, busy = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(TICK_S)
            now, used = time.perf_counter(), time.thread_time()
            longest["wall_s"] = max(longest["wall_s"], now - wall - TICK_S)
            longest["busy_s"] = max(longest["busy_s"], used - busy)
            wall, busy = now, used

    async def swept() -> dict[str, Any]:
        clock = SystemClock()
        live = LiveStatus(clock)
        metrics, store = Metrics(live), Store.open(settings.state)
        hear = to_all(hear_first, live.hear, metrics.hear, EventLog().hear)
        ticking = asyncio.create_task(tick())
        run = await Runner(store, clock, hear, Connector(clock, metrics.request)).run(settings, Scope())
        ticking.cancel()
        store.close()
        return {
            "candidates": sum(report.plan.tally.total for report in run.swept),
            "results": sorted({str(report.result) for report in run.reports}),
            "stall_s": longest["wall_s"],
            "busy_s": longest["busy_s"],
        }

    return lambda: asyncio.run(swept())


def steady(habit: str, sessions: int, changed: float, agents: int = 10) -> Callable[[], dict[str, Any]]:
    """A full sweep and three after it, a quarter of an hour apart, in which sessions were made, used and deleted."""
    from reaper.clock import SystemClock
    from reaper.config.load import load
    from reaper.emulator import AgentVersion, Emulator
    from reaper.emulator.stored import StoredSession
    from reaper.engine.live_status import LiveStatus
    from reaper.engine.runner import Runner, Scope
    from reaper.logs import configure_logging
    from reaper.store.store import Store
    from reaper.wiring import Connector

    class Later(SystemClock):
        ahead_s = 0.0

        def wall(self) -> float:
            return super().wall() + self.ahead_s

        def monotonic(self) -> float:
            return super().monotonic() + self.ahead_s

    clock, chance = Later(), Random(1)
    emulator = Emulator(now=clock.wall, agents=0, sessions=0, tombstone_s=0.0)
    platform = emulator.platform
    names = [f"agent-{number}" for number in range(agents)]
    ids: list[tuple[str, str]] = []
    now, version = int(clock.wall()), AgentVersion("1", 1_700_000_000, 900)
    for name in names:
        platform.add_agent(name, [version])
        for number, (age, idle) in enumerate(sorted(_lives(habit, sessions // agents, chance), reverse=True)):
            ids.append((name, f"session-{number:08}"))
            platform.place(name, StoredSession(ids[-1][1], version, now - int(age), now - int(idle)))

    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    path = folder / "reaper.yaml"
    path.write_text(
        configuration("http://127.0.0.1:1/api/projects/x", str(folder / "state.db"), 16, STEADY, SELDOM_ALL)
    )
    settings = load(path, {}).settings
    configure_logging("json", "error")

    async def swept() -> dict[str, Any]:
        live, transport = LiveStatus(clock), emulator.transport()
        store = Store.open("sqlite://")
        sweeper = Runner(store, clock, live.hear, Connector(clock, transport=transport))
        await sweeper.run(settings, Scope())
        before, done = emulator.api.requests["list"], 0
        for _ in range(SHORT_SWEEPS):
            clock.ahead_s += 900
            _happen(platform, chance.sample(ids, int(sessions * changed)))
            run = await sweeper.run(settings, Scope())
            done += sum(len(report.outcomes) for report in run.swept)
        return {
            "full_pages": sum(-(-len(list(platform.sessions(one))) // 100) for one in names),
            "pages": (emulator.api.requests["list"] - before) // SHORT_SWEEPS,
            "done": done // SHORT_SWEEPS,
            "results": sorted({f"{report.result}: {report.why}" for report in run.reports}),
        }

    return lambda: asyncio.run(swept())


def verified(sessions: int, stale: str) -> Callable[[], dict[str, Any]]:
    """One sweep that deletes a backlog, in one process: which sessions are `stale` is one of `LAYOUTS`."""
    from reaper.clock import SystemClock
    from reaper.config.load import load
    from reaper.emulator import AgentVersion, Emulator
    from reaper.emulator.stored import StoredSession
    from reaper.engine.live_status import LiveStatus
    from reaper.engine.runner import Runner, Scope
    from reaper.logs import configure_logging
    from reaper.store.store import Store
    from reaper.wiring import Connector

    clock = SystemClock()
    emulator = Emulator(now=clock.wall, agents=0, sessions=0)
    now, version = int(clock.wall()), AgentVersion("1", 1_700_000_000, 900)
    emulator.platform.add_agent("agent", [version])
    chosen = LAYOUTS[stale](sessions)
    for number in range(sessions):
        made, used = now - 28 * DAY_S + number * 20 * DAY_S // sessions, 7.5 * DAY_S if number in chosen else 60
        emulator.platform.place("agent", StoredSession(f"session-{number:08}", version, made, now - int(used)))
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    path = folder / "reaper.yaml"
    path.write_text(configuration("http://127.0.0.1:1/api/projects/x", str(folder / "state.db"), 16, STEADY))
    settings = load(path, {}).settings
    configure_logging("json", "error")

    async def swept() -> dict[str, Any]:
        store = Store.open("sqlite://")
        sweeper = Runner(store, clock, LiveStatus(clock).hear, Connector(clock, transport=emulator.transport()))
        (report,) = (await sweeper.run(settings, Scope())).swept
        return {
            "pages": report.snapshot.pages,
            "requests": emulator.api.requests.total() - report.snapshot.pages,
            "counts": dict(emulator.api.requests),
            "done": sum(outcome.kind == "done" for outcome in report.outcomes),
            "result": f"{report.result}: {report.why}",
        }

    return lambda: asyncio.run(swept())


LAYOUTS: Final[Mapping[str, Callable[[int], frozenset[int]]]] = {
    "stretches of 400, 100 kept between": lambda many: frozenset(n for n in range(many) if n % 500 < 400),
    "one stretch": lambda many: frozenset(range(many * 4 // 5)),
    "one in a hundred, at random": lambda many: frozenset(Random(1).sample(range(many), many // 100)),
}


def _happen(platform: Any, touched: Sequence[tuple[str, str]]) -> None:
    """Half as many sessions are made as are touched, a quarter is deleted, a quarter used."""
    for turn, (name, session) in enumerate(touched):
        if turn % 2:
            platform.create(name, f"new-{turn:06}-{int(platform.now())}")
        elif turn % 4:
            platform.delete(name, session)
        elif platform.find(name, session):
            platform.use(name, session)


def _lives(habit: str, count: int, chance: Random) -> Iterator[tuple[float, float]]:
    """Age and idle time of sessions of which none has been idle for a week, in seconds."""
    while count:
        age, hour, week = chance.random() * (7 * DAY_S + 3600), chance.random() * 3600, 7 * DAY_S
        idle = max(age - hour, 0.0)
        if habit == "a tenth comes again every day" and count % 10 == 0:
            idle = min(age, chance.random() * DAY_S)
        if habit == "all come again at random":
            idle = chance.random() * week
            age = idle + chance.random() * week
        if idle < week:
            count -= 1
            yield age, idle


TICK_S: Final = 0.002
SHORT_SWEEPS: Final = 3
SELDOM_ALL: Final = "{every: 15m, full_listing: 1h}"
STEADY: Final = """
      - {name: idle-a-week, action: delete, when: {idle: 7d}}
"""
USUAL: Final = """
      - {name: vip, action: keep, when: {id: ["vip-*", "demo-*"]}}
      - {name: broken, action: delete, when: {status: failed, age: 1h}}
      - {name: superseded, action: delete, when: {version: superseded, idle: 14d}}
      - {name: idle-a-week, action: delete, when: {idle: 7d}}
      - {name: runaway, action: stop, when: {status: active, idle: 2h}}
"""
QUIET: Final = """
      - {name: vip, action: keep, when: {id: ["vip-*", "demo-*"]}}
      - {name: nearly-expired, action: delete, when: {idle: 671h}}
"""
"""Rules that hold for nearly none: what is stale is remembered, so it is another question what that costs."""


def configuration(
    endpoint: str, state: str, concurrency: int, rules: str = USUAL, schedule: str = "{every: 15m}"
) -> str:
    """Rules as an operator writes them, and no limit of requests but the platform's."""
    return f"""
version: 1
schedule: {schedule}
projects:
  here:
    endpoint: {endpoint}
    credential: none
    requests: {{concurrency: {concurrency}, max_per_second: 1000}}
    agents: [{{name: "*", policy: standard}}]
policies:
  standard:
    mode: enforce
    grace: 0s
    limits: {{per_sweep: 100%, per_day: 100%}}
    rules:{rules}
state: sqlite:///{state}
server: {{listen: "127.0.0.1:0"}}
"""


def backlog_configuration(
    endpoint: str, state: str, mode: str = "enforce", grace: str = "1d", limits: str = "{per_sweep: 10%}"
) -> str:
    """A configuration by which seven of ten sessions are stale."""
    text = configuration(endpoint, state, 16, "\n      - {name: stale, action: delete, when: {idle: 8h}}\n")
    text = text.replace("mode: enforce", f"mode: {mode}").replace("grace: 0s", f"grace: {grace}")
    return text.replace("limits: {per_sweep: 100%, per_day: 100%}", f"limits: {limits}")


SUBJECTS: Final[Mapping[str, Callable[..., Callable[[], dict[str, Any]]]]] = {
    "sdk_loop": sdk_loop, "sweep": sweep, "steady": steady, "verified": verified, "stalls": stalls,
}  # fmt: skip


def main(name: str, arguments: str) -> None:
    run = SUBJECTS[name](**json.loads(arguments))
    cpu, wall = time.process_time(), time.perf_counter()
    told = run()
    told |= {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
    told["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(told))  # noqa: T201 - its answer


if __name__ == "__main__":
    main(*sys.argv[1:])

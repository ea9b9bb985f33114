"""`reaper run`: scheduled sweeps, hot reload, HTTP, and an orderly end."""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from reaper.clock import Clock, give_way
from reaper.config import ConfigError, ConfigWatch, Loaded, parse
from reaper.core.command_lines import config_option
from reaper.core.provider import CallRecord
from reaper.core.settings import DEFAULT_PATH, Server, Settings
from reaper.engine.events import to_all
from reaper.engine.live_status import LiveStatus
from reaper.engine.runner import Runner, Scope
from reaper.logs import get_logger
from reaper.schedule import longest_gap_s, trigger
from reaper.store.held_state import HeldState
from reaper.telemetry import EventLog, Metrics
from reaper.web.server import Served, listening, sites
from reaper.wiring import Connector, silence_max_s, tidy_memory

log = get_logger("reaper")

NO_MUST_SEE: Final = "if the identity loses its role, its sessions seem to be all there are: name one of another's"
RELOAD_POLL_S: Final = 5
SETTLED_S: Final = 4.5
"""So far apart two reads of a changed configuration must be equal: a poll's interval, less what timers are off."""
STATE_POLL_S: Final = 5
"""How often to look whether the state is still the one that was opened, is whole again, or free to be swept on."""
RESUME_S: Final = 600
"""At most so often a state that has become whole starts a sweep between those of the schedule."""
RETRY_S: Final = 30
"""How soon to try again while nothing could be swept."""
IN_FLIGHT_MAX_S: Final = 14
"""How long an end waits for actions already sent; with the server's own end it stays under 20 s."""
MISSED_MAX: Final = 3


@dataclass(slots=True)
class Daemon:
    """One process that sweeps on a schedule until it is told to stop.

    Fallible work happens before live state changes: a configuration that cannot be read leaves the old one in force.
    """

    path: Path
    environ: Mapping[str, str]
    clock: Clock
    loaded: Loaded
    connector: Connector
    live: LiveStatus = field(init=False)
    metrics: Metrics = field(init=False)
    sweeper: Runner = field(init=False)
    _ending: str = ""
    _generation: int = 0
    _starts_again: bool = False
    _held: HeldState = field(init=False)
    _resumed: float = -math.inf
    _runs: dict[asyncio.Task[None], int] = field(default_factory=dict)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)
    _scheduler: AsyncIOScheduler = field(init=False)
    _watch: ConfigWatch = field(init=False)

    def __post_init__(self) -> None:
        self.live = LiveStatus(self.clock, option=command_option(self.path, self.environ))
        self.metrics = Metrics(self.live)
        self.connector.on_request = self._requested
        listener = to_all(self.live.hear, self.metrics.hear, EventLog().hear)
        self._held = HeldState(self.settings.state)
        self._note_state()
        self.sweeper = Runner(self._held.store, self.clock, listener, self.connector)
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        self._watch = ConfigWatch(self.path, self.loaded.digest, SETTLED_S)
        self._note_configuration()

    @property
    def settings(self) -> Settings:
        return self.loaded.settings

    async def run(self, server: Server) -> None:
        """Sweep and serve until SIGTERM or SIGINT.

        Raises OSError when an address cannot be listened on, TokenError when the file with the token holds none.
        """
        shown = Served(self.live, self.metrics.rendered, self._stuck)
        async with AsyncExitStack() as stack:
            address, *page = await stack.enter_async_context(listening(sites(shown, server)))
            stack.callback(self._held.close)
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, self.stop, signal.Signals(number).name)
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.hang_up)
            log.info(
                "listening",
                address=address,
                page=(page or [address])[0],
                config=str(self.path),
                config_hash=self.settings.fingerprint,
            )
            self._start_schedule()
            self.request_sweep()
            await self._ended.wait()
            self._scheduler.shutdown(wait=False)
            await self._finish_runs()
        log.info("stopped")

    def stop(self, why: str) -> None:
        """Begin no new action, finish those that were sent, then end."""
        self._ending = self._ending or f"stopping on {why}"
        log.info("stopping", why=why)
        self._ended.set()

    def hang_up(self) -> None:
        """Read the configuration now, and once more when it should have settled, whatever polls are due.

        One read is not enough here either: who sends the signal may have written the file a moment ago, in parts.
        """
        log.info("reading_configuration", why="SIGHUP")
        self.reload()
        asyncio.get_running_loop().call_later(RELOAD_POLL_S, self.reload)

    async def _finish_runs(self) -> None:
        if self._runs:
            _, unfinished = await asyncio.wait(self._runs, timeout=IN_FLIGHT_MAX_S)
            for run in unfinished:
                run.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    def _start_schedule(self) -> None:
        shared: dict[str, Any] = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        self._scheduler.add_job(self._tick, trigger(self.settings.schedule), id="sweep", **shared)
        self._scheduler.add_job(self._poll, IntervalTrigger(seconds=RELOAD_POLL_S), id="reload", **shared)
        self._scheduler.add_job(self._mind_state, IntervalTrigger(seconds=STATE_POLL_S), id="state", **shared)
        self._scheduler.start()
        self._note_next()

    # The scheduler runs coroutines on the loop, and plain functions in threads: these belong on the loop.

    async def _tick(self) -> None:
        self.request_sweep()

    async def _poll(self) -> None:
        self.reload()

    async def _mind_state(self) -> None:
        """Look after the state; sweep again once it is whole, or another process has let go of it."""
        waited, faulty = self.live.standby, self.live.state_fault
        may = not self._ending and self._keep_state(busy=bool(self._runs))
        if not may or self._runs or self.live.state_fault or not (waited or faulty):
            return
        now = self.clock.monotonic()
        if faulty and now - self._resumed < RESUME_S:
            return
        self._resumed = now if faulty else self._resumed
        self.request_sweep()

    def request_sweep(self) -> None:
        """Start a run in a task of the daemon's own: the scheduler would cancel one of its own at the end.

        While a run on an older configuration comes to its end, the new one waits for that.
        """
        self._note_next()
        if self._ending:
            return
        if any(generation != self._generation for generation in self._runs.values()):
            self._starts_again = True
            return
        run = asyncio.create_task(self._run_once(self._generation), name="sweep")
        self._runs[run] = self._generation
        run.add_done_callback(self._ran)

    def _ran(self, run: asyncio.Task[None]) -> None:
        """A run has ended; the last of those that a new configuration ended is followed by the next at once."""
        del self._runs[run]
        if self._starts_again and not self._runs:
            self._starts_again = False
            self.request_sweep()

    async def _run_once(self, generation: int) -> None:
        if self._keep_state(busy=len(self._runs) > 1) and self._held.migration_is_due:
            log.info("migrating_state", state=self.settings.state)
            # It may take minutes, in which probes are to be answered; SQLite lets go of Python meanwhile.
            await asyncio.to_thread(self._held.migrate)
        if not self._may_sweep():
            self._retry_soon()
            return

        def stopping() -> str:
            return self._ending or ("the configuration has changed" if generation != self._generation else "")

        try:
            await self.sweeper.run(self.settings, Scope(), stopping)
            # To let go of what it found takes its time, and so does what comes now.
            await give_way()
            tidy_memory()
            await give_way()
        except Exception:
            log.exception("run_crashed")
        finally:
            self._held.note()
            self._note_state()
        if not self.live.ready:
            self._retry_soon()

    def _may_sweep(self) -> bool:
        """Whether this process holds the claim; what it finds at fault it only observes with."""
        may = self._keep_state(busy=len(self._runs) > 1)
        if may and self.live.state_fault:
            log.error("state_at_fault", error=self.live.state_fault, meaning="observing only, nothing is touched")
        return may

    def _keep_state(self, *, busy: bool) -> bool:
        may = self._held.check(busy=busy)
        self.sweeper.store = self._held.store
        self._note_state()
        return may

    def _note_state(self) -> None:
        """Say what has changed about the state and the claim, once."""
        standby, fault = self._held.standby, self._held.fault
        if standby and standby != self.live.standby:
            log.warning("standing_by", why=standby)
        if fault and fault != self.live.state_fault:
            log.error("state_at_fault", error=fault, meaning="nothing is touched until it is whole again")
        elif self.live.state_fault and not fault:
            log.info("state_whole_again", state=self.settings.state)
        self.live.standby, self.live.state_fault = standby, fault

    def _retry_soon(self) -> None:
        if not self._ending:
            asyncio.get_running_loop().call_later(RETRY_S, self._retry)

    def _retry(self) -> None:
        if not self._runs and not self.live.ready:
            self.request_sweep()

    def reload(self) -> None:
        """Use the configuration that has settled in its file, if it is another; a bad one leaves the old in force."""
        unsettled = self._watch.unsettled
        try:
            raw = self._watch.settled(self.clock.monotonic())
            loaded = None if raw is None else parse(raw, str(self.path), self.environ, self.clock.wall())
        except ConfigError as error:
            self.live.config_errors = [str(problem) for problem in error.problems]
            log.error(
                "configuration_not_reloaded", errors=self.live.config_errors, meaning="the old one stays in force"
            )
            return
        if loaded is not None:
            self._use(loaded)
        elif self._watch.unsettled and not unsettled:
            log.info("configuration_changed", meaning="it comes into force once it reads the same again")

    def _use(self, loaded: Loaded) -> None:
        """Put a configuration in force: sweeps in progress end, and start again on it at once."""
        old, self.loaded = self.settings, loaded
        self._note_configuration()
        if old.fingerprint != self.settings.fingerprint:
            self._generation += 1
            self._starts_again = bool(self._runs)
            self._apply(old)
        log.info("configuration_reloaded", config_hash=self.settings.fingerprint)

    def _apply(self, old: Settings) -> None:
        new = self.settings
        fixed = [name for name in ("state", "server", "log") if getattr(old, name) != getattr(new, name)]
        if fixed:
            log.warning("restart_needed", settings=fixed, meaning="these take effect after a restart")
        if old.schedule != new.schedule and self._scheduler.running:
            self._scheduler.reschedule_job("sweep", trigger=trigger(new.schedule))
            self._note_next()

    def _note_configuration(self) -> None:
        for warning in self.loaded.warnings:
            log.warning("configuration_warning", warning=str(warning))
        self.live.config_errors = ()
        self.live.config_hash = self.settings.fingerprint
        self.live.config_read_at = self.clock.wall()
        self.live.pools = self.settings.quotas
        self.live.sweep_interval_s = longest_gap_s(self.settings.schedule, self.clock.wall())
        self.live.policies = self.settings.policies_in_use
        self.live.unwatched = self.settings.unwatched
        if self.live.unwatched:
            log.warning("enforcing_without_must_see", projects=list(self.live.unwatched), meaning=NO_MUST_SEE)
        self.live.keep_projects([project.name for project in self.settings.projects])

    def _note_next(self) -> None:
        job = self._scheduler.get_job("sweep") if self._scheduler.running else None
        self.live.next_sweep_at = job.next_run_time.timestamp() if job and job.next_run_time else None

    def _requested(self, project: str, record: CallRecord) -> None:
        self.live.progressed()
        self.metrics.request(project, record)

    def _stuck(self) -> str:
        """Why this process is no good any more, '' while it goes on: in three intervals something must have ended.

        A request that timed out has ended, too: to restart helps against our own faults, not the platform's.
        """
        if self.live.standby:
            self.live.excused()
        quiet = self.clock.monotonic() - self.live.progressed_at
        gap = max(self.live.sweep_interval_s or 0.0, RETRY_S)
        allowed = MISSED_MAX * gap + silence_max_s(self.settings)
        return f"nothing has ended for {quiet:.0f} s: no request, action or sweep" if quiet > allowed else ""


def command_option(path: Path, environ: Mapping[str, str]) -> str:
    """What `reaper approve` needs to find the configuration that this process runs on."""
    usual = environ.get("REAPER_CONFIG") or DEFAULT_PATH
    return "" if str(path) == usual else config_option(str(path))

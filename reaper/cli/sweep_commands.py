"""run, sweep, plan and approve: open what they need, do it, print it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from reaper.cli.endings import CommandError, Exit
from reaper.cli.options import OutputFormat
from reaper.cli.printed import ROWS_SHOWN, print_approval, print_run
from reaper.cli.progress import Progress
from reaper.cli.which_config import path_of, read
from reaper.clock import SystemClock
from reaper.config import load
from reaper.core.settings import Settings
from reaper.core.text import clean
from reaper.engine.events import to_all
from reaper.engine.report import Result
from reaper.engine.runner import UNKNOWN_APPROVAL, Run, Runner, Scope
from reaper.engine.status_json import instant, run_text
from reaper.logs import configure_logging
from reaper.store.claim import Claim
from reaper.store.origin import Origin
from reaper.store.plans import PREFIX_MIN
from reaper.store.state_files import write_private
from reaper.store.store import Store, opened
from reaper.store.upgrade import bring_up_to_date, is_due
from reaper.telemetry import EventLog
from reaper.wiring import Connector, settle_memory


async def run_daemon(config: Path | None, listen: tuple[str, int] | None) -> None:
    """Run the daemon until SIGTERM or Ctrl-C."""
    from reaper.daemon import Daemon

    path = path_of(config)
    loaded = load(path, os.environ)
    settings, clock = loaded.settings, SystemClock()
    configure_logging(settings.log.format, settings.log.level)
    settle_memory()
    server = settings.server if listen is None else replace(settings.server, host=listen[0], port=listen[1])
    await Daemon(path, os.environ, clock, loaded, Connector(clock)).run(server)


def _read_settings(config: Path | None, scope: Scope) -> Settings:
    """The settings, which must have what the command line names."""
    settings = read(config)[1].settings
    names = [project.name for project in settings.projects]
    if scope.project is not None and scope.project not in names:
        raise CommandError(f"no project {scope.project!r} in the configuration; it has: {', '.join(names)}")
    return settings


@asynccontextmanager
async def sweeping(settings: Settings, scope: Scope) -> AsyncIterator[Runner]:
    """A sweeper for one run on the configured state, with progress at a terminal and the log elsewhere."""
    clock, listeners = SystemClock(), [] if scope.rehearsal else [EventLog().hear]
    level = "error" if sys.stderr.isatty() or scope.rehearsal else settings.log.level
    configure_logging(settings.log.format, level)
    settle_memory()
    with opened(settings.state) as store, Progress(sys.stderr) as progress:
        if store.fault:
            print(f"reaper: {clean(store.fault)}; nothing will be touched", file=sys.stderr)
        yield Runner(store, clock, to_all(progress.hear, *listeners), Connector(clock))


async def run_sweep(config: Path | None, scope: Scope, output: OutputFormat) -> int:
    """One sweep; returns the exit code."""
    settings = _read_settings(config, scope)
    claim = Claim(settings.state)
    try:
        _migrate_if_due(settings.state, claim)
        async with sweeping(settings, scope) as sweeper:
            sweeper.store.rely_on(claim)
            run = await sweeper.run(settings, scope)
            sweeper.store.look()
            sweeper.store.note_head()
    finally:
        claim.release()
    _show(run, scope, output)
    return exit_of(run)


def _migrate_if_due(state: str, claim: Claim) -> None:
    if is_due(state):
        done = bring_up_to_date(state, claim, SystemClock().wall(), Origin.local().as_json())
        if done is not None:
            print(f"reaper: state migrated from version {done.first}; as it was: {done.copy}", file=sys.stderr)


async def run_plan(config: Path | None, scope: Scope, output: OutputFormat, out: Path | None) -> int:
    """What a sweep would do; returns the exit code."""
    settings = _read_settings(config, scope)
    async with sweeping(settings, scope) as sweeper:
        run = await sweeper.run(settings, scope)
        unknown = sweeper.store.plans.unknown(settings.approvals)
    _show(run, scope, output)
    for name in unknown:
        print(f"warning: approval {name} is unknown: {UNKNOWN_APPROVAL}", file=sys.stderr)
    if out is not None:
        write_private(str(out), run_text(run, planned=True))
        print(f"plan {run.plan_id} saved in {out}", file=sys.stderr)
    return exit_of(run, planned=True)


def _show(run: Run, scope: Scope, output: OutputFormat) -> None:
    if not run.reports and scope.agent != "*":
        raise CommandError(f"no agent of the configuration matches {scope.agent!r}")
    if output is OutputFormat.JSON:
        sys.stdout.writelines(run_text(run, planned=scope.rehearsal))
    else:
        print_run(run, planned=scope.rehearsal, rows_shown=None if scope.keeps else ROWS_SHOWN)


def exit_of(run: Run, *, planned: bool = False) -> Exit:
    """What the results of all agents mean for the caller; of a plan, its actions are the news, withheld or not."""
    results = {report.result for report in run.reports}
    if results & {Result.FAILED, Result.INCOMPLETE}:
        return Exit.FAILED
    if results & ({Result.UNTRUSTED} if planned else {Result.UNTRUSTED, Result.WITHHELD}):
        return Exit.WITHHELD
    return Exit.PLANNED if planned and any(report.plan.tally.total for report in run.swept) else Exit.DONE


def run_approve(config: Path | None, plan_id: str, output: OutputFormat, by: str, reason: str) -> None:
    """Approve a plan that a sweep or a plan command has kept."""
    settings = read(config)[1].settings
    with opened(settings.state) as store:
        if store.fault:
            raise CommandError(store.fault, Exit.FAILED)
        origin = Origin.local(by, reason=reason, configuration=settings.fingerprint).as_json()
        name = _the_one(store, plan_id)
        parts = store.plans.known(name)
        if not parts or not store.plans.approve(name, SystemClock().wall(), origin=origin):
            raise CommandError(_unknown_plan(store, plan_id))
    if output is OutputFormat.JSON:
        approved = [{"project": p.project, "agent": p.agent, "sessions": len(p.approvals)} for p in parts]
        print(json.dumps({"plan_id": name, "approved": approved}, indent=2))
    else:
        print_approval(name, parts)


def _the_one(store: Store, beginning: str) -> str:
    """The id of a plan: as it is, or the only one that begins like this."""
    names = store.plans.named(beginning)
    if len(names) > 1:
        several = f"{len(names)} plans begin with {beginning!r}: {', '.join(names[:5])}"
        raise CommandError(f"{several}. Write the whole id: one may have been made to look like the other")
    if not names and len(beginning) < PREFIX_MIN:
        raise CommandError(f"{_unknown_plan(store, beginning)}. An id has 32 digits; {PREFIX_MIN} are the least")
    return names[0] if names else beginning


def _unknown_plan(store: Store, plan_id: str) -> str:
    known = [f"{plan.id} ({plan.project}/{plan.agent}, {instant(plan.at)})" for plan in store.plans.latest(5)]
    others = f"known are: {', '.join(known)}" if known else "no plan waits for an approval"
    return f"no plan {clean(plan_id)!r} in {store.url}; {others}. `reaper plan` shows the present one"

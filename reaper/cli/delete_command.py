"""sessions delete: what is asked for is looked up, shown, agreed to, done and printed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from reaper.cli.delete_by_hand import Deletion
from reaper.cli.delete_cautions import cautions
from reaper.cli.delete_choice import Choice, ask, by_filter, by_ids, check_deletable, must_be_asked, show
from reaper.cli.delete_results import DeleteResult, exit_of, print_results
from reaper.cli.endings import CommandError, Exit
from reaper.cli.explain_command import checked
from reaper.cli.filters import Filter
from reaper.cli.held import held_caution, holds_on
from reaper.cli.interrupts import interruptible
from reaper.cli.options import OutputFormat
from reaper.cli.session_commands import SessionCommands
from reaper.clock import SystemClock
from reaper.core.clock_check import ClockGuard
from reaper.core.provider import Provider
from reaper.core.settings import Project
from reaper.core.text import clean
from reaper.engine.connected_project import ConnectedProject
from reaper.foundry import requests
from reaper.store.database import MEMORY_URL
from reaper.store.store import Store, opened
from reaper.wiring import Connector


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """Which sessions to delete: by name, or by filter, never both."""

    ids: tuple[str, ...]
    filter: Filter
    all_matching: bool

    def check(self, agent: str) -> None:
        """Refuse what is unclear, or what the API forbids, before anything is sent."""
        for session in self.ids:
            checked(requests.delete_session, agent, session)
        if self.ids and (self.filter or self.all_matching):
            raise CommandError("name sessions or give a filter, not both")
        if not self.ids and not self.filter:
            raise CommandError("name the sessions to delete, or filter them: --status, --idle-over, --id")
        if self.filter and not self.all_matching:
            raise CommandError("a filter deletes every session that fits: say --all-matching if that is meant")
        check_deletable(self.filter)


async def run_delete(sessions: SessionCommands, request: DeleteRequest, *, yes: bool, record: bool) -> int:
    """Delete what is asked for, and say of each session what became of it; returns the exit code."""
    request.check(sessions.agent)
    must_be_asked(yes=yes)
    settings, project = sessions.place()
    clock, guard = SystemClock(), ClockGuard()
    started = clock.monotonic()
    with opened(settings.state if record else MEMORY_URL) as store:
        if store.fault:
            hint = "put it right, or move it away: --no-record then deletes without a record of it"
            raise CommandError(f"{store.fault}; {hint}", Exit.FAILED)
        held = partial(holds_on, settings, project.name, sessions.agent)
        known = held()
        async with Connector(clock)(project) as client:
            client.observe_time(guard.observe)
            choice, warnings = await _choose(client, project, sessions.agent, request, store)
            if choice.found and (doubt := guard.doubt(started)):
                raise CommandError(f"{doubt}, so nothing was deleted", Exit.WITHHELD)
            now = clock.wall() if choice.now is None else choice.now
            warnings += held_caution(known, choice.found, now)
            _agree(choice, warnings, sessions.agent, yes=yes)
            # Those in a state that keeps the record are asked for there, right before each intent.
            elsewhere = partial(settings.holds_on, project.name, sessions.agent) if record else held
            site = ConnectedProject(project, client, guard, settings.fingerprint)
            deletion = Deletion(site, sessions.agent, store, clock, started, request.filter, elsewhere)
            with interruptible() as interrupts:
                results, halted = await deletion.run(choice.found, interrupts)
    return _print(request, [*choice.settled, *results], halted, sessions.output)


def _agree(choice: Choice, warnings: Sequence[str], agent: str, *, yes: bool) -> None:
    """Show what would go and what speaks against it, and go on only when a person agrees."""
    is_asked = bool(choice.found) and not yes
    if is_asked:
        show(choice)
    for warning in warnings:
        print(f"reaper: {clean(warning)}", file=sys.stderr)
    if is_asked:
        ask(f"Delete {len(choice.found)} session(s) of {clean(agent)} and their files for ever?")


async def _choose(
    client: Provider, project: Project, agent: str, request: DeleteRequest, store: Store
) -> tuple[Choice, list[str]]:
    try:
        found = by_ids(client, agent, request.ids) if request.ids else by_filter(client, agent, request.filter)
        choice = await found
        warnings = await cautions(client, project, agent, choice.found, store, choice.now)
    except asyncio.CancelledError as error:
        raise CommandError("interrupted before anything was sent: nothing was deleted", Exit.FAILED) from error
    except CommandError as error:
        raise CommandError(f"{error}; nothing was deleted", error.code) from error
    for note in choice.notes:
        print(f"reaper: {note}", file=sys.stderr)
    return choice, warnings


def _print(request: DeleteRequest, results: Sequence[DeleteResult], halted: str, output: OutputFormat) -> int:
    order = {name: place for place, name in enumerate(request.ids)}
    print_results(sorted(results, key=lambda result: order.get(result.session, 0)), output)
    if halted:
        print(f"reaper: {clean(halted)}", file=sys.stderr)
    if not results and output is OutputFormat.TABLE:
        print(f"no session fits: {request.filter.text()}", file=sys.stderr)
    return Exit.FAILED if halted else exit_of(results)

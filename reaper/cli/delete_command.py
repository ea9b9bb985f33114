"""sessions delete: what is wished for, shown, asked, done and told."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from reaper.cli.delete_by_hand import Deletion
from reaper.cli.delete_cautions import cautions
from reaper.cli.delete_choice import Choice, ask, by_filter, by_ids, check_deletable, must_be_told, show
from reaper.cli.delete_results import DeleteResult, exit_of, print_results
from reaper.cli.endings import CommandError, Exit
from reaper.cli.explain_command import checked
from reaper.cli.filters import Filter
from reaper.cli.interrupts import interruptible
from reaper.cli.options import OutputFormat
from reaper.cli.session_commands import SessionCommands
from reaper.clock import SystemClock
from reaper.core.provider import Provider
from reaper.core.settings import Project
from reaper.core.text import clean
from reaper.foundry import requests
from reaper.store.journal import Journal
from reaper.store.store import Store
from reaper.wiring import Connector

WORKERS_MAX: Final = 4
"""So many at once: quick enough for thousands, and few enough to finish when somebody presses Ctrl-C."""


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """Which sessions to delete: by name, or by filter, never both."""

    ids: tuple[str, ...]
    meant: Filter
    all_matching: bool

    def check(self, agent: str) -> None:
        """Refuse what is unclear, or what the API forbids, before anything is sent."""
        for session in self.ids:
            checked(requests.delete_session, agent, session)
        if self.ids and (self.meant or self.all_matching):
            raise CommandError("name sessions or give a filter, not both")
        if not self.ids and not self.meant:
            raise CommandError("name the sessions to delete, or filter them: --status, --idle-over, --id")
        if self.meant and not self.all_matching:
            raise CommandError("a filter deletes every session that fits: say --all-matching if that is meant")
        check_deletable(self.meant)


async def run_delete(hand: SessionCommands, wish: DeleteRequest, *, yes: bool, record: bool) -> int:
    """Delete what is wished for, and say of each session what became of it; returns the exit code."""
    wish.check(hand.agent)
    must_be_told(yes=yes)
    settings, project = hand.place()
    with _recording(settings.state if record else None) as journal:
        async with Connector(SystemClock())(project) as client:
            choice = await _choose(client, project, hand.agent, wish)
            if choice.found and not yes:
                show(choice)
            for caution in choice.cautions:
                print(f"reaper: {clean(caution)}", file=sys.stderr)
            if choice.found and not yes:
                ask(f"Delete {len(choice.found)} session(s) of {clean(hand.agent)} and their files for ever?")
            requests = project.connection.requests
            workers = min(WORKERS_MAX, requests.concurrency)
            deletion = Deletion(
                hand.agent,
                project.name,
                client,
                journal,
                wish.meant,
                workers,
                look_age_s=requests.max_look_age_s,
                endpoint=project.connection.endpoint,
                configuration=settings.fingerprint,
            )
            with interruptible() as interrupts:
                results = [*choice.settled, *await deletion.run(choice.found, interrupts)]
    return _told(wish, results, deletion.halted, hand.output)


@contextmanager
def _recording(url: str | None) -> Iterator[Journal | None]:
    """The journal to record deletes in, None when nobody wants it; a state that fails ends the command."""
    if url is None:
        yield None
        return
    store = Store.open(url)
    try:
        if store.fault:
            raise CommandError(f"{store.fault}; --no-record deletes without a record of it", Exit.FAILED)
        yield store.journal
    finally:
        store.close()


async def _choose(client: Provider, project: Project, agent: str, wish: DeleteRequest) -> Choice:
    try:
        choice = await _look_up(client, agent, wish)
        told = await cautions(client, project, agent, choice.found, choice.now)
    except asyncio.CancelledError as error:
        raise CommandError("interrupted before anything was sent: nothing was deleted", Exit.FAILED) from error
    for note in choice.notes:
        print(f"reaper: {note}", file=sys.stderr)
    return replace(choice, cautions=told)


async def _look_up(client: Provider, agent: str, wish: DeleteRequest) -> Choice:
    if wish.ids:
        return await by_ids(client, agent, tuple(dict.fromkeys(wish.ids)))
    try:
        return await by_filter(client, agent, wish.meant)
    except CommandError as error:
        raise CommandError(f"{error}; nothing was deleted", error.code) from error


def _told(wish: DeleteRequest, results: Sequence[DeleteResult], halted: str, output: OutputFormat) -> int:
    order = {name: place for place, name in enumerate(dict.fromkeys(wish.ids))}
    print_results(sorted(results, key=lambda result: order.get(result.session, 0)), output)
    if halted:
        print(f"reaper: {clean(halted)}", file=sys.stderr)
    if not results and output is OutputFormat.TABLE:
        print(f"no session fits: {wish.meant.words()}", file=sys.stderr)
    return Exit.FAILED if halted else exit_of(results)

"""state check: whether the state is whole, and the word of a person that an older copy is to be gone on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from reaper.cli.endings import CommandError, Exit
from reaper.cli.options import OutputFormat
from reaper.cli.which_config import read
from reaper.clock import SystemClock
from reaper.logs import configure_logging, get_logger
from reaper.store.database import Database, OlderStateError, StateError
from reaper.store.heads import NotedHead
from reaper.store.journal import Journal
from reaper.store.origin import Origin

log = get_logger("reaper")

ACCEPTED: Final = "older_copy_accepted"
"""What the record calls this event."""


def run_check(config: Path | None, output: OutputFormat, *, accept: bool, by: str = "", reason: str = "") -> None:
    """Print how far the record has come; a state that cannot be relied on ends the command."""
    settings = read(config)[1].settings
    configure_logging(settings.log.format, settings.log.level)
    given_up = None
    try:
        database = Database(settings.state, create=False)
    except OlderStateError:
        if not accept:
            raise
        origin = Origin.local(by, reason=reason, configuration=settings.fingerprint)
        database = Database(settings.state, create=False, believing=True)
        given_up = _accept(database, origin)
    except StateError as error:
        hint = "; only an older copy can be accepted, this must be mended or put back" if accept else ""
        raise CommandError(f"{error}{hint}", Exit.FAILED) from error
    database.close()
    _print_state(settings.state, database.head, given_up, output)


def _accept(database: Database, origin: Origin) -> NotedHead:
    """Accept an older copy, and put that on record."""
    had = database.accept()
    heads = {"entries": database.head.entries, "logged_entries": had.entries, "logged_head": had.hash}
    Journal(database).note(ACCEPTED, "", "", SystemClock().wall(), {**heads, "origin": origin.as_json()})
    log.warning(ACCEPTED, state=database.url, **heads, by=origin.by)
    return had


def _print_state(state: str, head: NotedHead, given_up: NotedHead | None, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        facts = {"state": state, "whole": True, "entries": head.entries, "head": head.hash or None}
        print(json.dumps({**facts, "given_up_entries": given_up.entries if given_up else None}, indent=2))
        return
    print(f"{state}: whole, its record has {head.entries} entries")
    if given_up:
        print(f"accepted: {given_up.entries} entries had been logged, what is missing of them is given up")

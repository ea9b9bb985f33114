"""state check: whether the state is whole, and the word of a person that an older copy is to be gone on with."""

from __future__ import annotations

import json
import os
from pathlib import Path

import structlog

from reaper.cli.endings import CommandError, Exit
from reaper.cli.options import OutputFormat
from reaper.cli.reading import read
from reaper.store.database import Database, OlderStateError, StateError
from reaper.store.heads import Head
from reaper.telemetry import configure_logging

log = structlog.get_logger("reaper")


def run_check(config: Path | None, output: OutputFormat, *, accept: bool) -> None:
    """Print how far the record has come; a state that cannot be relied on ends the command."""
    settings = read(config)[1].settings
    configure_logging(settings.log.format, settings.log.level)
    try:
        database = Database(settings.state, create=False)
    except OlderStateError:
        if not accept:
            raise
        database = Database(settings.state, create=False, believing=True)
    except StateError as error:
        hint = "; only an older copy can be accepted, this must be mended or put back" if accept else ""
        raise CommandError(f"{error}{hint}", Exit.FAILED) from error
    given_up = None
    try:
        if accept:
            given_up = _accept(database)
        head = database.head
    finally:
        database.close()
    _tell(settings.state, head, given_up, output)


def _accept(database: Database) -> Head | None:
    """Accept an older copy, and say so where it is kept; None when there was nothing to accept."""
    had = database.accept()
    if had.entries <= database.head.entries and had.hash in {"", database.head.hash}:
        return None
    log.warning(
        "older_state_accepted",
        state=database.url,
        entries=database.head.entries,
        head=database.head.hash,
        logged_entries=had.entries,
        logged_head=had.hash,
        by=f"uid {os.getuid()}",
    )
    return had


def _tell(state: str, head: Head, given_up: Head | None, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        told = {"state": state, "whole": True, "entries": head.entries, "head": head.hash or None}
        print(json.dumps({**told, "given_up_entries": given_up.entries if given_up else None}, indent=2))
        return
    print(f"{state}: whole, its record has {head.entries} entries")
    if given_up:
        print(f"accepted: {given_up.entries} entries had been logged, what is missing of them is given up")

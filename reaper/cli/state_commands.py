"""state: whether it is whole, a copy of it, a migration to this version, and a copy put in its place."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from reaper.cli.endings import CommandError, Exit
from reaper.cli.options import OutputFormat
from reaper.cli.which_config import read
from reaper.clock import SystemClock
from reaper.core.settings import Settings
from reaper.core.text import clean
from reaper.logs import configure_logging, get_logger
from reaper.store.claim import Claim
from reaper.store.copies import copy_state
from reaper.store.database import Database, OlderStateError, OlderVersionError, StateError, path_of
from reaper.store.heads import NotedHead, head_of
from reaper.store.journal import Journal
from reaper.store.origin import Origin
from reaper.store.read_only import ReadOnlyState
from reaper.store.restoring import restore
from reaper.store.state_files import copy_name
from reaper.store.tables import SCHEMA_VERSION
from reaper.store.upgrade import bring_up_to_date

log = get_logger("reaper")

ACCEPTED: Final = "older_copy_accepted"
"""What the record calls this event."""


def run_check(config: Path | None, output: OutputFormat, *, accept: bool, by: str = "", reason: str = "") -> Exit:
    """Print how far the record has come, and whether a migration is due; returns the exit code.

    A state that cannot be relied on ends the command.
    """
    settings = _settings(config)
    given_up, version = None, SCHEMA_VERSION
    try:
        with closing(Database(settings.state, create=False)) as database:
            head = database.head
    except OlderVersionError:
        version, head = _read(settings.state)
    except OlderStateError:
        if not accept:
            raise
        origin = Origin.local(by, reason=reason, configuration=settings.fingerprint)
        with closing(Database(settings.state, create=False, believing=True)) as database:
            given_up = _accept(database, origin)
            head = database.head
    except StateError as error:
        hint = "; only an older copy can be accepted, this must be mended or put back" if accept else ""
        raise CommandError(f"{error}{hint}", Exit.FAILED) from error
    _print_state(settings.state, version, head, given_up, output)
    return Exit.DONE if version == SCHEMA_VERSION else Exit.PLANNED


def run_migrate(config: Path | None, output: OutputFormat, by: str, reason: str) -> None:
    """Bring the state up to this version, and print where the copy of it as it was lies."""
    settings = _settings(config)
    _must_exist(settings.state)
    claim = Claim(settings.state)
    try:
        done = bring_up_to_date(settings.state, claim, SystemClock().wall(), _origin(settings, by, reason))
    finally:
        claim.release()
    if output is OutputFormat.JSON:
        facts = done.facts() if done else {"from": SCHEMA_VERSION, "to": SCHEMA_VERSION, "copy": None}
        print(json.dumps({"state": settings.state, "migrated": done is not None, **facts}, indent=2))
    elif done is None:
        print(f"{settings.state}: version {SCHEMA_VERSION}, which this program writes: nothing to migrate")
    else:
        print(f"{settings.state}: migrated from version {done.first} to {done.last}")
        print(f"a copy of it as it was: {done.copy}")


def run_backup(config: Path | None, file: Path | None, output: OutputFormat) -> None:
    """Copy the state, also while a daemon works on it, and print what the copy holds."""
    settings = _settings(config)
    _must_exist(settings.state)
    real = os.path.realpath(path_of(settings.state))
    name = copy_name(real, _read(settings.state)[0], SystemClock().wall())
    target = name if file is None else str(file / os.path.basename(name) if file.is_dir() else file)
    copied = copy_state(real, os.path.abspath(target))
    facts = {"copy": copied.file, "version": copied.version, "entries": copied.head.entries, "head": copied.head.hash}
    if output is OutputFormat.JSON:
        print(json.dumps({"state": settings.state, **facts}, indent=2))
    else:
        print(f"{copied.file}: version {copied.version}, its record has {copied.head.entries} entries")


def run_restore(config: Path | None, file: Path, output: OutputFormat, by: str, reason: str) -> None:
    """Put a copy in the place of the state, and print what is given up by it."""
    settings = _settings(config)
    if not file.is_file():
        raise CommandError(f"there is no file {clean(str(file))} to restore from")
    done = restore(settings.state, str(file), SystemClock().wall(), _origin(settings, by, reason))
    facts: dict[str, Any] = {"from": str(file), "version": done.version, "entries": done.head.entries}
    facts |= {"entries_before": done.had, "kept": done.kept or None, "no_longer_held": list(done.unheld)}
    log.warning("state_restored", state=settings.state, **facts)
    if output is OutputFormat.JSON:
        print(json.dumps({"state": settings.state, **facts}, indent=2))
        return
    print(f"{settings.state}: restored from {file}, its record has {done.head.entries} entries; it had {done.had}")
    print("what was recorded after that copy is given up: marks, limits, approvals, holds and actions since")
    for held in done.unheld:
        print(f"not held any more, hold it again with `reaper hold`: {clean(held)}")
    if done.kept:
        print(f"the state as it was: {done.kept}")


def _settings(config: Path | None) -> Settings:
    settings = read(config)[1].settings
    configure_logging(settings.log.format, settings.log.level)
    return settings


def _must_exist(state: str) -> None:
    path = Path(path_of(state))
    if not path.exists():
        raise CommandError(f"there is no state file {path}: the daemon or `reaper sweep` makes it", Exit.FAILED)


def _origin(settings: Settings, by: str, reason: str) -> dict[str, Any]:
    return Origin.local(by, reason=reason, configuration=settings.fingerprint).as_json()


def _read(state: str) -> tuple[int, NotedHead]:
    """Which version wrote a state of any version that can be read, and how far its record has come."""
    with closing(ReadOnlyState(state)) as opened, opened.begin() as connection:
        return opened.version, head_of(connection)


def _accept(database: Database, origin: Origin) -> NotedHead:
    """Accept an older copy, and put that on record."""
    had = database.accept()
    heads = {"entries": database.head.entries, "logged_entries": had.entries, "logged_head": had.hash}
    Journal(database).note(ACCEPTED, "", "", SystemClock().wall(), {**heads, "origin": origin.as_json()})
    log.warning(ACCEPTED, state=database.url, **heads, by=origin.by)
    return had


def _print_state(state: str, version: int, head: NotedHead, given_up: NotedHead | None, output: OutputFormat) -> None:
    is_due = version != SCHEMA_VERSION
    if output is OutputFormat.JSON:
        facts = {"state": state, "whole": True, "version": version, "migration_due": is_due}
        facts |= {"entries": head.entries, "head": head.hash or None}
        print(json.dumps({**facts, "given_up_entries": given_up.entries if given_up else None}, indent=2))
        return
    print(f"{state}: whole, its record has {head.entries} entries{f', head {head.hash}' if head.hash else ''}")
    if is_due:
        print(f"version {version}: `reaper state migrate` is due, the daemon does it when it starts")
    else:
        print(f"version {version}: nothing to migrate")
    if given_up:
        print(f"accepted: {given_up.entries} entries had been logged, what is missing of them is given up")

"""audit: what was done, with the evidence; and whether the record of it is as it was written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from reaper.cli.endings import CommandError, Exit
from reaper.cli.options import OutputFormat
from reaper.cli.printed import console, safe, table
from reaper.cli.which_config import read
from reaper.clock import SystemClock
from reaper.core.durations import parse_duration, show_time
from reaper.core.settings import Audit
from reaper.core.text import clean
from reaper.store.database import path_of
from reaper.store.head_exports import ExportError, exported, is_address
from reaper.store.journal import ActionFilter, Entry, Journal, Recorded
from reaper.store.read_only import ReadOnlyState
from reaper.store.signing import Exported, Key, UnusableKeyError
from reaper.store.verification import Verification

_COLUMNS: Final = ("agent", "session", "action", "rule", "outcome", "why")

ENTRIES_MAX: Final = 2**62
"""As many as no record has."""

NOT_SHOWN: Final = (
    "Not shown by this: whether the end was cut off, or the whole written anew. "
    "Note the head elsewhere, and compare: reaper audit verify --head HASH"
)


def run_show(config: Path | None, which: ActionFilter, limit: int, output: OutputFormat) -> None:
    """Print the last actions that fit, the newest last; `limit` 0 prints all."""
    with _journal_of(config) as (journal, _):
        history = journal.history(which, limit if 0 < limit < ENTRIES_MAX else None)
        if output is OutputFormat.JSON:
            _stream(history)
        else:
            shown = list(history)
            console().print(_history_table(shown) if shown else "no action that fits is in the record")


def run_verify(config: Path | None, head: str | None, output: OutputFormat) -> int:
    """Walk the whole record and say whether it holds; returns the exit code."""
    noted = head.lower() if head else None
    if noted is not None and not re.fullmatch(r"[0-9a-f]{64}", noted):
        raise CommandError(f"{head!r} is no head: it has 64 hexadecimal digits, as `reaper audit verify` prints them")
    with _journal_of(config) as (journal, audit):
        heads, key = _heads_elsewhere(audit), _key(audit)
        verdict = journal.verify(noted, exported=heads or (), key=key)
    holds = not (verdict.broken or verdict.doubts) and (noted is None or verdict.since_noted is not None)
    if output is OutputFormat.JSON:
        print(json.dumps(_verdict_json(verdict, noted, holds), indent=2))
    else:
        for line in _verdict_lines(verdict, noted, heads, key):
            print(line)
    return Exit.DONE if holds else Exit.FAILED


def _heads_elsewhere(audit: Audit) -> list[Exported] | None:
    """The heads in the file they are exported to; None where there is no such file to be read from here."""
    if audit.export is None or is_address(audit.export):
        return None
    try:
        return list(exported(audit.export))
    except ExportError as error:
        raise CommandError(str(error), Exit.FAILED) from error


def _key(audit: Audit) -> Key | None:
    try:
        return Key.read(audit.sign_with) if audit.sign_with else None
    except UnusableKeyError as error:
        raise CommandError(str(error)) from error


@contextmanager
def _journal_of(config: Path | None) -> Iterator[tuple[Journal, Audit]]:
    """The journal of the configured state, only to be read, with what the configuration says of it.

    One that is not there, or cannot be trusted, ends the command.
    """
    settings = read(config)[1].settings
    path = Path(path_of(settings.state))
    if not path.exists():
        raise CommandError(f"there is no state file {path}: nothing was recorded there", Exit.FAILED)
    with closing(ReadOnlyState(settings.state)) as state:
        yield Journal(state), settings.audit


def read_since(text: str, now: float) -> float:
    """Unix seconds of a moment written as a time ago (`7d`) or a date in UTC (`2026-11-01`, `2026-11-01T06:00`)."""
    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        problem = f"--since {text!r} is neither a time ago, as in 7d, nor a date, as in 2026-11-01"
        raise CommandError(problem) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def action_filter(project: str | None, agent: str | None, session: str | None, since: str | None) -> ActionFilter:
    """The actions that a command line asks for."""
    for option, name in (("--project", project), ("--agent", agent), ("--session", session)):
        if name is not None and not name.isprintable():
            raise CommandError(f"{option} {name!a} is no name: it has bytes that are no text")
    moment = None if since is None else read_since(since, SystemClock().wall())
    return ActionFilter(project, agent, session, moment)


def actions_table(actions: Iterable[Recorded]) -> Table:
    """One line for each action, from its intent to how it ended."""
    rows = table("time", *_COLUMNS)
    for action in actions:
        rows.add_row(show_time(action.intent.at), *map(safe, _action_cells(action)))
    return rows


def _history_table(history: Iterable[Recorded | Entry]) -> Table:
    """One line for each action and each event, with who it came from."""
    rows = table("time", "by", *_COLUMNS)
    for one in history:
        entry, cells = (one, _event_cells(one)) if isinstance(one, Entry) else (one.intent, _action_cells(one))
        rows.add_row(show_time(entry.at), *map(safe, (_author(entry), *cells)))
    return rows


def _action_cells(action: Recorded) -> tuple[str, ...]:
    intent = action.intent.intent
    why = "; ".join(part for part in (_compared_text(action), action.why) if part)
    return f"{intent.project}/{intent.agent}", intent.session, intent.action, intent.rule, action.outcome, why


def _event_cells(event: Entry) -> tuple[str, ...]:
    where = "/".join(part for part in (event.intent.project, event.intent.agent) if part)
    return where, event.intent.session, event.intent.rule, "", "", _event_text(event)


def _author(entry: Entry) -> str:
    """Who an entry came from; '' where that was not known."""
    origin = entry.body.get("origin")
    return str(origin.get("by", "")) if isinstance(origin, dict) else ""


def _event_text(event: Entry) -> str:
    """What happened, in one line: `policy standard, mode enforce`."""
    facts = {name: value for name, value in event.body.items() if name not in {"origin", "covers"}}
    return ", ".join(
        f"{name} {value if isinstance(value, str | int) else json.dumps(value)}" for name, value in facts.items()
    )


def _compared_text(action: Recorded) -> str:
    """The values that were compared, in one line: `idle 9d3h (at least 7d), status idle`."""
    return ", ".join(
        f"{check['condition']} {check['actual']}"
        + ("" if check["condition"] == "status" else f" ({check['wanted']})")
        for check in action.intent.body.get("compared", [])
        if check["condition"] != "age floor"
    )


def recorded_json(action: Recorded) -> dict[str, Any]:
    """One action with its evidence and the rows of the journal that hold it."""
    intent = action.intent.intent
    return {
        "at": action.intent.at,
        "project": intent.project,
        "agent": intent.agent,
        "session": intent.session,
        "created_at": intent.created_at,
        "action": str(intent.action),
        "rule": intent.rule,
        "approved": intent.approved,
        "outcome": action.outcome,
        "why": action.why,
        "evidence": {**action.intent.body, "received": _received(action.intent.body.get("received"))},
        "entries": [_entry_json(entry) for entry in (action.intent, *action.outcomes)],
    }


def _received(text: object) -> object:
    """The platform's record as an object; as the text that came when it is no whole one."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return text


def _entry_json(entry: Entry) -> dict[str, Any]:
    row = {"entry": entry.seq, "kind": entry.kind, "at": entry.at, "hash": entry.hash}
    return row if entry.kind == "intent" else {**row, "outcome": entry.outcome, **entry.body}


def _event_json(event: Entry) -> dict[str, Any]:
    where = {"project": event.intent.project, "agent": event.intent.agent}
    where |= {"session": event.intent.session} if event.intent.session else {}
    row = {"entry": event.seq, "kind": event.kind, "at": event.at, "hash": event.hash}
    return {"at": event.at, "event": event.intent.rule, **where, "told": event.body, "entries": [row]}


def _stream(history: Iterable[Recorded | Entry]) -> None:
    """One object, written as it is read: a record of years need not fit into memory."""
    print('{"entries": [', end="")
    for number, one in enumerate(history):
        print(",\n " if number else "\n ", end="")
        print(json.dumps(_event_json(one) if isinstance(one, Entry) else recorded_json(one)), end="")
    print("\n]}")


def _verdict_lines(
    verdict: Verification, noted: str | None, heads: Sequence[Exported] | None, key: Key | None
) -> Iterator[str]:
    yield from _chain_lines(verdict, noted)
    if not verdict.tables_compared:
        yield f"marks and other tables were not compared: this program cannot do that for version {verdict.version}"
    yield from (f"broken: {clean(doubt)}" for doubt in verdict.doubts)
    if verdict.given_up:
        yield f"{verdict.given_up} actions ended as unresolved: their agent or project was gone"
    if heads is not None:
        beside = "" if heads else ": the file was emptied, or no sweep has acted since it was configured"
        yield f"compared with {len(heads)} exported heads{beside}"
    if key is not None and verdict.signed is not None:
        yield f"signed with the key {key.id} up to entry {verdict.signed}"


def _chain_lines(verdict: Verification, noted: str | None) -> Iterator[str]:
    if verdict.broken is not None:
        place = f"entry {verdict.broken.row}" if verdict.broken.row else "the beginning"
        yield f"broken at {place}: {verdict.broken.what}"
        yield f"{verdict.rows} entries before it are unbroken, up to {verdict.head}"
        return
    yield f"{verdict.rows} entries, unbroken, head {verdict.head}"
    if verdict.pruned:
        yield f"{verdict.pruned} older entries were pruned after their time"
    if verdict.unresolved:
        yield f"{verdict.unresolved} actions are unresolved: under way, or to be looked up by the next sweep"
    if noted is None:
        yield NOT_SHOWN
    elif verdict.since_noted is None:
        yield f"the head {noted} is not in it: the end was cut off, or the record written anew" + (
            ", or the head is older than what was pruned" if verdict.pruned else ""
        )
    else:
        yield f"it contains the head noted elsewhere, with {verdict.since_noted} entries since"


def _verdict_json(verdict: Verification, noted: str | None, holds: bool) -> dict[str, Any]:
    broken = verdict.broken
    head = {"hash": noted, "found": verdict.since_noted is not None, "entries_since": verdict.since_noted}
    return {
        "holds": holds,
        "entries": verdict.rows,
        "head": verdict.head,
        "pruned": verdict.pruned,
        "unresolved": verdict.unresolved,
        "broken": {"entry": broken.row, "what": broken.what} if broken else None,
        "doubts": list(verdict.doubts),
        "given_up": verdict.given_up,
        "exported_heads": verdict.exported,
        "signed_up_to": verdict.signed,
        "noted_head": head if noted else None,
        "not_shown": "" if noted else NOT_SHOWN,
        "version": verdict.version,
        "tables_compared": verdict.tables_compared,
    }

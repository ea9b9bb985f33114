"""audit: what was done, with the evidence; and whether the record of it is as it was written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.table import Table
from sqlalchemy.engine import make_url

from reaper.cli.endings import CommandError, Exit
from reaper.cli.options import OutputFormat
from reaper.cli.reading import read
from reaper.cli.tables import console, safe, table
from reaper.clock import SystemClock
from reaper.store.chain import Verdict
from reaper.store.journal import Entry, Journal, Recorded, Which
from reaper.store.store import opened
from reaper.times import parse_duration, show_time

NOT_SHOWN: Final = (
    "Not shown by this: whether the end was cut off, or the whole written anew. "
    "Note the head elsewhere, and compare: reaper audit verify --head HASH"
)


def run_show(config: Path | None, which: Which, limit: int, output: OutputFormat) -> None:
    """Print the last actions that are meant, the newest last; `limit` 0 prints all."""
    with journal_of(config) as journal:
        found = journal.actions(which, limit or None)
        if output is OutputFormat.JSON:
            _stream(found)
        else:
            shown = list(found)
            console().print(actions_table(shown) if shown else "no action that fits is in the record")


def run_verify(config: Path | None, head: str | None, output: OutputFormat) -> int:
    """Walk the whole record and say whether it holds; returns the exit code."""
    noted = head.lower() if head else None
    if noted is not None and not re.fullmatch(r"[0-9a-f]{64}", noted):
        raise CommandError(f"{head!r} is no head: it has 64 hexadecimal digits, as `reaper audit verify` prints them")
    with journal_of(config) as journal:
        verdict = journal.verify(noted)
    holds = verdict.broken is None and (noted is None or verdict.since_noted is not None)
    if output is OutputFormat.JSON:
        print(json.dumps(_verdict_json(verdict, noted, holds), indent=2))
    else:
        for line in _told(verdict, noted):
            print(line)
    return Exit.DONE if holds else Exit.FAILED


@contextmanager
def journal_of(config: Path | None) -> Iterator[Journal]:
    """The journal of the configured state; one that is not there, or cannot be trusted, ends the command."""
    url = read(config)[1].settings.state
    path = Path(make_url(url).database or "")
    if not path.exists():
        raise CommandError(f"there is no state file {path}: nothing was recorded there", Exit.FAILED)
    with opened(url) as store:
        if store.fault:
            raise CommandError(store.fault, Exit.FAILED)
        yield store.journal


def read_since(text: str, now: float) -> float:
    """Unix seconds of a moment written as a time ago (`7d`) or a date in UTC (`2026-11-01`, `2026-11-01T06:00`)."""
    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"--since {text!r} is neither a time ago, as in 7d, nor a date, as in 2026-11-01"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def which_of(project: str | None, agent: str | None, session: str | None, since: str | None) -> Which:
    """The actions that a command line means."""
    moment = None if since is None else read_since(since, SystemClock().wall())
    return Which(project, agent, session, moment)


def actions_table(actions: Iterable[Recorded]) -> Table:
    """One line for each action, from its intent to how it ended."""
    made = table("time", "agent", "session", "action", "rule", "outcome", "why")
    for action in actions:
        intent = action.intent.intent
        made.add_row(
            show_time(action.intent.at),
            safe(f"{intent.project}/{intent.agent}"),
            safe(intent.session),
            str(intent.action),
            safe(intent.rule),
            safe(action.outcome),
            safe("; ".join(part for part in (compared_text(action), action.why) if part)),
        )
    return made


def compared_text(action: Recorded) -> str:
    """The values that were compared, in one line: `idle 9d3h (at least 7d), status idle`."""
    told = [
        f"{check['condition']} {check['actual']}"
        + ("" if check["condition"] == "status" else f" ({check['wanted']})")
        for check in action.intent.body.get("compared", [])
        if check["condition"] != "age floor"
    ]
    return ", ".join(told)


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
    told = {"entry": entry.seq, "kind": entry.kind, "at": entry.at, "hash": entry.hash}
    return told if entry.kind == "intent" else {**told, "outcome": entry.outcome, **entry.body}


def _stream(actions: Iterable[Recorded]) -> None:
    """One object, written as it is read: a record of years need not fit into memory."""
    print('{"entries": [', end="")
    for number, action in enumerate(actions):
        print(",\n " if number else "\n ", end="")
        print(json.dumps(recorded_json(action)), end="")
    print("\n]}")


def _told(verdict: Verdict, noted: str | None) -> Iterator[str]:
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


def _verdict_json(verdict: Verdict, noted: str | None, holds: bool) -> dict[str, Any]:
    broken = verdict.broken
    head = {"hash": noted, "found": verdict.since_noted is not None, "entries_since": verdict.since_noted}
    return {
        "holds": holds,
        "entries": verdict.rows,
        "head": verdict.head,
        "pruned": verdict.pruned,
        "unresolved": verdict.unresolved,
        "broken": {"entry": broken.row, "what": broken.what} if broken else None,
        "noted_head": head if noted else None,
        "not_shown": "" if noted else NOT_SHOWN,
    }

"""holds: which sessions are held, by whom, until when and why."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Sequence
from pathlib import Path

from reaper.cli.endings import CommandError, Exit
from reaper.cli.options import OutputFormat
from reaper.cli.printed import console, safe, table
from reaper.cli.which_config import read
from reaper.clock import SystemClock
from reaper.core.durations import show_time
from reaper.core.holds import SessionHold, hold_json
from reaper.core.settings import Settings
from reaper.store.store import opened_if_there


def run_holds(config: Path | None, project: str | None, agent: str, output: OutputFormat, *, all_: bool) -> None:
    """Print every hold that stands, of the state and of the configuration; with `all_` those that are over, too."""
    settings, now = read(config)[1].settings, SystemClock().wall()
    names = [one.name for one in settings.projects]
    if project is not None and project not in names:
        raise CommandError(f"no project {project!r} in the configuration; it has: {', '.join(names)}")
    shown = [
        hold
        for hold in known_holds(settings)
        if (all_ or hold.stands(now)) and project in {None, hold.project} and fnmatch.fnmatchcase(hold.agent, agent)
    ]
    if output is OutputFormat.JSON:
        print(json.dumps({"holds": [{**hold_json(one), "stands": one.stands(now)} for one in shown]}, indent=2))
    elif shown:
        _print(shown, now)
    else:
        console().print("no session is held")


def known_holds(settings: Settings) -> list[SessionHold]:
    """All that the state and the configuration name, ended ones among them; a state that is not there names none."""
    with opened_if_there(settings.state) as store:
        if store is None:
            return list(settings.holds)
        if store.fault:
            raise CommandError(f"{store.fault}; who is held cannot be known", Exit.FAILED)
        return [*store.holds.all(), *settings.holds]


def _print(holds: Sequence[SessionHold], now: float) -> None:
    rows = table("agent", "session", "until", "by", "reason", "hold")
    for one in sorted(holds, key=lambda one: (one.project, one.agent, one.session, one.ends_at)):
        where = f"{one.project}/{one.agent}"
        session = one.session if one.created_at is not None else f"{one.session} (any with this id)"
        case = f"case {one.legal}" if one.legal else ""
        why = ": ".join(part for part in (case, one.reason) if part)
        rows.add_row(*map(safe, (where, session, _end(one, now), one.by or "-", why, one.id)))
    console().print(rows)


def _end(hold: SessionHold, now: float) -> str:
    if hold.released is not None:
        return f"released {show_time(hold.released)}"
    if hold.until is None:
        return "no end"
    return str(hold.until) if hold.stands(now) else f"ended {hold.until}"

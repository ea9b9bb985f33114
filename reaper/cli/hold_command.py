"""hold: a session is looked up, and then neither stopped nor deleted until its hold has ended."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from reaper.cli.endings import CommandError, Exit
from reaper.cli.explain_command import check_names, project_of
from reaper.cli.options import OutputFormat
from reaper.cli.which_config import read
from reaper.clock import SystemClock
from reaper.core.command_lines import command
from reaper.core.holds import WORDS_MAX_CHARS, SessionHold, end_of, hold_json, hold_words, read_day
from reaper.core.model import TOMBSTONES, Malformed
from reaper.core.provider import Gone
from reaper.core.settings import Project, Settings
from reaper.core.text import clean
from reaper.engine.discovery import first_match
from reaper.store.origin import Origin, os_user
from reaper.store.session_holds import Placed
from reaper.store.store import opened
from reaper.wiring import Connector


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """What a person asks for, as it was written."""

    agent: str
    session: str
    until: str | None
    legal: str | None
    reason: str
    by: str
    id_only: bool
    project: str | None = None

    def read(self, project: str) -> SessionHold:
        """The hold that is meant, not bound to an incarnation yet; CommandError for what cannot be one."""
        if (self.until is None) == (self.legal is None):
            raise CommandError("say until when: --until with the last day, or --legal with a case, which has no end")
        reason, by = words("--reason", self.reason), words("--by", self.by) or os_user()
        if self.until is not None and not reason:
            raise CommandError("say why, with --reason: whoever finds the session held will wonder")
        legal = words("--legal", self.legal or "")
        if self.legal is not None and not legal:
            raise CommandError("--legal names no case")
        until = None if self.until is None else _day(self.until)
        return SessionHold(project, self.agent, self.session, until, legal, reason, by)


def words(option: str, text: str) -> str:
    """What a person wrote, in one line; CommandError when it is too long."""
    if len(text) > WORDS_MAX_CHARS:
        raise CommandError(f"{option} has {len(text)} characters, {WORDS_MAX_CHARS} are the most")
    return clean(text.strip(), WORDS_MAX_CHARS)


def _day(text: str) -> date:
    try:
        day = read_day(text)
    except ValueError:
        raise CommandError(f"--until {clean(text)!r} is not a day: write it as in 2027-01-31") from None
    if end_of(day) <= SystemClock().wall():
        raise CommandError(f"--until {day} is over already: it would hold nothing")
    return day


async def run_hold(config: Path | None, request: HoldRequest, output: OutputFormat) -> int:
    """Hold a session, and say so once that is on disk; returns the exit code."""
    check_names(request.agent, request.session)
    settings = read(config)[1].settings
    project = project_of(settings, request.project, request.agent)
    wanted = replace(request.read(project.name), at=SystemClock().wall())
    if request.id_only:
        _must_be_managed(project, request.agent)
    else:
        wanted = await _bound(project, wanted)
    placed = place(settings, wanted)
    _print(placed, output)
    return Exit.FAILED if placed.late else Exit.DONE


def place(settings: Settings, wanted: SessionHold) -> Placed:
    """Put it into the state."""
    with opened(settings.state) as store:
        if store.fault:
            raise CommandError(f"{store.fault}; nothing is held", Exit.FAILED)
        origin = Origin.local(wanted.by, reason=wanted.reason, configuration=settings.fingerprint)
        return store.holds.place(wanted, origin.as_json())


def _must_be_managed(project: Project, agent: str) -> None:
    """Refuse to hold an id of an agent that nobody would have looked up: a name that is mistyped holds nothing."""
    if first_match(project, agent) is None:
        patterns = ", ".join(clean(pattern.name) for pattern in project.agents)
        raise CommandError(f"no pattern of project {project.name} matches agent {clean(agent)!r}; it has: {patterns}")


async def _bound(project: Project, wanted: SessionHold) -> SessionHold:
    """The hold, on the incarnation that has the id now, from the platform's time on."""
    agent, session = wanted.agent, wanted.session
    hint = f"`{command('hold', agent, session)} … --id-only` holds the id, whoever gets it"
    try:
        async with Connector(SystemClock())(project) as client:
            answer = await client.get(agent, session)
    except Gone as error:
        gone = f"{project.name} has no session {session} of agent {clean(agent)}, so nothing is held; {hint}"
        raise CommandError(gone, Exit.FAILED) from error
    found = answer.value
    if isinstance(found, Malformed):
        problem = f"the record of {session} is malformed ({clean(found.reason)}), so nothing is held; {hint}"
        raise CommandError(problem, Exit.FAILED)
    if found.status in TOMBSTONES:
        raise CommandError(f"session {session} is {found.status}, so nothing is held; {hint}", Exit.FAILED)
    return replace(wanted, created_at=found.created_at, at=wanted.at if answer.date is None else answer.date)


def _print(placed: Placed, output: OutputFormat) -> None:
    """Say what is held now, and what came too late for that."""
    hold = placed.hold
    if output is OutputFormat.JSON:
        print(json.dumps({"hold": hold_json(hold), "late": placed.late or None}, indent=2))
    else:
        whom = "" if hold.created_at is not None else ", whoever gets this id"
        print(
            f"{hold.session} of {clean(hold.project)}/{clean(hold.agent)}{whom}: {hold_words(hold)} (hold {hold.id})"
        )
    if placed.late:
        look = command("audit show", session=hold.session)
        print(f"reaper: the hold came too late for {placed.late}: see `{look}`", file=sys.stderr)

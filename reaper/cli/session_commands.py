"""What the session commands do: one agent of one configured project, asked by hand."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from reaper.cli.all_pages import every_page
from reaper.cli.endings import CommandError, Exit
from reaper.cli.explain_command import checked, project_of
from reaper.cli.filters import Filter
from reaper.cli.held import must_not_be_held
from reaper.cli.list_command import print_all
from reaper.cli.options import OutputFormat
from reaper.cli.printed import console, safe
from reaper.cli.record_rows import record_json, records_table
from reaper.cli.which_config import read
from reaper.clock import SystemClock
from reaper.core.command_lines import command
from reaper.core.model import ACTIVE, CREATING, DELETED, EXPIRED, FAILED, IDLE, UPDATING, Malformed, Session
from reaper.core.provider import Answer, Gone, Provider, Refused
from reaper.core.settings import Project, Settings
from reaper.core.text import clean
from reaper.foundry import requests
from reaper.wiring import Connector

OWN_CANARY: Final = (
    "is named under must_see, and the identity that made it always sees it: it proves nothing unless the reaper has "
    "another one"
)


@dataclass(frozen=True, slots=True)
class SessionCommands:
    """The operations on one agent's sessions. What the API forbids is refused before anything is sent."""

    config: Path | None
    project: str | None
    agent: str
    output: OutputFormat

    def place(self) -> tuple[Settings, Project]:
        """The settings, and the project of the agent."""
        settings = read(self.config)[1].settings
        return settings, project_of(settings, self.project, self.agent)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Provider]:
        """The project, connected."""
        async with Connector(SystemClock())(self.place()[1]) as client:
            yield client

    async def create(self, session: str | None, version: str | None, *, if_missing: bool = False) -> None:
        """Create a session and show it; `if_missing` shows the one that runs under this id already."""
        if if_missing and session is None:
            raise CommandError("--if-missing needs --id: without one every session is a new one")
        checked(requests.create_session, self.agent, session, version)
        project = self.place()[1]
        async with Connector(SystemClock())(project) as client:
            present = await self._present(client, session) if if_missing and session else None
            existed = present is not None
            if present is None:
                present, existed = await self._make(client, session, version, if_missing)
        record = self._show(present, existed if if_missing else None)
        if existed:
            other = f"; it runs version {clean(record.version)}, not {clean(version)}"
            differs = version is not None and record.version != version
            print(f"session {record.id} exists, nothing was created{other if differs else ''}", file=sys.stderr)
        elif record.id in project.must_see:
            print(f"warning: {record.id} {OWN_CANARY}", file=sys.stderr)

    async def _present(self, client: Provider, session: str) -> Answer[Session | Malformed] | None:
        """The session when it is there and usable, None when one may be made; anything else ends the command."""
        try:
            answer = await client.get(self.agent, session)
        except Gone:
            return None
        status = answer.value.status if isinstance(answer.value, Session) else "malformed"
        if status in {ACTIVE, IDLE, CREATING, UPDATING}:
            return answer
        if status in {DELETED, EXPIRED}:
            return None
        advice = (
            f"only a delete helps: {command('sessions delete', self.agent, session)}"
            if status == FAILED
            else "nothing was created; look again later"
        )
        raise CommandError(f"session {session} is there and {clean(status)}: {advice}", Exit.FAILED)

    async def _make(
        self, client: Provider, session: str | None, version: str | None, if_missing: bool
    ) -> tuple[Answer[Session | Malformed], bool]:
        """A new session, and whether somebody else was quicker to make it."""
        if version is not None:
            await _check_version(client, self.agent, version)
        name = session or "a session"
        try:
            with unknown_when_interrupted(f"whether {name} of {self.agent} was created is not known"):
                return await client.create(self.agent, session, version), False
        except Refused as error:
            taken = error.status == 409 and if_missing
            present = await self._present(client, session) if taken and session else None
            if present is None:
                raise
            return present, True

    async def get(self, session: str) -> None:
        """Show one session."""
        checked(requests.get_session, self.agent, session)
        async with self.client() as client:
            with self._must_exist(session):
                self._show(await client.get(self.agent, session))

    async def page(self, **page: Any) -> None:
        """Show one page."""
        checked(requests.list_sessions, self.agent, **page)
        async with self.client() as client:
            answer = await client.page(self.agent, **page)
        shown, records = answer.value, answer.value.sessions
        if self.output is OutputFormat.JSON:
            data = [record_json(record) for record in records]
            body = {"data": data, "first_id": shown.first_id, "last_id": shown.last_id, "has_more": shown.has_more}
            print(json.dumps(body, indent=2))
            return
        console().print(records_table(records, answer.date))
        if shown.has_more and shown.last_id:
            console().print(f"more: --after {safe(shown.last_id)}")

    async def all(self, which: Filter, pages_max: int, **page: Any) -> None:
        """Show every session that fits, as the pages come."""
        checked(requests.list_sessions, self.agent, **page)
        async with self.client() as client:
            await print_all(every_page(client, self.agent, pages_max=pages_max, **page), which, self.output)

    async def stop(self, session: str) -> None:
        """Stop a session that nobody holds."""
        checked(requests.stop_session, self.agent, session)
        settings, project = self.place()
        async with Connector(SystemClock())(project) as client:
            with self._must_exist(session):
                await must_not_be_held(settings, project, self.agent, session, client)
            with self._must_exist(session), unknown_when_interrupted(f"whether {session} was stopped is not known"):
                await client.stop(self.agent, session)
        if self.output is OutputFormat.JSON:
            print(json.dumps({"session": session, "outcome": "done"}))
        else:
            console().print(f"{safe(session)}: stopped, its files stay")

    @contextmanager
    def _must_exist(self, session: str) -> Iterator[None]:
        try:
            yield
        except Gone as error:
            raise CommandError(f"agent {self.agent} has no session {session}", Exit.FAILED) from error

    def _show(self, answer: Answer[Session | Malformed], existed: bool | None = None) -> Session:
        """Show the record, for scripts with whether it `existed`; a malformed one ends the command."""
        if isinstance(answer.value, Malformed):
            raise CommandError(f"the record is malformed: {answer.value.reason}", Exit.FAILED)
        if self.output is OutputFormat.JSON:
            more = {} if existed is None else {"existed": existed}
            print(json.dumps(record_json(answer.value) | more, indent=2))
        else:
            console().print(records_table([answer.value], answer.date))
        return answer.value


async def _check_version(client: Provider, agent: str, version: str) -> None:
    """Refuse a version on which a session would never start."""
    try:
        status = (await client.get_version(agent, version)).value.status
    except Gone as error:
        raise CommandError(f"agent {agent} has no version {version}: nothing was created", Exit.FAILED) from error
    if status != ACTIVE:
        problem = f"version {version} of agent {agent} is {status}, not active: nothing was created"
        raise CommandError(problem, Exit.FAILED)


@contextmanager
def unknown_when_interrupted(unknown: str) -> Iterator[None]:
    """Say what is not known when Ctrl-C comes while a change is under way."""
    try:
        yield
    except asyncio.CancelledError as error:
        raise CommandError(f"interrupted: {unknown}", Exit.FAILED) from error

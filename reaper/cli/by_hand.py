"""What the session commands do: one agent of one configured project, asked by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from reaper.cli.endings import CommandError, Exit
from reaper.cli.explaining import checked, project_of
from reaper.cli.options import OutputFormat
from reaper.cli.running import read
from reaper.cli.tables import console, safe, session_row, sessions_table
from reaper.clock import SystemClock
from reaper.foundry import calls
from reaper.foundry.client import Answer, Client
from reaper.foundry.errors import FoundryError, Gone
from reaper.model import Malformed, Session
from reaper.wiring import Connector


@dataclass(frozen=True, slots=True)
class Hand:
    """The operations on one agent's sessions. What the API forbids is refused before anything is sent."""

    config: Path | None
    project: str | None
    agent: str
    output: OutputFormat

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        project = project_of(read(self.config)[1].settings, self.project, self.agent)
        async with Connector(SystemClock())(project) as client:
            yield client

    async def create(self, session: str | None, version: str | None) -> None:
        """Create a session and show it."""
        checked(calls.create_session, self.agent, session, version)
        async with self._client() as client:
            self._show(await client.create(self.agent, session, version))

    async def get(self, session: str) -> None:
        """Show one session."""
        checked(calls.get_session, self.agent, session)
        async with self._client() as client:
            try:
                self._show(await client.get(self.agent, session))
            except Gone as error:
                raise CommandError(f"agent {self.agent} has no session {session}", Exit.FAILED) from error

    async def list(self, **page: Any) -> None:
        """Show one page."""
        checked(calls.list_sessions, self.agent, **page)
        async with self._client() as client:
            answer = await client.page(self.agent, **page)
        shown, records = answer.value, answer.value.sessions
        if self.output is OutputFormat.JSON:
            data = [_record(record) for record in records]
            body = {"data": data, "first_id": shown.first_id, "last_id": shown.last_id, "has_more": shown.has_more}
            print(json.dumps(body, indent=2))
            return
        self._table(records, answer.date)
        if shown.has_more and shown.last_id:
            console().print(f"more: --after {safe(shown.last_id)}")

    async def delete(self, sessions: Sequence[str], *, yes: bool) -> int:
        """Delete sessions one by one, each looked up afterwards; says what was done and what was not."""
        for session in sessions:
            checked(calls.delete_session, self.agent, session)
        if not yes:
            _ask(f"Delete {len(sessions)} session(s) of {self.agent} and their files for ever?")
        async with self._client() as client:
            results = [
                {"session": session, **await _delete(client, self.agent, session)}
                for session in dict.fromkeys(sessions)
            ]
        if self.output is OutputFormat.JSON:
            print(json.dumps({"deleted": results}, indent=2))
        else:
            for result in results:
                console().print(f"{safe(result['session'])}: {safe(result['outcome'])}", safe(result.get("why", "")))
        done = all(result["outcome"] in {"done", "already_gone"} for result in results)
        return Exit.DONE if done else Exit.FAILED

    async def stop(self, session: str) -> None:
        """Stop a session."""
        checked(calls.stop_session, self.agent, session)
        async with self._client() as client:
            try:
                await client.stop(self.agent, session)
            except Gone as error:
                raise CommandError(f"agent {self.agent} has no session {session}", Exit.FAILED) from error
        if self.output is OutputFormat.JSON:
            print(json.dumps({"session": session, "outcome": "done"}))
        else:
            console().print(f"{safe(session)}: stopped, its files stay")

    async def logs(self, session: str) -> None:
        """Print a session's log as it comes."""
        checked(calls.get_session, self.agent, session)
        async with self._client() as client:
            try:
                record = (await client.get(self.agent, session)).value
            except Gone as error:
                raise CommandError(f"agent {self.agent} has no session {session}", Exit.FAILED) from error
            if isinstance(record, Malformed) or record.version is None:
                raise CommandError(f"the version of session {session} cannot be read", Exit.FAILED)
            async for line in client.logs(self.agent, record.version, session):
                print(line, flush=True)

    def _show(self, answer: Answer[Session | Malformed]) -> None:
        if isinstance(answer.value, Malformed):
            raise CommandError(f"the record is malformed: {answer.value.reason}", Exit.FAILED)
        if self.output is OutputFormat.JSON:
            print(json.dumps(_record(answer.value), indent=2))
        else:
            self._table([answer.value], answer.date)

    def _table(self, records: Sequence[Session | Malformed], now: float | None) -> None:
        made = sessions_table(now)
        for record in records:
            if isinstance(record, Malformed):
                made.add_row(safe(record.id or "?"), f"malformed: {record.reason}")
            else:
                made.add_row(*session_row(record, now))
        console().print(made)


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise CommandError("deleting asks at a terminal; in a script say --yes")
    if not typer.confirm(question, err=True):
        raise CommandError("nothing was deleted", Exit.FAILED)


async def _delete(client: Client, agent: str, session: str) -> dict[str, str]:
    """Delete one session and look whether it is gone."""
    try:
        await client.get(agent, session)
    except Gone:
        return {"outcome": "already_gone"}
    except FoundryError as error:
        return {"outcome": "failed", "why": str(error)}
    try:
        await client.delete(agent, session)
        after = (await client.get(agent, session)).value
    except Gone:
        return {"outcome": "done"}
    except FoundryError as error:
        return {"outcome": "in_doubt", "why": str(error)}
    gone = isinstance(after, Session) and after.status in {"deleted", "deleting"}
    return (
        {"outcome": "done"} if gone else {"outcome": "unverified", "why": "the platform accepted it, but it is there"}
    )


def _record(record: Session | Malformed) -> dict[str, Any]:
    if isinstance(record, Malformed):
        return {"agent_session_id": record.id, "malformed": record.reason}
    return {
        "agent_session_id": record.id,
        "status": record.status,
        "version": record.version,
        "created_at": record.created_at,
        "last_accessed_at": record.last_accessed_at,
        "expires_at": record.expires_at,
        "stopped_at": record.stopped_at,
    }

"""The shapes on the wire: requests in, answers out, records as JSON objects, dates as headers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from typing import Any

import msgspec

from reaper.core.model import Session
from reaper.emulator.platform_error import PlatformError
from reaper.emulator.stored import AgentVersion, HostedAgent

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request: `path` is still percent-encoded, `query` has no `?`, header names are lower case.

    `actor` is who the history says did it.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    actor: str = "api"


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """One HTTP answer, or what happens instead: the connection drops, nothing ever comes, or a stream.

    `delay_s` passes before anything of it is sent.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    delay_s: float = 0.0
    dropped: bool = False
    hangs: bool = False
    stream: Callable[[], AsyncIterator[bytes]] | None = None

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name.lower()), None)


@lru_cache(maxsize=64)
def http_date(second: int) -> str:
    """Unix seconds as RFC 9110 writes them: `Sun, 06 Nov 1994 08:49:37 GMT`."""
    return formatdate(second, usegmt=True)


def encode(payload: object) -> bytes:
    return msgspec.json.encode(payload)


def session_record(session: Session) -> JsonObject:
    """An `AgentSessionResource`."""
    record: JsonObject = {
        "agent_session_id": session.id,
        "version_indicator": {"type": "version_ref", "agent_version": session.version},
        "status": session.status,
        "created_at": session.created_at,
        "last_accessed_at": session.last_accessed_at,
        "expires_at": session.expires_at,
    }
    if session.stopped_at is not None:
        record["stopped_at"] = session.stopped_at
    return record


def version_record(agent: HostedAgent, version: AgentVersion) -> JsonObject:
    """An `AgentVersionDetails` with a `HostedAgentDefinition`."""
    return {
        "object": "agent.version",
        "id": f"{agent.name}:{version.name}",
        "name": agent.name,
        "version": version.name,
        "metadata": version.metadata,
        "created_at": version.created_at,
        "status": version.status,
        "definition": {
            "kind": "hosted",
            "cpu": version.cpu,
            "memory": version.memory,
            "session_configuration": {"idle_timeout_seconds": version.idle_timeout_s},
        },
    }


def agent_record(agent: HostedAgent, now: float) -> JsonObject:
    """An `AgentDetails`, with its endpoint where that has a version selector."""
    selector = agent.selector(now)
    return {
        "object": "agent",
        "id": agent.name,
        "name": agent.name,
        "state": "enabled",
        "configuration_state": "enabled",
        "versions": {"latest": version_record(agent, agent.latest)},
        **({} if selector is None else {"agent_endpoint": {"version_selector": selector}}),
    }


def page_record(items: Sequence[JsonObject], key: str, has_more: bool, data: str = "data") -> JsonObject:
    """A page; the cursors are null when it is empty, which is what ends the official SDK's paging."""
    return {
        "object": "list",
        data: items,
        "first_id": items[0][key] if items else None,
        "last_id": items[-1][key] if items else None,
        "has_more": has_more,
    }


def error_record(error: PlatformError, request_id: str) -> JsonObject:
    """An `ApiErrorResponse`."""
    return {
        "error": {
            "code": error.code,
            "message": error.message,
            "param": error.param,
            "type": "server_error" if error.status >= 500 else "invalid_request_error",
            "details": [],
            "additionalInfo": {"request_id": request_id},
        }
    }

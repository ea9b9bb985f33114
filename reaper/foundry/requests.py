"""Every request this product can make of the platform, built and checked without sending anything.

What is not here is never sent: there is no call that deletes an agent, and none with `force`.
Source: the published REST reference, API version v1, and `azure-ai-projects` 2.10.0.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from reaper.core.provider import PAGE_MAX, Order

SESSION_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,128}", re.ASCII)
NAME_MAX_CHARS: Final = 256
CURSOR_MAX_CHARS: Final = 512
UPLOAD_MAX_BYTES: Final = 50 * 1024 * 1024

_VERSION: Final = ("api-version", "v1")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, ready to send below a project's endpoint.

    `path` starts with a slash and is quoted already; `params` are not. `safe` means that sending it
    again changes nothing, so that it may be repeated without asking anyone. `done_code` is the error
    code with which the platform says that it was done before.
    """

    operation: str
    method: str
    path: str
    params: tuple[tuple[str, str], ...]
    safe: bool
    body: bytes | None = None
    content_type: str | None = None
    accept: str = "application/json"
    done_code: str | None = None


def list_agents(after: str | None = None) -> Call:
    """A page of the hosted agents, oldest first."""
    params = [("kind", "hosted"), ("limit", str(PAGE_MAX)), ("order", "asc"), *_cursor("after", after)]
    return _read("list_agents", "/agents", *params)


def get_agent(agent: str) -> Call:
    """One agent, with its newest version."""
    return _read("get_agent", f"/agents/{_name(agent, 'agent')}")


def get_version(agent: str, version: str) -> Call:
    """One version of an agent."""
    return _read("get_version", f"/agents/{_name(agent, 'agent')}/versions/{_name(version, 'version')}")


def create_session(agent: str, session: str | None = None, version: str | None = None) -> Call:
    """A new session; the platform chooses an id and resolves a version where none is given."""
    body: dict[str, object] = {}
    if session is not None:
        body["agent_session_id"] = check_id(session)
    if version is not None:
        _name(version, "version")
        body["version_indicator"] = {"type": "version_ref", "agent_version": version}
    return Call(
        "create_session",
        "POST",
        _sessions(agent),
        (_VERSION,),
        safe=False,
        body=json.dumps(body).encode(),
        content_type="application/json",
    )


def get_session(agent: str, session: str) -> Call:
    """One session's record."""
    return _read("get_session", _session(agent, session))


def list_sessions(
    agent: str,
    *,
    limit: int = PAGE_MAX,
    order: Order = "asc",
    after: str | None = None,
    before: str | None = None,
) -> Call:
    """A page of an agent's sessions, ordered by creation; ValueError for a limit or cursors the API forbids."""
    if isinstance(limit, bool) or not 1 <= limit <= PAGE_MAX:
        raise ValueError(f"the limit must be 1 to {PAGE_MAX}, not {limit!r}")
    if order not in ("asc", "desc"):
        raise ValueError(f"the order must be asc or desc, not {order!r}")
    if after is not None and before is not None:
        raise ValueError("after and before exclude each other: give one of them")
    params = [("limit", str(limit)), ("order", order), *_cursor("after", after), *_cursor("before", before)]
    return _read("list_sessions", _sessions(agent), *params)


def delete_session(agent: str, session: str) -> Call:
    """The end of a session and its files, for ever."""
    return Call("delete_session", "DELETE", _session(agent, session), (_VERSION,), safe=False)


def stop_session(agent: str, session: str) -> Call:
    """The end of a session's sandbox; its files stay."""
    path = f"{_session(agent, session)}:stop"
    return Call("stop_session", "POST", path, (_VERSION,), safe=False, done_code="session_already_stopped")


def log_stream(agent: str, version: str, session: str) -> Call:
    """A session's log, as server-sent events without end."""
    of_version = f"/agents/{_name(agent, 'agent')}/versions/{_name(version, 'version')}"
    path = f"{of_version}/sessions/{check_id(session)}:logstream"
    return Call("log_stream", "GET", path, (_VERSION,), safe=True, accept="text/event-stream")


def list_files(agent: str, session: str, path: str, after: str | None = None) -> Call:
    """A page of one directory of a session's files. May wake the sandbox."""
    params = [("path", _file(path)), ("limit", str(PAGE_MAX)), *_cursor("after", after)]
    return _read("list_files", f"{_session(agent, session)}/files", *params)


def download_file(agent: str, session: str, path: str) -> Call:
    """One file's content. May wake the sandbox."""
    params = (("path", _file(path)), _VERSION)
    where = f"{_session(agent, session)}/files/content"
    return Call("download_file", "GET", where, params, safe=True, accept="application/octet-stream")


def upload_file(agent: str, session: str, path: str, content: bytes) -> Call:
    """One file written, at most 50 MB. May wake the sandbox."""
    if len(content) > UPLOAD_MAX_BYTES:
        raise ValueError(f"a file may have {UPLOAD_MAX_BYTES} bytes, not {len(content)}")
    return Call(
        "upload_file",
        "PUT",
        f"{_session(agent, session)}/files/content",
        (("path", _file(path)), _VERSION),
        safe=False,
        body=content,
        content_type="application/octet-stream",
    )


def delete_file(agent: str, session: str, path: str, *, recursive: bool = False) -> Call:
    """One file deleted, or a directory with all in it."""
    params = (("path", _file(path)), ("recursive", str(recursive).lower()), _VERSION)
    return Call("delete_file", "DELETE", f"{_session(agent, session)}/files", params, safe=False)


def check_id(session: str) -> str:
    """Give the session id back, or ValueError when the platform could not have made it."""
    if not isinstance(session, str) or SESSION_ID.fullmatch(session) is None:
        raise ValueError(
            f"{str(session)[:140]!r} is not a session id: 8 to 128 letters, digits, hyphens and underscores"
        )
    return session


def check_name(name: str, what: str = "agent") -> str:
    """Give the name back, or ValueError when no URL can carry it.

    `.` and `..` are refused because clients and servers take them out of a path, quoted or not: what
    is left would be another resource.
    """
    if not isinstance(name, str) or not 0 < len(name) <= NAME_MAX_CHARS or name in (".", ".."):
        raise ValueError(f"{str(name)[:80]!r} is not a name of an {what}".replace("an v", "a v"))
    quote(name, safe="")
    return name


def _name(name: str, what: str) -> str:
    return quote(check_name(name, what), safe="")


def _sessions(agent: str) -> str:
    return f"/agents/{_name(agent, 'agent')}/endpoint/sessions"


def _session(agent: str, session: str) -> str:
    return f"{_sessions(agent)}/{check_id(session)}"


def _file(path: str) -> str:
    if not path or "\0" in path:
        raise ValueError("a file needs a path")
    return path


def _cursor(name: str, cursor: str | None) -> list[tuple[str, str]]:
    if cursor is None:
        return []
    if not is_cursor(cursor):
        raise ValueError(f"{name} must be a session id of an earlier page, not {str(cursor)[:140]!r}")
    return [(name, cursor)]


def is_cursor(value: object) -> bool:
    """Whether this can be sent as a cursor: short, printable ASCII. Session ids are; so may others be."""
    return isinstance(value, str) and 0 < len(value) <= CURSOR_MAX_CHARS and value.isascii() and value.isprintable()


def _read(operation: str, path: str, *params: tuple[str, str]) -> Call:
    return Call(operation, "GET", path, (*params, _VERSION), safe=True)

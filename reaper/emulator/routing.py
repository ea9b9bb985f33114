"""Which operation a request asks for: paths taken apart, names decoded, queries read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote

from reaper.emulator.platform_error import PlatformError

_AGENTS: Final = "/api/projects/[^/]+/agents"
_AGENT: Final = f"{_AGENTS}/(?P<agent>[^/]*)"
_VERSION: Final = f"{_AGENT}/versions/(?P<version>[^/]*)"
_SESSIONS: Final = f"{_AGENT}/endpoint/sessions"
_SESSION: Final = f"{_SESSIONS}/(?P<session>[^/]*)"
_ROUTES: Final = [
    (re.compile(pattern, re.DOTALL), operations)
    for pattern, operations in (
        (f"{_SESSION}:stop", {"POST": "stop"}),
        (_SESSION, {"GET": "get", "DELETE": "delete"}),
        (_SESSIONS, {"GET": "list", "POST": "create"}),
        (f"{_SESSION}/files", {"GET": "files", "DELETE": "files"}),
        (f"{_SESSION}/files/content", {"GET": "files", "PUT": "files"}),
        (f"{_VERSION}/sessions/(?P<session>[^/]*):logstream", {"GET": "logs"}),
        (_VERSION, {"GET": "get_version", "DELETE": "forbidden"}),
        (f"{_AGENT}/versions", {"GET": "list_versions"}),
        (_AGENT, {"GET": "get_agent", "PATCH": "update_agent", "DELETE": "forbidden"}),
        (_AGENTS, {"GET": "list_agents"}),
    )
]


@dataclass(frozen=True, slots=True)
class RoutedCall:
    """One operation with the names its path holds; `operation` is a word of `faults.OPERATIONS`."""

    operation: str
    agent: str = ""
    session: str = ""
    version: str = ""


def parse_query(query: str) -> dict[str, str]:
    return dict(parse_qsl(query, keep_blank_values=True))


def route(method: str, path: str, query: dict[str, str]) -> RoutedCall:
    """The call a request stands for; PlatformError 404 or 405 when there is none.

    What a reaper must never send (deleting an agent or a version, `force`) is the operation `forbidden`.
    """
    for pattern, operations in _ROUTES:
        match = pattern.fullmatch(path)
        if match is None:
            continue
        if method not in operations:
            raise PlatformError(405, "method_not_allowed", f"{method} is not possible here")
        force = query.get("force", "").lower() == "true"
        names = {name: unquote(text) for name, text in match.groupdict().items()}
        return RoutedCall("forbidden" if force else operations[method], **names)
    raise PlatformError(404, "not_found", f"No such resource: {path}")

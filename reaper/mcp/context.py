"""What every tool needs: the configuration as it is now, and the projects that may be asked at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from reaper.clock import Clock
from reaper.core.policy import Policy
from reaper.core.provider import Provider
from reaper.core.settings import Project, Settings
from reaper.core.text import clean
from reaper.engine.discovery import first_match
from reaper.mcp.action_lock import ActionLock
from reaper.mcp.advice import NotDoneError
from reaper.mcp.allowance import Proposals
from reaper.mcp.caller import Caller, Questions

_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class ToolContext:
    """`settings` reads the configuration anew for each call, so that a rule added since is heeded.

    `lock`, `proposals` and `questions` are the server's, `caller` is the client of the call.
    """

    settings: Callable[[], Settings]
    connect: Callable[[Project], AbstractAsyncContextManager[Provider]]
    clock: Clock
    lock: ActionLock = field(default_factory=ActionLock)
    proposals: Proposals = field(default_factory=Proposals)
    questions: Questions = field(default_factory=Questions)
    caller: Caller = field(default_factory=Caller)


def project_at(settings: Settings, endpoint: str) -> Project:
    """The configured project that has this endpoint. What was given is only compared, never asked."""
    wanted = _normal(endpoint)
    for project in settings.projects:
        if wanted is not None and wanted == _normal(project.connection.endpoint):
            return project
    known = ", ".join(project.connection.endpoint for project in settings.projects)
    raise NotDoneError(
        f"projectEndpoint {clean(endpoint)!r} is none of the configured projects, so nothing was sent to it. "
        f"Use one of: {known}"
    )


def managed_in(settings: Settings, name: str | None, agent: str) -> tuple[Project, Policy]:
    """The policy of an agent, and its project: the one that was named, or the only one whose patterns match."""
    known = ", ".join(project.name for project in settings.projects)
    named = [project for project in settings.projects if name in {None, project.name}]
    matching = [(project, pattern.policy) for project in named if (pattern := first_match(project, agent))]
    if not named:
        raise NotDoneError(f"there is no project {clean(name)!r} in the configuration. Use one of: {known}")
    if not matching:
        raise NotDoneError(
            f"no pattern of {', '.join(p.name for p in named)} matches agent {clean(agent)!r}: no policy manages it, "
            "its sessions are left alone. reaper_status lists the patterns"
        )
    if len(matching) > 1:
        several = ", ".join(project.name for project, _ in matching)
        raise NotDoneError(f"several projects manage such an agent. Say which: {several}")
    return matching[0]


def _normal(endpoint: str) -> tuple[str, str, int | None, str] | None:
    """An endpoint as it is compared: scheme, host, port, path; None for what no endpoint may contain."""
    try:
        parts = urlsplit(endpoint.strip())
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        return None
    return parts.scheme, (parts.hostname or "").rstrip("."), port, parts.path.rstrip("/")

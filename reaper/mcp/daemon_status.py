"""What a daemon beside this process says of itself."""

from __future__ import annotations

from typing import Final

from reaper.core.settings import Server
from reaper.engine.report import Result
from reaper.fetch import FetchError, fetch
from reaper.mcp.look_models import Daemon
from reaper.web.access import TokenError, read_token

DAEMON_WAIT_S: Final = 2
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound
_UNBELIEVED: Final = frozenset({Result.UNTRUSTED, Result.INCOMPLETE})


def address(server: Server) -> str:
    """Where a daemon of this configuration answers."""
    named, port = server.page or (server.host, server.port)
    host = "127.0.0.1" if named in _EVERYWHERE else named
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


async def daemon(server: Server) -> Daemon | None:
    """What a daemon beside this process says of itself; None when there is none."""
    try:
        headers = {"Authorization": f"Bearer {read_token(server.token_file)}"} if server.token_file else {}
        url = f"{address(server)}/api/v1/status"
        status, body = await fetch("GET", url, headers, DAEMON_WAIT_S, near=True)
        return Daemon.model_validate_json(body) if status == 200 else None
    except (TokenError, FetchError, ValueError):
        return None


async def disbelief(server: Server, project: str, agent: str) -> str:
    """Why the daemon does not believe its last list of an agent's sessions; '' when it does, or does not answer."""
    beside = await daemon(server)
    for sweep in beside.agents if beside else ():
        if (sweep.project, sweep.agent) == (project, agent) and sweep.result in _UNBELIEVED:
            return sweep.why or sweep.result
    return ""

"""Who may speak to the MCP server over HTTP: no foreign web page, and no stranger without the token."""

from __future__ import annotations

import hmac
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from reaper.loopback import is_loopback

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="session-reaper"'}


class Gate:
    """Lets a request through, or answers 403, 421 or 401 itself. `private`: the server listens on loopback only.

    A private server also checks `Host`, so that no name that someone points at 127.0.0.1 leads here (DNS rebinding).
    Elsewhere the names that lead here are not known, and the token stands for them.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, private: bool) -> None:
        self._app = app
        self._token = token
        self._private = private

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = self._refusal(Headers(scope=scope))
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> Response | None:
        origins = headers.getlist("origin")
        if not all(_is_local_origin(origin) for origin in origins):
            return PlainTextResponse("pages of other origins may not speak to this server\n", 403)
        if self._private and not is_loopback(_host(f"//{headers.get('host', '')}")):
            return PlainTextResponse("this server is reached as 127.0.0.1 or localhost only\n", 421)
        if self._token is not None and not _carries(headers, self._token):
            return PlainTextResponse("a bearer token is needed\n", 401, _CHALLENGE)
        return None


def _is_local_origin(origin: str) -> bool:
    return origin.partition("://")[0] in {"http", "https"} and is_loopback(_host(origin))


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _carries(headers: Headers, token: str) -> bool:
    """Whether the one `Authorization` header carries the token; the time it takes tells nothing."""
    given = headers.getlist("authorization")
    scheme, _, credentials = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    right = hmac.compare_digest(credentials.strip().encode(), token.encode())
    return right and scheme.lower() == "bearer"

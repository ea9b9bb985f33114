"""Who may read what the reaper serves: who means this machine, and carries the token where there is one."""

from __future__ import annotations

import hmac
from collections.abc import Collection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reaper.core.loopback import is_loopback

TOKEN_MIN_CHARS: Final = 32
HARMLESS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}
"""What every answer says, unless it says something of its own."""


class TokenError(Exception):
    """A file that holds no token; says what is wrong with it."""


def read_token(file: str) -> str:
    """The token in a file, one line; TokenError when it cannot be read, or could be guessed."""
    try:
        token = Path(file).read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise TokenError(f"server.token_file: {file}: {error.strerror}: check the path and its rights") from error
    if len(token) < TOKEN_MIN_CHARS or not token.isascii() or not token.isprintable() or " " in token:
        raise TokenError(
            f"server.token_file: {file} holds no token: write one line of at least {TOKEN_MIN_CHARS} printable ASCII "
            "characters without spaces, as `openssl rand -hex 32` does"
        )
    return token


class Access:
    """Lets a request through, or answers 421 or 401 itself; every answer forbids browsers what they need not do.

    `private`: the server listens on loopback only, and is asked for by no other name. Otherwise a web page could
    reach it by a name of its own that it points at 127.0.0.1 (DNS rebinding). Elsewhere the names that lead here are
    not known. What is `open_` needs no token: the kubelet has none.
    """

    def __init__(self, app: ASGIApp, *, private: bool, token: str | None = None, open_: Collection[str] = ()) -> None:
        self._app, self._private, self._token, self._open = app, private, token, frozenset(open_)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_harmless(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HARMLESS.items():
                    headers.setdefault(name, value)
            await send(message)

        token = None if scope["path"] in self._open else self._token
        refused = refusal(Headers(scope=scope), private=self._private, token=token)
        await (refused or self._app)(scope, receive, send_harmless)


def refusal(headers: Headers, *, private: bool, token: str | None) -> Response | None:
    """The answer to who names a private server otherwise (421) or lacks the token (401); None to let a request in."""
    if private and not is_loopback(host_of(f"//{headers.get('host', '')}")):
        return PlainTextResponse("this server is reached as 127.0.0.1 or localhost only\n", 421)
    if token is not None and not carries(headers, token):
        return PlainTextResponse(
            "a bearer token is needed\n", 401, {"WWW-Authenticate": 'Bearer realm="session-reaper"'}
        )
    return None


def host_of(url: str) -> str:
    """The host that a URL names, '' for none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def carries(headers: Headers, token: str) -> bool:
    """Whether the one `Authorization` header carries the token; the time it takes tells nothing."""
    given = headers.getlist("authorization")
    scheme, _, credentials = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    right = hmac.compare_digest(credentials.strip().encode(), token.encode())
    return right and scheme.lower() == "bearer"

"""Who may speak to the MCP server over HTTP: no foreign web page, and no stranger without the token."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from reaper.clock import Clock
from reaper.core.loopback import is_loopback
from reaper.logs import get_logger
from reaper.web.access import host_of, refusal

log = get_logger()

REFUSAL_DELAY_S: Final = 0.5
WAITING_MAX: Final = 16
LOG_EVERY_S: Final = 10.0


class HttpAccess:
    """Lets a request through, or answers 403, 421 or 401 itself. `private` is what it is to `Access`.

    Who comes without the token waits for the refusal; a few at a time, the others are refused at once and unheard.
    """

    def __init__(self, app: ASGIApp, *, token: str, private: bool, clock: Clock) -> None:
        self._app, self._token, self._private, self._clock = app, token, private, clock
        self._waiting = self._unlogged = 0
        self._logged_at = -LOG_EVERY_S

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refused = self._refusal(Headers(scope=scope))
            if refused is not None:
                self._log(refused.status_code)
                if refused.status_code == 401:
                    refused = await self._after_a_while(refused)
                refused.headers["Connection"] = "close"
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> Response | None:
        if not all(_is_local_origin(origin) for origin in headers.getlist("origin")):
            return PlainTextResponse("pages of other origins may not speak to this server\n", 403)
        return refusal(headers, private=self._private, token=self._token)

    async def _after_a_while(self, refused: Response) -> Response:
        if self._waiting >= WAITING_MAX:
            return PlainTextResponse("too many requests without the token\n", 429, {"Retry-After": "5"})
        self._waiting += 1
        try:
            await self._clock.sleep(REFUSAL_DELAY_S)
        finally:
            self._waiting -= 1
        return refused

    def _log(self, status: int) -> None:
        """One line for many refusals: who asks a thousand times must not fill the disk."""
        self._unlogged += 1
        if self._clock.monotonic() - self._logged_at >= LOG_EVERY_S:
            log.warning("requests_refused", count=self._unlogged, last_status=status)
            self._unlogged, self._logged_at = 0, self._clock.monotonic()


def _is_local_origin(origin: str) -> bool:
    return origin.partition("://")[0] in {"http", "https"} and is_loopback(host_of(origin))

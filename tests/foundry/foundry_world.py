"""A platform that is a function, and a client of it."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx2

from reaper.core.provider import CallRecord
from reaper.core.settings import Connection, CredentialKind, Requests
from reaper.foundry.auth import Tokens
from reaper.foundry.client import Client
from reaper.foundry.rate_limiter import RateLimiter
from tests.clock import ManualClock

NOW = 1_800_000_000
DATE = "Fri, 15 Jan 2027 08:00:00 GMT"  # the same moment


def record(**changes: object) -> dict[str, object]:
    whole: dict[str, object] = {
        "agent_session_id": "session-0001",
        "version_indicator": {"type": "version_ref", "agent_version": "3"},
        "status": "idle",
        "created_at": NOW - 9000,
        "last_accessed_at": NOW - 8000,
        "expires_at": NOW + 2_000_000,
    }
    return {key: value for key, value in (whole | changes).items() if value is not ...}


def answer(status: int = 200, body: object = None, **headers: str) -> httpx2.Response:
    content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in ({"Date": DATE} | headers).items()}
    return httpx2.Response(status, content=content, headers=named)


def error(status: int, code: str = "", message: str = "no", **headers: str) -> httpx2.Response:
    info = {"additionalInfo": {"request_id": "req-1"}}
    return answer(status, {"error": {"code": code, "message": message} | info}, **headers)


class Platform:
    """Answers from a script, the last of it for ever, and keeps what it was asked."""

    def __init__(self, *script: object) -> None:
        self.script = list(script)
        self.requests: list[httpx2.Request] = []

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        if callable(step):
            return await step(request)
        return step if not isinstance(step, httpx2.Response) else copy(step)


def copy(response: httpx2.Response) -> httpx2.Response:
    return httpx2.Response(response.status_code, content=response.content, headers=response.headers)


def client(
    platform: Callable[..., object] | None,
    clock: ManualClock | None = None,
    *,
    endpoint: str = "https://p.services.ai.azure.com/api/projects/prod",
    timeout_s: float = 5,
    tokens: Tokens | None = None,
    records: list[CallRecord] | None = None,
    headers: dict[str, str] | None = None,
    per_second: float | None = None,
) -> Client:
    clock = clock or ManualClock(NOW)
    requests = Requests(concurrency=4, timeout_s=timeout_s, max_per_second=1000)
    connection = Connection(endpoint, CredentialKind.NONE, headers=headers or {}, requests=requests)
    return Client(
        connection,
        clock,
        tokens or Tokens(connection, clock),
        RateLimiter(1000, clock.monotonic(), jitter=lambda: 0.5, known=per_second),
        transport=httpx2.MockTransport(platform) if platform else None,
        observe=(records if records is not None else []).append,
    )

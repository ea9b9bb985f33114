"""What it means when a call gives no good answer: a status or a broken exchange, made a `ProviderError`."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Final

import httpx2

from reaper.core.provider import (
    Gone,
    InDoubt,
    ProviderError,
    Refused,
    Retryable,
    Throttled,
    Unauthenticated,
    Unreadable,
)
from reaper.core.text import clean
from reaper.foundry import parsing
from reaper.foundry.requests import Call

NEVER_SENT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)
"""Raised before the first byte of a request is written: nothing can have happened."""

_PASSING: Final = frozenset({408, 425})
"""Client errors by number that say nothing about the request."""

_EXPLAINED: Final = {
    "session_not_accessible": "the identity lacks the role 'Foundry User' on the project",
    "preview_feature_required": "the platform wants a preview header here: set `headers:` of the project to "
    '{"Foundry-Features": "HostedAgents=V1Preview"}',
}


class AnswerTooLargeError(Exception):
    """An answer's body went beyond its bound, in bytes after decompression."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"answer larger than {max_bytes // 1024:,} KiB")


def judge_status(call: Call, status: int, body: bytes, wait_s: float | None) -> ProviderError:
    """The error that a status other than 2xx stands for; `wait_s` is its Retry-After in seconds."""
    code, message, request = parsing.parse_error(status, body)
    kind, text = _kind(call, status, body), _EXPLAINED.get(code or "", message)
    if kind is Unauthenticated:
        text = f"the platform rejected the identity: {message}"
    if status == 404 and kind is not Gone:
        text = "the answer is not the platform's, but of something on the way to it (a proxy, a gateway?)"
    if 300 <= status < 400:
        text = "the platform answered with a redirect; redirects are never followed"
    return kind(text, operation=call.operation, status=status, code=code, request_id=request, retry_after=wait_s)


def _kind(call: Call, status: int, body: bytes) -> type[ProviderError]:
    match status:
        case 429:
            return Throttled
        case 404:
            # Proxies and gateways have pages of their own for what they do not find.
            unlike = Unreadable if call.safe else InDoubt
            return Gone if parsing.is_error(body) else unlike
        case 401:
            return Unauthenticated
    if status >= 500 or status in _PASSING:
        return Retryable if call.safe else InDoubt
    return Refused


def judge_exchange(call: Call, error: Exception, host: str) -> ProviderError:
    """The error that an exchange without a whole answer stands for; `host` is named in the message."""
    if isinstance(error, NEVER_SENT):
        return Retryable(_unreached(error, host), operation=call.operation)
    if isinstance(error, AnswerTooLargeError):
        text, passing = str(error), False
    elif isinstance(error, TimeoutError | httpx2.TimeoutException):
        text, passing = f"no answer from {host} in time", True
    elif isinstance(error, httpx2.DecodingError):
        text, passing = f"the answer cannot be decompressed: {clean(error, 120)}", False
    else:
        text = f"the exchange with {host} broke: {clean(error, 200) or type(error).__name__}"
        passing = True
    if not call.safe:
        return InDoubt(f"{text}; the effect is unknown", operation=call.operation)
    return (Retryable if passing else Unreadable)(text, operation=call.operation)


def _unreached(error: Exception, host: str) -> str:
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return f"the host name {host} cannot be resolved (DNS)"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the TLS certificate of {host} is not trusted: {clean(cause.verify_message, 120)}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS with {host} failed: {clean(cause.reason or cause, 120)}"
    if isinstance(error, httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return f"no connection to {host} in time"
    return f"no connection to {host}: {clean(error, 120)}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__

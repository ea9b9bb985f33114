"""Which request headers a project may add: those that name features or trace, none that changes what a request is.

What is not known to be harmless is refused. A header can turn a GET into a DELETE, let a cache answer the last look
before a delete, or speak for somebody else.
"""

from __future__ import annotations

import re
from typing import Final

from reaper.config.problem import BadValue

HEADER_NAME: Final = (
    r"^([Ff][Oo][Uu][Nn][Dd][Rr][Yy]|[Xx]|[Oo][Cc][Pp])-[A-Za-z0-9-]{1,93}$|^(traceparent|tracestate|baggage)$"
)
ALLOWED: Final = "Foundry-*, X-* (x-ms-* among them), Ocp-Apim-Subscription-Key, traceparent, tracestate and baggage"

_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,100}", re.ASCII)
_EXACT: Final = frozenset({"ocp-apim-subscription-key", "traceparent", "tracestate", "baggage"})
_PREFIXES: Final = ("foundry-", "x-")
_HARMFUL: Final = {
    "can turn a request into another": ("x-http-method", "x-method", "x-original-", "x-rewrite-"),
    "says where a request comes from": ("x-forwarded", "x-real-", "x-client-ip", "x-cluster-"),
    "says where a request goes": ("x-host",),
    "says who asks": ("x-remote-", "x-auth", "x-user", "x-impersonate", "x-ms-client-principal", "x-ms-token"),
}


def read_header_name(value: object) -> str:
    """The name of a header that may be added, as it is written."""
    name = str(value)
    if _NAME.fullmatch(name) is None:
        raise BadValue("this is not the name of a header", "write letters, digits and dashes")
    lower = name.lower()
    if lower not in _EXACT and not lower.startswith(_PREFIXES):
        raise BadValue("this header is set by the client, or may not be set", f"allowed are {ALLOWED}")
    for effect, prefixes in _HARMFUL.items():
        if lower.startswith(prefixes):
            raise BadValue(f"this header {effect}", "remove it; `credential` decides who asks, `endpoint` where")
    return name


def read_header_value(value: object) -> str:
    """Text that can be sent as it is, and ends no line."""
    if not isinstance(value, str):
        raise BadValue("is not text", "put it in quotes")
    if not value or value != value.strip() or not value.isascii() or not value.isprintable():
        raise BadValue("cannot be sent", "write printable ASCII, without spaces at the ends")
    return value

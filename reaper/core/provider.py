"""What went wrong, sorted by what to do next.

    FoundryError
    ├── Retryable          nothing happened; the same may be asked again later
    │   ├── Throttled      429, or the project is paused: look at the session again before acting on it
    │   └── Outdated       not sent, what it was decided on had grown too old: look again
    ├── Gone               the platform's own 404: there is no such thing (any more)
    ├── Refused            the platform understood and says no; asking again is of no use
    ├── Unauthenticated    no token, or tokens that the platform rejects
    ├── InDoubt            a change was sent and its effect is unknown: find out before anything else
    └── Unreadable         an answer that makes no sense, or is not the platform's: a page of something on the way

The names say what to do next, hence no suffix. Messages hold text from outside only after `clean`; no
message holds a token.
"""

from __future__ import annotations

import re
from typing import Final

TEXT_MAX_CHARS: Final = 300
_TOKEN: Final = re.compile(r"eyJ[\w-]{5,}(?:\.[\w-]*){0,2}", re.ASCII)
_BEARER: Final = re.compile(r"\b(bearer[ \t]+)(?=[a-z._~+/=-]*\d)[\w.~+/=-]{8,}", re.ASCII | re.IGNORECASE)
"""What follows the word is a token when a digit is in it: words of a sentence have none."""


def without_tokens(text: str) -> str:
    """The text with `<token>` where something like a token stood."""
    return _BEARER.sub(r"\1<token>", _TOKEN.sub("<token>", text))


def clean(text: object, max_chars: int = TEXT_MAX_CHARS) -> str:
    """Make foreign text safe to show: one line, printable, bounded, without anything like a token.

    Characters that steer a terminal or hide in a line are written as escapes. Shorter than
    `max_chars` + 1 always; what was cut is shown as `…`.
    """
    raw = str(text)[: max_chars * 2]
    shown = without_tokens(raw)
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)
    return shown if len(shown) <= max_chars else shown[: max_chars - 1] + "…"


class FoundryError(Exception):
    """A call that did not give what was asked. `operation` is the call's name, as in metrics.

    `status` is the HTTP status when there was an answer, `code` and `request_id` what the platform
    said of it. `message` is one line, safe to show.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.operation = operation
        self.status = status
        self.code = code
        self.request_id = request_id

    def __str__(self) -> str:
        status = f"HTTP {self.status}" if self.status is not None else None
        request = f"request {self.request_id}" if self.request_id else None
        known = ", ".join(part for part in (status, self.code, request) if part)
        return f"{self.operation}: {self.message}" + (f" ({known})" if known else "")


class Retryable(FoundryError):  # noqa: N818
    """Nothing happened: the connection was never made, or a read failed in a way that passes.

    `retry_after` is what the platform asked to wait, in seconds, None when it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, operation=operation, status=status, code=code, request_id=request_id)
        self.retry_after = retry_after


class Throttled(Retryable):
    """Too many requests: nothing happened, and time has passed since the session was last looked at."""


class Outdated(Retryable):
    """A change that was not sent: by the time it would have left, it rested on too old a look."""


class Gone(FoundryError):  # noqa: N818
    """There is no such agent, version or session (any more)."""


class Refused(FoundryError):  # noqa: N818
    """The platform says no, and will say so again: rights, a bad request, a conflict, a redirect."""


class Unauthenticated(FoundryError):  # noqa: N818
    """No token could be had, or the platform rejected two of them. No other identity is tried."""


class InDoubt(FoundryError):  # noqa: N818
    """A change was sent and no clear answer came: it may have happened, or not, or happen yet."""


class Unreadable(FoundryError):  # noqa: N818
    """The answer cannot be understood (bad JSON, wrong shape, too large), or a 404 is not the platform's."""

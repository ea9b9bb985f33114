"""Text from outside, made safe to show: one line, printable, bounded, without anything like a token."""

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

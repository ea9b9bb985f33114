"""A bearer token that shows itself to nobody but who sends it."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn

SHOWN: Final = "<token>"


class Secret:
    """Text that no log, message, traceback or pickle shows: only `reveal` gives it.

    Reveal it where it leaves, in no variable: a traceback may print what the variables of a function hold.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return SHOWN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written down")

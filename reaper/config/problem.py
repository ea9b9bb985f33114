"""What is wrong with a configuration, where, and what to write instead: one line each."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

Path = tuple[str | int, ...]

_SHOWN_CHARACTERS: Final = 100
_KNOWN_WORDS: Final = 12
_NEAR: Final = 0.75
_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


class BadValue(ValueError):  # noqa: N818 - read as a sentence: raise BadValue("is zero", "write ...")
    """A value breaks the language: `message` goes after the value, `hint` says what to write.

    `quiet` keeps the value itself out of the message, because it may hold a password.
    """

    def __init__(self, message: str, hint: str = "", *, quiet: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.quiet = quiet


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault at a path of the tree; `place` is given where the path's own line and column are not meant."""

    path: Path
    message: str
    hint: str = ""
    shows_value: bool = True
    at_key: bool = False
    place: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """A fault with all a person needs to mend it; `str()` is one line of plain ASCII.

    Lines and columns count from 1; both are 0 when the file as a whole is meant. `value` is the offending
    value as it may be shown: shortened, escaped, and empty where there is none or it may be a secret.
    """

    source: str
    line: int
    column: int
    path: str
    value: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{escaped(self.source)}:{self.line}:{self.column}" if self.line else escaped(self.source)
        what = f"{self.value} {self.message}" if self.value else self.message
        return ": ".join(part for part in (place, self.path, what, self.hint) if part)


class ConfigError(Exception):
    """A configuration cannot be used: every problem found in it, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def refusal(source: str, place: tuple[int, int], message: str, hint: str, path: str = "") -> ConfigError:
    """The one problem that ends the reading of a file."""
    return ConfigError([Problem(source, *place, path, "", message, hint)])


def escaped(text: str) -> str:
    """The text in printable ASCII: no terminal obeys it, no look-alike letter hides in it."""
    return ascii(text)[1:-1]


def shown(text: str) -> str:
    """The text quoted, escaped, and cut to what fits in a message."""
    if len(text) <= _SHOWN_CHARACTERS:
        return ascii(text)
    return ascii(text[: _SHOWN_CHARACTERS - 3] + "...")


def show_path(path: Path) -> str:
    """Where in the tree: `policies.standard.rules[2].when.idle`."""
    parts = [_step(step) for step in path]
    return "".join(parts).removeprefix(".")


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN_KEY.fullmatch(step) and len(step) < _SHOWN_CHARACTERS else f"[{shown(step)}]"


def one_of(words: Iterable[str], join: str = "or") -> str:
    """The words as a choice: `a, b or c`."""
    *most, last = words
    return f"{', '.join(most)} {join} {last}" if most else last


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known word, else all of them."""
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower()[:_SHOWN_CHARACTERS], names, n=1, cutoff=_NEAR)
    if near:
        return f"did you mean {escaped(names[near[0]])}?"
    some = [escaped(name) for name in names.values()][:_KNOWN_WORDS]
    return f"known: {', '.join(some)}" if some else ""

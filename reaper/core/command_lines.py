"""Commands as they may be shown: whoever pastes one runs just that, whatever a name in it holds. Pure."""

from __future__ import annotations

import shlex
from glob import escape


def command(name: str, *arguments: str, **options: str) -> str:
    """`reaper NAME ARGUMENTS --OPTION VALUE`, quoted for a shell, printable, on one line; `name` is our own."""
    given = [part for option, value in options.items() for part in (f"--{option.replace('_', '-')}", _quoted(value))]
    quoted = [_quoted(argument) for argument in arguments]
    if any(argument.startswith("-") for argument in arguments):
        return " ".join(["reaper", name, *given, "--", *quoted])
    return " ".join(["reaper", name, *quoted, *given])


def config_option(path: str) -> str:
    """What is put behind a command so that it finds this configuration."""
    return f" --config {_quoted(path)}"


def only(agent: str) -> str:
    """The glob that matches this one agent."""
    return escape(agent)


def _quoted(text: str) -> str:
    """One word for a shell. What cannot be seen is written as escapes, within quotes that no shell looks into."""
    if not text.isprintable():
        return f"$'{''.join(map(_escaped, text))}'"
    quoted = shlex.quote(text)
    # What looks like a token is replaced before it is shown, by something that only quotes make harmless.
    return f"'{text}'" if quoted == text and "eyJ" in text else quoted


def _escaped(char: str) -> str:
    # No quote may be left within the quotes: shells that do not know these escapes would end them there.
    if char.isprintable() and char not in "'\\":
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))

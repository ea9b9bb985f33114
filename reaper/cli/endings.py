"""How commands end: one message on stderr and an exit code, never a traceback."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import Final

from reaper.core.provider import ProviderError
from reaper.core.text import clean

EXTRAS: Final = {"mcp": "mcp", "mcp_types": "mcp"}
"""Libraries that not everybody installs, and the extra of this package that brings each."""


class Exit(IntEnum):
    """The exit codes of the contract."""

    DONE = 0
    FAILED = 1
    WRONG = 2
    WITHHELD = 3
    PLANNED = 10


class CommandError(Exception):
    """A command that cannot go on: one message, and the exit code that says whose turn it is."""

    def __init__(self, message: str, code: Exit = Exit.WRONG) -> None:
        super().__init__(message)
        self.code = code


def settle_streams() -> None:
    """Let every command print whatever it has to, to whoever is there.

    A stream that is closed at start leads nowhere from then on: otherwise the next file that is opened, such as the
    state, would take its number. What the streams' encoding does not have, or no text may hold, is written escaped.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(opened, True)
    os.close(opened)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def ending() -> Iterator[None]:
    """Turn what a command raises into its last words."""
    try:
        try:
            yield
        except SystemExit:
            sys.stdout.flush()
            raise
        sys.stdout.flush()
    except CommandError as error:
        _leave(str(error), error.code)
    except ProviderError as error:
        _leave(str(error), Exit.FAILED)
    except OSError as error:
        _abandon_stdout()
        if isinstance(error, BrokenPipeError):
            sys.exit(Exit.FAILED)
        _leave(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", Exit.FAILED)
    except UnicodeEncodeError as error:
        _leave(f"{error.object!r} is no text: it holds bytes that are not UTF-8", Exit.WRONG)
    except KeyboardInterrupt:
        _leave("interrupted", Exit.FAILED)
    except ModuleNotFoundError as error:
        if extra := EXTRAS.get((error.name or "").partition(".")[0]):
            _leave(f"this command needs more than is installed: pip install 'session-reaper[{extra}]'", Exit.WRONG)
        raise
    except Exception as error:
        _leave_on_faults(error)
        raise


def _abandon_stdout() -> None:
    """Let what is still to be written go nowhere, so that the interpreter does not try once more at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave_on_faults(error: Exception) -> None:
    """End on a configuration or a state that cannot be used.

    Their errors are imported once there is one: they bring pydantic and SQLAlchemy, which `--help` does not wait for.
    """
    from reaper.config.problem import ConfigError
    from reaper.store.claim import ClaimedElsewhereError
    from reaper.store.database import StateError
    from reaper.web.access import TokenError

    if isinstance(error, ConfigError):
        for problem in error.problems:
            print(problem, file=sys.stderr)
        _leave(f"{len(error.problems)} problem(s) in the configuration, nothing was done", Exit.WRONG)
    if isinstance(error, TokenError):
        _leave(str(error), Exit.WRONG)
    if isinstance(error, StateError | ClaimedElsewhereError):
        _leave(str(error), Exit.FAILED)


def _leave(message: str, code: Exit) -> None:
    print(f"reaper: {clean(message, 2_000)}", file=sys.stderr)
    sys.exit(int(code))

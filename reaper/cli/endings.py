"""How commands end: one message on stderr and an exit code, never a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from reaper.foundry.errors import FoundryError, clean


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


@contextmanager
def ending() -> Iterator[None]:
    """Turn what a command raises into its last words."""
    _fill_closed_streams()
    try:
        yield
    except CommandError as error:
        _leave(str(error), error.code)
    except FoundryError as error:
        _leave(str(error), Exit.FAILED)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(Exit.FAILED)
        _leave(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", Exit.FAILED)
    except KeyboardInterrupt:
        _leave("interrupted", Exit.FAILED)
    except Exception as error:
        _leave_on_faults(error)
        raise


def _fill_closed_streams() -> None:
    """Let a stream that the caller closed lead nowhere: no file opened later may get its number, and its output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Kept open until the process ends.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _leave_on_faults(error: Exception) -> None:
    """End on a configuration or a state that cannot be used.

    Their errors are imported once there is one: they bring pydantic and SQLAlchemy, which `--help` does not wait for.
    """
    from reaper.config.problem import ConfigError
    from reaper.store.claim import ClaimedElsewhereError
    from reaper.store.database import StateError

    if isinstance(error, ConfigError):
        for problem in error.problems:
            print(problem, file=sys.stderr)
        _leave(f"{len(error.problems)} problem(s) in the configuration, nothing was done", Exit.WRONG)
    if isinstance(error, StateError | ClaimedElsewhereError):
        _leave(str(error), Exit.FAILED)


def _leave(message: str, code: Exit) -> None:
    print(f"reaper: {clean(message, 2_000)}", file=sys.stderr)
    sys.exit(int(code))

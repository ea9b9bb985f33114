"""What went wrong, in a sentence that tells the assistant what to do next."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from reaper.config import ConfigError
from reaper.core.provider import Gone, InDoubt, ProviderError, Refused, Retryable, Unauthenticated, Unreadable
from reaper.core.text import clean
from reaper.store.database import StateError


class NotDoneError(Exception):
    """Why a tool did not do what was asked, and what to do next, in words for the assistant."""


EXPECTED: Final = (ProviderError, NotDoneError, ConfigError, StateError, ValueError)
"""What a tool may raise; anything else is a bug, and its text stays in the log."""

_QUOTA: Final = frozenset({"session_quota_exceeded", "regional_session_quota_exceeded"})
_PROBLEMS_SHOWN: Final = 3
TEXT_MAX_CHARS: Final = 2_000


def advice(error: Exception) -> str:
    """One paragraph: what happened, and what to do next."""
    if isinstance(error, ValidationError):
        text = f"Nothing was sent: {_wrong_arguments(error)}. Correct the arguments and call again."
    elif isinstance(error, ConfigError):
        problems = "; ".join(str(problem) for problem in error.problems[:_PROBLEMS_SHOWN])
        text = f"Nothing was sent: {problems}. Ask the operator to run `reaper config check`."
    else:
        text = f"{str(error).rstrip('.')}. {_next(error)}".rstrip()
    return clean(text, TEXT_MAX_CHARS)


def _next(error: Exception) -> str:
    match error:
        case Gone():
            return "Check agentName and sessionId; session_list shows the sessions there are."
        case Retryable(code=code) if code in _QUOTA:
            return "The quota of running sessions is full: wait, or have active ones stopped, before asking again."
        case Retryable(retry_after=wait):
            return f"Nothing happened. Ask the same again {f'in {wait:.0f} seconds' if wait else 'in a minute'}."
        case Unauthenticated():
            return "Asking again is of no use: the operator must give this server a valid credential for the project."
        case InDoubt():
            return "It may have happened, or not. Look with session_get or session_list before you do anything else."
        case Refused():
            return "Asking the same again is of no use. Change the request, or tell the operator what was refused."
        case Unreadable():
            return "Ask once more; if it stays so, tell the operator."
        case StateError():
            return "Nothing is deleted while the record cannot be kept. Tell the operator."
        case NotDoneError():
            return ""
    return "Nothing was sent. Correct the arguments and call again."


def _wrong_arguments(error: ValidationError) -> str:
    """Each wrong argument with what was expected."""
    mistakes = []
    for wrong in error.errors(include_url=False, include_context=False, include_input=False):
        where, what = ".".join(map(str, wrong["loc"])), wrong["msg"].removeprefix("Value error, ")
        mistakes.append(f"{where}: {what}" if where else what)
    return "; ".join(mistakes)

"""Who calls, and how the person behind the client is asked before something is destroyed.

Newer clients get the question as an answer to their call, and call again with what the person said; older ones are
asked back while the call waits. Over HTTP there is no way back to an older client: it cannot ask anybody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from reaper.core.text import clean
from reaper.mcp.advice import NotDoneError

UNKNOWN: Final = "unknown"
NAME_MAX_CHARS: Final = 64
ANSWER_MAX_S: Final = 300
"""So long a person may think; without an answer by then nothing is done."""

OPEN_MAX: Final = 3

_KEY: Final = "confirm"
_NO: Final = "the person did not agree, so nothing was done. Do not ask for it again unless the person wants it"
_NO_FORM: Final = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked. `about` stands for exactly the record that the question shows."""

    text: str
    about: str


class AnswerNeededError(Exception):
    """The call cannot go on before a person has answered; the client calls again with the answer."""

    def __init__(self, question: Question) -> None:
        super().__init__(question.text)
        self.question = question

    def result(self) -> types.InputRequiredResult:
        """The question as the client gets it; the state that comes back with the answer is sealed by the server."""
        return types.InputRequiredResult(
            input_requests={_KEY: _request(self.question)}, request_state=self.question.about
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """The client of one call, by the name that it gives itself.

    `agreed` is what a person has agreed to already, '' for nothing. `ask` returns once a person agrees, raises
    NotDoneError when none does, and is None where nobody can be asked.
    """

    name: str = UNKNOWN
    agreed: str = ""
    ask: Callable[[Question], Awaitable[None]] | None = None


@dataclass(slots=True)
class Questions:
    """How many questions are open: nobody reads a thousand, and who is asked too often says yes to all."""

    _open: int = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """One question more while the block runs; NotDoneError while too many are open."""
        if self._open >= OPEN_MAX:
            raise NotDoneError(
                f"nothing was done: a person is being asked about {OPEN_MAX} other sessions. Wait for these answers"
            )
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1


def caller_of(context: ServerRequestContext[Any], called: types.CallToolRequestParams) -> Caller:
    """Who makes this call; NotDoneError when it carries a person's refusal."""
    known = context.session.client_params
    name = (clean(known.client_info.name, NAME_MAX_CHARS).strip() if known else "") or UNKNOWN
    if not _shows_forms(context.session.client_capabilities):
        return Caller(name)
    if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return Caller(name, _agreed(called), _ask_in_the_answer)
    if context.session.can_send_request:
        return Caller(name, "", partial(_ask_back, context))
    return Caller(name)


def _shows_forms(capabilities: types.ClientCapabilities | None) -> bool:
    """Whether the client can put a question to a person; one that names no mode shows forms."""
    asks = capabilities.elicitation if capabilities else None
    return asks is not None and (asks.form is not None or asks.url is None)


def _agreed(called: types.CallToolRequestParams) -> str:
    """What the person behind a newer client has agreed to; the state is what this server sealed with the question."""
    answer = (called.input_responses or {}).get(_KEY)
    if answer is None or called.request_state is None:
        return ""
    if not isinstance(answer, types.ElicitResult) or answer.action != "accept":
        raise NotDoneError(_NO)
    return called.request_state


async def _ask_in_the_answer(question: Question) -> None:
    raise AnswerNeededError(question)


async def _ask_back(context: ServerRequestContext[Any], question: Question) -> None:
    try:
        answer = await context.session.send_request(
            _request(question),
            types.ElicitResult,
            request_read_timeout_seconds=ANSWER_MAX_S,
            metadata=ServerMessageMetadata(related_request_id=context.request_id),
        )
    except (MCPError, ValidationError) as error:
        raise NotDoneError(f"no person could be asked, so nothing was done: {clean(error)}") from error
    if answer.action != "accept":
        raise NotDoneError(_NO)


def _request(question: Question) -> types.ElicitRequest:
    """A question without a form: to accept it is the answer."""
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=question.text, requested_schema=_NO_FORM))

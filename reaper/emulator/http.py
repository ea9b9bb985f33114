"""The platform behind HTTP, without sockets: `Api.answer(request) -> WireAnswer`, shared by server and simulator."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from reaper.emulator import false_answers
from reaper.emulator.faults import Fault, Faults
from reaper.emulator.operations import OperationRequest, OperationResult, perform
from reaper.emulator.payloads import Request, WireAnswer, encode, error_record, http_date
from reaper.emulator.platform import Platform
from reaper.emulator.platform_error import PlatformError
from reaper.emulator.routing import RoutedCall, parse_query, route
from reaper.emulator.session_log import follow

API_VERSION = "v1"
KEPT_REQUESTS = 1_000
_JSON = "application/json"

Headers = tuple[tuple[str, str], ...]


@dataclass(eq=False, repr=False)
class Api:
    """Answers requests as the platform does, with the injected faults.

    `requests` counts calls by operation, `recent` keeps the last ones as `METHOD path`. `on_call` is called
    before each call takes effect: the place to let something happen between two requests.
    """

    platform: Platform
    faults: Faults
    sleep: Callable[[float], Awaitable[None]]
    require_token: bool
    requests: Counter[str] = field(default_factory=Counter, init=False)
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS), init=False)
    on_call: Callable[[RoutedCall], None] | None = field(default=None, init=False)
    _answered: int = field(default=0, init=False)

    def answer(self, request: Request) -> WireAnswer:
        """Take the request's effect and say what comes back, or what happens instead."""
        self._answered += 1
        self.recent.append(f"{request.method} {request.path}")
        try:
            query = parse_query(request.query)
            call = route(request.method, request.path, query)
        except PlatformError as error:
            self.requests["unknown"] += 1
            return self._refuse(error, ())
        self.requests[call.operation] += 1
        if self.on_call is not None:
            self.on_call(call)
        faults = self.faults.take(call.operation, call.agent, call.session)
        return self._answer_faulty(OperationRequest(call, request, query, faults))

    def _answer_faulty(self, operation: OperationRequest) -> WireAnswer:
        faults = operation.faults
        if not faults:
            return self._act(operation)
        delay = sum(fault.delay_seconds for fault in faults)
        silence = _silence(faults, "before")
        if silence is None:
            answer = _spoil(self._act_or_fail(operation), faults)
            silence = _silence(faults, "after") or answer
        return replace(silence, delay_s=delay)

    def _act_or_fail(self, operation: OperationRequest) -> WireAnswer:
        failing = next((fault for fault in operation.faults if fault.status is not None), None)
        if false_answers.find_fault(operation.faults, "gateway"):
            return self._foreign((failing and failing.status) or 404)
        if failing is None:
            return self._act(operation)
        if failing.effect:
            self._act(operation)
        error = PlatformError(failing.status or 500, failing.code, failing.message)
        return self._refuse(error, operation.faults, self._failure_headers(failing))

    def _foreign(self, status: int) -> WireAnswer:
        """What a gateway says that does not know the way: a page for people, with nothing of the platform's."""
        date = ("date", http_date(int(self.platform.now())))
        headers = (("content-type", "text/html"), date, ("server", "gateway"))
        return WireAnswer(status, headers, false_answers.GATEWAY_PAGE)

    def _act(self, operation: OperationRequest) -> WireAnswer:
        try:
            self._admit(operation)
            result = perform(self.platform, operation)
        except PlatformError as error:
            return self._refuse(error, operation.faults)
        if operation.call.operation == "logs":
            return self._stream(operation.call, operation.faults)
        return self._reply(result, operation.faults)

    def _admit(self, operation: OperationRequest) -> None:
        bearer = operation.request.headers.get("authorization", "")
        if self.require_token and not bearer.startswith("Bearer "):
            raise PlatformError(401, "unauthorized", "A bearer token is required")
        if operation.query.get("api-version") != API_VERSION:
            given = operation.query.get("api-version")
            message = f"api-version {given!r} is not supported, only {API_VERSION}"
            raise PlatformError(400, "unsupported_api_version", message, "api-version")

    def _reply(self, result: OperationResult, faults: Sequence[Fault]) -> WireAnswer:
        payload = result.payload
        if payload is None:
            return WireAnswer(result.status, self._headers(faults))
        if isinstance(payload, bytes):
            kind = ("content-type", "application/octet-stream")
            return WireAnswer(result.status, (kind, *self._headers(faults)), payload)
        return WireAnswer(result.status, (("content-type", _JSON), *self._headers(faults)), encode(payload))

    def _refuse(self, error: PlatformError, faults: Sequence[Fault], extra: Headers = ()) -> WireAnswer:
        headers = (("content-type", _JSON), *self._headers(faults), *extra)
        return WireAnswer(error.status, headers, encode(error_record(error, self._request_id())))

    def _stream(self, call: RoutedCall, faults: Sequence[Fault]) -> WireAnswer:
        def read(number: int) -> tuple[list[str], int] | None:
            try:
                return self.platform.log(call.agent, call.session).since(number)
            except PlatformError:
                return None

        def stream() -> AsyncIterator[bytes]:
            return follow(read, self.platform.now, self.sleep)

        headers = (("content-type", "text/event-stream"), *self._headers(faults))
        return WireAnswer(200, headers, stream=stream)

    def _headers(self, faults: Sequence[Fault]) -> Headers:
        request_id = ("x-request-id", self._request_id())
        if false_answers.find_fault(faults, "no_date"):
            return (request_id,)
        shift = sum(fault.date_shift_seconds for fault in faults)
        return (("date", http_date(int(self.platform.now() + shift))), request_id)

    def _failure_headers(self, fault: Fault) -> Headers:
        given = tuple((name.lower(), value) for name, value in fault.headers.items())
        wait = fault.retry_after_seconds
        if wait is None:
            return given
        as_date = fault.retry_after_form == "date"
        text = http_date(int(self.platform.now() + wait)) if as_date else f"{wait:g}"
        return (*given, ("retry-after", text))

    def _request_id(self) -> str:
        return f"{self._answered:032x}"


def _silence(faults: Sequence[Fault], moment: str) -> WireAnswer | None:
    """The broken or hung connection that comes instead of an answer, if one does."""
    if any(fault.drop == moment for fault in faults):
        return WireAnswer(dropped=True)
    if any(fault.hangs == moment for fault in faults):
        return WireAnswer(hangs=True)
    return None


def _spoil(answer: WireAnswer, faults: Sequence[Fault]) -> WireAnswer:
    """The body replaced or cut, as the faults say."""
    body = answer.body
    for fault in faults:
        if fault.body is not None:
            body = fault.body.encode()
    if false_answers.find_fault(faults, "truncated"):
        body = body[: len(body) // 2]
    return replace(answer, body=body) if body is not answer.body else answer

"""The log tells what happened: no secrets, nothing that steers a terminal, and no flood."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from reaper.logs import configure_logging

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyZWFwZXIifQ.c2lnbmF0dXJl"
OPAQUE = "Bearer 8f3b1c0a-opaque~token+value/with=="
STEERING = "\x1b]0;pwned\x07\x1b[2J\x9b31m\u202e\r\u2028\x00\udc80"
FORGED = "oops\n2026-11-25T00:00:00Z [info     ] action outcome=done"

Log = Callable[[], str]


@pytest.fixture(params=["json", "console"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def log(form: str, request: pytest.FixtureRequest) -> Iterator[Log]:
    root, stream = logging.root, io.StringIO()
    handlers, level = root.handlers[:], root.level
    configure_logging(form, "info", stream)
    # What these tests log is no text that a report of a test could carry.
    captured = request.config.pluginmanager.getplugin("logging-plugin").report_handler
    captured.setLevel(logging.CRITICAL + 1)
    yield stream.getvalue
    captured.setLevel(logging.NOTSET)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def fail(text: str) -> None:
    secret_of_the_frame = "local-" + text[:4]
    raise ValueError(f"{text} {len(secret_of_the_frame)}")


def crash(text: str) -> None:
    try:
        fail(text)
    except ValueError:
        structlog.get_logger("reaper").exception("sweep_crashed", project="here")


def raw_controls(text: str) -> set[str]:
    return {char for char in text if not char.isprintable() and char != "\n"}


def test_a_traceback_shows_no_values_of_variables(log: Log) -> None:
    crash("abcdefgh")
    assert "local-" not in log()
    assert "ValueError: abcdefgh" in log()
    assert "in fail" in log()


@pytest.mark.parametrize("secret", [TOKEN, OPAQUE])
def test_no_line_holds_a_token_wherever_it_stood(log: Log, secret: str) -> None:
    crash(f"refused {secret} by the platform")
    reaper = structlog.get_logger("reaper")
    reaper.warning(
        "told", why=f"header {secret}", listed=[{"deep": secret}], made={secret: 1}, error=ValueError(secret)
    )
    reaper.warning(f"event {secret}")
    logging.getLogger("somebody").error("told %s", secret)
    bare = secret.removeprefix("Bearer ")
    assert bare not in log()
    assert bare[:12] not in log()
    assert log().count("<token>") >= 7


def test_no_line_steers_a_terminal_whatever_an_exception_says(log: Log) -> None:
    crash(STEERING)
    reaper = structlog.get_logger("reaper")
    reaper.warning("told", why=STEERING, listed=[STEERING], made={STEERING: STEERING}, error=ValueError(STEERING))
    reaper.warning(STEERING)
    logging.getLogger("somebody").error("told %s", STEERING)
    assert raw_controls(log()) == set()
    log().encode()


def test_no_text_from_outside_begins_a_line_of_its_own(log: Log) -> None:
    crash(FORGED)
    structlog.get_logger("reaper").warning("told", why=FORGED, listed=[FORGED])
    logging.getLogger("somebody").error(FORGED)
    assert not [line for line in log().split("\n") if line.startswith("2026-11-25T00:00:00Z")]


def test_every_line_is_bounded(log: Log) -> None:
    crash("x" * 1_000_000)
    crash("x\n" * 1_000_000)
    structlog.get_logger("reaper").warning("told", why="x" * 1_000_000, listed=["x" * 1_000] * 1_000)
    assert len(log()) < 100_000


def test_plain_values_stay_what_they_are() -> None:
    root, stream = logging.root, io.StringIO()
    handlers, level = root.handlers[:], root.level
    configure_logging("json", "info", stream)
    structlog.get_logger("reaper").info(
        "told", count=3, share=0.5, known=True, none=None, totals={"keep": 1}, names=["a"]
    )
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    told = json.loads(stream.getvalue())
    assert told["count"] == 3
    assert told["share"] == 0.5
    assert told["known"] is True
    assert told["none"] is None
    assert told["totals"] == {"keep": 1}
    assert told["names"] == ["a"]


def test_what_a_library_repeats_is_said_once_a_minute_with_how_often(log: Log) -> None:
    library = logging.getLogger("asyncio")

    def at(second: float, message: str) -> None:
        record = library.makeRecord("asyncio", logging.ERROR, "", 0, message, (), None)
        record.created = second
        library.handle(record)

    for number in range(2_000):
        at(1_000 + number / 100, "socket.accept() out of system resource")
    at(1_001, "something else")
    assert log().count("\n") == 2
    at(1_061, "socket.accept() out of system resource")
    assert log().count("\n") == 3
    assert "1999 more like it were left out" in log()


def test_a_library_that_never_repeats_itself_cannot_flood_the_log_either(log: Log) -> None:
    for number in range(5_000):
        logging.getLogger("asyncio").error("failure number %d of %s", number, "x" * number)
        logging.getLogger("uvicorn.error").error(f"failure number {number}")
    assert log().count("\n") < 400


def test_the_reapers_own_lines_are_never_left_out(log: Log) -> None:
    for _ in range(50):
        structlog.get_logger("reaper.engine.executor").info("action")
    assert log().count("\n") == 50

"""How log lines are written: as JSON or for a console, without secrets, harmless to a terminal, bounded, no flood."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final, TextIO

import structlog
from structlog import get_logger
from structlog.contextvars import bound_contextvars

from reaper.core.text import clean, without_tokens

__all__ = ["bound_contextvars", "configure_logging", "get_logger"]

TEXT_MAX_CHARS: Final = 2_000
LISTED_MAX_CHARS: Final = 1_000
LISTED_MAX: Final = 50
DEPTH_MAX: Final = 4
TRACE_MAX_CHARS: Final = 8_000
TRACE_LINE_MAX_CHARS: Final = 1_000
REPEATED_EVERY_S: Final = 60.0
KINDS_MAX: Final = 100
"""A library that has said so many kinds of line says no new one."""

_FIRST: Final = ("timestamp", "level", "event", "sweep_id", "project", "agent")
_TRACES: Final = frozenset({"exception", "stack"})


def configure_logging(format_: str, level: str, stream: TextIO | None = None) -> None:
    """Send every log line of the process, ours and the libraries', to stderr as JSON or for a console."""
    console = format_ == "console"
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _safe,
            _console((stream or sys.stderr).isatty()) if console else structlog.processors.JSONRenderer(),
            _without_tokens,
        ],
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(OncePerMinute())
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)
    # A failed token exchange is told by the sweep it fails, in one line and without the whole answer.
    logging.getLogger("azure").setLevel(logging.ERROR)
    logging.getLogger("reaper").setLevel(level.upper())


def _console(colours: bool) -> structlog.dev.ConsoleRenderer:
    """Tracebacks are text by then; a pretty one would show what variables hold."""
    return structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)


class OncePerMinute(logging.Filter):
    """Lets a library say each kind of line once a minute; the next one tells how many were left out.

    A kind is the beginning of a line's text before anything is put into it. The reaper's own lines all pass.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] == "reaper":
            return True
        kind = (record.name, str(record.msg).partition("\n")[0][:40])
        if kind not in self._kinds and len(self._kinds) >= KINDS_MAX:
            kind = ("", "")
        known = self._kinds.get(kind)
        if known is not None and 0 <= record.created - known[0] < REPEATED_EVERY_S:
            self._kinds[kind] = (known[0], known[1] + 1)
            return False
        if known is not None and known[1]:
            record.msg = f"{record.msg} ({known[1]} more like it were left out)"
        self._kinds[kind] = (record.created, 0)
        return True


def _safe(_logger: Any, _method: str, event: Any) -> Any:
    """Make foreign text in a log line harmless to a terminal, and put first what a reader looks for."""
    first = {key: event[key] for key in _FIRST if key in event}
    safe = {
        clean(key): _trace(value) if key in _TRACES else _harmless(value, TEXT_MAX_CHARS)
        for key, value in {**first, **event}.items()
    }
    event.clear()
    event.update(safe)
    return event


def _harmless(value: Any, max_chars: int, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth < DEPTH_MAX:
        deeper = depth + 1
        if isinstance(value, Mapping):
            some = islice(value.items(), LISTED_MAX)
            return {clean(key): _harmless(one, LISTED_MAX_CHARS, deeper) for key, one in some}
        if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
            more = [f"and {len(value) - LISTED_MAX} more"] if len(value) > LISTED_MAX else []
            return [_harmless(one, LISTED_MAX_CHARS, deeper) for one in value[:LISTED_MAX]] + more
    return clean(value if isinstance(value, str) else repr(value), max_chars)


def _trace(value: Any) -> str:
    """A traceback line by line, the middle of a long one left out; none of its lines looks like one of the log."""
    whole = without_tokens(str(value))
    half = TRACE_MAX_CHARS // 2
    if len(whole) > TRACE_MAX_CHARS:
        whole = f"{whole[:half]}\n…\n{whole[-half:]}"
    return "\n".join(f"  {clean(line, TRACE_LINE_MAX_CHARS)}" for line in whole.split("\n"))


def _without_tokens(_logger: Any, _method: str, rendered: Any) -> str:
    """What no rule before has seen, such as a token that was put together while rendering."""
    return without_tokens(str(rendered))

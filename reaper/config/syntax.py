"""Bytes to text to YAML nodes, bounded; every way in which that can fail is one located problem."""

from __future__ import annotations

import re
from typing import Final, NoReturn

from yaml.composer import Composer
from yaml.error import MarkedYAMLError, YAMLError
from yaml.nodes import MappingNode, Node
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from reaper.config.problem import BadValue, ConfigError, Problem, escaped

SIZE_LIMIT_BYTES: Final = 1024 * 1024
DEPTH_LIMIT: Final = 32
NODES_LIMIT: Final = 20_000

# Bidirectional controls are refused too: they show a reviewer something else than is read here.
_FORBIDDEN: Final = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
    "|[\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_TAB_HINT: Final = "use spaces, two for each level"


def decode(content: bytes, source: str) -> str:
    """The bytes of a file as text: UTF-8, of bounded size."""
    if len(content) > SIZE_LIMIT_BYTES:
        _fail(source, 0, 0, f"larger than {SIZE_LIMIT_BYTES} bytes", "a configuration is never that large")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        line, column = _position(before)
        _fail(source, line, column, f"the byte 0x{content[error.start]:02x} is not UTF-8", "save it as UTF-8")


def compose(text: str, source: str) -> Node:
    """The root of the one YAML document in the text, a mapping; ConfigError for anything else."""
    _refuse_forbidden(text, source)
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
    except MarkedYAMLError as error:
        _fail_parsing(error, source)
    except _Stopped as stopped:
        _fail(source, stopped.line, stopped.column, stopped.message, stopped.hint)
    except (YAMLError, ValueError, OverflowError, RecursionError):
        # PyYAML lets a few of Python's own errors through, as for an escape beyond Unicode.
        mark = loader.get_mark()
        _fail(source, mark.line + 1, mark.column + 1, "this is not valid YAML", "check the quotes nearby")
    if root is None:
        _fail(source, 1, 1, "the file is empty", "write at least version, projects and policies")
    if not isinstance(root, MappingNode):
        mark = root.start_mark
        message = "the file does not hold keys and values"
        _fail(source, mark.line + 1, mark.column + 1, message, "start with `version: 1`")
    return root


class _Stopped(BadValue):
    def __init__(self, line: int, column: int, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.line, self.column = line + 1, column + 1


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML's composer without any implicit type, with bounds, and without tags."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        self._nodes += 1
        if getattr(event, "tag", None) not in (None, "!"):
            message = f"tags such as {escaped(str(event.tag)[:40])} are not part of this language"
            raise _Stopped(mark.line, mark.column, message, "remove the tag")
        if self._nodes > NODES_LIMIT:
            message = f"more than {NODES_LIMIT} values"
            raise _Stopped(mark.line, mark.column, message, "a configuration is never that large")
        if self._depth >= DEPTH_LIMIT:
            message = f"nested more than {DEPTH_LIMIT} levels deep"
            raise _Stopped(mark.line, mark.column, message, "check the brackets")
        self._depth += 1
        node: Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _refuse_forbidden(text: str, source: str) -> None:
    forbidden = _FORBIDDEN.search(text)
    if forbidden:
        line, column = _position(text[: forbidden.start()])
        message = f"the character U+{ord(forbidden[0]):04X} has no place in a configuration"
        _fail(source, line, column, message, "remove it")


def _position(before: str) -> tuple[int, int]:
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return len(lines), len(lines[-1]) + 1


def _fail(source: str, line: int, column: int, message: str, hint: str) -> NoReturn:
    raise ConfigError([Problem(source, line, column, "", "", message, hint)])


def _fail_parsing(error: MarkedYAMLError, source: str) -> NoReturn:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    message, hint = _plain_words(error)
    _fail(source, line, column, message, hint)


def _plain_words(error: MarkedYAMLError) -> tuple[str, str]:
    """PyYAML's complaint in words that say what to do."""
    message = error.problem or error.context or "this is not valid YAML"
    start = error.context_mark
    at = error.problem_mark
    if at and at.buffer and at.buffer[max(at.pointer - 1, 0) : at.pointer + 1] == "${":
        return "a ${...} without quotes inside { } or [ ]", "put it in quotes, or write one key a line"
    begun = f" begun at line {start.line + 1} column {start.column + 1}" if start else ""
    if r"'\t'" in message:
        return "a tab stands here", _TAB_HINT
    if "another document" in message:
        return "a second document starts here", "keep one document in a file, without `---` between"
    if "<stream end>" in message or "end of stream" in message:
        return f"the file ends inside something{begun}", "close the bracket or quote, or restore the file"
    if "mapping values are not allowed" in message:
        return "a colon stands where no key can be", "check the indentation, or put the text in quotes"
    if "could not find expected ':'" in message:
        return f"a line{begun} is neither `key: value` nor a list entry", "add the colon and a value"
    if "alias" in message or "alias" in (error.context or "") or "anchor" in (error.context or ""):
        return f"no alias or anchor: {escaped(message)}", "a value that starts with * or & must be in quotes"
    if "cannot start any token" in message:
        return escaped(message), "put the text in quotes"
    if "<block end>" in message:
        return f"the indentation does not fit the block{begun}", "line it up with its neighbours"
    return f"not valid YAML: {escaped(message)}{begun}", "check the indentation, brackets and quotes nearby"

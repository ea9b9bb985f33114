"""Bytes to text to YAML nodes, bounded; every way in which that can fail is one located problem."""

from __future__ import annotations

import re
from typing import Final

from yaml.composer import Composer
from yaml.error import Mark, MarkedYAMLError, YAMLError
from yaml.nodes import MappingNode, Node
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from reaper.config.problem import escaped, refusal

SIZE_LIMIT_BYTES: Final = 1024 * 1024
DEPTH_LIMIT: Final = 32
NODES_LIMIT: Final = 20_000

# Bidirectional controls are refused too: they show a reviewer something else than is read here.
_FORBIDDEN: Final = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
    "|[\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def decode(content: bytes, source: str) -> str:
    """The bytes of a file as text: UTF-8, of bounded size."""
    if len(content) > SIZE_LIMIT_BYTES:
        message = f"larger than {SIZE_LIMIT_BYTES} bytes"
        raise refusal(source, (0, 0), message, "a configuration is never that large")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _end_of(content[: error.start].decode("utf-8", "replace"))
        message = f"the byte 0x{content[error.start]:02x} is not UTF-8"
        raise refusal(source, place, message, "save it as UTF-8") from None


def compose(text: str, source: str) -> Node:
    """The root of the one YAML document in the text, a mapping; ConfigError for anything else."""
    if forbidden := _FORBIDDEN.search(text):
        message = f"the character U+{ord(forbidden[0]):04X} has no place in a configuration"
        raise refusal(source, _end_of(text[: forbidden.start()]), message, "remove it")
    loader = _Loader(text, source)
    try:
        root = loader.get_single_node()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise refusal(source, place_of(mark) if mark else (0, 0), *_plain_words(error)) from None
    except (YAMLError, ValueError, OverflowError, RecursionError):
        # PyYAML lets a few of Python's own errors through, as for an escape beyond Unicode.
        place = place_of(loader.get_mark())
        raise refusal(source, place, "this is not valid YAML", "check the quotes nearby") from None
    if root is None:
        raise refusal(source, (1, 1), "the file is empty", "write at least version, projects and policies")
    if not isinstance(root, MappingNode):
        message = "the file does not hold keys and values"
        raise refusal(source, place_of(root.start_mark), message, "start with `version: 1`")
    return root


def place_of(mark: Mark) -> tuple[int, int]:
    """The line and column of a mark, counted from 1."""
    return mark.line + 1, mark.column + 1


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML's composer without any implicit type, with bounds, and without tags."""

    def __init__(self, text: str, source: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._source = source
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        place = place_of(event.start_mark)
        self._nodes += 1
        if getattr(event, "tag", None) not in (None, "!"):
            message = f"tags such as {escaped(str(event.tag)[:40])} are not part of this language"
            raise refusal(self._source, place, message, "remove the tag")
        if self._nodes > NODES_LIMIT:
            raise refusal(
                self._source, place, f"more than {NODES_LIMIT} values", "a configuration is never that large"
            )
        if self._depth >= DEPTH_LIMIT:
            message = f"nested more than {DEPTH_LIMIT} levels deep"
            raise refusal(self._source, place, message, "check the brackets")
        self._depth += 1
        node: Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _end_of(before: str) -> tuple[int, int]:
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return len(lines), len(lines[-1]) + 1


def _plain_words(error: MarkedYAMLError) -> tuple[str, str]:
    """PyYAML's complaint in words that say what to do."""
    message = error.problem or error.context or "this is not valid YAML"
    start = error.context_mark
    at = error.problem_mark
    if at and at.buffer and at.buffer[max(at.pointer - 1, 0) : at.pointer + 1] == "${":
        return "a ${...} without quotes inside { } or [ ]", "put it in quotes, or write one key a line"
    begun = f" begun at line {start.line + 1} column {start.column + 1}" if start else ""
    if r"'\t'" in message:
        return "a tab stands here", "use spaces, two for each level"
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

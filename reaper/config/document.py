"""YAML text to a located tree: plain values, and for each of them its line and column.

The scalars are those of YAML 1.2's core schema, as far as this language needs them: `22:00`, `on` and
`2026-01-01` are text. Aliases may share parts of a file within a bound; merge keys and tags are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from reaper.config.environment import NAMES_PREFIX, substitute
from reaper.config.problem import BadValue, Finding, Path, Problem, escaped, refusal, show_path, shown
from reaper.config.scalars import Scalar, resolve
from reaper.config.syntax import DEPTH_LIMIT, compose, place_of
from reaper.core.conditions import CONDITIONS, Values

EXPANDED_LIMIT: Final = 20_000
"""So many values may a file hold once its aliases are followed."""

_WORDED: Final = [kind.name for kind in CONDITIONS if kind.values not in (Values.DURATION, Values.STATUSES)]
_NAMES: Final = (
    ("projects", "*", "agents", "#", "name"),
    ("projects", "*", "agents", "#", "policy"),
    ("projects", "*", "must_see", "#"),
    ("projects", "*", "known_fields", "#"),
    ("policies", "*", "rules", "#", "name"),
    *(("policies", "*", "rules", "#", "when", name, *each) for name in _WORDED for each in ((), ("#",))),
    ("quotas", "*", "projects", "#"),
    *(("holds", "#", name) for name in ("project", "agent", "session", "legal", "reason", "by")),
)

Value = Scalar | list["Value"] | dict[str, "Value"]

_SECRET: Final = frozenset({"headers", "proxy"})


@dataclass(frozen=True, slots=True)
class Position:
    """Where a value and its key stand, counted from 1, and the text of a scalar."""

    key: tuple[int, int]
    value: tuple[int, int]
    text: str | None


@dataclass
class Document:
    """A configuration as it stands in the file. `findings` are the faults met while reading it."""

    source: str
    value: Value = None
    places: dict[Path, Position] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def problem(self, finding: Finding) -> Problem:
        """The finding with its line, its column and the value as it may be shown."""
        shown = known = finding.path
        while known not in self.places:
            known = known[:-1]
        if shown == (*known, 0):
            shown = known  # one value that stands for a list of one
        place = self.places[known]
        at_key = finding.at_key or known != shown
        line, column = finding.place or (place.key if at_key else place.value)
        value = self._shown(known) if finding.shows_value else ""
        return Problem(self.source, line, column, show_path(shown), value, finding.message, finding.hint)

    def problems(self, findings: list[Finding]) -> list[Problem]:
        """All the findings located, without those at a value that could not be read in the first place."""
        unreadable = {finding.path for finding in self.findings if finding.place is None}
        unreadable |= {(*path, 0) for path in unreadable}  # one value that stands for a list of one
        return [self.problem(finding) for finding in findings if finding.path not in unreadable]

    def _shown(self, path: Path) -> str:
        text = self.places[path].text
        if text is None:
            return ""
        return "'…'" if is_secret(path) else shown(text)


def is_secret(path: Path) -> bool:
    """Whether the value at this path must not be printed: header values may be tokens, a proxy has a password."""
    return len(path) >= 3 and path[0] == "projects" and path[2] in _SECRET


def is_name(path: Path) -> bool:
    """Whether the value at this path is shown in metrics, logs or on the status page."""
    named = tuple("#" if isinstance(step, int) else step for step in path)
    return any(
        len(named) == len(name) and all(part in ("*", step) for part, step in zip(name, named, strict=True))
        for name in _NAMES
    )


def read(text: str, source: str, environ: Mapping[str, str]) -> Document:
    """The text as a located tree; ConfigError when it is no YAML mapping at all."""
    root = compose(text, source)
    document = Document(source)
    document.value = _Reading(document, environ).node(root, (), root)
    return document


class _Reading:
    """One walk over the composed nodes, following aliases."""

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self._document = document
        self._environ = environ
        self._open: list[Node] = []

    def node(self, node: Node, path: Path, key: Node) -> Value:
        self._bound(node, path, key)
        text = node.value if isinstance(node, ScalarNode) else None
        self._document.places[path] = Position(place_of(key.start_mark), place_of(node.start_mark), text)
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        self._open.append(node)
        value = self._mapping(node, path) if isinstance(node, MappingNode) else self._sequence(node, path)
        self._open.pop()
        return value

    def _bound(self, node: Node, path: Path, key: Node) -> None:
        """Aliases make a small file large, deep or endless: stop before the memory does."""
        if any(node is outer for outer in self._open):
            self._stop(key, path, "an alias stands inside the very value that it names", "write the value out")
        if len(path) > DEPTH_LIMIT:
            self._stop(key, path, f"nested more than {DEPTH_LIMIT} levels deep", "remove the aliases")
        if len(self._document.places) >= EXPANDED_LIMIT:
            message = f"the aliases expand to more than {EXPANDED_LIMIT} values"
            self._stop(None, path[:1], message, "write the values out, or split the file")

    def _stop(self, at: Node | None, path: Path, message: str, hint: str) -> None:
        place = place_of(at.start_mark) if at else self._document.places[path].key
        raise refusal(self._document.source, place, message, hint, show_path(path[:4]))

    def _scalar(self, node: ScalarNode, path: Path) -> Scalar:
        text: str = node.value
        found = self._document.findings
        try:
            read = substitute(text, self._environ, NAMES_PREFIX if is_name(path) else "")
        except BadValue as wrong:
            found.append(Finding(path, wrong.message, wrong.hint, shows_value=not wrong.quiet))
            return text
        if not read.isprintable():
            hint = "remove line breaks, tabs and control characters"
            found.append(Finding(path, "holds a character that cannot be printed", hint))
            return text
        value = resolve(read, plain=node.style is None)
        if value is None:
            found.append(Finding(path, "has no value", "write one, or remove the key", shows_value=False))
        return value

    def _sequence(self, node: Node, path: Path) -> list[Value]:
        assert isinstance(node, SequenceNode)  # noqa: S101 - the composer makes three kinds only
        return [self.node(item, (*path, place), item) for place, item in enumerate(node.value)]

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for key, item in node.value:
            name = self._key(key, path)
            if name is None:
                continue
            if name in found:
                line, column = self._document.places[*path, name].key
                message = f"given twice, first at line {line} column {column}"
                self._lost(key, (*path, name), message, "remove one of them")
            else:
                found[name] = self.node(item, (*path, name), key)
        return found

    def _key(self, key: Node, path: Path) -> str | None:
        if not isinstance(key, ScalarNode):
            self._lost(key, path, "a key must be text, not a list or mapping", "")
            return None
        name: str = key.value
        if not isinstance(resolve(name, plain=key.style is None), str):
            hint = f'put it in quotes: "{escaped(name)}"' if name else "write the key before the colon"
            self._lost(key, path, f"the key {shown(name)} is not text", hint)
            return None
        if name == "<<" and key.style is None:
            self._lost(key, path, "merge keys (<<) are not part of this language", "write the keys out")
            return None
        return name

    def _lost(self, key: Node, path: Path, message: str, hint: str) -> None:
        """A fault at a key that holds nothing in the tree."""
        finding = Finding(path, message, hint, shows_value=False, place=place_of(key.start_mark))
        self._document.findings.append(finding)

"""The models applied to a document: pydantic finds the faults, this puts them into words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from reaper.config.document import Document
from reaper.config.json_schema import schema_at
from reaper.config.models import Root
from reaper.config.problem import BadValue, Finding, Path, did_you_mean, one_of

_KEY: Final = "[key]"


def validate(document: Document) -> tuple[Root | None, list[Finding]]:
    """The document as a model, or None with everything that keeps it from being one."""
    try:
        return Root.model_validate(document.value), []
    except ValidationError as error:
        return None, [_finding(detail) for detail in error.errors(include_url=False)]


def _finding(detail: ErrorDetails) -> Finding:
    path: Path = detail["loc"]
    at_key = bool(path) and path[-1] == _KEY
    path = path[:-1] if at_key else path
    wrong = detail.get("ctx", {}).get("error")
    if isinstance(wrong, BadValue):
        return Finding(path, wrong.message, wrong.hint, not (wrong.quiet or at_key), at_key)
    explain = _WORDS.get(detail["type"])
    return explain(path, detail) if explain else Finding(path, detail["msg"])


def _missing(path: Path, _: ErrorDetails) -> Finding:
    about = str(schema_at(path).get("description", "")).rstrip(".")
    return Finding(path, "is missing", f"add `{path[-1]}:` ({about})" if about else "", shows_value=False)


def _unknown(path: Path, _: ErrorDetails) -> Finding:
    known = schema_at(path[:-1]).get("properties", {})
    return Finding(path, "unknown key", did_you_mean(str(path[-1]), known), shows_value=False, at_key=True)


def _no_mapping(path: Path, detail: ErrorDetails) -> Finding:
    known = schema_at(path).get("properties")
    hint = f"its keys are {one_of(known, 'and')}" if known else "write `name: value` lines under it"
    return Finding(path, _mistaken("a mapping", detail), hint)


def _no_list(path: Path, detail: ErrorDetails) -> Finding:
    return Finding(path, _mistaken("a list", detail), "write [a, b], or one entry a line after a dash")


def _no_choice(path: Path, _: ErrorDetails) -> Finding:
    choices: list[str] = schema_at(path).get("enum", [])
    return Finding(path, "is not known here", f"write {one_of(choices)}")


def _no_boolean(path: Path, _: ErrorDetails) -> Finding:
    return Finding(path, "is neither true nor false", "write true or false, without quotes")


def _empty(path: Path, _: ErrorDetails) -> Finding:
    hint = "remove the key if deleting is always allowed" if path[-1] == "windows" else "write at least one"
    return Finding(path, "is empty", hint, shows_value=False)


def _mistaken(wanted: str, detail: ErrorDetails) -> str:
    given = detail["input"]
    kind = "is a list" if isinstance(given, list) else "is a mapping" if isinstance(given, dict) else "stands"
    return f"{kind} where {wanted} is expected"


_WORDS: Final[dict[str, Callable[[Path, ErrorDetails], Finding]]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "model_type": _no_mapping,
    "model_attributes_type": _no_mapping,
    "dict_type": _no_mapping,
    "list_type": _no_list,
    "literal_error": _no_choice,
    "bool_type": _no_boolean,
    "too_short": _empty,
}

"""As much of the template language as the template of the alerts uses, to see what Azure would be asked for."""

from __future__ import annotations

import re
from typing import Any

TOKEN = re.compile(r"\s*('(?:[^']|'')*'|\w+|[(),.])")


def deployed(template: dict[str, Any], **given: str) -> list[dict[str, Any]]:
    """The resources with these parameters put in; KeyError for a parameter that is needed and missing."""
    return [_filled(resource, template, given) for resource in template["resources"]]


def _filled(node: Any, template: dict[str, Any], given: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value, template, given) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, template, given) for value in node]
    if not isinstance(node, str) or not node.startswith("["):
        return node
    if node.startswith("[["):
        return node[1:]
    assert node.endswith("]"), node
    return _Expression(node[1:-1], template, given).value()


class _Expression:
    def __init__(self, text: str, template: dict[str, Any], given: dict[str, str]) -> None:
        self._tokens = TOKEN.findall(text)
        assert "".join(self._tokens) == re.sub(r"\s+(?=(?:[^']*'[^']*')*[^']*$)", "", text), text
        self._template = template
        self._given = given

    def value(self) -> Any:
        token = self._tokens.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        return self._property(getattr(self, f"_{token.lower()}")(*self._arguments()))

    def _arguments(self) -> list[Any]:
        found: list[Any] = []
        assert self._tokens.pop(0) == "("
        while self._tokens[0] != ")":
            found.append(self.value())
            if self._tokens[0] == ",":
                self._tokens.pop(0)
        self._tokens.pop(0)
        return found

    def _property(self, value: Any) -> Any:
        while self._tokens and self._tokens[0] == ".":
            value = value[self._tokens[1]]
            del self._tokens[:2]
        return value

    def _parameters(self, name: str) -> Any:
        declared = self._template["parameters"][name]
        return self._given[name] if name in self._given else _filled(declared["defaultValue"], self._template, {})

    def _variables(self, name: str) -> Any:
        return _filled(self._template["variables"][name], self._template, self._given)

    def _resourcegroup(self) -> dict[str, str]:
        return {"location": "of the group"}

    def _concat(self, *texts: str) -> str:
        return "".join(texts)

    def _empty(self, value: Any) -> bool:
        return not value

    def _if(self, condition: bool, then: Any, otherwise: Any) -> Any:
        return then if condition else otherwise

    def _createarray(self, *values: Any) -> list[Any]:
        return list(values)

    def _createobject(self, *pairs: Any) -> dict[str, Any]:
        return dict(zip(pairs[::2], pairs[1::2], strict=True))

"""The JSON Schema of the configuration, for editors, and for messages that name the keys that exist."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from reaper.config.models import Root
from reaper.config.problem import Path

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class _Generate(GenerateJsonSchema):
    """Null is how the models say "not given"; in the file there is no null."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        generated = super().default_schema(schema)
        if isinstance(default := generated.get("default"), dict):
            generated["default"] = {key: value for key, value in default.items() if value is not None}
        return generated


@cache
def schema() -> dict[str, Any]:
    """The schema of a configuration file, draft 2020-12."""
    generated = Root.model_json_schema(schema_generator=_Generate)
    return {"$schema": DIALECT, **generated, "title": "session-reaper configuration"}


def schema_text() -> str:
    """The schema as it is kept in `config/reaper.schema.json`."""
    return json.dumps(schema(), indent=2) + "\n"


def schema_at(path: Path) -> dict[str, Any]:
    """The part of the schema that describes this path; empty for a path that the language lacks."""
    part = schema()
    for step in path:
        part = _child(_resolved(part), step)
    return _resolved(part)


def _child(part: dict[str, Any], step: str | int) -> dict[str, Any]:
    if isinstance(step, int):
        child = part.get("items", {})
    else:
        child = part.get("properties", {}).get(step) or part.get("additionalProperties") or {}
    return child if isinstance(child, dict) else {}


def _resolved(part: dict[str, Any]) -> dict[str, Any]:
    reference = part.get("$ref")
    if reference is None:
        return part
    target: dict[str, Any] = schema()["$defs"][reference.removeprefix("#/$defs/")]
    return target | {key: value for key, value in part.items() if key != "$ref"}

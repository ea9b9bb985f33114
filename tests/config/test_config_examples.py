"""The examples load, are safe, agree with the schema, and show themselves again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from reaper.config import load, parse, schema_text, show
from reaper.config.json_schema import schema
from reaper.core.policy import Mode

CONFIG = Path(__file__).parents[2] / "config"
EXAMPLES = sorted(CONFIG.glob("*.yaml"))
VALIDATOR = jsonschema.Draft202012Validator(schema())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_loads_without_a_warning_and_touches_nothing(path: Path) -> None:
    loaded = load(path, {})
    assert loaded.warnings == ()
    assert all(policy.mode is Mode.OBSERVE for policy in loaded.settings.policies)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_names_its_schema_and_passes_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=./reaper.schema.json\n")
    VALIDATOR.validate(yaml.safe_load(text))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_what_is_shown_loads_again_to_equal_settings(path: Path) -> None:
    settings = load(path, {}).settings
    text = show(settings)
    assert parse(text, "shown", {}).settings == settings
    assert parse(text, "shown", {}).warnings == ()
    VALIDATOR.validate(yaml.safe_load(text))


def test_the_schema_in_the_repository_is_the_one_that_the_models_give() -> None:
    assert (CONFIG / "reaper.schema.json").read_text(encoding="utf-8") == schema_text()


def test_the_schema_is_a_schema_and_has_no_null() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert "null" not in json.dumps(schema())


def _objects(part: Any) -> list[dict[str, Any]]:
    if isinstance(part, list):
        return [found for item in part for found in _objects(item)]
    if not isinstance(part, dict):
        return []
    below = [found for item in part.values() for found in _objects(item)]
    return [part, *below] if "properties" in part else below


def test_every_key_of_the_schema_is_described_and_no_other_is_allowed() -> None:
    for part in _objects(schema()):
        assert part["additionalProperties"] is False
        for name, described in part["properties"].items():
            assert described.get("description"), name


@pytest.mark.parametrize(
    "change",
    [
        {"polices": {}},
        {"version": 2},
        {"schedule": {"every": "1h", "cron": "* * * * *"}},
        {"schedule": {"every": 7}},
        {"schedule": {"every": "7"}},
        {"approvals": ["latest"]},
        {"state": "postgresql://db"},
    ],
    ids=str,
)
def test_the_schema_refuses_what_an_editor_should_underline(change: dict[str, Any]) -> None:
    good = yaml.safe_load((CONFIG / "minimal.yaml").read_text(encoding="utf-8"))
    assert VALIDATOR.is_valid(good)
    assert not VALIDATOR.is_valid(good | change)


def test_what_a_shell_would_misread_stays_text_when_shown() -> None:
    text = (CONFIG / "minimal.yaml").read_text(encoding="utf-8")
    for version in ("1e5", "true", "null", "010", "1.10", "22:00", "$${HOME}", "7", "~", "a: b", "# x", "*a", "on"):
        rule = f'{{name: r, action: delete, when: {{idle: 7d, version: "{version}"}}}}'
        settings = parse(text + f"      - {rule}\n", "t", {}).settings
        assert parse(show(settings), "shown", {}).settings == settings

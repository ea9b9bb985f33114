"""What is generated is current, and the chart's own files say what they must."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

import pytest
import yaml
from chart_world import CHART, ROOT

from reaper import __version__


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    reason = "kubernetes-validate is not installed: values.schema.json was not compared"
    pytest.importorskip("kubernetes_validate", reason=reason)
    spec = importlib.util.spec_from_file_location("generate", ROOT / "helm" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_schema_and_the_table_of_values_are_current(generate: ModuleType) -> None:
    """If not: python helm/generate.py."""
    assert [path.name for path, text in generate.derived().items() if path.read_text() != text] == []


def test_every_value_is_documented_and_in_the_schema(generate: ModuleType) -> None:
    schema = generate.values_schema()
    for path, _, told in generate.documented((CHART / "values.yaml").read_text()):
        assert told.endswith((".", "`.")), path
        place = schema
        for key in path.split("."):
            place = place.get("properties", place)
            assert key in place, path
            place = place[key]


def test_every_property_of_the_schema_is_a_value(generate: ModuleType) -> None:
    documented = {path for path, _, _ in generate.documented((CHART / "values.yaml").read_text())}
    schema = yaml.safe_load((ROOT / "helm" / "values.schema.in.yaml").read_text())
    assert set(_leaves(schema["properties"])) == documented


def _leaves(properties: dict[str, dict], prefix: str = "") -> list[str]:
    found = []
    for name, schema in properties.items():
        inner = schema.get("properties")
        found += _leaves(inner, f"{prefix}{name}.") if inner else [f"{prefix}{name}"]
    return found


def test_no_pattern_needs_what_helms_engine_does_not_have(generate: ModuleType) -> None:
    patterns = re.findall(r'"pattern": "(.*)"', (CHART / "values.schema.json").read_text())
    assert patterns
    assert [pattern for pattern in patterns if re.search(r"\(\?[=!<]|\\\\[1-9]", pattern)] == []


def test_the_chart_says_which_kubernetes_it_needs_and_follows_the_product() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["apiVersion"] == "v2"
    assert chart["kubeVersion"] == ">=1.29.0-0"
    assert chart["appVersion"] == __version__
    assert chart["icon"]
    assert {"artifacthub.io/license", "artifacthub.io/changes"} <= chart["annotations"].keys()


def test_no_registry_is_named() -> None:
    text = "".join(path.read_text() for path in CHART.rglob("*") if path.is_file() and path.suffix != ".json")
    assert not re.search(r"\b(ghcr|quay|docker|gcr|mcr|azurecr)\.(io|com|microsoft)", text)

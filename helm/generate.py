"""Writes what the chart derives: values.schema.json, and the table of values in its README. `--check` only compares.

The schema is values.schema.in.yaml with two things put in: `reaper:` is config/reaper.schema.json, and
`kubernetes:TYPE` a type of the newest Kubernetes that the package kubernetes-validate knows, without descriptions.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import yaml

HERE: Final = Path(__file__).parent
CHART: Final = HERE / "session-reaper"
PRODUCT: Final = HERE.parent / "config" / "reaper.schema.json"
PLACEHOLDER: Final = r"\$\{[A-Za-z_]"
MARKS: Final = ("<!-- values: written by helm/generate.py -->\n", "<!-- end of values -->\n")


def main() -> int:
    """Write the files, or with --check say which are out of date; 1 then."""
    stale = [path for path, text in derived().items() if path.read_text() != text]
    for path in stale:
        if "--check" not in sys.argv:
            path.write_text(derived()[path])
        sys.stdout.write(f"{path.relative_to(HERE.parent)}\n")
    return int("--check" in sys.argv and bool(stale))


def derived() -> dict[Path, str]:
    """Each derived file with the text it should have."""
    readme = CHART / "README.md"
    schema = CHART / "values.schema.json"
    return {
        schema: json.dumps(values_schema(), indent=1) + "\n",
        readme: with_table(readme.read_text(), (CHART / "values.yaml").read_text()),
    }


def values_schema() -> dict[str, Any]:
    """The hand-written part with the product's schema and the Kubernetes types it refers to."""
    written = yaml.safe_load((HERE / "values.schema.in.yaml").read_text())
    wanted = {ref.removeprefix("kubernetes:") for ref in refs(written) if ref.startswith("kubernetes:")}
    schema = with_refs(written)
    return {**schema, "$defs": {**schema["$defs"], **product_defs(), **kubernetes_defs(wanted)}}


def with_refs(node: Any) -> Any:
    """`reaper:` and `kubernetes:TYPE` as references into `$defs`."""
    if isinstance(node, dict):
        return {key: local(value) if key == "$ref" else with_refs(value) for key, value in node.items()}
    return [with_refs(value) for value in node] if isinstance(node, list) else node


def local(ref: str) -> str:
    return re.sub(r"^kubernetes:", "#/$defs/", re.sub(r"^reaper:$", "#/$defs/reaper", ref))


def product_defs() -> dict[str, Any]:
    """The product's schema as definitions. Helm's engine knows no lookahead, and `minLength` says the same."""
    product = readable(json.loads(PRODUCT.read_text()))
    inner = product.pop("$defs")
    product.pop("$schema")
    return {"reaper": product} | {f"reaper.{name}": schema for name, schema in inner.items()}


def readable(node: Any, names: bool = False) -> Any:
    """A part of the product's schema: patterns for Helm's engine, and `${NAME}` welcome where text is."""
    if isinstance(node, list):
        return [readable(value) for value in node]
    if not isinstance(node, dict):
        return node
    found = {key: readable(value, key == "propertyNames") for key, value in node.items()}
    if isinstance(found.get("$ref"), str):
        found["$ref"] = found["$ref"].replace("#/$defs/", "#/$defs/reaper.")
    if isinstance(found.get("pattern"), str):
        pattern = found["pattern"].replace(r"(?=\d)", "")
        found["pattern"] = pattern if names else f"{pattern}|{PLACEHOLDER}"
    return found


def kubernetes_defs(wanted: set[str]) -> dict[str, Any]:
    """The named types and all that they refer to, without descriptions."""
    version = kubernetes_validate.latest_version()
    base = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    known = json.loads((base / f"v{version}-local-strict" / "_definitions.json").read_text())["$defs"]
    found: dict[str, Any] = {}
    while wanted:
        name = wanted.pop()
        found[name] = bare(known[name])
        wanted |= {ref.removeprefix("#/$defs/") for ref in refs(found[name])} - found.keys()
    return dict(sorted(found.items()))


def bare(node: Any) -> Any:
    """A Kubernetes type without what only people and controllers read. No value is null: Helm drops such keys."""
    if isinstance(node, list):
        return [bare(value) for value in node]
    if not isinstance(node, dict):
        return node
    kept = {key: value for key, value in node.items() if not (key == "description" and isinstance(value, str))}
    return {
        key: [one for one in value if one != "null"] if key == "type" and isinstance(value, list) else bare(value)
        for key, value in kept.items()
        if not key.startswith("x-")
    }


def refs(node: Any) -> Iterator[str]:
    """Every `$ref` in a schema."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from refs(value)


def with_table(readme: str, values: str) -> str:
    """The README with the table of values between its marks."""
    before, rest = readme.split(MARKS[0])
    _, after = rest.split(MARKS[1])
    rows = "".join(f"| `{path}` | `{default}` | {told} |\n" for path, default, told in documented(values))
    return f"{before}{MARKS[0]}| value | default | what it is |\n|---|---|---|\n{rows}{MARKS[1]}{after}"


def documented(values: str) -> Iterator[tuple[str, str, str]]:
    """Each documented value: path, default as JSON, description. Raises ValueError for one without."""
    root = yaml.compose(values)
    assert isinstance(root, yaml.MappingNode)  # noqa: S101
    yield from _documented(root, "", values.splitlines())


def _documented(node: yaml.MappingNode, prefix: str, lines: list[str]) -> Iterator[tuple[str, str, str]]:
    for key, value in node.value:
        path = f"{prefix}{key.value}"
        told = comment_above(lines, key.start_mark.line)
        if told:
            default = yaml.safe_load(yaml.serialize(value))
            yield path, json.dumps(default), told.replace("|", "\\|")
        elif isinstance(value, yaml.MappingNode) and value.value:
            yield from _documented(value, f"{path}.", lines)
        else:
            raise ValueError(f"values.yaml:{key.start_mark.line + 1}: {path} has no comment that begins with `# --`")


def comment_above(lines: list[str], line: int) -> str:
    """The comment right above a line, if it begins with `# --`; '' otherwise."""
    said: list[str] = []
    while line and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        said.insert(0, lines[line].strip().removeprefix("#").strip())
    return " ".join(said).removeprefix("--").strip() if said and said[0].startswith("--") else ""


if __name__ == "__main__":
    sys.exit(main())

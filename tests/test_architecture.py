"""The page about the house says where things are: what it names has to be there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`((?:reaper|tests|docs|monitoring|helm|config)/[\w/.-]+)`(?::? `([\w.]+)`)?")


def _defined(source: Path) -> set[str]:
    """Functions, classes and their methods, as `name` and `Class.name`."""
    found = set()
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (part for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}.{method.name}" for method in methods}
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


@pytest.mark.parametrize(("place", "name"), sorted({(m[1], m[2] or "") for m in NAMED.finditer(PAGE)}))
def test_what_the_page_about_the_house_names_is_there(place: str, name: str) -> None:
    path = ROOT / place
    assert path.exists()
    assert not name or name in _defined(path)


def test_the_page_about_the_house_has_a_line_for_each_room() -> None:
    inside = (ROOT / "reaper").iterdir()
    rooms = [path.name for path in inside if path.suffix == ".py" or (path / "__init__.py").exists()]
    assert [room for room in rooms if room != "__init__.py" and f"  {room}" not in PAGE] == []

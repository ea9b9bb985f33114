"""What is true of the house itself: docs match the code, one clock, libraries have owners, locked dependencies."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from reaper.cli.main import app
from reaper.core.inventory_checks import Doubt
from reaper.core.plan import Hold

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "reaper").rglob("*.py"))
CLOCKS = {
    ("time", "time"),
    ("time", "monotonic"),
    ("time", "sleep"),
    ("asyncio", "sleep"),
    ("datetime", "now"),
    ("datetime", "utcnow"),
}
OWNERS = {
    "aiohttp": {"foundry"},
    "alembic": {"store"},
    "apscheduler": {"daemon", "schedule"},
    "azure": {"foundry"},
    "httpx2": {"foundry", "fetch", "emulator"},
    "jinja2": {"web"},
    "markdown_it": {"web"},
    "mcp": {"mcp"},
    "mcp_types": {"mcp"},
    "msgspec": {"foundry", "emulator"},
    "prometheus_client": {"telemetry"},
    "pydantic": {"config", "mcp"},
    "pydantic_core": {"config"},
    "rich": {"cli"},
    "sqlalchemy": {"store"},
    "starlette": {"web", "mcp"},
    "structlog": {"logs"},
    "tenacity": {"foundry"},
    "typer": {"cli"},
    "uvicorn": {"web", "emulator"},
    "yaml": {"config"},
    "yarl": {"foundry"},
}
"""Who may import a library of the outside. The emulator is another program, with libraries of its own; the MCP SDK
speaks pydantic and Starlette; what is fetched from elsewhere than a project goes past the provider."""

THOUGHT = {
    *(
        "__future__",
        "abc",
        "collections",
        "contextlib",
        "dataclasses",
        "datetime",
        "enum",
        "fnmatch",
        "functools",
        "hashlib",
    ),
    *("heapq", "ipaddress", "itertools", "json", "math", "re", "shlex", "typing", "zoneinfo"),
    *("glob.escape", "urllib.parse", "uuid.UUID"),
}
"""What pure modules may import of the standard library: nothing that reads, writes, waits or asks."""

OUTSIDE_WORLD = ("clock", "fetch", "logs", "foundry", "store", "config")


def imported(source: Path) -> Iterator[str]:
    """Every name that a file imports, also within its functions."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(source: Path) -> str:
    return source.relative_to(ROOT / "reaper").parts[0].removesuffix(".py")


def is_pure(source: Path) -> bool:
    """Whether a file is of the core, or says of itself that it is pure."""
    said = ast.get_docstring(ast.parse(source.read_text())) or ""
    return room(source) == "core" or re.search(r"\bPure[.:;]", said) is not None


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_clock_asks_the_time_or_sleeps(source: Path) -> None:
    if source == ROOT / "reaper" / "clock.py":
        return
    calls = (node.func for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call))
    asked = {(f.value.id, f.attr) for f in calls if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name)}
    assert not asked & CLOCKS


def test_tests_tell_the_time_by_one_module_of_clocks() -> None:
    tests = {path.relative_to(ROOT / "tests").as_posix(): path.read_text() for path in ROOT.glob("tests/**/*.py")}
    clocks = {name for name, text in tests.items() if re.search(r"^ +def (wall|monotonic)\(", text, re.M)}
    assert clocks == {"clock.py", "bench/subject.py"}  # what is measured takes real time


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_library_is_imported_by_its_owner_only(source: Path) -> None:
    libraries = {name.partition(".")[0] for name in imported(source)} - {"reaper", *sys.stdlib_module_names}
    assert [name for name in libraries if room(source) not in OWNERS.get(name, ())] == []


@pytest.mark.parametrize("source", [*filter(is_pure, SOURCES)], ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_called_pure_neither_reads_nor_writes_nor_waits_nor_asks(source: Path) -> None:
    names = [name.split(".") for name in imported(source)]
    standard = [name for name in names if name[0] != "reaper"]
    assert [name for name in standard if not {name[0], ".".join(name[:2])} & THOUGHT] == []
    assert [name for name in names if name[0] == "reaper" and name[1] in OUTSIDE_WORLD] == []
    calls = (node.func for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call))
    assert {f.id for f in calls if isinstance(f, ast.Name)} & {"open", "print", "input"} == set()


def test_the_policies_page_explains_every_reason_that_holds_a_candidate_back() -> None:
    page = (ROOT / "docs" / "policies.md").read_text()
    assert [word for word in (*Hold, *Doubt) if f"`{word}`" not in page] == []


def test_the_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text()
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert [name for name in commands if f"`reaper {name}" not in readme] == []


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("lock", [*ROOT.glob("requirements*.lock")], ids=lambda path: path.name)
def test_locked_dependencies_carry_hashes_and_no_index_address(lock: Path) -> None:
    text = lock.read_text()
    pinned = re.findall(r"^\S+==", text, re.MULTILINE)
    assert pinned
    assert len(re.findall(r"^\S+==.*\\\n    --hash=sha256:", text, re.MULTILINE)) == len(pinned)
    assert not re.search(r"index-url|https?://", text)


def test_the_readme_shows_the_example_policy_that_loads() -> None:
    from reaper.config import parse

    shown = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown is not None
    assert parse(shown[1], "README.md", {}).settings.policies[0].name == "standard"


def test_the_safety_page_has_a_row_for_each_failure() -> None:
    page = (ROOT / "docs" / "safety.md").read_text()
    assert [row for row in range(1, 57) if f"\n| {row} |" not in page] == []


@pytest.mark.parametrize("name", ["safety.md", "threat-model.md"])
def test_pages_of_promises_name_tests_that_exist(name: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / name).read_text()))
    written = {
        name for test in ROOT.glob("tests/**/*.py") for name in re.findall(r"def (test_\w+)\(", test.read_text())
    }
    assert named
    assert sorted(named - written) == []


def test_each_promise_of_the_threat_model_names_a_test_or_says_that_there_is_none() -> None:
    tables = (ROOT / "docs" / "threat-model.md").read_text().split("\n| promise | shown by | what remains |\n")[1:]
    rows = [row for table in tables for row in table.split("\n\n")[0].splitlines()[1:]]
    assert len(rows) > len(tables) > 1
    assert [row for row in rows if not row.split(" | ")[1].startswith(("`test_", "no test"))] == []

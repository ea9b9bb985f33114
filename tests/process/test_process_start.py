"""What is loaded at a start: libraries that a command has no use for are most of the wait for it."""

from __future__ import annotations

import re
import sys

import pytest
from process_world import REAPER, Cli, Process, Town, wait_for

pytestmark = pytest.mark.process

PLATFORM = frozenset({"aiohttp", "azure", "httpx2", "mcp", "tenacity"})
STATE = frozenset({"sqlalchemy", "sqlite3"})
SERVICE = frozenset({"apscheduler", "jinja2", "prometheus_client", "starlette", "uvicorn"})
OUTPUT = frozenset({"rich", "structlog"})
CONFIGURATION = frozenset({"pydantic", "yaml"})


def loaded(stderr: str) -> set[str]:
    """The top-level modules that Python's own account of imports names."""
    return set(re.findall(r"^import time:.*\| +(\w+)", stderr, re.MULTILINE))


def loaded_by(cli: Cli, *arguments: str) -> set[str]:
    found = loaded(cli.bare(*arguments, PYTHONPROFILEIMPORTTIME="1").ended(0).stderr)
    assert {"reaper", "typer"} <= found
    return found


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_none_of_the_libraries_that_do_the_work(cli: Cli, option: str) -> None:
    assert loaded_by(cli, option) & (PLATFORM | STATE | SERVICE | OUTPUT | CONFIGURATION) == set()


@pytest.mark.parametrize(
    "command", ["run", "mcp", "config check", "audit show", "sessions list", "sessions files put"]
)
def test_the_help_of_a_command_loads_none_of_the_libraries_that_do_its_work(cli: Cli, command: str) -> None:
    # typer itself reads the options of a command with pydantic.
    assert loaded_by(cli, *command.split(), "--help") & (PLATFORM | STATE | SERVICE | OUTPUT | {"yaml"}) == set()


def test_completion_loads_neither_state_nor_platform(cli: Cli) -> None:
    environ = {"_REAPER_COMPLETE": "complete_bash", "COMP_WORDS": "reaper s", "COMP_CWORD": "1"}
    found = loaded(cli.bare(PYTHONPROFILEIMPORTTIME="1", **environ).stderr)
    assert "typer" in found
    assert found & (PLATFORM | STATE | SERVICE | {"yaml"}) == set()


def test_a_check_of_the_configuration_loads_neither_state_nor_platform(cli: Cli, shared: Town) -> None:
    cli.configure(shared.endpoint)
    found = loaded_by(cli, "config", "check", "--config", str(cli.config))
    assert found >= CONFIGURATION
    assert found & (PLATFORM | STATE | SERVICE | OUTPUT) == set()


def test_a_daemon_that_needs_no_token_sweeps_without_the_libraries_of_credentials_and_assistants(
    cli: Cli, own: Town
) -> None:
    cli.configure(own.endpoint)
    command = (sys.executable, "-X", "importtime", str(REAPER), "run", "--config", str(cli.config))
    process = Process.start(cli.folder, *command)
    cli.processes.append(process)
    wait_for("a deletion", own.deleted)
    assert process.end() == 0
    found = loaded(process.stderr)
    assert {"sqlalchemy", "uvicorn"} <= found
    assert found & {"azure", "cryptography", "markdown_it", "mcp", "mcp_types", "msal"} == set()

"""The wheel, installed with what is locked for it and nothing else, does what it is for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from packaging_world import Installed, said
from process_world import Cli, Process, harmless_environment, town, wait_for

from reaper import __version__


def names(installed: Installed) -> set[str]:
    return {package["name"].lower() for package in json.loads(installed.pip("list", "--format", "json"))}


def test_a_daemon_on_the_bare_set_sweeps_and_ends_in_order(installed: Installed, cli: Cli) -> None:
    with town(cli.folder / "town", "--agents", "1", "--sessions", "60") as platform:
        cli.configure(platform.endpoint)
        process = Process.start(cli.folder, installed.reaper, "run", "--config", str(cli.config))
        cli.processes.append(process)
        wait_for("a deletion", platform.deleted, seconds=120)
        assert process.end(seconds=60) == 0


def test_the_bare_set_is_whole_and_holds_nothing_of_the_tools_for_assistants(installed: Installed) -> None:
    installed.pip("check")
    assert names(installed) & {"mcp", "mcp-types", "opentelemetry-api", "jsonschema", "sse-starlette"} == set()


def test_a_command_whose_extra_is_missing_says_what_to_install(installed: Installed) -> None:
    done = subprocess.run(
        [installed.reaper, "mcp"], check=False, capture_output=True, text=True, env=harmless_environment()
    )
    assert done.returncode == 2
    assert done.stderr == ("reaper: this command needs more than is installed: pip install 'session-reaper[mcp]'\n")


def test_the_extra_is_all_that_the_developers_have_beyond_the_bare_set(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        metadata = wheel.read(f"session_reaper-{__version__}.dist-info/METADATA").decode()
    assert re.findall(r"^Requires-Dist: (.*); extra == ['\"](.*)['\"]$", metadata, re.MULTILINE) == [
        ("mcp>=2.3", "mcp")
    ]


def test_the_packages_carry_the_one_version_and_the_licence(installed: Installed) -> None:
    assert installed.wheel.name == f"session_reaper-{__version__}-py3-none-any.whl"
    assert installed.source.name == f"session_reaper-{__version__}.tar.gz"
    assert said(installed.reaper, "--version") == f"reaper {__version__}\n"
    inside = zipfile.ZipFile(installed.wheel).namelist()
    assert f"session_reaper-{__version__}.dist-info/licenses/LICENSE" in inside


def test_the_wheel_built_from_the_source_package_holds_the_same_files(installed: Installed, tmp_path: Path) -> None:
    with tarfile.open(installed.source) as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = next(path for path in tmp_path.iterdir() if path.is_dir())
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "again")],
        check=True,
        capture_output=True,
        cwd=unpacked,
    )
    again = next((tmp_path / "again").glob("*.whl"))
    assert again.read_bytes() == installed.wheel.read_bytes()


def test_the_wheel_holds_the_package_and_nothing_else(installed: Installed) -> None:
    tops = {Path(name).parts[0] for name in zipfile.ZipFile(installed.wheel).namelist()}
    assert tops == {"reaper", f"session_reaper-{__version__}.dist-info"}

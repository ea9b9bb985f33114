from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "process"))

from packaging_world import Installed, said
from process_world import Cli


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    packages = tmp_path_factory.mktemp("packages")
    environment = tmp_path_factory.mktemp("clean") / "venv"
    said(sys.executable, "-m", "hatchling", "build", "-d", str(packages))
    said(sys.executable, "-m", "venv", "--without-pip", str(environment))
    made = Installed(packages, environment)
    made.pip("install", "--quiet", "--require-hashes", "--requirement", "requirements.lock")
    made.pip("install", "--quiet", "--no-deps", str(made.wheel))
    return made


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    made = Cli(tmp_path)
    yield made
    made.clear_away()

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "process"))

from process_world import Cli, Town, exact_town
from sessions_world import CROWD, PEOPLE


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    made = Cli(tmp_path)
    yield made
    made.clear_away()


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """One agent, support-eu, with 450 sessions of every kind that stay what they are, for tests that only read."""
    with exact_town(tmp_path_factory.mktemp("crowd"), {"support-eu": CROWD}) as made:
        yield made


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Town]:
    """One agent, support-eu, with known sessions, for one test that acts."""
    with exact_town(tmp_path / "town", {"support-eu": PEOPLE}) as made:
        yield made

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "process"))

from process_world import DAY, Cli, Town, exact_town, session
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


@pytest.fixture
def town_of_six(tmp_path: Path) -> Iterator[Town]:
    """One agent, support-eu, with six idle sessions that were made and used an hour apart."""
    hours = {f"sess-{number:08}": number * 3_600 for number in range(1, 7)}
    sessions = [session(name, idle=8 * DAY + ago_s, age=9 * DAY + ago_s) for name, ago_s in hours.items()]
    with exact_town(tmp_path / "town", {"support-eu": sessions}) as made:
        yield made

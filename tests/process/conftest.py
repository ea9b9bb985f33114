from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from process_world import Cli, Town, town


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    made = Cli(tmp_path)
    yield made
    made.clear_away()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """An emulator for tests that only read, or work on sessions they create."""
    with town(tmp_path_factory.mktemp("shared"), "--agents", "2", "--sessions", "60") as made:
        yield made


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Town]:
    """An emulator for one test that acts: three agents of 60 sessions."""
    with town(tmp_path / "town", "--agents", "3", "--sessions", "60") as made:
        yield made

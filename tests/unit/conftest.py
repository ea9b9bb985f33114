"""A state file on a volume of its own, for tests that move, replace or lock it."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder / "state.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"

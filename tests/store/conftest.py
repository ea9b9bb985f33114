"""A state file on a volume of its own, for tests that move, replace or lock it; and a journal on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from audit_world import Book

from reaper.store.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder / "state.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    made = Book(tmp_path / "state.db")
    yield made
    made.store.close()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store.open(url)
    assert opened.fault == ""
    yield opened
    opened.close()


@pytest.fixture
def reopen(url: str, store: Store) -> Callable[[], Store]:
    def again() -> Store:
        store.close()
        return Store.open(url)

    return again

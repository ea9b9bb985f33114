from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from page_browser import Demo, chromium


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """`reaper demo` as people start it, with its page up."""
    if chromium() is None:
        pytest.skip("no Chromium on this machine: the status page was not looked at in a browser")
    made = Demo.start(tmp_path_factory.mktemp("demo"))
    yield made
    made.end()


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[str], Path]:
    """Where a screenshot goes."""
    return lambda name: tmp_path / f"{name}.png"

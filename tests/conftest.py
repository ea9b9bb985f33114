"""Which tests are long: they start browsers, assistants and many processes, and have a target of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

LONG = ("hand", "identity", "mcp", "page/test_page_chromium.py")
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if str(item.path.relative_to(HERE)).startswith(LONG):
            item.add_marker(pytest.mark.long)

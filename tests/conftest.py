"""Which tests are long: they start browsers, assistants, daemons and many processes; they have their own target."""

from __future__ import annotations

from pathlib import Path

import pytest

LONG = (
    "cli",
    "foundry/identity",
    "mcp",
    "web/test_page_chromium.py",
    "process/test_process_approvals.py",
    "process/test_process_daemon.py",
    "process/test_process_floods.py",
    "process/test_process_state.py",
)
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if str(item.path.relative_to(HERE)).startswith(LONG):
            item.add_marker(pytest.mark.long)

"""Which tests are long (browsers, assistants, processes, a chart's life, most histories): they have a target."""

from __future__ import annotations

from pathlib import Path

import pytest

LONG = (
    "aks",
    "chart/test_chart_network.py",
    "chart/test_chart_quoting.py",
    "chart/test_chart_rules.py",
    "chart/test_chart_stand_in.py",
    "chart/test_chart_upgrades.py",
    "cli",
    "foundry/identity",
    "mcp",
    "monitoring/test_promtool.py",
    "packaging",
    "process/test_process_approvals.py",
    "process/test_process_daemon.py",
    "process/test_process_floods.py",
    "process/test_process_hostile.py",
    "process/test_process_kill.py",
    "process/test_process_sessions.py",
    "process/test_process_state.py",
    "process/test_process_streams.py",
    "process/test_process_sweep.py",
    "process/test_process_upgrade.py",
    "process/test_process_words.py",
    "sim/test_crashes.py",
    "store/test_audit_explain.py",
    "web/test_page_chromium.py",
)
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if str(item.path.relative_to(HERE)).startswith(LONG):
            item.add_marker(pytest.mark.long)

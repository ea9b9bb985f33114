"""The page of metrics is what the program exports."""

from __future__ import annotations

from monitoring.metrics_page import FILE, text


def test_the_page_of_metrics_is_current() -> None:
    assert FILE.read_text() == text()

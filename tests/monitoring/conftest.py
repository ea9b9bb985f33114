"""What the product exports, once for all tests."""

from __future__ import annotations

import pytest

from monitoring.world import swept
from reaper.telemetry import Metrics


@pytest.fixture(scope="session")
def exported() -> Metrics:
    """The metrics after a sweep of an emulated platform in this process."""
    return swept()

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from azure_world import Azure
from stand_in import on_path


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[Azure]:
    found = Azure(tmp_path)
    with on_path(found, found.bin):
        yield found

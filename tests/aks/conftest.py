from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure_world import Azure
from stand_in import on_path

sys.path.append(str(Path(__file__).parents[1] / "chart"))
sys.path.append(str(Path(__file__).parents[1] / "process"))

from chart_world import Helm
from kube_stub import running


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[Azure]:
    found = Azure(tmp_path)
    with on_path(found, found.bin):
        yield found


@pytest.fixture
def helm() -> Iterator[Helm]:
    with running() as cluster:
        yield Helm(cluster)

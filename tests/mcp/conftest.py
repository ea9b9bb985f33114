from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "process"))

from mcp_world import CROWD, PEOPLE, Place, place
from process_world import DAY, session


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A platform with a server that speaks HTTP, for tests that take care of their own sessions."""
    agents = {"support-eu": PEOPLE, "crowded": CROWD, "stray": [session("stray-00000001", idle=DAY)]}
    with place(tmp_path_factory.mktemp("shared"), agents) as made:
        yield made


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Place]:
    """The same for one test that breaks something."""
    with place(tmp_path, {"support-eu": PEOPLE}) as made:
        yield made


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "process"))

from mcp_world import Place, place
from process_world import DAY, session

CROWD = [session(f"crowd-{number:06}", idle=8 * DAY) for number in range(120)]
PEOPLE = [
    session("vip-00000001", idle=9 * DAY),
    *(session(f"old-{number:08}", idle=9 * DAY) for number in range(1, 21)),
    session("making-00000001", idle=DAY, held="creating"),
    session("moving-00000001", idle=DAY, held="updating"),
    session("broken-00000001", idle=DAY, held="failed"),
    session("busy-00000001", idle=60, held="active"),
    session("young-00000001", idle=60, age=120, held="failed"),
    session("canary-00000001", idle=9 * DAY),
]


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

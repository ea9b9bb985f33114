from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from identity_world import Cluster, Pod, make_certificates, pod


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def here(tmp_path: Path, cluster: Cluster, certificates: tuple[Path, Path]) -> Iterator[Pod]:
    with pod(tmp_path, cluster, certificates) as made:
        yield made


@pytest.fixture
def slow(tmp_path: Path, cluster: Cluster, certificates: tuple[Path, Path]) -> Iterator[Pod]:
    """The same with a platform that takes its time, so that a sweep outlasts a token."""
    with pod(tmp_path, cluster, certificates, latency_s=0.08) as made:
        yield made

from __future__ import annotations

from collections.abc import Iterator

import pytest
from chart_world import SCENARIOS, Helm, Release, scenario
from kube_stub import Cluster, running


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running() as found:
        yield found


@pytest.fixture
def helm(cluster: Cluster) -> Helm:
    return Helm(cluster)


@pytest.fixture(scope="session")
def releases() -> Iterator[dict[str, Release]]:
    """Each scenario of ci/, installed by Helm under its own name."""
    with running() as cluster:
        names = [path.name.removesuffix("-values.yaml") for path in SCENARIOS]
        yield {name: Helm(cluster).install(scenario(name), name) for name in names}


@pytest.fixture(params=[path.name.removesuffix("-values.yaml") for path in SCENARIOS])
def release(request: pytest.FixtureRequest, releases: dict[str, Release]) -> Release:
    return releases[request.param]

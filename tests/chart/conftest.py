from __future__ import annotations

from collections.abc import Iterator

import pytest
from chart_world import SCENARIOS, Helm, Release, scenario
from kube_stub import Cluster, running

NAMES = [path.name.removesuffix("-values.yaml") for path in SCENARIOS]


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
        yield {name: Helm(cluster).install(scenario(name), name) for name in NAMES}


@pytest.fixture(params=[name for name in NAMES if "existingConfigMap" not in scenario(name)])
def configured(request: pytest.FixtureRequest, releases: dict[str, Release]) -> Release:
    """Each release whose configuration is the chart's."""
    return releases[request.param]


@pytest.fixture(params=NAMES)
def release(request: pytest.FixtureRequest, releases: dict[str, Release]) -> Release:
    return releases[request.param]

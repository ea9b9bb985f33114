"""What the chart's tests have in common: Helm's real engine on a cluster in memory, and what it makes of values."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kube_stub import Cluster

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "session-reaper"
SCENARIOS = sorted(CHART.glob("ci/*-values.yaml"))

Values = dict[str, Any]
Manifest = dict[str, Any]


@dataclass(frozen=True)
class Release:
    """What Helm made: the manifests, those of its tests, and what it says at the end."""

    manifests: list[Manifest]
    tests: list[Manifest]
    notes: str

    def of(self, kind: str) -> list[Manifest]:
        return [found for found in self.manifests if found["kind"] == kind]

    def one(self, kind: str) -> Manifest:
        (found,) = self.of(kind)
        return found

    @property
    def pod(self) -> Manifest:
        return self.one("Deployment")["spec"]["template"]

    @property
    def container(self) -> Manifest:
        (found,) = (one for one in self.pod["spec"]["containers"] if one["name"] == "reaper")
        return found

    @property
    def configuration(self) -> str:
        return next(found["data"]["reaper.yaml"] for found in self.of("ConfigMap") if "reaper.yaml" in found["data"])


class Helm:
    """The Helm engine, on one cluster, in the namespace `agents`."""

    def __init__(self, cluster: Cluster) -> None:
        reason = "helm-sdkpy is not installed: the chart was not rendered by Helm's engine"
        self._sdk = pytest.importorskip("helm_sdkpy", reason=reason)
        self._config = self._sdk.Configuration(namespace="agents", kubeconfig=cluster.kubeconfig)

    def install(self, values: Values, name: str = "night", chart: Path = CHART) -> Release:
        run = self._sdk.Install(self._config).run
        return _release(asyncio.run(run(name, str(chart), values, wait=False, server_side_apply=True)))

    def upgrade(self, values: Values, name: str = "night", chart: Path = CHART, **options: Any) -> Release:
        run = self._sdk.Upgrade(self._config).run
        return _release(asyncio.run(run(name, str(chart), values, wait=False, **options)))

    def rollback(self, revision: int, name: str = "night") -> None:
        asyncio.run(self._sdk.Rollback(self._config).run(name, revision))

    def uninstall(self, name: str = "night") -> None:
        asyncio.run(self._sdk.Uninstall(self._config).run(name, wait=False))

    def refusal(self, values: Values, chart: Path = CHART) -> str:
        """What Helm says when it refuses these values; fails the test when it takes them."""
        with pytest.raises(self._sdk.InstallError) as caught:
            self.install(values, chart=chart)
        return str(caught.value)

    def failure(self, values: Values, **options: Any) -> str:
        """What Helm says when an upgrade to these values fails; fails the test when it does not."""
        with pytest.raises(self._sdk.UpgradeError) as caught:
            self.upgrade(values, **options)
        return str(caught.value)


def _release(result: dict[str, Any]) -> Release:
    hooks = result.get("hooks") or []
    manifests = [found for found in yaml.safe_load_all(result.get("manifest", "")) if found]
    return Release(manifests, [yaml.safe_load(hook["manifest"]) for hook in hooks], result["info"].get("notes", ""))


def in_force(cluster: Cluster) -> Manifest:
    """The configuration that the Deployment in the cluster mounts: what the next pod would run with."""
    (deployment,) = cluster.of("Deployment")
    volumes = {one["name"]: one for one in deployment["spec"]["template"]["spec"]["volumes"]}
    named = volumes["config"]["configMap"]["name"]
    (found,) = (one for one in cluster.of("ConfigMap") if one["metadata"]["name"] == named)
    return yaml.safe_load(found["data"]["reaper.yaml"])


def scenario(name: str) -> Values:
    return yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text())


def values(**changes: Any) -> Values:
    """The minimal values with changes by path: `values(config__log__level="debug")`."""
    found = scenario("minimal")
    for path, value in changes.items():
        *way, last = path.split("__")
        place = found
        for step in way:
            place = place.setdefault(step, {})
        place[last] = copy.deepcopy(value)
    return found


def with_rule(**rule: Any) -> Values:
    """The minimal values with one rule, named `one`."""
    found = scenario("minimal")
    found["config"]["policies"]["weekly"]["rules"] = [{"name": "one", **rule}]
    return found

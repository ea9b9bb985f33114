"""Upgrade, rollback and uninstall: the claim with the state stays, and stays the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from chart_world import CHART, Helm, in_force, values
from kube_stub import Cluster


def _claim(cluster: Cluster) -> str:
    (claim,) = cluster.of("PersistentVolumeClaim")
    return claim["metadata"]["uid"]


def _deletions(cluster: Cluster) -> list[str]:
    """What was deleted, Helm's own records and configurations that no pod mounts any more aside."""
    deleted = [path for method, path in cluster.asked if method == "DELETE"]
    return [path for path in deleted if not {"secrets", "configmaps"} & set(path.split("/"))]


def _mode(cluster: Cluster) -> str:
    return in_force(cluster)["policies"]["weekly"].get("mode", "observe")


def test_an_upgrade_keeps_the_state(helm: Helm, cluster: Cluster) -> None:
    helm.install(values())
    before = _claim(cluster)
    helm.upgrade(values(config__policies__weekly__mode="enforce"))
    assert (_claim(cluster), _mode(cluster), _deletions(cluster)) == (before, "enforce", [])


def test_an_upgrade_to_a_newer_chart_changes_no_selector_and_keeps_the_state(
    helm: Helm, cluster: Cluster, tmp_path: Path
) -> None:
    newer = Path(shutil.copytree(CHART, tmp_path / "session-reaper"))
    chart = newer / "Chart.yaml"
    chart.write_text(chart.read_text().replace("0.1.0", "9.9.9"))
    old = helm.install(values()).one("Deployment")
    before = _claim(cluster)
    new = helm.upgrade(values(), chart=newer).one("Deployment")
    assert new["spec"]["selector"] == old["spec"]["selector"]
    assert new["spec"]["template"]["spec"]["volumes"] == old["spec"]["template"]["spec"]["volumes"]
    assert new["spec"]["template"]["spec"]["containers"][0]["image"] == "session-reaper:9.9.9"
    assert (_claim(cluster), _deletions(cluster)) == (before, [])


def test_a_rollback_brings_the_old_policy_back_and_keeps_the_state(helm: Helm, cluster: Cluster) -> None:
    """helm-sdkpy's rollback applies everything, and then fails for want of a wait strategy that it cannot be given.

    So the objects are judged here; that Helm notes the rollback as done is not.
    """
    helm.install(values())
    before = _claim(cluster)
    helm.upgrade(values(config__policies__weekly__mode="enforce"))
    with pytest.raises(Exception, match="wait strategy not set"):
        helm.rollback(1)
    assert (_claim(cluster), _mode(cluster), _deletions(cluster)) == (before, "observe", [])


def test_a_refused_upgrade_changes_nothing(helm: Helm, cluster: Cluster) -> None:
    helm.install(values())
    before = len(cluster.asked)
    with pytest.raises(Exception, match="'/config/policies/weekly/mode'"):
        helm.upgrade(values(config__policies__weekly__mode="enforcing"))
    assert cluster.asked[before:] == []


def test_an_uninstall_leaves_the_state_and_an_install_finds_it_again(helm: Helm, cluster: Cluster) -> None:
    helm.install(values())
    before = _claim(cluster)
    helm.uninstall()
    assert [found["kind"] for found in cluster.objects.values()] == ["PersistentVolumeClaim"]
    helm.install(values())
    assert _claim(cluster) == before


def test_turning_to_another_claim_leaves_the_first(helm: Helm, cluster: Cluster) -> None:
    helm.install(values())
    before = _claim(cluster)
    helm.upgrade(values(persistence={"existingClaim": "restored"}))
    assert _claim(cluster) == before

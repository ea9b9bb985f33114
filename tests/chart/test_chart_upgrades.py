"""An upgrade happens or does not: what the server would refuse is refused before, and a failed one arms nothing."""

from __future__ import annotations

from typing import Any

import pytest
from chart_world import Helm, Release, Values, in_force, values
from kube_stub import Cluster

ENFORCE: Values = {"config__policies__weekly__mode": "enforce"}


def _mode(cluster: Cluster) -> str:
    return in_force(cluster)["policies"]["weekly"].get("mode", "observe")


def _configurations(cluster: Cluster) -> list[str]:
    return sorted(one["metadata"]["name"] for one in cluster.of("ConfigMap"))


def test_a_configuration_is_named_by_its_content_and_never_changes(helm: Helm) -> None:
    before, after = helm.install(values()), helm.upgrade(values(**ENFORCE))
    names = [release.one("ConfigMap")["metadata"]["name"] for release in (before, after)]
    assert names[0] != names[1]
    assert all(name.startswith("night-session-reaper-") for name in names)
    made = before.one("ConfigMap")
    assert made["immutable"] is True
    assert made["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] == "PruneLast=true"
    assert helm.upgrade(values()).one("ConfigMap")["metadata"]["name"] == names[0]


def test_whatever_changes_in_the_configuration_starts_a_new_pod(helm: Helm) -> None:
    pods = [helm.install(values()).pod]
    for change in (ENFORCE, {"config__log": {"level": "debug"}}, {"config__state": "sqlite:////var/lib/reaper/2.db"}):
        pods.append(helm.upgrade(values(**change)).pod)
    mounted = [pod["spec"]["volumes"][0]["configMap"]["name"] for pod in pods]
    assert len(set(mounted)) == len(pods)


def test_an_upgrade_whose_deployment_is_refused_leaves_the_old_configuration_in_force(
    helm: Helm, cluster: Cluster
) -> None:
    helm.install(values())
    old = _configurations(cluster)
    cluster.forbids = {"deployments"}
    assert "deployments is forbidden" in helm.failure(values(**ENFORCE))
    assert _mode(cluster) == "observe"
    assert set(old) < set(_configurations(cluster))


@pytest.mark.parametrize("refused", ["deployments", "services", "networkpolicies", "configmaps"])
def test_a_pod_that_restarts_after_a_failed_upgrade_finds_its_configuration(
    helm: Helm, cluster: Cluster, refused: str
) -> None:
    """Helm deletes what a release no longer has last, and only when the server took all the rest."""
    helm.install(values())
    cluster.forbids = {refused}
    helm.failure(values(**ENFORCE))
    assert in_force(cluster)


def test_the_former_configuration_goes_once_no_pod_mounts_it(helm: Helm, cluster: Cluster) -> None:
    helm.install(values())
    before = len(cluster.asked)
    helm.upgrade(values(**ENFORCE))
    told = [f"{method} {path.split('/')[-2]}" for method, path in cluster.asked[before:] if "secrets" not in path]
    assert told.index("DELETE configmaps") > told.index("PATCH deployments")
    assert _mode(cluster) == "enforce"
    assert len(_configurations(cluster)) == 1


def test_a_rollback_brings_back_a_configuration_that_was_deleted(helm: Helm, cluster: Cluster) -> None:
    helm.install(values())
    helm.upgrade(values(**ENFORCE))
    with pytest.raises(Exception, match="wait strategy not set"):  # of the library; all is applied before
        helm.rollback(1)
    assert _mode(cluster) == "observe"


@pytest.mark.parametrize("refused", ["services", "networkpolicies", "serviceaccounts", "persistentvolumeclaims"])
def test_rolled_back_on_failure_nothing_is_armed_though_helm_went_on_after_a_refusal(
    helm: Helm, cluster: Cluster, refused: str
) -> None:
    helm.install(values())
    cluster.forbids = {refused}
    helm.failure(values(**ENFORCE), rollback_on_failure=True)
    assert _mode(cluster) == "observe"


def test_the_pods_history_holds_nothing_that_would_mount_a_configuration_that_is_gone(release: Release) -> None:
    assert release.one("Deployment")["spec"]["revisionHistoryLimit"] == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"persistence": {"size": "512Mi"}}, 'persistence.size: "512Mi", but the claim night-session-reaper has 1Gi'),
        (
            {"persistence": {"storageClassName": "fast"}},
            'persistence.storageClassName: "fast", but the claim night-session-reaper is of the class "standard"',
        ),
        (
            {"persistence": {"accessMode": "ReadWriteOnce"}},
            'persistence.accessMode: "ReadWriteOnce", but the claim night-session-reaper has ReadWriteOncePod',
        ),
        (
            {"persistence": {"size": "2Gi"}, **ENFORCE},
            "persistence.size: grow the claim night-session-reaper in an upgrade of its own",
        ),
        (
            {"nameOverride": "other"},
            "the state of this release is on the claim night-session-reaper, and as night-other it would begin anew",
        ),
        (
            {"namespaceOverride": "elsewhere"},
            "the state of this release is on the claim night-session-reaper in agents, which no pod in elsewhere can",
        ),
        ({"fullnameOverride": "other"}, "set persistence.existingClaim: night-session-reaper"),
        (
            {"fullnameOverride": "night-session-reaper", "nameOverride": "other"},
            "nameOverride: the Deployment night-session-reaper selects its pod by",
        ),
    ],
    ids=range(8),
)
def test_what_cannot_be_changed_is_refused_before_anything_is_sent(
    helm: Helm, cluster: Cluster, change: dict[str, Any], told: str
) -> None:
    helm.install(values())
    before = len(cluster.asked)
    assert told in helm.failure(values(**change))
    assert (cluster.asked[before:], cluster.refused) == ([], [])


def test_a_claim_that_is_being_deleted_is_not_started_on(helm: Helm, cluster: Cluster) -> None:
    helm.install(values())
    cluster.of("PersistentVolumeClaim")[0]["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    assert "the claim night-session-reaper is being deleted" in helm.failure(values())


def test_a_claim_grows_in_an_upgrade_of_its_own(helm: Helm, cluster: Cluster) -> None:
    helm.install(values())
    helm.upgrade(values(persistence={"size": "1.5Gi"}))
    assert cluster.of("PersistentVolumeClaim")[0]["spec"]["resources"]["requests"]["storage"] == "1.5Gi"
    helm.upgrade(values(persistence={"size": "1536Mi"}, **ENFORCE))
    assert _mode(cluster) == "enforce"


def test_a_growth_that_the_storage_class_refuses_arms_nothing(helm: Helm, cluster: Cluster) -> None:
    fixed = {"storageClassName": "fixed-size"}
    helm.install(values(persistence=fixed))
    assert "resize" in helm.failure(values(persistence={**fixed, "size": "2Gi"}))
    assert _mode(cluster) == "observe"


def test_a_class_that_is_left_out_is_the_one_that_the_claim_has(helm: Helm, cluster: Cluster) -> None:
    helm.install(values(persistence={"storageClassName": "fast"}))
    release = helm.upgrade(values())
    assert release.one("PersistentVolumeClaim")["spec"]["storageClassName"] == "fast"
    assert cluster.refused == []


def test_a_new_name_is_taken_with_the_claim_that_has_the_state(helm: Helm, cluster: Cluster) -> None:
    helm.install(values())
    kept = {"existingClaim": "night-session-reaper"}
    pod = helm.upgrade(values(nameOverride="other", persistence=kept)).pod
    assert pod["spec"]["volumes"][1]["persistentVolumeClaim"] == {"claimName": "night-session-reaper"}
    assert len(cluster.of("PersistentVolumeClaim")) == 1


def test_an_install_under_another_name_does_not_pass_by_the_state_that_an_uninstall_left(helm: Helm) -> None:
    helm.install(values())
    helm.uninstall()
    assert "the state of this release is on the claim" in helm.refusal(values(fullnameOverride="other"))


def test_two_releases_in_a_namespace_do_not_take_each_others_claims_for_their_own(
    helm: Helm, cluster: Cluster
) -> None:
    helm.install(values())
    helm.install(values(), name="day")
    assert len(cluster.of("PersistentVolumeClaim")) == 2


def test_the_grafana_that_takes_the_dashboard_is_not_changed_behind_the_operator(
    helm: Helm, cluster: Cluster
) -> None:
    def chosen(name: str) -> Values:
        operator = {"enabled": True, "instanceSelector": {"matchLabels": {"dashboards": name}}}
        return values(grafanaDashboard={"operator": operator})

    helm.install(chosen("one"))
    assert "grafanaDashboard.operator.instanceSelector: that of the GrafanaDashboard" in helm.failure(chosen("two"))
    assert cluster.refused == []


def test_the_first_family_of_a_service_is_for_life(helm: Helm, cluster: Cluster) -> None:
    helm.install(values(service={"ipFamilies": ["IPv4"]}))
    assert "service.ipFamilies: the first is IPv6" in helm.failure(values(service={"ipFamilies": ["IPv6", "IPv4"]}))
    helm.upgrade(values(service={"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}))
    assert cluster.refused == []


def test_no_replica_stops_the_reaper_and_leaves_everything_in_place(helm: Helm, cluster: Cluster) -> None:
    helm.install(values())
    release = helm.upgrade(values(replicaCount=0))
    assert release.one("Deployment")["spec"]["replicas"] == 0
    assert "is STOPPED (replicaCount is 0)" in release.notes
    assert [one["name"] for one in release.tests[0]["spec"]["containers"]] == ["config"]
    assert len(cluster.of("PersistentVolumeClaim")) == 1

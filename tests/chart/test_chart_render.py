"""Each scenario of ci/, rendered by Helm's engine, is what Kubernetes takes and what the security rules ask for."""

from __future__ import annotations

import pytest
import yaml
from chart_world import Helm, Release, Values, values

from reaper.config import parse

CUSTOM = {"CiliumNetworkPolicy", "GrafanaDashboard", "PrometheusRule", "ServiceMonitor"}
RESTRICTED_POD = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
}


@pytest.mark.parametrize("version", ["1.29", "newest"])
def test_every_manifest_is_valid_kubernetes_to_the_last_key(release: Release, version: str) -> None:
    reason = "kubernetes-validate is not installed: the manifests were not validated"
    known = pytest.importorskip("kubernetes_validate", reason=reason)
    wanted = known.latest_version() if version == "newest" else version
    for manifest in [*release.manifests, *release.tests]:
        if manifest["kind"] not in CUSTOM:
            assert known.validate(manifest, wanted, strict=True).startswith(wanted[:4])


def test_the_rendered_configuration_is_one_that_the_reaper_takes(configured: Release) -> None:
    loaded = parse(configured.configuration, "reaper.yaml", {})
    assert loaded.settings.policies


def test_the_pod_and_its_test_meet_the_restricted_level(release: Release) -> None:
    for pod in (release.pod, *release.tests):
        assert pod["spec"]["securityContext"].items() >= RESTRICTED_POD.items()
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            assert container["securityContext"] == RESTRICTED
        kinds = {kind for volume in pod["spec"]["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"configMap", "persistentVolumeClaim", "emptyDir"}
        assert not pod["spec"].keys() & {"hostNetwork", "hostPID", "hostIPC"}


def test_it_has_no_kubernetes_rights_and_no_token(release: Release) -> None:
    assert not {found["kind"] for found in release.manifests} & {
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
    }
    assert [found["automountServiceAccountToken"] for found in release.of("ServiceAccount")] in ([], [False])
    for pod in (release.pod, *release.tests):
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["spec"]["enableServiceLinks"] is False


def test_one_pod_runs_and_the_old_one_is_gone_before_the_new_one_starts(release: Release) -> None:
    spec = release.one("Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_the_configuration_is_a_directory_so_that_what_is_swapped_in_it_is_seen(release: Release) -> None:
    mounts = {mount["name"]: mount for mount in release.container["volumeMounts"]}
    assert mounts["config"] == {"name": "config", "mountPath": "/etc/reaper", "readOnly": True}
    assert mounts["state"]["mountPath"] == "/var/lib/reaper"
    assert not [mount for mount in mounts.values() if "subPath" in mount]


def test_the_probes_ask_the_named_port(release: Release) -> None:
    container = release.container
    port = container["ports"][0]
    asked = {kind: container[kind]["httpGet"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert port["name"] == "metrics"
    assert asked == {
        "startupProbe": {"path": "/livez", "port": "metrics"},
        "livenessProbe": {"path": "/livez", "port": "metrics"},
        "readinessProbe": {"path": "/readyz", "port": "metrics"},
    }


def test_the_state_and_the_address_are_the_same_in_every_place(configured: Release) -> None:
    container = configured.container
    environment = {one["name"]: one.get("value") for one in container["env"]}
    configuration = yaml.safe_load(configured.configuration)
    assert configuration["state"].startswith("sqlite:////var/lib/reaper/")
    assert configuration["server"]["listen"] == environment["REAPER_LISTEN"]
    assert environment["REAPER_LISTEN"].endswith(f":{container['ports'][0]['containerPort']}")
    assert environment["REAPER_CONFIG"] == "/etc/reaper/reaper.yaml"


def test_the_claim_is_for_one_pod_and_kept(releases: dict[str, Release]) -> None:
    for name in ("minimal", "full"):
        claim = releases[name].one("PersistentVolumeClaim")
        assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]


def test_a_claim_that_exists_is_used_and_none_is_made(releases: dict[str, Release]) -> None:
    release = releases["existing-claim"]
    state = next(one for one in release.pod["spec"]["volumes"] if one["name"] == "state")
    assert state["persistentVolumeClaim"] == {"claimName": "reaper-state-of-last-year"}
    assert release.of("PersistentVolumeClaim") == []


def test_workload_identity_is_a_label_of_the_pod_and_an_annotation_of_the_account(
    releases: dict[str, Release],
) -> None:
    release = releases["workload-identity"]
    assert release.pod["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    assert release.one("ServiceAccount")["metadata"]["annotations"] == {
        "azure.workload.identity/client-id": "00000000-0000-4000-8000-000000000001",
        "azure.workload.identity/tenant-id": "00000000-0000-4000-8000-000000000002",
    }
    assert "azure.workload.identity/use" not in releases["minimal"].pod["metadata"]["labels"]


def test_a_digest_wins_over_a_tag(releases: dict[str, Release]) -> None:
    images = {name: releases[name].pod["spec"]["containers"][0]["image"] for name in ("digest", "minimal")}
    assert images["digest"].startswith("session-reaper@sha256:9f86")
    assert images["minimal"] == "session-reaper:0.1.0"


def test_labels_of_the_user_never_change_what_selects_the_pod(helm: Helm) -> None:
    release = helm.install(values(podLabels={"app.kubernetes.io/name": "other", "team": "agents"}))
    selector = release.one("Deployment")["spec"]["selector"]["matchLabels"]
    labels = release.pod["metadata"]["labels"]
    assert selector == {"app.kubernetes.io/name": "session-reaper", "app.kubernetes.io/instance": "night"}
    assert selector.items() <= labels.items()
    assert labels["team"] == "agents"


def test_the_service_does_not_send_its_traffic_to_the_test_pod(release: Release) -> None:
    selector = release.one("Service")["spec"]["selector"]
    (test,) = release.tests
    assert selector.items() <= release.pod["metadata"]["labels"].items()
    assert not selector.items() <= test["metadata"]["labels"].items()


def test_names_stay_within_63_characters(helm: Helm) -> None:
    dashboard = {"grafanaDashboard": {"enabled": True}}
    release = helm.install(values(fullnameOverride="a" * 70, nameOverride="b" * 70, **dashboard))
    for found in [*release.manifests, *release.tests]:
        labels = found["metadata"].get("labels", {})
        assert max(map(len, [found["metadata"]["name"], *labels.values()])) <= 63


def test_further_objects_are_templates_and_may_be_text(releases: dict[str, Release]) -> None:
    found = {one["metadata"]["name"]: one for one in releases["full"].of("ConfigMap")}
    assert found["foundry-reaper-extra"]["data"] == {"release": "full"}
    assert "full-text" in found


def test_the_notes_say_which_policy_enforces_and_how_to_see_the_plan(releases: dict[str, Release]) -> None:
    full, minimal = releases["full"].notes, releases["minimal"].notes
    assert "policy standard: ENFORCING: stops and deletes what its rules name, 24h after marking it" in full
    assert "policy gentle: observing: decides and reports, touches nothing" in full
    assert "policy weekly: observing" in minimal
    assert "ENFORCING" not in minimal
    assert "kubectl -n agents exec deploy/minimal-session-reaper -- reaper plan" in minimal
    assert "kubectl -n agents exec deploy/foundry-reaper -- reaper approve PLAN" in full


def test_the_notes_warn_of_state_that_is_lost_and_of_identity_that_is_missing(
    helm: Helm, releases: dict[str, Release]
) -> None:
    assert "WARNING: the state is not kept" in releases["no-volume"].notes
    notes = helm.install(values(config__projects__main__credential="workload-identity")).notes
    assert "WARNING: project main uses workload identity, but azure.workloadIdentity.enabled is false" in notes


def test_the_notes_warn_of_a_project_that_enforces_without_must_see(helm: Helm) -> None:
    changes: Values = {"config__policies__weekly__mode": "enforce", "persistence__enabled": True}
    assert "WARNING: project main enforces without must_see" in helm.install(values(**changes)).notes
    seen = helm.install(values(**changes, config__projects__main__must_see=["canary-000001"]), name="seen")
    assert "must_see" not in seen.notes
    assert "must_see" not in helm.install(values(), name="watching").notes

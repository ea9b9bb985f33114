"""The values that people know from other charts do here what they do there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_world import CHART, Helm, Release, Values, scenario, values
from kube_stub import Cluster

POD = "Deployment/spec/template/spec"
REAPER = f"{POD}/containers/0"
OFF: Values = {"enabled": False}


def _at(release: Release, path: str) -> Any:
    kind, *way = path.split("/")
    found: Any = release.one(kind)
    for step in way:
        found = found[int(step) if step.isdigit() else step]
    return found


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{REAPER}/image", "registry.internal:5000/platform/session-reaper:0.1.0"),
        (f"{POD}/imagePullSecrets", [{"name": "shared"}, {"name": "pull"}]),
        (f"{REAPER}/envFrom", [{"secretRef": {"name": "reaper-environment", "optional": True}}]),
        (f"{POD}/initContainers/0/image", "registry.internal:5000/platform/session-reaper:0.1.0"),
        (f"{POD}/containers/1/name", "beside"),
        (f"{POD}/runtimeClassName", "hardened"),
        (f"{POD}/priorityClassName", "system-cluster-critical"),
        (f"{POD}/hostAliases", [{"ip": "10.0.0.7", "hostnames": ["contoso.services.ai.azure.com"]}]),
        (f"{POD}/dnsPolicy", "ClusterFirst"),
        (f"{POD}/dnsConfig", {"options": [{"name": "ndots", "value": "2"}]}),
        ("Deployment/metadata/annotations", {"example.com/contact": "agents", "example.com/wave": "1"}),
        ("ServiceAccount/metadata/labels/team", "agents"),
        ("Service/metadata/labels/team", "agents"),
        ("Service/spec/ipFamilyPolicy", "PreferDualStack"),
        ("Service/spec/ipFamilies", ["IPv6", "IPv4"]),
        ("Service/spec/loadBalancerSourceRanges", ["10.0.0.0/8", "fd00::/8"]),
        ("Service/spec/loadBalancerClass", "example.com/internal"),
        ("Service/spec/externalTrafficPolicy", "Local"),
        ("Service/spec/ports/0/nodePort", 30464),
        ("Service/spec/ports/1", {"name": "page", "port": 9501, "targetPort": "page", "protocol": "TCP"}),
        (f"{REAPER}/ports/1", {"name": "page", "containerPort": 9501, "protocol": "TCP"}),
        (
            "ServiceMonitor/spec/endpoints/0/authorization",
            {"type": "Bearer", "credentials": {"name": "reaper-token", "key": "token"}},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" in value else "",
)
def test_a_value_goes_where_it_goes_in_other_charts(releases: dict[str, Release], path: str, expected: Any) -> None:
    assert _at(releases["full"], path) == expected


def test_further_arguments_follow_those_of_the_chart(helm: Helm) -> None:
    assert helm.install(values(extraArgs=["--help"])).container["args"] == ["run", "--help"]


def test_common_labels_and_annotations_are_on_everything_and_select_nothing(releases: dict[str, Release]) -> None:
    release = releases["full"]
    own = [one for one in release.manifests if "helm.sh/chart" in one["metadata"].get("labels", {})]
    assert len(own) >= 11
    for found in [*own, release.pod, *release.tests]:
        assert found["metadata"]["labels"]["cost-centre"] == "4711"
        assert found["metadata"]["annotations"]["example.com/contact"] == "agents"
    assert "cost-centre" not in release.one("Deployment")["spec"]["selector"]["matchLabels"]
    assert "cost-centre" not in release.one("Service")["spec"]["selector"]


def test_common_labels_never_win_over_those_of_the_chart(helm: Helm) -> None:
    release = helm.install(values(commonLabels={"app.kubernetes.io/name": "other"}))
    names = {found["metadata"]["labels"]["app.kubernetes.io/name"] for found in [*release.manifests, release.pod]}
    assert names == {"session-reaper"}


def test_everything_is_in_the_namespace_that_was_asked_for(helm: Helm, cluster: Cluster) -> None:
    release = helm.install(values(namespaceOverride="elsewhere", serviceMonitor={"enabled": True}))
    assert {found["metadata"]["namespace"] for found in [*release.manifests, *release.tests]} == {"elsewhere"}
    assert "kubectl -n elsewhere exec" in release.notes
    assert "the claim night-session-reaper has 1Gi" in helm.failure(
        values(namespaceOverride="elsewhere", persistence={"size": "1Mi"})
    )
    assert cluster.refused == []


def test_the_registry_stands_before_the_repository(helm: Helm) -> None:
    image = helm.install(values(image={"registry": "registry.internal"})).container["image"]
    assert image == "registry.internal/session-reaper:0.1.0"


def test_the_test_pod_fits_into_a_namespace_with_a_quota(release: Release) -> None:
    for container in release.tests[0]["spec"]["containers"]:
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert container["resources"]["limits"].keys() == {"memory"}


def test_the_test_pod_runs_where_the_reaper_may(releases: dict[str, Release]) -> None:
    pod, test = releases["full"].pod["spec"], releases["full"].tests[0]["spec"]
    for key in ("nodeSelector", "tolerations", "priorityClassName", "runtimeClassName", "dnsConfig", "dnsPolicy"):
        assert test[key] == pod[key]
    assert test["containers"][0]["envFrom"] == pod["containers"][0]["envFrom"]


def test_a_page_with_a_listener_of_its_own_and_the_token_reach_the_configuration(
    releases: dict[str, Release],
) -> None:
    told = yaml.safe_load(releases["full"].configuration)["server"]
    assert told == {"listen": "0.0.0.0:9500", "page": "0.0.0.0:9501", "token_file": "/etc/company-trust/token"}


def test_a_page_within_the_pod_is_no_port_of_the_service(helm: Helm) -> None:
    release = helm.install(values(config__server={"page": "127.0.0.1:9465"}))
    assert [port["name"] for port in release.one("Service")["spec"]["ports"]] == ["metrics"]


def test_without_being_told_it_listens_on_ipv4_and_ipv6(releases: dict[str, Release]) -> None:
    environment = {one["name"]: one.get("value") for one in releases["minimal"].container["env"]}
    assert environment["REAPER_LISTEN"] == "[::]:9464"


def test_a_configuration_of_the_users_own_is_mounted_and_none_is_made(helm: Helm, cluster: Cluster) -> None:
    release = helm.install(scenario("existing-config"))
    assert release.pod["spec"]["volumes"][0]["configMap"] == {"name": "reaper-by-hand"}
    assert release.of("ConfigMap") == cluster.of("ConfigMap") == []
    assert release.tests[0]["spec"]["volumes"][0]["configMap"] == {"name": "reaper-by-hand"}
    assert "WARNING: there is no such ConfigMap yet: the pod waits for it" in release.notes


def test_a_configuration_of_the_users_own_is_not_beside_another_and_needs_a_volume(helm: Helm) -> None:
    both = helm.refusal(values(existingConfigMap="mine"))
    assert "existingConfigMap, config: the configuration is in one of them, not in both" in both
    lost = helm.refusal({"existingConfigMap": "mine", "persistence": {"enabled": False}})
    assert "persistence.enabled: false, but a policy in existingConfigMap may enforce" in lost


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"other.yaml": ""}, "existingConfigMap: reaper-by-hand has no key reaper.yaml"),
        ({"reaper.yaml": "version: 1\n"}, 'the state of reaper-by-hand is not on the volume (""): write state:'),
        ({"reaper.yaml": "state: sqlite:///s.db\n"}, 'is not on the volume ("sqlite:///s.db")'),
        ({"reaper.yaml": "state: sqlite:////var/lib/reaper/state.db\n"}, ""),
    ],
    ids=["no key", "no state", "elsewhere", "right"],
)
def test_a_configuration_of_the_users_own_keeps_its_state_on_the_volume(
    helm: Helm, cluster: Cluster, data: dict[str, str], told: str
) -> None:
    own = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "reaper-by-hand"}, "data": data}
    cluster.store("/api/v1/namespaces/agents/configmaps/reaper-by-hand", own)
    if told:
        assert told in helm.refusal(scenario("existing-config"))
    else:
        assert "no such ConfigMap" not in helm.install(scenario("existing-config")).notes


def test_a_claim_that_is_not_there_yet_is_said(releases: dict[str, Release]) -> None:
    assert "WARNING: there is no claim reaper-state-of-last-year yet" in releases["existing-claim"].notes


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A chart of which this one is a part, by a condition."""
    parent = tmp_path / "platform"
    shutil.copytree(CHART, parent / "charts" / "session-reaper")
    depends = {"name": "session-reaper", "version": "0.1.0", "condition": "session-reaper.enabled"}
    second = {**depends, "alias": "session-reaper-b", "condition": "session-reaper-b.enabled"}
    chart = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [depends, second]}
    (parent / "Chart.yaml").write_text(yaml.safe_dump(chart))
    return parent


def test_a_parent_chart_turns_it_on_and_shares_its_registry(helm: Helm, parent: Path) -> None:
    shared = {"imageRegistry": "registry.internal", "imagePullSecrets": [{"name": "pull"}], "other": {"of": "theirs"}}
    part: Values = {"session-reaper": values(enabled=True), "session-reaper-b": OFF, "global": shared}
    release = helm.install(part, chart=parent)
    assert release.container["image"] == "registry.internal/session-reaper:0.1.0"
    assert release.pod["spec"]["imagePullSecrets"] == [{"name": "pull"}]


def test_a_parent_chart_turns_it_off_without_configuring_it(helm: Helm, parent: Path) -> None:
    assert helm.install({"session-reaper": OFF, "session-reaper-b": OFF}, chart=parent).manifests == []


def test_a_second_reaper_of_a_parent_chart_has_a_claim_of_its_own(helm: Helm, cluster: Cluster, parent: Path) -> None:
    helm.install({"session-reaper": OFF, "session-reaper-b": values()}, chart=parent)
    helm.upgrade({"session-reaper": values(), "session-reaper-b": values()}, chart=parent)
    claims = {one["metadata"]["name"] for one in cluster.of("PersistentVolumeClaim")}
    assert claims == {"night-session-reaper", "night-session-reaper-b"}


def test_a_load_balancer_that_shows_the_page_to_everyone_is_said(helm: Helm) -> None:
    warning = "WARNING: the load balancer shows status page and metrics to whoever reaches it"
    assert warning in helm.install(values(service={"type": "LoadBalancer"})).notes
    ranges = {"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/8"]}
    assert warning not in helm.install(values(service=ranges), name="closed").notes


def test_a_token_that_prometheus_does_not_have_is_said(helm: Helm) -> None:
    token = values(config__server={"token_file": "/token"}, serviceMonitor={"enabled": True})
    assert "serviceMonitor.authorization is not set: nothing will be scraped" in helm.install(token).notes

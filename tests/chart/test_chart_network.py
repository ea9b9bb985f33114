"""The network policy, which is there unless it is turned off, lets in and out what the reaper needs."""

from __future__ import annotations

import pytest
from chart_world import Helm, Release, Values, values


@pytest.mark.parametrize("name", ["full", "cilium"])
def test_a_network_policy_that_names_who_may_come_in_lets_the_test_pod_in(
    releases: dict[str, Release], name: str
) -> None:
    release = releases[name]
    (test,) = release.tests
    policy = (release.of("NetworkPolicy") or release.of("CiliumNetworkPolicy"))[0]["spec"]["ingress"][0]
    peers = [one.get("podSelector", one) for one in policy.get("from") or policy["fromEndpoints"]]
    assert any(
        one.get("matchLabels", {}).items() <= test["metadata"]["labels"].items()
        for one in peers
        if "matchLabels" in one
    )


def test_the_plain_network_policy_lets_out_only_names_and_tls_and_never_to_the_metadata_service(
    releases: dict[str, Release],
) -> None:
    spec = releases["full"].one("NetworkPolicy")["spec"]
    dns, tls, extra = spec["egress"]
    assert spec["ingress"][0]["ports"][0] == {"port": "metrics", "protocol": "TCP"}
    assert {(one["port"], one["protocol"]) for one in dns["ports"]} == {(53, "UDP"), (53, "TCP")}
    assert tls["ports"] == [{"port": 443, "protocol": "TCP"}]
    assert tls["to"] == [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}},
        {"ipBlock": {"cidr": "::/0", "except": ["fd00:ec2::254/128"]}},
    ]
    assert extra["ports"] == [{"port": 3128, "protocol": "TCP"}]


def test_the_cilium_policy_names_the_hosts_of_the_configuration(releases: dict[str, Release]) -> None:
    release = releases["cilium"]
    spec = release.one("CiliumNetworkPolicy")["spec"]
    dns, hosts = spec["egress"]
    assert dns["toPorts"][0]["rules"] == {"dns": [{"matchPattern": "*"}]}
    assert [one["matchName"] for one in hosts["toFQDNs"]] == [
        "contoso.services.ai.azure.com",
        "login.microsoftonline.com",
    ]
    assert spec["ingress"][0]["toPorts"] == [{"ports": [{"port": "9464", "protocol": "TCP"}]}]
    assert release.of("NetworkPolicy") == []


def test_the_policy_is_there_unless_it_is_turned_off(helm: Helm, releases: dict[str, Release]) -> None:
    assert releases["minimal"].of("NetworkPolicy")
    assert helm.install(values(networkPolicy={"enabled": False})).of("NetworkPolicy") == []


@pytest.mark.parametrize(
    ("changes", "ports"),
    [
        ({}, [443]),
        (
            {
                "config__projects__main__endpoint": "https://agents.internal:8443/api/projects/main",
                "config__projects__main__trusted_host": True,
            },
            [443, 8443],
        ),
        ({"config__projects__main__proxy": "http://proxy.internal:3128"}, [443, 3128]),
        ({"config__projects__main__proxy": "http://proxy.internal"}, [443, 80]),
        ({"extraEnv": [{"name": "HTTPS_PROXY", "value": "http://someone:5ecret@proxy.internal:3128/"}]}, [443, 3128]),
        ({"config__projects__main__endpoint": "http://127.0.0.1:8089/api/projects/main"}, [443]),
    ],
    ids=["only TLS", "endpoint", "proxy", "proxy without port", "proxy of the environment", "within the pod"],
)
@pytest.mark.parametrize("flavor", ["kubernetes", "cilium"])
def test_the_way_out_has_the_ports_that_endpoints_and_proxies_name(
    helm: Helm, flavor: str, changes: Values, ports: list[int]
) -> None:
    release = helm.install(values(networkPolicy={"flavor": flavor}, **changes))
    if flavor == "kubernetes":
        told = [one["port"] for one in release.one("NetworkPolicy")["spec"]["egress"][1]["ports"]]
    else:
        told = [
            int(one["port"]) for one in release.one("CiliumNetworkPolicy")["spec"]["egress"][1]["toPorts"][0]["ports"]
        ]
    assert told == ports
    assert f"port(s) {', '.join(map(str, ports))}" in release.notes


def test_cilium_names_the_hosts_of_proxies_too(helm: Helm) -> None:
    proxy = {"config__projects__main__proxy": "http://someone:5ecret@Proxy.internal:3128"}
    spec = helm.install(values(networkPolicy={"flavor": "cilium"}, **proxy)).one("CiliumNetworkPolicy")["spec"]
    assert {"matchName": "proxy.internal"} in spec["egress"][1]["toFQDNs"]


def test_the_notes_say_where_the_port_of_a_proxy_is_not_known(helm: Helm) -> None:
    secret = {"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": {"name": "proxy", "key": "url"}}}
    assert "WARNING: the port of HTTPS_PROXY is not known here" in helm.install(values(extraEnv=[secret])).notes


def test_the_notes_say_when_a_managed_identity_would_not_reach_its_tokens(helm: Helm) -> None:
    warning = "WARNING: project main takes the identity that it finds"
    assert warning in helm.install(values()).notes
    identity = {"enabled": True, "clientId": "00000000-0000-4000-8000-000000000001"}
    assert warning not in helm.install(values(azure={"workloadIdentity": identity}), name="identity").notes
    assert warning not in helm.install(values(networkPolicy={"enabled": False}), name="open").notes


def test_a_managed_identity_is_taken_where_the_way_to_its_tokens_is_open(helm: Helm) -> None:
    way = {"to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}], "ports": [{"port": 80}]}
    identity: Values = {"config__projects__main__credential": "managed-identity"}
    release = helm.install(values(networkPolicy={"extraEgress": [way]}, **identity))
    assert way in release.one("NetworkPolicy")["spec"]["egress"]


def test_a_page_of_its_own_can_be_reached_where_the_metrics_can(releases: dict[str, Release]) -> None:
    ports = releases["full"].one("NetworkPolicy")["spec"]["ingress"][0]["ports"]
    assert [one["port"] for one in ports] == ["metrics", "page"]

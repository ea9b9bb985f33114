"""The API in memory refuses what a real server refuses: else a chart that only works here would pass."""

from __future__ import annotations

import copy
import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from chart_world import Helm, values
from kube_stub import Cluster

PATHS = {
    "ConfigMap": "/api/v1/namespaces/agents/configmaps",
    "PersistentVolumeClaim": "/api/v1/namespaces/agents/persistentvolumeclaims",
    "Deployment": "/apis/apps/v1/namespaces/agents/deployments",
    "Service": "/api/v1/namespaces/agents/services",
}


def _sent(cluster: Cluster, path: str, body: Any, method: str = "POST") -> str:
    """What the server says to it; '' when it takes it."""
    headers = {"Content-Type": "application/apply-patch+yaml"}
    request = Request(cluster.address + path, json.dumps(body).encode(), headers, method=method)
    try:
        with urlopen(request, timeout=10):
            return ""
    except HTTPError as error:
        told: str = json.loads(error.read())["message"]
        return told


def _set(found: Any, path: str, value: Any) -> None:
    *way, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    for step in way:
        found = found[step]
    if isinstance(found, list):
        found.append(value)
    else:
        found[last] = value


POD = "spec/template/spec"


@pytest.mark.parametrize(
    ("kind", "path", "value", "told"),
    [
        ("PersistentVolumeClaim", "spec/accessModes", ["ReadWriteOnce"], "spec is immutable after creation"),
        ("PersistentVolumeClaim", "spec/storageClassName", "fast", "spec is immutable after creation"),
        ("PersistentVolumeClaim", "spec/resources/requests/storage", "1Mi", "can not be less"),
        ("ConfigMap", "data/reaper.yaml", "version: 1", "field is immutable"),
        ("ConfigMap", "metadata/labels/team", "the agents", "metadata.labels: Invalid value"),
        ("ConfigMap", "immutable", False, "field is immutable"),
        ("Deployment", "spec/selector/matchLabels", {"app": "x"}, "spec.selector: Invalid value: field is immutable"),
        ("Deployment", "spec/template/metadata/labels", {"app": "x"}, "does not match template `labels`"),
        ("Deployment", f"{POD}/containers/0/env/+", {"name": "REAPER_CONFIG"}, 'Duplicate value: "REAPER_CONFIG"'),
        ("Deployment", f"{POD}/volumes/+", {"name": "state"}, 'volumes: Duplicate value: "state"'),
        ("Deployment", f"{POD}/containers/+", {"name": "reaper"}, 'containers: Duplicate value: "reaper"'),
        (
            "Deployment",
            f"{POD}/containers/0/volumeMounts/+",
            {"name": "tmp", "mountPath": "/etc/reaper"},
            'volumeMounts: Duplicate value: "/etc/reaper"',
        ),
        (
            "Deployment",
            f"{POD}/containers/0/volumeMounts/+",
            {"name": "none", "mountPath": "/x"},
            "volumeMounts: Not found: none",
        ),
        ("Service", "spec/loadBalancerSourceRanges", ["10.0.0.0/8"], "may only be used when `type` is LoadBalancer"),
        ("Service", "spec/ports/0/nodePort", 30000, "may not be used when `type` is 'ClusterIP'"),
        ("Service", "spec/ports/+", {"name": "metrics", "port": 1}, 'spec.ports: Duplicate value: "metrics"'),
    ],
)
def test_a_change_that_a_server_refuses_is_refused(
    helm: Helm, cluster: Cluster, kind: str, path: str, value: Any, told: str
) -> None:
    helm.install(values())
    (found,) = cluster.of(kind)
    changed = copy.deepcopy(found)
    _set(changed, path, value)
    at = f"{PATHS[kind]}/{found['metadata']['name']}"
    assert told in _sent(cluster, at, changed, "PATCH")
    assert _sent(cluster, at, found, "PATCH") == ""


def test_a_kind_that_nobody_defined_is_not_found(cluster: Cluster) -> None:
    odd = {"apiVersion": "example.com/v1", "kind": "Odd", "metadata": {"name": "one"}}
    assert "not found" in _sent(cluster, "/apis/example.com/v1/namespaces/agents/odds", odd)


def test_a_kind_that_nobody_defined_ends_an_install(helm: Helm, cluster: Cluster) -> None:
    odd = {"apiVersion": "example.com/v1", "kind": "Odd", "metadata": {"name": "one"}}
    assert 'no matches for kind "Odd"' in helm.refusal(values(extraObjects=[odd]))
    assert cluster.of("Deployment") == []


def test_what_the_server_filled_in_stays_when_a_client_does_not_say_it_again(helm: Helm, cluster: Cluster) -> None:
    helm.install(values())
    (claim,) = cluster.of("PersistentVolumeClaim")
    said = {**claim, "spec": {key: claim["spec"][key] for key in ("accessModes", "resources")}}
    assert _sent(cluster, f"{PATHS['PersistentVolumeClaim']}/night-session-reaper", said, "PATCH") == ""
    assert cluster.of("PersistentVolumeClaim")[0]["spec"]["storageClassName"] == "standard"

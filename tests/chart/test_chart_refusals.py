"""Values that are wrong are refused when the chart is installed, with the place and the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_world import CHART, ROOT, SCENARIOS, Helm, scenario, values, with_rule
from kube_stub import Cluster

BAD = ROOT / "tests" / "config" / "bad"

# Values have no aliases: these cannot be said in JSON, or not in a reasonable length.
ALIASES = {"022-anchor-bomb", "023-recursive-alias"}

# What only the reaper itself judges: at its start it ends with 2, at a reload the old configuration stays in force.
LEFT_TO_THE_REAPER = {
    "014-reviewer-deceiving-text-direction",
    "024-merge-key",
    "027-duplicate-keys",
    "028-duplicate-policy",
    "044-schedule-jitter-longer-than-cron",
    "047-cron-out-of-range",
    "048-cron-weekday-out-of-range",
    "049-cron-backwards-range",
    "050-cron-day-and-weekday",
    "051-cron-day-that-never-comes",
    "052-schedule-unknown-time-zone",
    "053-time-zone-outside-the-database",
    "066-endpoint-port",
    "068-endpoint-used-twice",
    "077-trusted-host-yes",
    "087-expires-within-everything",
    "121-full-listing-longer-than-an-idle",
    "122-full-listing-shorter-than-the-interval",
    "123-full-listing-too-seldom",
    "427-a-rule-named-at-most",
    "428-a-rule-named-keep-newest",
    "437-holds-in-too-many-words",
    "438-holds-with-a-secret",
    "445-may-choose-unknown",
}


def test_without_a_configuration_it_is_refused(helm: Helm) -> None:
    assert "at '/config': missing properties 'version', 'projects', 'policies'" in helm.refusal({})


@pytest.mark.parametrize(
    ("typo", "place"),
    [
        ({"replicas": 1}, "''"),
        ({"image": {"tga": "1"}}, "'/image'"),
        ({"azure": {"workloadIdentity": {"clientID": ""}}}, "'/azure/workloadIdentity'"),
        ({"networkPolicy": {"cilium": {"extraHost": []}}}, "'/networkPolicy/cilium'"),
        ({"livenessProbe": {"periodSecond": 1}}, "'/livenessProbe'"),
        ({"resources": {"limit": {}}}, "'/resources'"),
        ({"podSecurityContext": {"runAsUserr": 1}}, "'/podSecurityContext'"),
        ({"securityContext": {"capabilities": {"dropp": []}}}, "'/securityContext/capabilities'"),
        ({"tolerations": [{"kye": "a"}]}, "'/tolerations/0'"),
        ({"affinity": {"nodeAffinity": {"preferred": []}}}, "'/affinity/nodeAffinity'"),
        ({"extraEnv": [{"name": "A", "valueFrom": {"secretRef": {}}}]}, "'/extraEnv/0/valueFrom'"),
        ({"extraVolumes": [{"name": "a", "configMap": {"nam": "b"}}]}, "'/extraVolumes/0/configMap'"),
        ({"serviceMonitor": {"relabelings": [{"sourceLabel": []}]}}, "'/serviceMonitor/relabelings/0'"),
        ({"config": {"polices": {}}}, "'/config'"),
        ({"config": {"projects": {"main": {"endpont": ""}}}}, "'/config/projects/main'"),
        ({"config": {"projects": {"main": {"requests": {"timeouts": "1s"}}}}}, "'/config/projects/main/requests'"),
        ({"config": {"policies": {"weekly": {"limits": {"per_week": 1}}}}}, "'/config/policies/weekly/limits'"),
        ({"config": {"quotas": {"q": {"pressure": {"over": "1%"}}}}}, "'/config/quotas/q/pressure'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_typo_in_any_key_is_refused_with_its_place(helm: Helm, typo: dict[str, Any], place: str) -> None:
    told = helm.refusal(_merged(values(), typo))
    assert f"at {place}: additional properties" in told


def test_what_a_parent_chart_has_under_global_is_taken(helm: Helm) -> None:
    assert helm.install(values(**{"global": {"storageClass": {"of": "the parent chart"}}})).manifests


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            with_rule(action="delete", when={"idle": "7"}),
            "at '/config/policies/weekly/rules/0/when/idle': '7' does not",
        ),
        (
            with_rule(action="remove", when={"idle": "7d"}),
            "at '/config/policies/weekly/rules/0/action': value must be",
        ),
        (with_rule(action="delete", when={"idel": "7d"}), "at '/config/policies/weekly/rules/0/when': additional"),
        (
            with_rule(action="delete", when={"status": "failed"}),
            "config.policies.weekly.rules[0].when: a delete rule needs idle, age or expires_within",
        ),
        (
            with_rule(action="delete", when={"idle": "2m"}),
            'config.policies.weekly.rules[0].when.idle: "2m" is too short for a delete: write 5m or more',
        ),
        (
            with_rule(action="stop", when={"idle": "59s"}),
            'config.policies.weekly.rules[0].when.idle: "59s" is too short for a stop: write 1m or more',
        ),
        (
            with_rule(action="delete", when={"idle": "4w2d"}),
            'config.policies.weekly.rules[0].when.idle: "4w2d" is never reached: the platform expires',
        ),
        (
            values(config__policies__weekly__mode="enforcing"),
            "at '/config/policies/weekly/mode': value must be one of",
        ),
        (
            values(config__projects__main__agents=[{"name": "*", "policy": "wekly"}]),
            'config.projects.main.agents[0].policy: "wekly" is none of the policies (weekly)',
        ),
        (
            values(config__quotas={"q": {"limit": 5, "projects": ["mian"]}}),
            'config.quotas.q.projects[0]: "mian" is none of the projects (main)',
        ),
        (
            values(config__projects__main__endpoint="https://contoso.services.ai.azure.evil/api/projects/main"),
            "config.projects.main.endpoint: ",
        ),
        (values(config__schedule={"every": "5m", "cron": "* * * * *"}), "at '/config/schedule': "),
    ],
    ids=range(12),
)
def test_a_wrong_policy_is_refused_with_the_place_and_the_reason(helm: Helm, change: Any, told: str) -> None:
    assert told in helm.refusal(change)


def test_all_mistakes_are_told_at_once(helm: Helm) -> None:
    wrong = with_rule(action="delete", when={"status": "failed"})
    wrong["config"]["projects"]["main"]["agents"][0]["policy"] = "other"
    told = helm.refusal({**wrong, "replicaCount": 2})
    assert "3 mistake(s) in the values" in told


@pytest.mark.parametrize("replicas", [-1, 2, 3])
def test_more_than_one_replica_is_refused(helm: Helm, replicas: int) -> None:
    assert f"replicaCount: {replicas}: one reaper sweeps on one state" in helm.refusal(values(replicaCount=replicas))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"config__state": "sqlite:////x/s.db"}, 'config.state: "sqlite:////x/s.db" is not on the volume'),
        ({"config__server": {"listen": "127.0.0.1:9464"}}, 'config.server.listen: "127.0.0.1:9464" cannot be'),
        ({"azure": {"workloadIdentity": {"enabled": True}}}, "azure.workloadIdentity.clientId: missing"),
        (
            {"persistence": {"enabled": False}, "config__policies__weekly__mode": "enforce"},
            "persistence.enabled: false, but a policy enforces",
        ),
        (
            {"config__projects__main__credential": "managed-identity"},
            "config.projects.main.credential: managed-identity asks 169.254.169.254",
        ),
        (
            {"networkPolicy": {"flavor": "cilium"}, "config__projects__main__credential": "managed-identity"},
            "config.projects.main.credential: managed-identity asks 169.254.169.254",
        ),
        (
            {
                "networkPolicy": {"enabled": True, "flavor": "cilium"},
                "config__projects__main__endpoint": "https://${HOST}/api/projects/main",
            },
            "networkPolicy.cilium.extraHosts: name the host of config.projects.main.endpoint",
        ),
        ({"prometheusRule": {"flavor": 1}}, "at '/prometheusRule': additional properties 'flavor' not allowed"),
        (
            {"prometheusRule": {"selector": "release=night"}},
            "at '/prometheusRule/selector': 'release=night' does not",
        ),
        ({"commonLabels": {"team": "the agents"}}, "at '/commonLabels/team': 'the agents' does not match"),
        ({"podLabels": {"team": "-"}}, "at '/podLabels/team': '-' does not match"),
        ({"enabled": False}, "enabled: false: only a parent chart reads this"),
        ({"service": {"nodePort": 30000}}, "service.nodePort: only for service.type NodePort and LoadBalancer"),
        (
            {"service": {"loadBalancerSourceRanges": ["10.0.0.0/8"]}},
            "service.loadBalancerSourceRanges: only for service.type LoadBalancer, this is ClusterIP",
        ),
        ({"service": {"loadBalancerClass": "x"}}, "service.loadBalancerClass: only for service.type LoadBalancer"),
        ({"service": {"externalTrafficPolicy": "Local"}}, "service.externalTrafficPolicy: only for service.type"),
        (
            {"config__server": {"page": "0.0.0.0:9464"}},
            "config.server.page: port 9464 is that of config.server.listen",
        ),
        ({"config__server": {"page": "0.0.0.0:90000"}}, "config.server.page: port 90000 does not exist"),
        (
            {"config__server": {"page": "0.0.0.0:80"}, "service": {"port": 80}},
            "service.port: 80 is the port of config.server.page",
        ),
        (
            {"extraEnv": [{"name": "REAPER_CONFIG", "value": "/x"}]},
            'extraEnv[0].name: "REAPER_CONFIG": the chart sets',
        ),
        ({"extraEnv": [{"name": "REAPER_LISTEN"}]}, 'extraEnv[0].name: "REAPER_LISTEN": the chart sets it, from'),
        ({"extraEnv": [{"name": "A"}, {"name": "A"}]}, 'extraEnv[1].name: "A": it is listed twice'),
        ({"extraArgs": ["--listen=[::]:1"]}, 'extraArgs[0]: "--listen=[::]:1": the chart says'),
        ({"extraVolumes": [{"name": "state"}]}, 'extraVolumes[0].name: "state" is taken (the chart\'s own)'),
        ({"extraVolumes": [{"name": "a"}, {"name": "a"}]}, 'extraVolumes[1].name: "a" is taken (it is listed twice)'),
        ({"initContainers": [{"name": "reaper"}]}, 'initContainers[0].name: "reaper" is taken (the chart\'s own)'),
        (
            {"initContainers": [{"name": "a"}], "extraContainers": [{"name": "a"}]},
            'extraContainers[0].name: "a" is taken (it is listed twice)',
        ),
    ],
    ids=range(27),
)
def test_what_cannot_work_is_refused(helm: Helm, change: dict[str, Any], told: str) -> None:
    assert told in helm.refusal(values(**change))


@pytest.mark.parametrize(
    "path", ["/etc/reaper", "/etc/reaper/", "/etc/reaper/more", "/etc", "/var/lib//reaper", "/tmp", "/tmp/x", "/"]
)
def test_a_mount_over_or_within_what_is_the_charts_is_refused(helm: Helm, path: str) -> None:
    told = helm.refusal(values(extraVolumeMounts=[{"name": "tmp", "mountPath": path}]))
    assert f'extraVolumeMounts[0].mountPath: "{path}" would hide, or lie within, /' in told


def test_mounts_of_no_volume_and_two_at_one_place_are_refused(helm: Helm) -> None:
    mounts = [{"name": "tmp", "mountPath": "/data"}, {"name": "none", "mountPath": "/data/"}]
    told = helm.refusal(values(extraVolumeMounts=mounts))
    assert 'extraVolumeMounts[1].name: "none" is none of the volumes (config, state, tmp)' in told
    assert 'extraVolumeMounts[1].mountPath: "/data/" is listed twice' in told


def test_variables_that_names_in_the_configuration_refer_to_are_taken(helm: Helm) -> None:
    assert helm.install(values(extraEnv=[{"name": "REAPER_AGENT", "value": "support"}])).manifests


@pytest.mark.long
def test_what_the_reaper_refuses_the_chart_refuses_too_but_for_a_known_rest(cluster: Cluster) -> None:
    """The reaper's own bad examples. Each gets an engine of its own, for a Helm that asks often is made to wait."""
    taken = set()
    for path in sorted(BAD.glob("*.yaml")):
        configuration = _mapping(path)
        if configuration is not None:
            try:
                Helm(cluster).refusal({"config": configuration})
            except pytest.fail.Exception:
                cluster.objects.clear()
                taken.add(path.stem)
    assert taken == LEFT_TO_THE_REAPER


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_examples_of_the_product_can_be_pasted(helm: Helm, path: Path) -> None:
    """But for `state` and `server`, which say where things are on the machine, and which the chart fills in."""
    configuration = _mapping(path) or {}
    rest = {key: value for key, value in configuration.items() if key not in {"state", "server"}}
    assert helm.install({"config": rest}).manifests


def test_no_scenario_is_refused() -> None:
    assert {path.name for path in SCENARIOS} == {path.name for path in (CHART / "ci").iterdir()}
    assert len([scenario(path.name.removesuffix("-values.yaml")) for path in SCENARIOS]) >= 7


def _mapping(path: Path) -> dict[str, Any] | None:
    """The file as values hold it, dates as texts; None when it is no mapping, or one that JSON cannot say."""
    try:
        found = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, ValueError, OverflowError):
        return None
    if not isinstance(found, dict) or path.stem in ALIASES:
        return None
    mapping: dict[str, Any] = json.loads(json.dumps(found, default=str))
    return mapping


def _merged(before: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    found = dict(before)
    for key, value in change.items():
        deeper = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = _merged(found[key], value) if deeper else value
    return found

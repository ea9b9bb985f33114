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


def test_whatever_stands_under_global_is_taken(helm: Helm) -> None:
    assert helm.install(values(**{"global": {"imageRegistry": {"of": "the parent chart"}}})).manifests


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


@pytest.mark.parametrize("replicas", [0, 2, 3])
def test_anything_but_one_replica_is_refused(helm: Helm, replicas: int) -> None:
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
            {"networkPolicy": {"enabled": True}, "config__projects__main__credential": "managed-identity"},
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
    ],
    ids=range(7),
)
def test_what_cannot_work_is_refused(helm: Helm, change: dict[str, Any], told: str) -> None:
    assert told in helm.refusal(values(**change))


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

"""packaging/aks.sh against stand-ins of az, kubectl and helm: it makes what is missing, once, and arms nothing."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure_world import PROJECT, ROOT, WORKSPACE, Azure

from reaper.config import parse
from reaper.core.policy import Mode

OPERATOR = "servicemonitors.monitoring.coreos.com"
MANAGED = "servicemonitors.azmonitoring.coreos.com"
FOUNDRY_USER, AGENT_CONSUMER = "53ca6127-db72-4b80-b1b0-d745d6d5456d", "eed3b665-ab3a-47b6-8f48-c9382fb1dad6"


def values(azure: Azure, name: str = "agents/night") -> dict[str, Any]:
    found: dict[str, Any] = azure.world["releases"][name]
    return found


def roles(azure: Azure, identity: str) -> set[tuple[str, str]]:
    who = azure.world["identities"][identity]["principalId"]
    return {(found["role"], found["scope"]) for found in azure.world["assignments"] if found["who"] == who}


def test_the_first_run_makes_all_that_is_missing(azure: Azure) -> None:
    done = azure.install(CANARY_AGENT="support-eu")
    assert done.returncode == 0, done.stderr
    assert azure.world["clusters"]["blue"]["oidc"] is azure.world["clusters"]["blue"]["identity"] is True
    (trusted,) = azure.world["identities"]["session-reaper"]["credentials"].values()
    assert trusted["subject"] == "system:serviceaccount:agents:night-session-reaper"
    assert (trusted["issuer"], trusted["audiences"]) == ("https://oidc.example/blue/", ["api://AzureADTokenExchange"])
    assert roles(azure, "session-reaper") == {(FOUNDRY_USER, PROJECT)}
    assert roles(azure, "session-reaper-canary") == {(AGENT_CONSUMER, PROJECT)}
    identity = azure.world["identities"]["session-reaper"]
    assert values(azure)["azure"] == {"workloadIdentity": {"enabled": True, "clientId": identity["clientId"]}}
    assert values(azure)["image"]["repository"] == "contosoimages.azurecr.io/session-reaper"
    assert re.fullmatch("sha256:[0-9a-f]{64}", values(azure)["image"]["digest"])
    assert "agents/job/canary-first" in azure.world["objects"]


def test_what_it_installs_first_only_observes_and_keeps_the_canary(azure: Azure) -> None:
    assert azure.install(CANARY_AGENT="support-eu", AGENTS="support-*").returncode == 0
    settings = parse(yaml.safe_dump(values(azure)["config"]), "values.yaml", {}).settings
    (policy,), (project,) = settings.policies, settings.projects
    assert policy.mode is Mode.OBSERVE
    assert [rule.name for rule in policy.rules] == ["canary", "idle-a-week"]
    assert project.must_see == {"canary-000001"}


def test_the_second_run_makes_nothing_anew_and_changes_nothing(azure: Azure) -> None:
    assert azure.install(CANARY_AGENT="support-eu").returncode == 0
    before = copy.deepcopy(azure.world)
    assert azure.install(CANARY_AGENT="support-eu").returncode == 0
    assert azure.world == before
    assert [argv[:2] for argv in azure.changes] == [["kubectl", "apply"], ["helm", "upgrade"]]


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_run_that_died_at_any_change_goes_on_and_ends_as_if_it_had_not(azure: Azure, side: str) -> None:
    whole = {"CANARY_AGENT": "support-eu", "MONITORING": "managed", "WORKSPACE_ID": WORKSPACE}
    azure.world["crds"].append(MANAGED)
    first = copy.deepcopy(azure.world)
    assert azure.install(**whole).returncode == 0
    wanted, number_of_changes = azure.world, len(azure.changes)
    assert number_of_changes == 14
    for number in range(1, number_of_changes + 1):
        azure.world = copy.deepcopy(first)
        azure.breaks = (number, side)
        died = azure.install(**whole)
        assert (died.returncode, len(azure.changes)) == (1, number)
        assert "aks.sh: could not: " in died.stderr
        assert "run this again: what was done is found and kept" in died.stderr
        azure.breaks = (0, "")
        assert azure.install(**whole).returncode == 0
        assert azure.world == wanted, number


def test_a_look_that_fails_makes_nothing(azure: Azure) -> None:
    """Not seeing an identity must not be taken for its absence."""
    azure.world["identities"] = None  # whoever lists them fails
    died = azure.install()
    assert died.returncode == 1
    assert "aks.sh: could not look with: az identity list" in died.stderr
    assert not any("identity" in argv for argv in azure.changes)


def test_a_dry_run_prints_what_it_would_change_and_changes_nothing(azure: Azure) -> None:
    before = copy.deepcopy(azure.world)
    shown = azure.install("--dry-run", CANARY_AGENT="support-eu")
    assert shown.returncode == 0, shown.stderr
    assert (azure.changes, azure.world) == ([], before)
    for part in ("az aks update", "az acr build", "az identity create", "az role assignment create", "helm upgrade"):
        assert f"\n{part} " in shown.stdout
    assert "mode: observe" in shown.stdout


def test_a_dry_run_of_what_is_there_has_nothing_to_make(azure: Azure) -> None:
    assert azure.install().returncode == 0
    shown = azure.install("--dry-run").stdout
    assert "create" not in shown
    assert "az aks update" not in shown


def test_a_second_run_keeps_the_configuration_that_somebody_put_there(azure: Azure) -> None:
    assert azure.install().returncode == 0
    values(azure)["config"]["policies"]["standard"]["rules"] = ["theirs"]
    assert azure.install().returncode == 0
    assert values(azure)["config"]["policies"]["standard"]["rules"] == ["theirs"]


def test_values_of_ones_own_bring_the_configuration(azure: Azure, tmp_path: Path) -> None:
    own = tmp_path / 'it\'s $(touch ran) & "mine".yaml'
    own.write_text("config: {version: 1}\nresources: {limits: {memory: 1Gi}}\n")
    assert azure.install(VALUES=str(own)).returncode == 0
    assert values(azure)["config"] == {"version": 1}
    assert values(azure)["resources"] == {"limits": {"memory": "1Gi"}}
    assert values(azure)["azure"]["workloadIdentity"]["enabled"] is True
    assert not list(ROOT.glob("ran"))


def test_it_goes_to_the_cluster_that_was_named_whatever_kubectl_points_at(azure: Azure) -> None:
    azure.world["kubeconfig"] = "production-of-somebody-else"
    assert azure.install().returncode == 0
    assert azure.world["kubeconfig"] == "production-of-somebody-else"


def test_it_leaves_no_file_behind(azure: Azure, tmp_path: Path) -> None:
    rest = tmp_path / "rest"
    rest.mkdir()
    assert azure.install(TMPDIR=str(rest)).returncode == 0
    assert azure.install(TMPDIR=str(rest), RESOURCE_GROUP="apps", CLUSTER="green").returncode == 1
    assert list(rest.iterdir()) == []


@pytest.mark.parametrize(
    ("image", "repository", "tag", "digest"),
    [
        ("host.example:5000/team/session-reaper:0.2.0", "host.example:5000/team/session-reaper", "0.2.0", ""),
        (f"host.example/session-reaper@sha256:{'a' * 64}", "host.example/session-reaper", "", f"sha256:{'a' * 64}"),
        ("host.example:5000/session-reaper", "host.example:5000/session-reaper", "", ""),
    ],
)
def test_an_image_to_pull_is_taken_as_it_is_named_and_none_is_built(
    azure: Azure, image: str, repository: str, tag: str, digest: str
) -> None:
    assert azure.install(REGISTRY="", IMAGE=image).returncode == 0
    assert values(azure)["image"] == {"repository": repository, "tag": tag, "digest": digest}
    assert not any("acr" in argv for argv in azure.changes)


def test_with_the_operator_its_release_selects_monitor_and_rules(azure: Azure) -> None:
    azure.world["crds"].append(OPERATOR)
    assert azure.install(MONITORING="operator", PROMETHEUS_RELEASE="kps").returncode == 0
    assert values(azure)["serviceMonitor"] == {"enabled": True, "labels": {"release": "kps"}}
    assert values(azure)["prometheusRule"] == {"enabled": True, "labels": {"release": "kps"}}


def test_with_managed_prometheus_the_alerts_are_a_deployment_for_this_cluster(azure: Azure) -> None:
    azure.world["crds"].append(MANAGED)
    action = WORKSPACE.replace("Microsoft.Monitor/accounts/m", "Microsoft.Insights/actionGroups/on call")
    done = azure.install(MONITORING="managed", WORKSPACE_ID=WORKSPACE, ACTION_GROUP_ID=action)
    assert done.returncode == 0, done.stderr
    assert values(azure)["serviceMonitor"] == {"enabled": True, "apiVersion": "azmonitoring.coreos.com/v1"}
    assert azure.world["deployments"]["session-reaper-blue"]["parameters"] == {
        "azureMonitorWorkspaceId": WORKSPACE,
        "clusterName": "blue",
        "location": "westeurope",
        "actionGroupId": action,
    }


@pytest.mark.parametrize("monitoring", ["operator", "managed"])
def test_without_the_kinds_of_an_operator_it_says_so_before_it_changes_anything(
    azure: Azure, monitoring: str
) -> None:
    refused = azure.install(MONITORING=monitoring, WORKSPACE_ID=WORKSPACE)
    assert refused.returncode == 2
    assert f"MONITORING is {monitoring}, and the cluster has no servicemonitors." in refused.stderr
    assert "or set it to none" in refused.stderr
    assert azure.changes == []


def test_names_that_the_shell_would_read_reach_azure_as_they_are(azure: Azure) -> None:
    assert azure.install(RESOURCE_GROUP="apps_(prod).1").returncode == 0
    groups = {argv[argv.index("--resource-group") + 1] for argv in azure.changes if "--resource-group" in argv}
    assert groups == {"apps_(prod).1"}


def test_what_a_dry_run_prints_can_be_pasted(azure: Azure) -> None:
    shown = azure.install("--dry-run", RESOURCE_GROUP="apps_(prod).1").stdout
    line = next(line for line in shown.splitlines() if line.startswith("az identity create"))
    pasted = ["bash", "-c", f'az() {{ printf "%s|" "$@"; }}; {line}']
    said = subprocess.run(pasted, capture_output=True, text=True, check=True)
    assert said.stdout == "identity|create|--resource-group|apps_(prod).1|--name|session-reaper|--output|none|"


def test_an_identity_that_trusts_another_release_is_left_alone(azure: Azure) -> None:
    assert azure.install().returncode == 0
    refused = azure.install(RELEASE="day")
    assert refused.returncode == 2
    assert "trusts system:serviceaccount:agents:night-session-reaper by its credential" in refused.stderr
    (trusted,) = azure.world["identities"]["session-reaper"]["credentials"].values()
    assert trusted["subject"] == "system:serviceaccount:agents:night-session-reaper"


def test_a_cluster_made_anew_is_trusted_in_place_of_the_old_one(azure: Azure) -> None:
    assert azure.install().returncode == 0
    azure.world["clusters"]["blue"]["issuer"] = "https://oidc.example/blue-2/"
    assert azure.install().returncode == 0
    (trusted,) = azure.world["identities"]["session-reaper"]["credentials"].values()
    assert trusted["issuer"] == "https://oidc.example/blue-2/"


def test_shellcheck_finds_nothing() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed: the scripts were not checked")
    scripts = [
        *map(str, ROOT.glob("packaging/*.sh")),
        *map(str, ROOT.glob("packaging/aks/*.sh")),
        str(ROOT / ".ci/run"),
    ]
    found = subprocess.run(["shellcheck", "-x", *scripts], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (found.stdout, found.returncode) == ("", 0)

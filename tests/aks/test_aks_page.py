"""docs/aks.md works as written: its commands on the stand-ins, its values in Helm's own engine."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure_world import ROOT, WORKSPACE, Azure
from chart_world import Helm

from reaper.config import parse
from reaper.core.policy import Mode

PAGE = (ROOT / "docs" / "aks.md").read_text()
BY_SCRIPT, BY_HAND = PAGE.split("## Identity and role\n")
MANAGED_LIMITS = {"labelLimit": 63, "labelNameLengthLimit": 511, "labelValueLengthLimit": 1023}


def commands(text: str) -> str:
    """What the console blocks of a text say to type, in their order."""
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    assert blocks
    return "\n".join(line.removeprefix("$ ") for block in blocks for line in block.splitlines())


def files() -> dict[str, str]:
    """The files that the page shows, by the name in their first line."""
    return {
        block.splitlines()[0].removeprefix("# "): block
        for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
        if re.match(r"# [\w.]+\.yaml\n", block)
    }


@pytest.fixture
def typed(azure: Azure, tmp_path: Path) -> Azure:
    """The world after the commands of the page were typed, one after the other, in a copy of the repository."""
    copied = tmp_path / "repository"
    copied.mkdir()
    for name in ("Dockerfile", "helm", "packaging"):
        (copied / name).symlink_to(ROOT / name)
    for name, text in files().items():
        (copied / name).write_text(text)
    done = azure.run(["bash", "-euo", "pipefail", "-c", commands(BY_HAND)], copied)
    assert done.returncode == 0, done.stderr
    return azure


def test_the_commands_by_hand_do_what_the_page_says(typed: Azure) -> None:
    world = typed.world
    assert world["clusters"]["blue"]["oidc"] is world["clusters"]["blue"]["identity"] is True
    subjects = {
        name: [trusted["subject"] for trusted in identity["credentials"].values()]
        for name, identity in world["identities"].items()
    }
    assert subjects == {
        "session-reaper": ["system:serviceaccount:agents:night-session-reaper"],
        "session-reaper-canary": ["system:serviceaccount:agents:canary"],
    }
    names = {identity["principalId"]: name for name, identity in world["identities"].items()}
    held = {(names[found["who"]], found["role"]) for found in world["assignments"] if found["who"] in names}
    assert held == {
        ("session-reaper", "Session Reaper"),
        ("session-reaper-canary", "eed3b665-ab3a-47b6-8f48-c9382fb1dad6"),
    }
    assert world["deployments"]["session-reaper-blue"]["parameters"]["location"] == "westeurope"


@pytest.mark.parametrize(
    "typo",
    [
        "az aks update -g apps -n blue --enable-oidc",
        "az aks update -n blue --enable-oidc-issuer",
        "az identity make -g apps -n session-reaper",
        "az aks show -g apps -n blue --query 'a | b' -o tsv",
        "az aks get-credentials -g apps -n blue && kubectl get namespace default --ignore-missing",
        "az aks get-credentials -g apps -n blue && helm install night helm/session-reaper --values",
    ],
)
def test_a_command_that_the_real_tools_would_not_take_fails_here_too(azure: Azure, typo: str) -> None:
    assert azure.run(["bash", "-c", typo]).returncode == 1


def test_the_role_of_ones_own_speaks_for_nobody_else_and_leaves_models_alone(typed: Azure) -> None:
    role = typed.world["roles"]["Session Reaper"]
    agents = "Microsoft.CognitiveServices/accounts/AIServices/agents/"
    assert (role["Actions"], role["DataActions"]) == ([], [f"{agents}*"])
    assert role["NotDataActions"] == [f"{agents}endpoints/UserIdentityImpersonation/action"]
    assert role["AssignableScopes"] == ["/subscriptions/00000000-0000-4000-8000-00000000000a/resourceGroups/foundry"]


def test_the_script_finds_all_that_was_made_by_hand_and_makes_nothing_twice(typed: Azure) -> None:
    before = copy.deepcopy(typed.world)
    settings = {"CANARY_AGENT": "support-eu", "ROLE": "Session Reaper", "MONITORING": "managed"}
    done = typed.install(**settings, WORKSPACE_ID=WORKSPACE)
    assert done.returncode == 0, done.stderr
    made = [argv[:2] for argv in typed.changes]
    assert made == [["kubectl", "apply"], ["helm", "upgrade"], ["az", "deployment"]]
    assert typed.world["identities"] == before["identities"]
    assert typed.world["assignments"] == before["assignments"]
    assert typed.world["releases"]["agents/night"]["config"] == before["releases"]["agents/night"]["config"]


def test_the_commands_of_the_script_do_what_the_page_says(azure: Azure) -> None:
    done = azure.run(["bash", "-euo", "pipefail", "-c", commands(BY_SCRIPT)])
    assert done.returncode == 0, done.stderr
    assert azure.world["releases"]["agents/night"]["config"]["policies"]["standard"]["mode"] == "observe"
    assert "agents/cronjob/canary" in azure.world["objects"]


def test_the_values_of_the_page_only_observe(typed: Azure) -> None:
    config = typed.world["releases"]["agents/night"]["config"]
    settings = parse(yaml.safe_dump(config), "values.yaml", {}).settings
    assert [policy.mode for policy in settings.policies] == [Mode.OBSERVE]


def test_what_is_installed_by_hand_is_what_the_chart_takes(typed: Azure, helm: Helm) -> None:
    values = typed.world["releases"]["agents/night"]
    release = helm.install(values)
    account = release.one("ServiceAccount")
    assert f"system:serviceaccount:agents:{account['metadata']['name']}" in str(typed.world["identities"])
    client = typed.world["identities"]["session-reaper"]["clientId"]
    assert account["metadata"]["annotations"]["azure.workload.identity/client-id"] == client
    assert release.pod["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    assert release.one("Deployment")["metadata"]["name"] == "night-session-reaper"
    (container,) = release.pod["spec"]["containers"]
    assert container["image"].startswith("contosoimages.azurecr.io/session-reaper@sha256:")


def test_plain_aks_gets_no_kind_of_an_operator(helm: Helm) -> None:
    release = helm.install(yaml.safe_load(files()["values.yaml"]))
    assert {found["apiVersion"] for found in release.manifests} <= {"v1", "apps/v1", "networking.k8s.io/v1"}


def test_kube_prometheus_stack_gets_a_monitor_and_rules_that_it_selects(helm: Helm) -> None:
    release = helm.install(_with("operator.yaml"))
    for kind in ("ServiceMonitor", "PrometheusRule"):
        found = release.one(kind)
        assert found["apiVersion"] == "monitoring.coreos.com/v1"
        assert found["metadata"]["labels"]["release"] == "kube-prometheus-stack"


def test_managed_prometheus_gets_a_monitor_of_its_own_group_with_the_limits_it_asks_for(helm: Helm) -> None:
    release = helm.install(_with("managed.yaml"))
    monitor = release.one("ServiceMonitor")
    assert monitor["apiVersion"] == "azmonitoring.coreos.com/v1"
    assert monitor["spec"].items() >= MANAGED_LIMITS.items()
    assert release.of("PrometheusRule") == []


def test_a_monitor_of_the_operator_has_no_limits_that_nobody_asked_for(helm: Helm) -> None:
    assert not helm.install(_with("operator.yaml")).one("ServiceMonitor")["spec"].keys() & MANAGED_LIMITS


@pytest.mark.parametrize("monitoring", ["none", "operator", "managed"])
def test_what_the_script_installs_is_what_the_chart_takes(azure: Azure, helm: Helm, monitoring: str) -> None:
    azure.world["crds"] += ["servicemonitors.monitoring.coreos.com", "servicemonitors.azmonitoring.coreos.com"]
    settings = {"MONITORING": monitoring, "WORKSPACE_ID": WORKSPACE, "CANARY_AGENT": "support-eu"}
    assert azure.install(**settings).returncode == 0
    release = helm.install(azure.world["releases"]["agents/night"])
    assert len(release.of("ServiceMonitor")) == (monitoring != "none")
    assert parse(release.configuration, "reaper.yaml", {}).settings.projects[0].must_see == {"canary-000001"}


def _with(overlay: str) -> dict[str, Any]:
    """The values of the page with one of its other files on top."""
    return {**yaml.safe_load(files()["values.yaml"]), **yaml.safe_load(files()[overlay])}

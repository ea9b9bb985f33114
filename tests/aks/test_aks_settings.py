"""What packaging/aks.sh does not take is refused in one message, before anything is changed."""

from __future__ import annotations

import re
import shutil

import pytest
from azure_world import PROJECT, ROOT, SETTINGS, Azure


@pytest.mark.parametrize("version", ["v3.17.4+g123", "v2.17.0"])
def test_a_helm_that_is_too_old_is_refused(azure: Azure, version: str) -> None:
    azure.world["helm"] = version
    refused = azure.install()
    assert (refused.returncode, azure.changes) == (2, [])
    assert refused.stderr == f"aks.sh: helm is {version}, and the chart needs 3.18 or newer: install a newer one\n"


@pytest.mark.parametrize("version", ["v3.18.0+g1", "v3.20.1", "v4.0.0"])
def test_a_helm_that_is_new_enough_will_do(azure: Azure, version: str) -> None:
    azure.world["helm"] = version
    assert azure.install("--dry-run").returncode == 0


def test_a_tool_that_is_missing_is_named(azure: Azure) -> None:
    (azure.bin / "helm").unlink()
    if shutil.which("helm"):
        pytest.skip("a real helm is installed here: that it is missing was not played")
    refused = azure.install()
    assert (refused.returncode, refused.stderr) == (
        2,
        "aks.sh: helm is not installed, or not on PATH: it is needed\n",
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"RESOURCE_GROUP": ""}, "RESOURCE_GROUP is '', expected the resource group of the cluster"),
        ({"RESOURCE_GROUP": "$(touch ran)"}, "RESOURCE_GROUP is '$(touch ran)', expected"),
        ({"CLUSTER": "blue' || 'a'=='a"}, "CLUSTER is 'blue' || 'a'=='a', expected the name of the cluster"),
        ({"PROJECT_ID": PROJECT.rpartition("/projects/")[0]}, "PROJECT_ID is '/subscriptions/"),
        ({"REGISTRY": ""}, "neither IMAGE nor REGISTRY is set"),
        ({"IMAGE": "host.example/reaper:1"}, "IMAGE and REGISTRY are both set"),
        ({"REGISTRY": "contoso.azurecr.io"}, "REGISTRY is 'contoso.azurecr.io', expected the name of a container"),
        ({"NAMESPACE": "Agents"}, "NAMESPACE is 'Agents', expected a namespace of Kubernetes"),
        ({"RELEASE": "n" * 49}, "expected a name for the Helm release, of at most 48 characters"),
        ({"AGENTS": '"}], x: [{'}, "AGENTS is '\"}], x: [{', expected the name of an agent"),
        ({"CANARY_AGENT": "a\n  b"}, "expected the name of an agent"),
        ({"CANARY_SESSION": "short"}, "CANARY_SESSION is 'short', expected a session's id"),
        ({"CANARY_IDENTITY": "session-reaper"}, "CANARY_IDENTITY is IDENTITY"),
        ({"MONITORING": "yes"}, "MONITORING is 'yes', expected none, operator or managed"),
        ({"MONITORING": "managed"}, "MONITORING is managed and WORKSPACE_ID is not set"),
        ({"ENDPOINT": "http://contoso.example/api/projects/p"}, "ENDPOINT is 'http://contoso.example"),
        ({"VALUES": "/does/not/exist.yaml"}, "VALUES is '/does/not/exist.yaml', expected a file that can be read"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_setting_that_cannot_be_is_refused_before_anything_is_asked(
    azure: Azure, settings: dict[str, str], said: str
) -> None:
    refused = azure.install(**settings)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert azure.calls == []
    assert not list(ROOT.glob("ran"))


def test_an_option_that_is_not_known_is_refused(azure: Azure) -> None:
    refused = azure.install("--force")
    assert (refused.returncode, azure.calls) == (2, [])
    assert "'--force' is no option: there are --dry-run and --help" in refused.stderr


def test_the_help_names_every_setting(azure: Azure) -> None:
    told = azure.install("--help").stdout
    text = (ROOT / "packaging" / "aks" / "settings.sh").read_text()
    settings = set(re.findall(r"\$\{([A-Z_]+):=", text))
    assert SETTINGS.keys() < settings
    assert settings <= set(re.findall(r"[A-Z_]+", told))

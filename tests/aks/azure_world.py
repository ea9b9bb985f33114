"""A subscription, a cluster and a project that exist, and the commands that change them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from stand_in import Tools, World

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "packaging" / "aks.sh"
PROJECT = (
    "/subscriptions/00000000-0000-4000-8000-00000000000a/resourceGroups/foundry"
    "/providers/Microsoft.CognitiveServices/accounts/contoso/projects/prod-eu"
)
WORKSPACE = (
    "/subscriptions/00000000-0000-4000-8000-00000000000a/resourceGroups/watch/providers/Microsoft.Monitor/accounts/m"
)
SETTINGS = {"RESOURCE_GROUP": "apps", "CLUSTER": "blue", "PROJECT_ID": PROJECT, "REGISTRY": "contosoimages"}
ACTIONS = "Microsoft.CognitiveServices/accounts/AIServices/agents"


class Azure(Tools):
    """A world with the three tools on PATH, in which commands are run."""

    def __init__(self, folder: Path) -> None:
        super().__init__(first_world())
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)

    def run(self, command: list[str], folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command in a folder, with nothing in its environment but this; calls are counted anew."""
        self.calls.clear()
        self.changes.clear()
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        given = {"PATH": path, "HOME": str(self.folder), "LC_ALL": "C.UTF-8", **environment}
        return subprocess.run(
            command, cwd=folder, env=given, capture_output=True, text=True, timeout=100, check=False
        )

    def install(self, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """packaging/aks.sh; a setting of '' is left out."""
        wanted = {name: value for name, value in {**SETTINGS, **settings}.items() if value}
        return self.run([str(SCRIPT), *options], **wanted)


def first_world() -> World:
    """A subscription with a cluster, a registry, a Foundry project and a workspace, as somebody may find it."""
    blue = {"oidc": False, "identity": False, "issuer": "https://oidc.example/blue/", "kubelet": "k-1"}
    return {
        "clusters": {"blue": blue},
        "kubeconfig": None,
        "identities": {},
        "assignments": [],
        "roles": {},
        "registries": {"contosoimages": {"other": {"1": "sha256:1"}}},
        "resources": {PROJECT: "swedencentral", WORKSPACE: "westeurope"},
        "deployments": {},
        "actions": [f"{ACTIONS}/read", f"{ACTIONS}/sessions/read", f"{ACTIONS}/write"],
        "crds": [],
        "namespaces": ["default"],
        "objects": {},
        "releases": {},
        "helm": "v3.19.0",
    }

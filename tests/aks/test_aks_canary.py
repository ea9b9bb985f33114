"""The canary of packaging/aks: what the script applies is valid, and its first container makes the session."""

from __future__ import annotations

import json
import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from azure_world import ROOT, Azure
from process_world import Cli, exact_town

from reaper.config import parse


def test_the_canary_is_valid_kubernetes_and_makes_its_session_as_somebody_else(azure: Azure) -> None:
    assert azure.install(CANARY_AGENT="support-eu", CANARY_SESSION="canary-000009").returncode == 0
    objects = {name: found for name, found in azure.world["objects"].items() if name.endswith("/canary")}
    assert len(objects) == 3
    for manifest in objects.values():
        for version in ("1.29", kubernetes_validate.latest_version()):
            kubernetes_validate.validate(manifest, version, strict=True)
    text = json.dumps(objects)
    assert not re.search(r"\b(CANARY_(CLIENT_ID|AGENT|SESSION)|PROJECT_ENDPOINT|REAPER_IMAGE)\b", text)
    assert azure.world["identities"]["session-reaper-canary"]["clientId"] in text
    assert azure.world["identities"]["session-reaper"]["clientId"] not in text
    pod = objects["agents/cronjob/canary"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert "--id=canary-000009" in pod["initContainers"][0]["args"]
    settings = parse(objects["agents/configmap/canary"]["data"]["reaper.yaml"], "reaper.yaml", {}).settings
    assert all(rule.action == "keep" for rule in settings.policies[0].rules)


@pytest.mark.process
def test_the_canary_makes_its_session_once_and_writes_nothing_where_it_runs(tmp_path: Path) -> None:
    text = (ROOT / "packaging" / "aks" / "canary.yaml").read_text()
    for word, value in {"CANARY_AGENT": "support-eu", "CANARY_SESSION": "canary-000001"}.items():
        text = text.replace(word, value)
    _, mounted, job = yaml.safe_load_all(text)
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    cli = Cli(tmp_path / "pod")
    cli.folder.mkdir()
    with exact_town(tmp_path / "town", {"support-eu": []}) as town:
        config = mounted["data"]["reaper.yaml"].replace("PROJECT_ENDPOINT", town.endpoint)
        cli.config.write_text(config.replace("credential: workload-identity", "credential: none"))
        arguments = [
            word.replace("/etc/reaper/reaper.yaml", str(cli.config)) for word in pod["initContainers"][0]["args"]
        ]
        for _ in range(2):
            cli.bare(*arguments).ended(0)
        assert [event["session"] for event in town.history("created")] == ["canary-000001"]
    assert [path.name for path in cli.folder.iterdir()] == ["reaper.yaml"]

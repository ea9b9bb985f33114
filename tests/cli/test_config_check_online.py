"""`config check --online`: what each project answers, and the canary that the page about Kubernetes makes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from process_world import IDLE_A_WEEK, Cli, Town
from sessions_world import AGENT

from reaper.config import parse

pytestmark = pytest.mark.process

CANARY = "canary-000001"
KEEP = {"name": "canary", "action": "keep", "when": {"id": "canary-*"}}
PAGE = Path(__file__).parents[2] / "docs" / "kubernetes-install.md"


def manifests() -> list[dict[str, Any]]:
    """What the page has people apply."""
    (text,) = re.findall(r"```yaml\n(# canary\.yaml.*?)```", PAGE.read_text(), re.DOTALL)
    return list(yaml.safe_load_all(text))


def configured(cli: Cli, endpoint: str, *rules: dict[str, Any], **project: Any) -> None:
    here = {"endpoint": endpoint, "credential": "none", "agents": [{"name": "*", "policy": "standard"}], **project}
    cli.configure(endpoint, projects={"prod-eu": here}, rules=[*rules, IDLE_A_WEEK])


def test_the_canary_of_the_page_is_made_once_and_found(cli: Cli, people: Town) -> None:
    configured(cli, people.endpoint, KEEP, must_see=[CANARY])
    missing = cli.run("config", "check", "--online").ended(1)
    assert f"failed: must_see session {CANARY}: no agent has it" in missing.stderr
    *_, job = manifests()
    (make,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["initContainers"]
    assert make["args"][2] == AGENT
    arguments = [one for one in make["args"] if not one.startswith("--config")]
    assert "proves nothing unless" in cli.run(*arguments).ended(0).stderr
    assert "nothing was created" in cli.run(*arguments).ended(0).stderr
    assert people.counts()["create"] == 1
    found = cli.run("config", "check", "--online").ended(0)
    assert re.search(
        rf"must_see session {CANARY}: at agent {AGENT}, \w+, expires \S+ \S+Z \(in 29d23h\)", found.stdout
    )
    assert found.stderr == ""


def test_the_job_of_the_page_uses_the_very_session_that_it_makes() -> None:
    account, configuration, job = manifests()
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (make,), (use,) = pod["initContainers"], pod["containers"]
    assert pod["serviceAccountName"] == account["metadata"]["name"]
    (script,) = use["args"]
    login, rest = (shlex.split(line) for line in script.replace("\\\n", " ").splitlines())
    assert (login[:2], rest[:2]) == (["az", "login"], ["az", "rest"])
    (url,) = [env["value"] for env in use["env"] if env["name"] == "AGENT_URL"]
    project = yaml.safe_load(configuration["data"]["reaper.yaml"])["projects"]["prod-eu"]
    assert url == f"{project['endpoint']}/agents/{make['args'][2]}"
    assert {"name": "config", "configMap": {"name": configuration["metadata"]["name"]}} in pod["volumes"]
    assert parse(configuration["data"]["reaper.yaml"], "reaper.yaml", {}).settings.policies
    (body,) = [word for word in rest if word.startswith("{")]
    assert yaml.safe_load(body)["agent_session_id"] == CANARY
    assert f"--id={CANARY}" in make["args"]


@pytest.mark.parametrize("version", ["1.29", "newest"])
def test_the_manifests_of_the_page_are_valid_kubernetes_to_the_last_key(version: str) -> None:
    known = pytest.importorskip("kubernetes_validate", reason="the manifests were not validated")
    wanted = known.latest_version() if version == "newest" else version
    for manifest in manifests():
        assert known.validate(manifest, wanted, strict=True).startswith(wanted[:4])


def test_a_canary_that_is_made_by_hand_is_said_to_prove_nothing_by_itself(cli: Cli, people: Town) -> None:
    configured(cli, people.endpoint, must_see=[CANARY])
    made = cli.run("sessions", "create", AGENT, "--id", CANARY).ended(0)
    assert f"warning: {CANARY} is named under must_see" in made.stderr
    assert "must_see" not in cli.run("sessions", "create", AGENT, "--id", "other-000001").ended(0).stderr


def test_a_canary_that_a_rule_would_delete_or_that_is_not_shown_is_said(cli: Cli, people: Town) -> None:
    configured(cli, people.endpoint, must_see=["old-00000001"])
    done = cli.run("config", "check", "--online").ended(0)
    assert "rule idle-a-week of policy standard would delete it, due now: put a keep rule before it" in done.stderr
    people.break_with({"operation": "get", "status": 403, "code": "session_not_accessible"})
    lost = cli.run("config", "check", "--online").ended(1)
    assert "does not show it to this identity: its role is missing" in lost.stderr


def test_a_project_that_does_not_answer_fails_and_the_others_are_asked_all_the_same(cli: Cli, people: Town) -> None:
    here = {"credential": "none", "agents": [{"name": AGENT, "policy": "standard"}], "must_see": ["vip-00000001"]}
    away = here | {"endpoint": "http://127.0.0.1:9/api/projects/gone"}
    lost = here | {
        "endpoint": f"{people.root}/api/projects/other",
        "agents": [{"name": "nobody", "policy": "standard"}],
    }
    projects = {"away": away, "here": here | {"endpoint": people.endpoint}, "lost": lost}
    cli.configure(people.endpoint, projects=projects)
    done = cli.run("config", "check", "--online").ended(1)
    assert "failed: project away: " in done.stderr
    assert "project here: answers" in done.stdout
    assert "must_see session vip-00000001: at agent support-eu" in done.stdout
    assert "failed: project lost: the platform knows no agent nobody" in done.stderr


def test_enforcing_without_must_see_is_warned_of(cli: Cli, people: Town) -> None:
    configured(cli, people.endpoint)
    done = cli.run("config", "check", "--online").ended(0)
    assert "warning: project prod-eu enforces without must_see" in done.stderr
    assert cli.run("config", "check").ended(0).stderr == ""


def test_explain_names_the_setting_in_its_table(cli: Cli, people: Town) -> None:
    configured(cli, people.endpoint, known_fields=["region_hint"])
    people.break_with({"operation": "*", "lie": "add_field", "field": "legal_hold", "value": True})
    shown = " ".join(cli.run("explain", AGENT, "old-00000001").ended(0).stdout.split())
    assert "unknown fields: legal_hold" in shown
    assert "known_fields: [legal_hold, region_hint]" in " ".join(
        cli.run("explain", AGENT, "old-00000001", "--output", "json").ended(0).stdout.split()
    )
    planned = cli.run("plan").ended(10).stdout
    assert "write `known_fields: [legal_hold, region_hint]`" in " ".join(planned.split())

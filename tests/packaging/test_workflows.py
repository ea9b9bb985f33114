"""The workflows are well-formed, may do little, and run only code that was pinned. None of them has run here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging_world import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FILES = [
    *((workflow, "github-workflows") for workflow in WORKFLOWS),
    (ROOT / ".github" / "dependabot.yml", "dependabot"),
]


def jobs(workflow: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(workflow.read_text())["jobs"]
    return found


@pytest.mark.parametrize(("file", "schema"), FILES, ids=[file.name for file, _ in FILES])
def test_what_a_forge_reads_has_the_form_that_it_publishes(file: Path, schema: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(file)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_commit_with_its_version_beside_it(workflow: Path) -> None:
    used = re.findall(r"uses: (.+)", workflow.read_text())
    elsewhere = [line for line in used if not line.startswith("./")]
    assert used
    assert [line for line in elsewhere if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_read_at_most_unless_a_job_asks_for_more(workflow: Path) -> None:
    document = yaml.safe_load(workflow.read_text())
    assert document["permissions"] in ({}, {"contents": "read"})
    assert [name for name, job in document["jobs"].items() if "steps" in job and "timeout-minutes" not in job] == []


def test_nothing_is_published_before_tests_audit_and_checks_have_passed() -> None:
    release = jobs(ROOT / ".github" / "workflows" / "release.yml")

    def before(name: str) -> set[str]:
        needs = release[name].get("needs", [])
        return {*needs, *(early for need in needs for early in before(need))}

    writers = [name for name, job in release.items() if "write" in job.get("permissions", {}).values()]
    assert {"packages", "image", "chart", "publish", "announce"} == {*writers}
    assert [name for name in writers if not {"check", "test", "audit"} <= before(name)] == []
    assert {"packages", "image", "chart"} <= before("publish")


def test_no_secret_of_the_forge_is_used_anywhere() -> None:
    assert [path.name for path in WORKFLOWS if "secrets." in path.read_text()] == []


def test_the_tests_run_on_every_python_that_the_package_says_it_runs_on() -> None:
    matrix = jobs(ROOT / ".github" / "workflows" / "test.yml")["python"]["strategy"]["matrix"]["python"]
    said = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())
    assert matrix == said == ["3.11", "3.12", "3.13", "3.14"]


def test_what_no_bot_moves_by_itself_is_resolved_anew_by_a_workflow() -> None:
    bot = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())
    assert {update["package-ecosystem"] for update in bot["updates"]} == {"github-actions", "docker"}
    assert "make lock ARGS=--upgrade" in (ROOT / ".github" / "workflows" / "update.yml").read_text()

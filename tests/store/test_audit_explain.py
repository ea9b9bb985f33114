"""What became of a session that is gone can be asked: real processes, against the emulator."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from audit_world import write_config

pytestmark = pytest.mark.process

REAPER = [sys.executable, "-c", "from reaper.cli import main; main()"]


@dataclass(frozen=True)
class Installation:
    """A configuration whose platform has been swept once."""

    config: Path
    agent: str
    deleted: str
    kept: str

    def reaper(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return reaper(*arguments, "--config", str(self.config))


def reaper(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*REAPER, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def decisions(ran: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ran.stdout)["sweeps"][0]["decisions"]
    return found


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("swept")
    command = [*REAPER, "emulator", "--listen", "127.0.0.1:0", "--agents", "1", "--sessions", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as emulator:
        try:
            assert emulator.stdout is not None
            endpoint = emulator.stdout.readline().removeprefix("ready: ").strip()
            config = write_config(folder, folder / "state.db", endpoint)
            ran = reaper("sweep", "--all", "--output", "json", "--config", str(config))
            made = decisions(ran)
            done = next(one["session"] for one in made if one["outcome"] == "done")
            kept = next(one["session"] for one in made if one["outcome"] == "kept")
            yield Installation(config, json.loads(ran.stdout)["sweeps"][0]["agent"], done, kept)
        finally:
            emulator.terminate()


def test_explain_of_a_session_we_deleted_tells_what_was_done_and_why(swept: Installation) -> None:
    ran = swept.reaper("explain", swept.agent, swept.deleted)
    assert ran.returncode == 0, ran.stderr
    assert "is gone. What was done to it" in ran.stdout
    assert "at least 7d" in ran.stdout
    assert '"agent_session_id"' in ran.stdout


def test_explain_of_a_session_we_deleted_has_the_evidence_as_json(swept: Installation) -> None:
    ran = swept.reaper("explain", swept.agent, swept.deleted, "--output", "json")
    explained = json.loads(ran.stdout)
    assert (ran.returncode, explained["gone"]) == (0, True)
    (action,) = explained["actions"]
    assert (action["action"], action["rule"], action["outcome"]) == ("delete", "stale", "done")
    assert action["evidence"]["received"]["agent_session_id"] == swept.deleted


def test_explain_of_a_session_that_never_was_fails_as_before(swept: Installation) -> None:
    ran = swept.reaper("explain", swept.agent, "never-was-0001")
    assert ran.returncode == 1
    assert "has no session never-was-0001" in ran.stderr


def test_explain_of_a_session_that_is_there_tells_its_rules(swept: Installation) -> None:
    ran = swept.reaper("explain", swept.agent, swept.kept, "--output", "json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["session"]["id"] == swept.kept


def test_audit_shows_and_verifies_what_the_sweep_did(swept: Installation) -> None:
    shown = swept.reaper("audit", "show", "--session", swept.deleted, "--since", "1d", "--output", "json")
    assert [entry["session"] for entry in json.loads(shown.stdout)["entries"]] == [swept.deleted]
    assert swept.deleted in swept.reaper("audit", "show", "--limit", "0").stdout
    verdict = json.loads(swept.reaper("audit", "verify", "--output", "json").stdout)
    assert (verdict["holds"], verdict["unresolved"]) == (True, 0)
    assert swept.reaper("audit", "verify", "--head", verdict["head"]).returncode == 0
    assert swept.reaper("audit", "verify", "--head", "ab" * 32).returncode == 1

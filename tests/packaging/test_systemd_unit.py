"""The systemd unit gives the daemon what it needs and little else."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from packaging_world import ROOT

UNIT = ROOT / "packaging" / "reaper.service"
EXPOSURE_MAX = 1.5


@pytest.fixture
def unit() -> configparser.RawConfigParser:
    parsed = configparser.RawConfigParser(strict=False)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read(UNIT)
    return parsed


@pytest.fixture
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("not run: systemd-analyze is not installed, the unit was not judged")
    return found


def test_systemd_judges_the_unit_to_be_hardly_exposed(analyze: str) -> None:
    command = [analyze, "security", "--offline=true", "--no-pager", str(UNIT)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    told = re.search(r"Overall exposure level for reaper\.service: ([\d.]+)", done.stdout)
    assert told, done.stdout + done.stderr
    assert float(told[1]) <= EXPOSURE_MAX


def test_systemd_knows_every_setting_of_the_unit(analyze: str, tmp_path: Path) -> None:
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text().replace("/opt/session-reaper/bin/reaper", "/bin/true"))
    done = subprocess.run([analyze, "verify", str(here)], check=False, capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if UNIT.name in line] == []


def test_the_state_survives_and_is_the_services_own(unit: configparser.RawConfigParser) -> None:
    service = unit["Service"]
    assert (service["StateDirectory"], service["WorkingDirectory"]) == ("reaper", "%S/reaper")
    assert (service["StateDirectoryMode"], service["UMask"]) == ("0700", "0077")


def test_a_reload_is_the_signal_that_the_daemon_hears(unit: configparser.RawConfigParser) -> None:
    assert unit["Service"]["ExecReload"] == "/bin/kill -HUP $MAINPID"

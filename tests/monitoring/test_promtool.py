"""Prometheus's own tool plays the alerts, minute by minute for hours and days."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from alert_files import ALERTS, FILE, PLAYED, STORIES


def run(*command: str) -> None:
    """Run a command beside what promtool plays; it must succeed."""
    ran = subprocess.run(command, cwd=PLAYED, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_promtool_sees_the_alert_do_what_it_should(alert: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip(f"monitoring/tests/{alert}.yaml was not run: there is no promtool (Debian: prometheus)")
    run(promtool, "test", "rules", f"{alert}.yaml")


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.stem)
def test_promtool_sees_exactly_the_alerts_fire_that_a_story_names(story: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip(f"{story} was not run: there is no promtool (Debian: prometheus)")
    run(promtool, "test", "rules", str(story))


def test_promtool_accepts_the_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("the rules were not checked: there is no promtool (Debian: prometheus)")
    run(promtool, "check", "rules", str(FILE))

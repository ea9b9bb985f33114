"""The alerts, and what promtool plays for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "helm" / "session-reaper" / "files" / "alerts.yaml"
PLAYED = ROOT / "monitoring" / "tests"
STORIES = sorted((PLAYED / "stories").glob("*.yaml"))
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}

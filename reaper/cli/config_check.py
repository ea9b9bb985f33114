"""config check: whether the configuration is right, and what the state knows of the approvals in it."""

from __future__ import annotations

from pathlib import Path

from reaper.cli.which_config import read
from reaper.core.text import clean


def run_check(config: Path | None, state: bool) -> None:
    """Say that a configuration is right; with `state`, also what became of each approval that it holds."""
    path, loaded = read(config)
    settings = loaded.settings
    print(
        f"{clean(path)}: ok, {len(settings.projects)} project(s), {len(settings.policies)} policies, "
        f"{len(loaded.warnings)} warning(s)"
    )
    if state:
        from reaper.cli.approval_notes import check_approvals

        check_approvals(settings)

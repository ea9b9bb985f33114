"""Which configuration a command reads, and what is in it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from reaper.config import Loaded, load
from reaper.core.settings import DEFAULT_PATH


def path_of(config: Path | None) -> Path:
    """The file that was named, by the option or by the environment, else the usual one."""
    return config or Path(os.environ.get("REAPER_CONFIG") or DEFAULT_PATH)


def read(config: Path | None) -> tuple[Path, Loaded]:
    """The configuration, its warnings printed; raises ConfigError."""
    path = path_of(config)
    loaded = load(path, os.environ)
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return path, loaded

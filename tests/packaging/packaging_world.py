"""The packages as a user gets them, built and installed in a clean environment."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Installed:
    """What a user has who built the packages and installed the wheel, with what is locked for it and nothing else."""

    packages: Path
    environment: Path

    @property
    def wheel(self) -> Path:
        return next(self.packages.glob("*.whl"))

    @property
    def source(self) -> Path:
        return next(self.packages.glob("*.tar.gz"))

    @property
    def reaper(self) -> str:
        return str(self.environment / "bin" / "reaper")

    def pip(self, *arguments: str) -> str:
        return said(sys.executable, "-m", "pip", "--python", str(self.environment), *arguments)


def said(*command: str) -> str:
    """What a command that must succeed says."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, f"{command}\n{(done.stdout + done.stderr)[-3000:]}"
    return done.stdout

"""Files that are made by a program, and how to see that they are current."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path


def main(file: Path, make: Callable[[], str]) -> int:
    """Write the file, or with `--check` say whether it is what would be written."""
    text = make()
    if "--check" not in sys.argv[1:]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return 0
    if is_current(file, text):
        return 0
    sys.stderr.write(f"{file.name} is not current: make generate\n")
    return 1


def is_current(file: Path, text: str) -> bool:
    return file.exists() and file.read_text(encoding="utf-8") == text

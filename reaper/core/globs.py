"""Shell globs: what they match, and which of them match everything that another does."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from typing import Final

_WILDCARDS: Final = re.compile(r"[*?\[]")


def glob_regex(globs: Iterable[str]) -> re.Pattern[str]:
    """One pattern that matches what any of the shell globs matches, case and all."""
    return re.compile("|".join(fnmatch.translate(glob) for glob in globs) or r"(?!)")


def covers(globs: Iterable[str], other: str) -> bool:
    """Whether everything that matches the glob `other` provably matches one of `globs`."""
    return any(_covers(glob, other) for glob in globs)


def _covers(glob: str, other: str) -> bool:
    if glob == other or not glob.strip("*"):
        return True
    if not _WILDCARDS.search(other):
        return glob_regex([glob]).match(other) is not None
    start, star, rest = glob.partition("*")
    return star == "*" and not rest and not _WILDCARDS.search(start) and other.startswith(start)

"""Reading a tree that may be wrong anywhere: whatever has not the expected kind is simply not there.

The checks across keys run on the tree rather than on the models, so that one bad duration does not hide a
policy that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator

from reaper.config.document import Value
from reaper.config.problem import Path

Located = tuple[Path, Value]


def child(value: Value, key: str) -> Value:
    """The value of a key, None when there is none."""
    return value.get(key) if isinstance(value, dict) else None


def has(value: Value, *keys: str) -> bool:
    """Whether any of the keys is given."""
    return isinstance(value, dict) and any(key in value for key in keys)


def entries(value: Value, path: Path) -> Iterator[tuple[str, Path, Value]]:
    """The entries of a mapping: key, path, value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key, (*path, key), item


def items(value: Value, path: Path) -> Iterator[Located]:
    """The items of a list."""
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield (*path, place), item


def texts(value: Value, path: Path) -> Iterator[tuple[Path, str]]:
    """The texts of a list, or the one text that stands for it."""
    listed = items(value, path) if isinstance(value, list) else iter([(path, value)])
    for place, item in listed:
        if isinstance(item, str):
            yield place, item

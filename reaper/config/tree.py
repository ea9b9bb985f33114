"""Reading a tree that may be wrong anywhere: whatever has not the expected kind is simply not there.

The checks across keys run on the tree rather than on the models, so that one bad duration does not hide a
policy that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator

from reaper.config.document import Value
from reaper.config.problem import Path


def child(value: Value, key: str) -> Value:
    """The value of a key, None when there is none."""
    return value.get(key) if isinstance(value, dict) else None


def has(value: Value, *keys: str) -> bool:
    """Whether any of the keys is given."""
    return isinstance(value, dict) and any(key in value for key in keys)


def entries(parent: Value, path: Path, key: str) -> Iterator[tuple[Path, Value]]:
    """The entries of the mapping under a key of the parent, which stands at `path`, each with its own path."""
    value = child(parent, key)
    if isinstance(value, dict):
        for name, item in value.items():
            yield (*path, key, name), item


def items(parent: Value, path: Path, key: str) -> Iterator[tuple[Path, Value]]:
    """The items of the list under a key, likewise."""
    value = child(parent, key)
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield (*path, key, place), item


def texts(parent: Value, path: Path, key: str) -> Iterator[tuple[Path, str]]:
    """The texts of such a list, or the one text that stands for it."""
    value = child(parent, key)
    listed = items(parent, path, key) if isinstance(value, list) else iter([((*path, key), value)])
    for place, item in listed:
        if isinstance(item, str):
            yield place, item

"""What takes a guard away: the smallest piece of the product that is the guard is patched out."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import pytest

Patch = pytest.MonkeyPatch
Remove = Callable[[Patch], None]


@dataclass(frozen=True)
class Mutant:
    """A guard taken away by `remove`, and the scene that must then break the law."""

    guard: str
    remove: Remove
    scene: Callable[[], Coroutine[Any, Any, None]]


def put(owner: Any, name: str, value: Any) -> Remove:
    """Put something else in its place."""
    return lambda patch: patch.setattr(owner, name, value)


def around(owner: Any, name: str, make: Callable[[Any], Any]) -> Remove:
    """Replace a function by one made of it."""
    return lambda patch: patch.setattr(owner, name, make(getattr(owner, name)))


@dataclass(frozen=True)
class Unguarded:
    """A guard taken away by `remove`, and the test, with what it is `given`, that must then fail."""

    guard: str
    remove: Remove
    scenario: Callable[..., None]
    given: tuple[object, ...] = ()

    def must_fail(self, patch: Patch, *fixtures: object) -> None:
        self.remove(patch)
        with pytest.raises((AssertionError, TimeoutError, pytest.fail.Exception)):
            self.scenario(*fixtures, *self.given)

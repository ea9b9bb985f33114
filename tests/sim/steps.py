"""The steps of a process that may die, be suspended, or find the disk full at any of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


class Killed(BaseException):
    """The process died here; nothing it would have done afterwards happens."""


@dataclass
class Steps:
    """Counts the steps of a process, and kills it at one of them: before or after what the step does.

    From step `full_at` on the disk is full. At the steps in `suspended` time goes on without it, as `suspend` says.
    """

    die_at: int | None = None
    full_at: int | None = None
    taken: int = 0
    dead: bool = False
    suspended: frozenset[int] = frozenset()
    suspend: Callable[[], None] = field(default=lambda: None, repr=False)

    def take(self) -> None:
        """One step."""
        if self.dead:
            raise Killed
        self.taken += 1
        if self.taken == self.die_at:
            self.dead = True
            raise Killed
        if self.taken in self.suspended:
            self.suspend()

    @property
    def is_full(self) -> bool:
        return self.full_at is not None and self.taken >= self.full_at

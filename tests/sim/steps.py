"""The steps of a process that may die at any of them."""

from __future__ import annotations

from dataclasses import dataclass


class Killed(BaseException):
    """The process died here; nothing it would have done afterwards happens."""


@dataclass
class Steps:
    """Counts the steps of a process, and kills it at one of them: before or after what the step does.

    From step `full_at` on the disk is full.
    """

    die_at: int | None = None
    full_at: int | None = None
    taken: int = 0
    dead: bool = False

    def take(self) -> None:
        if self.dead:
            raise Killed
        self.taken += 1
        if self.taken == self.die_at:
            self.dead = True
            raise Killed

    @property
    def is_full(self) -> bool:
        return self.full_at is not None and self.taken >= self.full_at

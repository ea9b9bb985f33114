"""What approvals let through, where they are too many for memory: read again beside whoever asks in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from reaper.core.plan import Approval
from reaper.core.plan_lines import line_for


@dataclass(slots=True)
class _Place:
    """How far the lines of one plan were read."""

    begin: Callable[[], Iterator[str]]
    asked: str = ""
    line: str | None = ""
    left: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.begin()

    def reads(self, wanted: str) -> bool:
        """Whether the plan has this line; one that has lost lines since it was checked has no more."""
        if wanted < self.asked:
            self.left, self.line = self.begin(), ""
        self.asked = wanted
        try:
            while self.line is not None and self.line < wanted:
                self.line = next(self.left, None)
        except LookupError:
            self.line = None
        return self.line == wanted


class Leave:
    """Approvals: a few in memory, and those of plans whose lines, each time from their start, are read."""

    def __init__(self, few: frozenset[Approval], many: Sequence[Callable[[], Iterator[str]]]) -> None:
        self._few = few
        self._many = [_Place(begin) for begin in many]

    def __contains__(self, approval: object) -> bool:
        """Whether this is approved. In the order of a plan's lines each plan is read once."""
        if approval in self._few:
            return True
        if not isinstance(approval, Approval):
            return False
        line = line_for(approval.action, approval.session, approval.created_at, approval.last_accessed_at)
        return any(place.reads(line) for place in self._many)

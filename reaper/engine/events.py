"""What sweeps do, as they do it: an event is defined here once, and whoever listens hears each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from reaper.core.plan import Plan
from reaper.engine.report import Outcome, Report, Swept


@dataclass(frozen=True, slots=True)
class SweepBegun:
    """A sweep of one agent has begun, at `at` by the local clock. Whatever happens to it, `SweepEnded` follows."""

    project: str
    agent: str
    at: float


@dataclass(frozen=True, slots=True)
class PageRead:
    """A page with so many records was read."""

    sessions: int


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan was made, nothing was done yet."""

    project: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class Judged:
    """What a sweep will report if all that it does now goes well: its plan stands, and nothing was done yet."""

    report: Swept


@dataclass(frozen=True, slots=True)
class ActionEnded:
    """An action ended, at `at` by the local clock."""

    project: str
    agent: str
    outcome: Outcome
    at: float


@dataclass(frozen=True, slots=True)
class SweepEnded:
    """A sweep of one agent ended."""

    report: Report


@dataclass(frozen=True, slots=True)
class QuotaRelieved:
    """The same sweep's report once more: its quota was too full, and asked for stops of its own."""

    report: Swept


@dataclass(frozen=True, slots=True)
class UnknownApprovals:
    """The configuration approves these ids, and no plan that is known has them."""

    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class AgentsFound:
    """The agents of a project were found: those with their policy's name, and those that no pattern matches."""

    project: str
    managed: Mapping[str, str]
    unmanaged: Sequence[str]


@dataclass(frozen=True, slots=True)
class MustSeeListed:
    """The listings of a project have ended: which of its `must_see` sessions they showed, and when each expires."""

    project: str
    expiries: Mapping[str, float]


Event: TypeAlias = (
    AgentsFound
    | SweepBegun
    | PageRead
    | Planned
    | Judged
    | ActionEnded
    | SweepEnded
    | QuotaRelieved
    | MustSeeListed
    | UnknownApprovals
)
"""Every event there is. Who listens matches on it and ends in `assert_never`: a new one is overlooked by nobody."""

Listener: TypeAlias = Callable[[Event], None]


def to_all(*listeners: Listener) -> Listener:
    """A listener that passes everything on to these, in order."""

    def hear(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return hear

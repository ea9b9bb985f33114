"""Five things that go wrong: each raises its alert and no other message, and ends when it is mended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from monitoring.live_world import Live, LiveError, say, wait_for

FIRES_S: Final = 150
CLEARS_S: Final = 180
WELL: Final = frozenset({"SessionReaperUnwatched", "SessionReaperObservingForDays", "SessionReaperManyDeletes"})
"""What may fire in this world while everything is well: it enforces without `must_see`, and deletes most of it."""


@dataclass(frozen=True)
class Incident:
    """Something that goes wrong, the alert that tells of it, and those that are held back meanwhile.

    `follow` are alerts that it raises, too, and that must not reach anyone while `alert` does.
    """

    title: str
    alert: str
    begin: Callable[[Live], None]
    end: Callable[[Live], None]
    follow: tuple[str, ...] = ()


def _take_state_away(world: Live) -> None:
    for file in world.folder.glob("state.db*"):
        file.rename(world.folder / f"away-{file.name}")


def _put_state_back(world: Live) -> None:
    for file in world.folder.glob("away-*"):
        file.replace(world.folder / file.name.removeprefix("away-"))


INCIDENTS: Final = (
    Incident(
        "the platform answers every list with 500",
        "SessionReaperNotSweeping",
        lambda world: world.faults({"operation": "list", "status": 500}),
        lambda world: world.faults(),
        ("SessionReaperSweepsFailing",),
    ),
    Incident(
        "the quota is full",
        "SessionReaperQuotaFull",
        lambda world: world.configure(quota=1),
        lambda world: world.configure(),
        ("SessionReaperQuotaAlmostFull",),
    ),
    Incident(
        "the configuration has a mistake",
        "SessionReaperConfigReloadFailed",
        lambda world: world.configure(more="grcae: 1d\n"),
        lambda world: world.configure(),
    ),
    Incident(
        "the state is taken away",
        "SessionReaperStateAtFault",
        _take_state_away,
        _put_state_back,
    ),
    Incident(
        "the reaper is gone",
        "SessionReaperDown",
        Live.stop,
        Live.start,
    ),
)


def go_through(world: Live, incident: Incident) -> None:
    """Let it happen, see its alert arrive and the others held back; mend it, and see all of them end."""
    if not told(world) <= WELL:
        raise LiveError(f"before «{incident.title}» fires: {', '.join(sorted(told(world) - WELL))}")
    since = time.monotonic()
    incident.begin(world)
    wait_for(f"{incident.alert} when {incident.title}", lambda: incident.alert in told(world), FIRES_S)
    took_s = time.monotonic() - since
    for name in incident.follow:
        held = partial(_held_back, world, name)
        wait_for(f"{name} held back by {incident.alert}", held, FIRES_S)
    others = told(world) - WELL - {incident.alert}
    if others:
        raise LiveError(f"«{incident.title}» is told of more than once: {', '.join(sorted(others))}")
    since = time.monotonic()
    incident.end(world)
    wait_for(f"the end of {incident.alert}", lambda: told(world) <= WELL, CLEARS_S)
    also = f", held back: {', '.join(incident.follow)}" if incident.follow else ""
    say(f"{incident.title}: {incident.alert} after {took_s:.0f} s{also}; over after {time.monotonic() - since:.0f} s")


def _held_back(world: Live, name: str) -> bool:
    """Whether an alert fires and reaches nobody."""
    return world.alerts().get(name) == {"suppressed"}


def told(world: Live) -> set[str]:
    """The alerts that would reach a person now."""
    return {name for name, states in world.alerts().items() if "active" in states}

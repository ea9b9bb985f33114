"""Events: whatever a sweep does, everyone who listens hears of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import pytest

from reaper.cli.progress import Progress
from reaper.engine.events import Event, Listener, to_all
from reaper.engine.live_status import LiveStatus
from reaper.telemetry import EventLog, Metrics
from tests.clock import ManualClock
from tests.engine.quota_world import World

EVENTS = get_args(Event)
LISTENERS: tuple[Callable[[], Listener], ...] = (
    lambda: LiveStatus(ManualClock(0)).hear,
    lambda: Metrics(LiveStatus(ManualClock(0))).hear,
    lambda: EventLog().hear,
    lambda: Progress(io.StringIO()).hear,
)


@dataclass(frozen=True)
class Eighth:
    """An event that nobody has thought of."""


def of_one_run() -> tuple[list[Any], list[Any]]:
    """What two who listen hear of a run in which all happens that can."""
    one: list[Any] = []
    other: list[Any] = []
    world = World(listeners=[one.append, other.append], approvals=("0" * 32,))
    world.actives(*range(20, 29))
    world.sweep()
    return one, other


@pytest.mark.parametrize("kind", EVENTS)
def test_every_event_is_sent_and_reaches_every_listener(kind: type) -> None:
    one, other = of_one_run()
    assert [event for event in one if isinstance(event, kind)]
    assert one == other


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_is_passed_on_whatever_it_is(kind: type) -> None:
    event, heard = object.__new__(kind), []
    to_all(heard.append, to_all(heard.append, heard.append))(event)
    assert [id(one) for one in heard] == [id(event)] * 3


@pytest.mark.parametrize("listener", LISTENERS)
def test_no_listener_overlooks_an_event_that_it_does_not_know(listener: Callable[[], Listener]) -> None:
    with pytest.raises(AssertionError):
        listener()(Eighth())  # type: ignore[arg-type]


@pytest.mark.parametrize("listener", LISTENERS)
def test_every_listener_answers_to_every_event(listener: Callable[[], Listener]) -> None:
    hear = listener()
    for event in of_one_run()[0]:
        hear(event)

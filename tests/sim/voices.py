"""What developers say in their version's metadata, and what the judge makes of it; shares no code with the reaper."""

from __future__ import annotations

import calendar
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

DAY_S = 86_400

Metadata = Any
"""A mapping of texts, or whatever else an API that has changed may give out."""


@dataclass(frozen=True)
class Ask:
    """What is asked for: that nothing is touched before `until`, that the gentle policy agrees to what is done."""

    until: float = -math.inf
    gentle: bool = False


NOTHING = Ask()
ALL = Ask(until=math.inf)


def ask_of(metadata: Metadata) -> Ask:
    """What the metadata asks for, when it is addressed to a reaper; what has no known meaning asks for all."""
    if not isinstance(metadata, Mapping) or any(not isinstance(value, str) for value in metadata.values()):
        return ALL
    ours = {key: value for key, value in metadata.items() if key.lower().lstrip().startswith("reaper.")}
    until, policy = ours.pop("reaper.hold", None), ours.pop("reaper.policy", None)
    if ours or policy not in {None, "gentle"}:
        return ALL
    return Ask(-math.inf if until is None else _end(until), policy == "gentle")


def _end(text: str) -> float:
    """Times of histories are in UTC, so that no zones need to be understood here."""
    for form, more_s in (("%Y-%m-%d", DAY_S), ("%Y-%m-%dT%H:%M:%SZ", 0)):
        try:
            return calendar.timegm(time.strptime(text, form)) + more_s
        except ValueError:
            continue
    return math.inf


def day_text(now: float, days: float) -> str:
    """The date so many days from now."""
    return time.strftime("%Y-%m-%d", time.gmtime(now + days * DAY_S))


def _moment(now: float, hours: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + hours * 3_600))


SAYINGS: list[Callable[[random.Random, float], Metadata]] = [
    lambda c, now: {},
    lambda c, now: {},
    lambda c, now: {"team": "desk", "logo": "x" * 500},
    lambda c, now: {"reaper.hold": day_text(now, c.choice([-2, 0, 1, 3]))},
    lambda c, now: {"reaper.hold": _moment(now, c.choice([-1, 1, 30]))},
    lambda c, now: {"reaper.policy": "gentle", "team": "desk"},
    lambda c, now: {"reaper.policy": "gentle"},
    lambda c, now: {"reaper.policy": "gentle", "reaper.hold": _moment(now, 7)},
    lambda c, now: {"reaper.hold": c.choice(["soon", "2026-13-01", "31.12.2026", "", "2026-12-31T10:00:00"])},
    lambda c, now: {"reaper.policy": c.choice(["nobody", "simulated", "Gentle", ""])},
    lambda c, now: {c.choice(["reaper.hodl", "Reaper.hold", " reaper.hold", "reaper."]): day_text(now, -2)},
    lambda c, now: c.choice([{"reaper.hold": 5}, {"team": None}, ["reaper.hold"], "reaper.hold"]),
]
"""What developers may say at a moment, in all its forms."""


def say_something(chance: random.Random, now: float) -> Metadata:
    return chance.choice(SAYINGS)(chance, now)

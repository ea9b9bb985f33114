"""What a seeded history is about, before it is lived."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from reaper.emulator.platform import GoneCursor
from tests.clock import EPOCH
from tests.sim.law import DAY_S, Law, Line

HOUR_S = 3_600


@dataclass(frozen=True)
class Plot:
    """What a history is about, drawn from its seed.

    `uses`: how busy people are. `races`: how often somebody acts right before a read. `lasts`: for how many sweeps a
    fault stays. `processes`: so many take turns on one state. `deploys`: how often versions come and go, or traffic
    is spread over them anew. `by_hand`: how often a person deletes beside a sweep. `breaks`: how often a third of an
    agent's sessions fail at once. `on_file`: how often something happens to the files of the state; where that is
    never, the state has none. `voices`: how often an agent's developers speak. `plain`: agents are named, and read
    one by one, instead of being matched. `holds`: how often a person holds a session, or releases one, right before
    a read. `proven_first`, `round_max`: from when on deletes are verified together, and how many of them.
    `little_memory`: candidates go to disk. `accepts`: a field that the platform has brought and a person accepted.
    """

    law: Law
    later: Law | None
    sessions: int
    agents: int
    sweeps: int
    every_s: float
    uses: float
    races: float
    faults: float
    lasts: int
    crashes: float
    approves: float
    processes: int
    canary: bool
    deploys: float
    bursts: float
    get_tombstones: bool
    gone_cursor: GoneCursor
    full_every_s: int | None
    by_hand: float
    breaks: float
    on_file: float
    voices: float
    plain: bool
    holds: float
    proven_first: int
    round_max: int
    little_memory: bool
    accepts: str


def draw(seed: int) -> Plot:
    """The plot of a seed."""
    chance = random.Random(seed)
    law = _draw_law(chance, 0.0)
    later = _draw_law(chance, EPOCH + chance.uniform(0.5, 3) * DAY_S) if chance.random() < 0.4 else None
    return Plot(
        law=law,
        later=later,
        sessions=chance.choice([12, 24, 40]),
        agents=chance.choice([1, 2]),
        sweeps=chance.choice([6, 12]),
        every_s=chance.choice([1, 3, 6]) * HOUR_S,
        uses=chance.choice([0.1, 0.5, 2.0]),
        races=chance.choice([0.0, 0.05, 0.3]),
        faults=chance.choice([0.0, 0.3, 0.6]),
        lasts=chance.choice([1, 1, 1, 6]),
        crashes=chance.choice([0.0, 0.15]),
        approves=chance.choice([0.0, 0.5, 1.0]),
        processes=chance.choice([1, 1, 2]),
        canary=chance.random() < 0.7,
        deploys=chance.choice([0.0, 0.05, 0.3]),
        bursts=chance.choice([0.0, 0.0, 0.1]),
        get_tombstones=chance.random() < 0.3,
        gone_cursor=chance.choice(["error", "restart", "empty"]),
        full_every_s=chance.choice([None, 13 * HOUR_S]),
        by_hand=chance.choice([0.0, 0.0, 0.2]),
        breaks=chance.choice([0.0, 0.0, 0.1]),
        on_file=chance.choice([0.0] * 9 + [0.5]),
        voices=chance.choice([0.0, 0.1, 0.4]),
        plain=chance.random() < 0.3,
        holds=chance.choice([0.0, 0.0, 0.02, 0.1]),
        proven_first=chance.choice([1, 1, 2, 5]),
        round_max=chance.choice([3, 12, 256]),
        little_memory=chance.random() < 0.4,
        accepts=chance.choice(["", "", "region_hint"]),
    )


def _draw_law(chance: random.Random, since: float) -> Law:
    idle = chance.choice([6, 24, 72, 240, 624]) * HOUR_S
    lines = [
        Line("vip", "keep", ids=("vip-*", "demo-*", "canary-*")),
        Line("broken", "delete", age_s=HOUR_S, status=frozenset({"failed"})),
    ]
    if chance.random() < 0.5:
        lines.append(Line("superseded", "delete", idle_s=max(idle // 2, HOUR_S), superseded=True))
    if chance.random() < 0.3:
        latest = chance.random() < 0.5
        lines.append(Line("newest", "keep", latest=latest, serving=not latest))
    if chance.random() < 0.3:
        lines.append(Line("dozing", "keep", idle_s=idle, status=frozenset({"idle"}), ids=("Sess_A*",)))
    lines.append(Line("stale", "delete", idle_s=idle))
    if chance.random() < 0.5:
        lines.append(Line("runaway", "stop", idle_s=5 * 60, status=frozenset({"active"})))
    strict = chance.random() < 0.5
    begins = int(EPOCH // DAY_S) + chance.randrange(5)
    law = Law(
        since=since,
        lines=tuple(lines),
        enforce=chance.random() < 0.9,
        grace_s=chance.choice([0, 6, 24]) * HOUR_S,
        per_sweep=chance.choice([(10, True), (20, True), (3, False)]) if strict else (100, True),
        per_day=chance.choice([(25, True), (50, True), (6, False)]) if strict else (100, True),
        at_least=chance.choice([0, 5]),
        open_hours=chance.choice([None, None, (22, 6), (8, 18)]),
        closed_days=chance.choice([(), ((begins, begins),), ((begins - 1, begins), (begins + 2, begins + 2))]),
        relief_s=chance.choice([None, None, 5 * 60]),
        newest=chance.choice([None, None, None, 1, 3, 8]),
        newest_per_version=chance.random() < 0.5,
        at_most=chance.choice([None, None, None, 2, 6, 15]),
        spread=strict and chance.random() < 0.6,
        jump=chance.choice([(25, True), (10, True), (3, False)]),
    )
    return replace(law, gentle=_draw_gentle(chance, law)) if chance.random() < 0.7 else law


def _draw_gentle(chance: random.Random, law: Law) -> Law:
    """What developers may choose: gentler in some ways, and bolder in others, which must not count."""
    idle = chance.choice([1, 24, 100, 400]) * HOUR_S
    lines = [Line("stale", "delete", idle_s=idle), Line("resting", "stop", idle_s=5 * 60)]
    if chance.random() < 0.5:
        lines.insert(0, Line("ours", "keep", ids=("Sess_A*",)))
    if chance.random() < 0.3:
        lines.insert(0, Line("superseded", "delete", idle_s=HOUR_S, superseded=True))
    return replace(
        law,
        lines=tuple(lines),
        enforce=chance.random() < 0.9,
        grace_s=chance.choice([0, 3, 30]) * HOUR_S,
        per_sweep=chance.choice([(100, True), (5, False)]),
        per_day=chance.choice([(100, True), (40, True), (9, False)]),
        at_least=chance.choice([0, 5]),
        open_hours=chance.choice([None, law.open_hours]),
        closed_days=chance.choice([(), law.closed_days]),
        newest=chance.choice([law.newest, law.newest, None, 5]),
        at_most=chance.choice([law.at_most, law.at_most, None, 10]),
        gentle=None,
    )

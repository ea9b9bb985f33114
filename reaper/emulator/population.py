"""Fill a platform with agents and sessions that look lived in, the same ones for the same seed.

Ids, names and versions depend on the seed alone; times are the seed's ages counted back from `now`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from operator import attrgetter
from random import Random
from typing import Final

from reaper.core.model import CREATING, DAY_S, FAILED, UPDATING
from reaper.emulator.platform import Platform
from reaper.emulator.stored import AgentVersion, HostedAgent, StoredSession

SPREAD_S: Final = 28 * DAY_S

_NAMES: Final = (
    "support-eu", "research", "billing-bot", "support-us", "onboarding", "code-review", "sales-assistant",
    "data-explorer", "support-asia", "contract-reader", "incident-triage", "travel-desk", "hr-helpdesk",
    "translator", "report-writer", "inventory-bot",
)  # fmt: skip

# What the sessions of each hundred (or two) are, by position, so that even a small population holds each kind.
_ACTIVE_EVERY: Final = 10
_VIP, _DEMO = 1, 2
_CREATING, _UPDATING, _DELETED = 11, 17, 23
_FAILED: Final = frozenset({3, 103})


def agent_names(count: int) -> Iterator[str]:
    """As many different names as asked for."""
    for i in range(count):
        turn, place = divmod(i, len(_NAMES))
        yield _NAMES[place] if turn == 0 else f"{_NAMES[place]}-{turn + 1}"


def populate(platform: Platform, *, agents: int, sessions: int, seed: int) -> None:
    """Add `agents` agents with `sessions` sessions each, about 1 % of them failed, a tenth active.

    Times lie within the last 28 days. Nothing of it enters the platform's history.
    """
    now = int(platform.now())
    for name in agent_names(agents):
        random = Random(f"{seed}:{name}")
        agent = platform.add_agent(name, _versions(random, now))
        made = [_session(random, i, agent, now, platform.tombstone_s) for i in range(sessions)]
        for record in sorted(made, key=attrgetter("created_at")):
            platform.place(name, record)


def _versions(random: Random, now: int) -> list[AgentVersion]:
    ages = sorted((random.uniform(1, 35) for _ in range(random.randint(2, 4))), reverse=True)
    timeouts = [random.choice((300, 900, 900, 1800, 3600)) for _ in ages]
    return [
        AgentVersion(str(i), now - int(age * DAY_S), timeout)
        for i, (age, timeout) in enumerate(zip(ages, timeouts, strict=True), start=1)
    ]


def _session(random: Random, i: int, agent: HostedAgent, now: int, tombstone_s: float) -> StoredSession:
    name, place = _id(random, i), i % 200
    age = int(random.random() * SPREAD_S)
    used_ago = int(age * random.random() ** 2)
    share = random.random()
    version = _version_at(agent, now - age)
    if place == _CREATING:
        age = used_ago = min(age, int(20 * share))
        version = agent.latest
        return StoredSession(name, version, now - age, now - age, held=CREATING, held_until=now + 60.0)
    if place in _FAILED:
        used_ago = age - int(min(age, 60) * share)
        return StoredSession(name, version, now - age, now - used_ago, held=FAILED, held_until=math.inf)
    if place == _UPDATING:
        used_ago = min(age, version.idle_timeout_s)
        return StoredSession(name, version, now - age, now - used_ago, held=UPDATING, held_until=now + 60.0)
    if i % _ACTIVE_EVERY == 0:
        used_ago = min(age, int(version.idle_timeout_s * share))
    record = StoredSession(name, version, now - age, now - used_ago)
    if place == _DELETED and tombstone_s > 0:
        record.deleted_at = max(now - tombstone_s * share, float(record.last_accessed_at))
    return record


def _id(random: Random, i: int) -> str:
    bits = random.getrandbits(96)
    if i % 50 == _VIP:
        return f"vip-{i:06d}-{bits & 0xFFFFFFFF:08x}"
    if i % 50 == _DEMO:
        return f"demo-{i:06d}"
    return f"{bits:024x}" if i % 7 else f"Sess_{bits:024X}"


def _version_at(agent: HostedAgent, moment: int) -> AgentVersion:
    """The version that was the latest at that moment, or the first."""
    versions = list(agent.versions.values())
    deployed = [version for version in versions if version.created_at <= moment]
    return deployed[-1] if deployed else versions[0]

"""Quota pressure: when a pool is nearly full, which active sessions make room. Pure.

Relief only ever stops. It is one more rule behind those of the policy, so whatever a policy says of a session comes
first, and the look before each stop asks the same rules again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from reaper.core.conditions import Idle, StatusIn
from reaper.core.model import ACTIVE, Action, Agent, Session
from reaper.core.policy import Decision, Rule
from reaper.core.settings import Pressure, Quota

Key = tuple[str, str]
"""An agent: its project's name and its own."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A quota that is relieved when it fills up, and the rule that does it."""

    quota: Quota
    pressure: Pressure
    rule: Rule

    def needed(self, used: int) -> int:
        """How many sessions must be stopped when `used` count against the quota; 0 up to the line."""
        limit, pressure = self.quota.limit, self.pressure
        if used * 100 <= pressure.above * limit:
            return 0
        return used - pressure.until * limit // 100


def pools(quotas: Iterable[Quota]) -> tuple[Pool, ...]:
    """The quotas that ask for relief, and that stopping a session can relieve."""
    return tuple(
        Pool(quota, quota.pressure, _rule(quota.name, quota.pressure))
        for quota in quotas
        if quota.pressure and ACTIVE in quota.counts
    )


def _rule(quota: str, pressure: Pressure) -> Rule:
    """What relief may stop; its name holds a colon, which no rule of a policy can."""
    return Rule(f"quota:{quota}", Action.STOP, (StatusIn(frozenset({ACTIVE})), Idle(pressure.idle_s)))


@dataclass(slots=True)
class Reserve:
    """The sessions of one agent that its pool may stop: the longest idle, of which memory holds a bounded number."""

    pool: Pool
    _held: dict[str, Session] = field(default_factory=dict)

    def offer(self, session: Session, decision: Decision, agent: Agent, now: float) -> None:
        """Keep the session if its policy has no word on it and relief may stop it."""
        self._held.pop(session.id, None)
        if decision.rule is None and self.pool.rule.holds_from(session, agent) <= now:
            self._held[session.id] = session
            if len(self._held) >= 2 * self.pool.quota.limit:
                self._held = {kept.id: kept for kept in self.sessions}

    @property
    def sessions(self) -> Sequence[Session]:
        """Longest idle first, at most as many as the quota has room for."""
        return sorted(self._held.values(), key=_longest_idle)[: self.pool.quota.limit]


def choose(needed: int, offers: Mapping[Key, Iterable[Session]], left: Mapping[Key, int]) -> dict[Key, list[Session]]:
    """The longest idle sessions of all agents together, `needed` of them, at most `left` of each agent.

    A session whose record is strange is never stopped: it is named in its turn, to be held, and makes no room.
    """
    chosen: dict[Key, list[Session]] = defaultdict(list)
    room = dict(left)
    offered = ((_longest_idle(session), key, session) for key, sessions in offers.items() for session in sessions)
    for _, key, session in sorted(offered):
        if needed <= 0:
            break
        if not session.strange:
            if room.get(key, 0) <= 0:
                continue
            room[key] -= 1
            needed -= 1
        chosen[key].append(session)
    return dict(chosen)


def _longest_idle(session: Session) -> tuple[int, int, str]:
    return (session.last_accessed_at, session.created_at, session.id)

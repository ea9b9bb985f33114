"""What an agent's developers may ask for in their version's metadata: it only ever adds keeping. Pure.

`reaper.hold: 2026-12-31` keeps all sessions of the agent through that day, `reaper.policy: gentle` names one more
policy that has to agree, which the configuration allows for this agent. Whatever is not understood keeps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from reaper.core.conditions import ALWAYS, NEVER
from reaper.core.holds import end_of, read_day
from reaper.core.model import Agent, Metadata
from reaper.core.policy import Beyond, KeepNewest, Limit, Limits, Mode, Policy
from reaper.core.settings import AgentPattern

HOLD: Final = "reaper.hold"
POLICY: Final = "reaper.policy"
FAR_S: Final = 221_845_392_000
"""From the year 9000 on a hold has no end: calendars have one, and are asked about times after it."""
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Voice:
    """What the developers of an agent ask for, as far as it is understood; nothing by default.

    Until platform time `until` nothing of the agent is touched, and `why` says so in words. `chosen` is the policy
    that has to agree, `source` where all this is from. `unheard` says why nobody can be heard here at all.
    """

    until: float = ALWAYS
    why: str = ""
    chosen: Policy | None = None
    source: str = ""
    unheard: str = ""

    def keeps(self, now: float) -> str:
        """Why nothing of the agent may be touched at platform time `now`, '' when it may."""
        return self.why if now < self.until else ""

    def told(self, now: float) -> str:
        """All of it in one line, '' when nothing is asked for at platform time `now` and that is known."""
        return "; ".join(part for part in (self.keeps(now), self.choice, self.unheard) if part)

    @property
    def choice(self) -> str:
        """Which policy was chosen, in words; '' when none was."""
        return f"{self.source} {POLICY} chose policy {self.chosen.name}, which has to agree" if self.chosen else ""


SILENT: Final = Voice()


def hear(agent: Agent, entry: AgentPattern, before: Metadata | None = None) -> Voice:
    """What is asked for, by the agent as it was read and what the configuration allows for it.

    `before` is what was asked for when its record could be read last, None when nothing was.
    """
    metadata = agent.metadata
    if metadata.refused:
        return _unread(metadata.fault, entry, before)
    if metadata.fault:
        return Voice(NEVER, f"kept: what its developers ask for cannot be known: {metadata.fault}")
    version = f"version {agent.latest}" if agent.latest else "newest version"
    return _understood(dict(metadata.said), f"its {version}'s metadata", entry)


def _unread(fault: str, entry: AgentPattern, before: Metadata | None) -> Voice:
    """Nobody may be heard here; what was heard before stands until somebody says otherwise."""
    unread = f"its record cannot be read ({fault})"
    if before is not None and before.said:
        asked = ", ".join(f"{key}: {value}" for key, value in before.said)
        return Voice(NEVER, f"kept: {unread}, and when it was read last its metadata said {asked}")
    if before is not None:
        return Voice(NEVER, f"kept: {unread}, and when it was read last its metadata was not understood")
    if entry.voice_required:
        return Voice(NEVER, f"kept: {unread}, and the configuration says `voice: required`")
    return Voice(unheard=f"{unread}: what its developers ask for in its metadata is not heard")


def _understood(said: Mapping[str, str], source: str, entry: AgentPattern) -> Voice:
    """What the pairs mean together; one that means nothing keeps, whatever the others say."""
    strange = [key for key in said if key not in {HOLD, POLICY}]
    if strange:
        return Voice(NEVER, f"kept: {source} says {strange[0]!r}, which this version does not know")
    voice = Voice(source=source)
    if HOLD in said:
        until = hold_end(said[HOLD])
        if until is None:
            return Voice(NEVER, f"kept: {source} says {HOLD}: {said[HOLD]!r}, which is neither a date nor a time")
        voice = replace(voice, until=until, why=f"held by {source} {HOLD} until {said[HOLD]}")
    if POLICY in said:
        chosen = {policy.name: policy for policy in entry.may_choose}.get(said[POLICY])
        if chosen is None:
            why = f"kept: {source} says {POLICY}: {said[POLICY]!r}, which the configuration does not let it choose"
            return Voice(NEVER, why)
        voice = replace(voice, chosen=chosen)
    return voice


def hold_end(text: str) -> float | None:
    """When a hold ends, in Unix seconds: with its day in UTC, or at its time; None for what is neither of them."""
    try:
        end = datetime.fromisoformat(text.upper()).timestamp() if _TIME.fullmatch(text) else end_of(read_day(text))
    except (ValueError, OverflowError):
        return None
    return end if end < FAR_S else NEVER


def both(policy: Policy, chosen: Policy | None) -> Policy:
    """The policy under which `chosen` has to agree to every action: of each guard the stricter one of the two."""
    if chosen is None or chosen == policy:
        return policy
    return replace(
        policy,
        mode=Mode.OBSERVE if Mode.OBSERVE in {policy.mode, chosen.mode} else policy.mode,
        grace_s=max(policy.grace_s, chosen.grace_s),
        limits=_smaller_limits(policy.limits, chosen.limits),
        keep_newest=_wider(policy.keep_newest, chosen.keep_newest),
        at_most=None if policy.at_most is None or chosen.at_most is None else max(policy.at_most, chosen.at_most),
        also=chosen,
    )


def _wider(one: KeepNewest | None, other: KeepNewest | None) -> KeepNewest | None:
    """What keeps at least the newest of both: the newest of an agent are among the newest of their versions."""
    if one is None or other is None:
        return one or other
    return KeepNewest(max(one.count, other.count), per_version=one.per_version or other.per_version)


def _smaller_limits(one: Limits, other: Limits) -> Limits:
    return replace(
        one,
        per_sweep=_smaller(one.per_sweep, other.per_sweep),
        per_day=_smaller(one.per_day, other.per_day),
        at_least=min(one.at_least, other.at_least),
        beyond=Beyond.SPREAD if {one.beyond, other.beyond} == {Beyond.SPREAD} else Beyond.WITHHOLD,
        jump=_smaller(one.jump, other.jump),
    )


def _smaller(one: Limit, other: Limit) -> Limit:
    """The smaller limit; of a share and a number only an inventory says which one that is."""
    if one.percent is other.percent or not one.amount or not other.amount:
        return min(one, other, key=lambda limit: limit.amount)
    return replace(one, also=other)

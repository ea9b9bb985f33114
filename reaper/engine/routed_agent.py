"""An agent as version rules need it: is its routing all there, since when are versions without traffic; as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from reaper.core.model import Agent
from reaper.core.policy import Policy
from reaper.core.provider import Gone, Provider, ProviderError
from reaper.core.routing import Selector, Unserved, newly_unserved, still_unserved
from reaper.core.text import clean
from reaper.store.store import Store

KNOWN_S: Final = 600
"""So long a version that was there counts as there: hardly ever is one removed that traffic reaches, and if it is,
its sessions are kept for so much longer."""
_ENDED: Final = frozenset({"deleting", "deleted"})


@dataclass(slots=True)
class KnownVersions:
    """Versions that the platform has shown lately, so that not each look at an agent asks for them again."""

    _shown: dict[tuple[str, str, str], float] = field(default_factory=dict)

    async def checked(self, agent: Agent, client: Provider, project: str, now: float) -> Agent:
        """The agent, its routing unclear when that names a version which is not there; `now` is monotonic.

        Raises the ProviderError of a version that cannot be looked at.
        """
        if agent.selector is None or agent.serving.unclear:
            return agent
        self._shown = {key: at for key, at in self._shown.items() if now - at < KNOWN_S}
        for version in sorted(agent.serving.versions - {agent.latest}):
            if (project, agent.name, version) in self._shown:
                continue
            try:
                is_there = (await client.get_version(agent.name, version)).value.status not in _ENDED
            except Gone:
                is_there = False
            if not is_there:
                return _unclear(agent, f"the version selector names version {version}, which is not there")
            self._shown[project, agent.name, version] = now
        return agent


async def routed(
    agent: Agent, policy: Policy | None, client: Provider, versions: KnownVersions, project: str, now: float
) -> Agent:
    """The agent as a policy needs it, None for any: what cannot be looked up of its routing makes that unclear."""
    if policy is not None and not policy.asks_version:
        return agent
    try:
        return await versions.checked(agent, client, project, now)
    except ProviderError as error:
        return _unclear(agent, f"a version of the selector could not be read: {clean(error)}")


def _unclear(agent: Agent, why: str) -> Agent:
    return replace(agent, selector=Selector(unclear=why))


def remembered(agent: Agent, policy: Policy, store: Store, project: str, at: float) -> Agent:
    """The agent with what is remembered of its versions without traffic, as it was read at platform time `at`.

    Raises StateError.
    """
    if not policy.asks_version:
        return agent
    since = still_unserved(store.unserved.of(project, agent.name), agent.latest, agent.selector)
    return replace(agent, unserved=Unserved(since, at, policy.grace_s))


def left_behind(agent: Agent, versions: Iterable[str], at: float, *, all_seen: bool) -> dict[str, float]:
    """What is to be remembered after a sweep that saw sessions of these `versions` at platform time `at`.

    `all_seen`: it saw all sessions, so that what has none is forgotten: it begins anew if it comes again.
    """
    if agent.unserved is None:
        return {}
    seen, known = set(versions), agent.unserved
    fresh = newly_unserved(seen, agent.latest, agent.selector, max(at, known.seen_at))
    return fresh | {version: since for version, since in known.since.items() if not all_seen or version in seen}


def routing_json(agent: Agent) -> dict[str, Any] | None:
    """Where an agent's traffic goes, None where nobody asked for its versions."""
    if agent.latest is None and agent.selector is None:
        return None
    unclear = agent.serving.unclear
    return {
        "latest": agent.latest,
        "serving": None if unclear else dict(agent.serving.shares),
        "unclear": unclear or None,
        "shown": agent.routing,
    }

"""Which agents a project's patterns mean at this moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reaper.core.model import Agent, Metadata
from reaper.core.policy import Policy
from reaper.core.provider import Gone, Provider, ProviderError, Refused, Unauthenticated
from reaper.core.settings import AgentPattern, Project

ASKED_MAX: Final = 50
"""So many agents that a listing lacks are asked for by name in one sweep."""
NOT_ALLOWED: Final = frozenset({400, 403, 405})
"""By these the platform says that this identity reads no agents; another refusal is of something on the way."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """The agents to sweep with their policies, those no pattern matches, and patterns that could not be resolved.

    `doubt` says why not. `gone` are agents that were known, and of which the platform said that there is none by that
    name any more.
    """

    targets: tuple[tuple[Agent, Policy], ...]
    unmanaged: tuple[str, ...]
    unresolved: Mapping[str, Policy]
    doubt: str
    gone: frozenset[str]

    @property
    def targets_by_name(self) -> dict[str, Policy]:
        return {agent.name: policy for agent, policy in self.targets}


async def discover(project: Project, provider: Provider, known: Collection[str] = ()) -> Discovery:
    """Resolve the patterns of a project: by one listing when any has a wildcard, else by name alone.

    A listing that failed, or that lacks one of the agents `known` before although it is still there, leaves the plain
    names to be swept and the wildcards unresolved. Raises Unauthenticated.
    """
    plain = {pattern.name: pattern for pattern in project.agents if pattern.is_plain}
    globs = [pattern for pattern in project.agents if not pattern.is_plain]
    listed: dict[str, Agent] = {}
    gone: set[str] = set()
    doubt = ""
    if globs:
        try:
            listed = {agent.name: agent for agent in (await provider.list_agents()).value}
            doubt = await _miss([name for name in known if name not in listed], project, provider, gone)
        except Unauthenticated:
            raise
        except ProviderError as error:
            doubt = f"agents could not be listed: {error}"
        if doubt:
            listed = {}
    chosen = {name: first_match(project, name) for name in listed}
    targets = [(listed[name], pattern.policy) for name, pattern in chosen.items() if pattern]
    for name in plain.keys() - listed.keys():
        pattern = first_match(project, name) or plain[name]
        targets.append((await read_agent(name, provider), pattern.policy))
    unmanaged = tuple(name for name, pattern in chosen.items() if pattern is None)
    ordered = tuple(sorted(targets, key=lambda target: target[0].name))
    unresolved = {pattern.name: pattern.policy for pattern in globs} if doubt else {}
    return Discovery(ordered, unmanaged, unresolved, doubt, frozenset(gone))


async def _miss(missing: Sequence[str], project: Project, provider: Provider, gone: set[str]) -> str:
    """Why a list of agents that lacks these is not believed, '' when it is; fills `gone`. Raises Unauthenticated.

    Only the platform's own word that there is no such agent explains why one is missing.
    """
    patterns = {name: first_match(project, name) for name in missing}
    wanted = [name for name, pattern in patterns.items() if pattern is not None and not pattern.is_plain]
    for name in wanted[:ASKED_MAX]:
        try:
            await provider.get_agent(name)
        except Unauthenticated:
            raise
        except ProviderError as error:
            if not (isinstance(error, Gone) and error.code):
                return f"the list of agents lacks {name!r}, which may still be there: {error}"
            gone.add(name)
        else:
            return f"the list of agents was cut short: it lacks {name!r}, which is still there"
    left = len(wanted) - ASKED_MAX
    return f"the list of agents lacks {left} more agents than can be asked for at once" if left > 0 else ""


def first_match(project: Project, agent: str) -> AgentPattern | None:
    """The first pattern of the project that matches an agent's name."""
    return next((pattern for pattern in project.agents if pattern.matches(agent)), None)


async def read_agent(name: str, provider: Provider) -> Agent:
    """The agent as it decides about its sessions; what could not be read of it is None, and its metadata says why.

    Whoever judges a session reads the agent so, or what is said of a session differs from what is done. Raises
    Unauthenticated.
    """
    try:
        return (await provider.get_agent(name)).value
    except Unauthenticated:
        raise
    except ProviderError as error:
        return unread_agent(name, error)


def unread_agent(name: str, error: ProviderError) -> Agent:
    """An agent of which nothing could be read, for this reason."""
    refused = isinstance(error, Refused) and error.status in NOT_ALLOWED
    return Agent(name, metadata=Metadata(fault=error.told, read=False, refused=refused))

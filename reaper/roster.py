"""Which agents a project's patterns mean at this moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from reaper.foundry.client import Answer
from reaper.foundry.errors import FoundryError, Unauthenticated
from reaper.model import Agent
from reaper.policy import Policy
from reaper.settings import AgentPattern, Project


class Directory(Protocol):
    """What finding agents needs of the client."""

    async def list_agents(self) -> Answer[tuple[Agent, ...]]:
        """All hosted agents of the project."""

    async def get_agent(self, name: str) -> Answer[Agent]:
        """One agent."""


@dataclass(frozen=True, slots=True)
class Roster:
    """The agents to sweep with their policies, those no pattern matches, and patterns that could not be resolved."""

    targets: tuple[tuple[Agent, Policy], ...]
    unmanaged: tuple[str, ...] = ()
    unresolved: Mapping[str, tuple[Policy, str]] | None = None

    @property
    def targets_by_name(self) -> dict[str, Policy]:
        return {agent.name: policy for agent, policy in self.targets}


async def muster(project: Project, directory: Directory) -> Roster:
    """Resolve the patterns of a project: by one listing when any has a wildcard, else by name alone.

    A failed listing leaves the plain names to be swept and the wildcards unresolved. Raises Unauthenticated.
    """
    plain = {pattern.name: pattern for pattern in project.agents if pattern.is_plain}
    globs = [pattern for pattern in project.agents if not pattern.is_plain]
    listed: tuple[Agent, ...] = ()
    unresolved = {}
    if globs:
        try:
            listed = (await directory.list_agents()).value
        except Unauthenticated:
            raise
        except FoundryError as error:
            unresolved = {pattern.name: (pattern.policy, f"agents could not be listed: {error}") for pattern in globs}
    known = {agent.name: agent for agent in listed}
    chosen = {name: first_match(project, name) for name in known}
    targets = [(known[name], pattern.policy) for name, pattern in chosen.items() if pattern]
    for name in plain.keys() - known.keys():
        pattern = first_match(project, name) or plain[name]
        targets.append((await _by_name(name, pattern.policy, directory), pattern.policy))
    unmanaged = tuple(name for name, pattern in chosen.items() if pattern is None)
    return Roster(tuple(sorted(targets, key=lambda target: target[0].name)), unmanaged, unresolved)


def first_match(project: Project, agent: str) -> AgentPattern | None:
    """The first pattern of the project that matches an agent's name."""
    return next((pattern for pattern in project.agents if pattern.matches(agent)), None)


async def _by_name(name: str, policy: Policy, directory: Directory) -> Agent:
    """The agent, with its newest version if the policy asks about versions and it can be read."""
    if not policy.asks_version:
        return Agent(name)
    try:
        return (await directory.get_agent(name)).value
    except Unauthenticated:
        raise
    except FoundryError:
        return Agent(name)

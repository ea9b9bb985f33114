"""What a person should know before deleting by hand: sessions that the configuration keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reaper.clock import SystemClock
from reaper.core.model import Action, Session
from reaper.core.policy import Policy, decide
from reaper.core.provider import Provider
from reaper.core.settings import Project
from reaper.engine.discovery import first_match, read_agent
from reaper.engine.newest import may_be_newest

NAMED_MAX: Final = 5


async def cautions(
    client: Provider, project: Project, agent: str, sessions: Sequence[Session], now: float | None
) -> list[str]:
    """One line for each keep rule that keeps some of these sessions, one for the newest that the policy keeps, and
    one for those under `must_see`.

    They are a person's to delete all the same: a sweep would leave them alone.
    """
    pattern = first_match(project, agent)
    spared = await _kept(client, agent, pattern.policy, sessions, now) if pattern else {}
    newest = pattern.policy.keep_newest if pattern else None
    if pattern and newest:
        ids = [session.id for session in await may_be_newest(client, agent, sessions, newest)]
        if ids:
            spared[f"or may be among the newest {newest}, which policy {pattern.policy.name!r} keeps"] = ids
    if seen := [session.id for session in sessions if session.id in project.must_see]:
        spared[f"named under must_see of project {project.name}"] = seen
    return [
        f"{len(ids)} of them {'is' if len(ids) == 1 else 'are'} {why}: {', '.join(ids[:NAMED_MAX])}"
        + (", …" if len(ids) > NAMED_MAX else "")
        for why, ids in spared.items()
    ]


async def _kept(
    client: Provider, name: str, policy: Policy, sessions: Sequence[Session], now: float | None
) -> dict[str, list[str]]:
    """The ids of the sessions that each keep rule decides about."""
    if not any(rule.action is Action.KEEP for rule in policy.rules):
        return {}
    agent = await read_agent(name, policy, client)  # what cannot be read counts as kept
    at = SystemClock().wall() if now is None else now
    found: dict[str, list[str]] = {}
    for session in sessions:
        decision = decide(session, policy, agent, at)
        if decision.action is Action.KEEP and decision.rule is not None:
            found.setdefault(f"kept by rule {decision.rule.name!r} of policy {policy.name!r}", []).append(session.id)
    return found

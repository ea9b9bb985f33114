"""What a person should know before deleting by hand: sessions that the configuration keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from reaper.clock import SystemClock
from reaper.core.model import Action, Agent, Session
from reaper.core.policy import Policy, decide, sides
from reaper.core.provider import Provider
from reaper.core.settings import Project
from reaper.engine.discovery import first_match, read_agent
from reaper.engine.newest import may_be_newest
from reaper.engine.routed_agent import KnownVersions, remembered, routed
from reaper.engine.voices import heard, judged_by
from reaper.store.store import Store

NAMED_MAX: Final = 5


async def cautions(
    client: Provider, project: Project, name: str, sessions: Sequence[Session], store: Store, now: float | None
) -> list[str]:
    """What speaks against it: the agent's developers, keep rules and ranks that keep some of these sessions, and
    `must_see`.

    They are a person's to delete all the same: a sweep would leave them alone.
    """
    if not sessions:
        return []
    agent = await read_agent(name, client)  # what cannot be read counts as kept
    at = SystemClock().wall() if now is None else now
    voice, pattern = heard(project, agent, store), first_match(project, name)
    spared = {}
    if pattern:
        policy = judged_by(pattern.policy, voice)
        agent = await routed(agent, policy, client, KnownVersions(), project.name, 0.0)
        spared = _kept(remembered(agent, policy, store, project.name, at), policy, sessions, at)
        newest = policy.keep_newest
        if newest and (ids := [one.id for one in await may_be_newest(client, name, sessions, newest)]):
            spared[f"or may be among the newest {newest}, which policy {policy.name!r} keeps"] = ids
    if seen := [session.id for session in sessions if session.id in project.must_see]:
        spared[f"named under must_see of project {project.name}"] = seen
    lines = [
        f"{len(ids)} of them {'is' if len(ids) == 1 else 'are'} {why}: {', '.join(ids[:NAMED_MAX])}"
        + (", …" if len(ids) > NAMED_MAX else "")
        for why, ids in spared.items()
    ]
    asked = voice.keeps(at)
    return [f"a sweep would touch nothing of this agent: it is {asked}", *lines] if asked else lines


def _kept(agent: Agent, policy: Policy, sessions: Sequence[Session], at: float) -> dict[str, list[str]]:
    """The ids of the sessions that each keep rule decides about."""
    found: dict[str, list[str]] = {}
    for session in sessions:
        for one in sides(policy):
            decision = decide(session, replace(one, also=None), agent, at)
            if decision.action is Action.KEEP and decision.rule is not None:
                why = f"kept by rule {decision.rule.name!r} of policy {one.name!r}"
                found.setdefault(why, []).append(session.id)
    return found

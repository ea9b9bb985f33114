"""What an agent's developers ask for, as it is heard now and was before; and how it is told."""

from __future__ import annotations

from typing import Any

from reaper.core.conditions import NEVER
from reaper.core.durations import show_time
from reaper.core.model import Agent
from reaper.core.policy import Policy
from reaper.core.settings import AgentPattern, Project
from reaper.core.voice import Voice, both, hear
from reaper.engine.discovery import first_match
from reaper.store.store import Store

_NO_POLICY = Policy("none", ())


def heard(project: Project, agent: Agent, store: Store) -> Voice:
    """What is asked for by the agent as it was read, and by what it said before where nobody may read it."""
    entry = first_match(project, agent.name) or AgentPattern(agent.name, _NO_POLICY)
    before = store.voices.before(project.name, agent.name) if agent.metadata.refused else None
    return hear(agent, entry, before)


def judged_by(policy: Policy, voice: Voice) -> Policy:
    """The policy that decides about the agent's sessions once its developers were heard."""
    return both(policy, voice.chosen)


def voice_json(voice: Voice, now: float) -> dict[str, Any] | None:
    """What an agent's developers ask for at `now` as one object, None when they were heard and ask for nothing."""
    told, ends = voice.told(now), now < voice.until < NEVER
    if not told:
        return None
    return {
        "told": told,
        "keeps": bool(voice.keeps(now)),
        "until": show_time(voice.until) if ends else None,
        "policy": voice.chosen.name if voice.chosen else None,
        "heard": not voice.unheard,
    }

"""The guards of what developers ask for, each with a switch that removes it; see `mutants`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reaper.core import planner, voice
from reaper.core.conditions import NEVER
from reaper.core.voice import SILENT
from reaper.engine import last_look, voices
from reaper.store.voices import Voices
from tests.sim import scenes_voice
from tests.sim.switches import Mutant, around, put


def _unclear_is_nothing(kept: Any) -> Any:
    """What is not understood is taken for not said."""

    def understood(*given: Any) -> Any:
        found = kept(*given)
        return SILENT if found.until == NEVER else found

    return understood


def _unread_is_silent(kept: Any) -> Any:
    """An agent that could not be read is taken for one that says nothing."""

    def hear(agent: Any, *given: Any) -> Any:
        return kept(agent, *given) if agent.metadata.read else SILENT

    return hear


def _said_as_planned(kept: Any) -> Any:
    """What is said by the time of the last look is not asked for."""

    def recheck(item: Any, fresh: Any, plan: Any, now: Any, agent: Any) -> Any:
        return kept(item, fresh, plan, now, agent and replace(agent, metadata=plan.agent.metadata))

    return recheck


def _no_step(kept: Any) -> Any:
    """The planner does not ask whether the developers hold it."""
    return lambda *given: ((name, hold) for name, hold in kept(*given) if name != "voice")


VOICE = [
    Mutant("voice: a hold keeps", around(planner, "guards", _no_step), scenes_voice.held_by_developers),
    Mutant("voice: it is heard", put(voices, "hear", lambda *_: SILENT), scenes_voice.choosing_gentle),
    Mutant(
        "voice: what is not understood keeps",
        around(voice, "_understood", _unclear_is_nothing),
        scenes_voice.asking_unclearly,
    ),
    Mutant(
        "voice: an agent that cannot be read is kept",
        around(voices, "hear", _unread_is_silent),
        scenes_voice.unheard_and_unsaid,
    ),
    Mutant(
        "voice: a choice only adds",
        put(voices, "both", lambda policy, chosen: chosen or policy),
        scenes_voice.choosing_bold,
    ),
    Mutant(
        "last look: the voice again", around(last_look, "recheck", _said_as_planned), scenes_voice.speaking_in_sweep
    ),
    Mutant(
        "voice: it stands while nobody can hear", put(Voices, "before", lambda *_: None), scenes_voice.heard_no_more
    ),
]

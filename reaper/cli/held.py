"""Holds as commands by hand meet them: told ahead, and asked for where the record is not written."""

from __future__ import annotations

from collections.abc import Sequence

from reaper.cli.delete_cautions import NAMED_MAX
from reaper.cli.endings import CommandError, Exit
from reaper.core.holds import Holds, hold_words, holds_words
from reaper.core.model import Session
from reaper.core.provider import Provider
from reaper.core.settings import Project, Settings
from reaper.store.database import StateError
from reaper.store.store import opened_if_there


def holds_on(settings: Settings, project: str, agent: str) -> Holds:
    """The holds on one agent's sessions, of the state and of the configuration; StateError when they are unreadable.

    A state that is not there names none.
    """
    configured = settings.holds_on(project, agent)
    with opened_if_there(settings.state) as store:
        if store is None:
            return configured
        if store.fault:
            raise StateError(f"{store.fault}; whether a session is held cannot be known, so nothing is touched")
        return configured | store.holds.of_agent(project, agent)


def held_caution(holds: Holds, sessions: Sequence[Session], now: float) -> list[str]:
    """One line about those of the sessions that are held, and will stay; none when there are none."""
    held = [(session.id, holding) for session in sessions if (holding := holds.on(session, now))]
    if not held:
        return []
    named = ", ".join(f"{name} ({holds_words(holding)})" for name, holding in held[:NAMED_MAX])
    more = ", …" if len(held) > NAMED_MAX else ""
    return [f"{len(held)} of them {'is' if len(held) == 1 else 'are'} held, and will be kept: {named}{more}"]


async def must_not_be_held(settings: Settings, project: Project, agent: str, session: str, client: Provider) -> None:
    """End the command when somebody holds the session; it is looked up only where that decides."""
    holds = holds_on(settings, project.name, agent)
    standing = [hold for hold in holds if hold.session == session and hold.released is None]
    if not standing:
        return
    answer = await client.get(agent, session)
    now, made = answer.date, getattr(answer.value, "created_at", None)
    holding = [hold for hold in standing if (now is None or hold.stands(now)) and (made is None or hold.is_on(made))]
    if holding:
        told = "; ".join(map(hold_words, holding))
        raise CommandError(f"session {session} is left as it is: {told}", Exit.WITHHELD)

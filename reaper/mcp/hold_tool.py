"""session_hold: an assistant has a session left alone for a while. None can release it, and none without an end.

A hold keeps files, and nothing is lost by it but room: so it needs no person's word, and has an end and a bound.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

from pydantic import Field

from reaper.core.clock_check import ClockGuard
from reaper.core.command_lines import command
from reaper.core.holds import WORDS_MAX_CHARS, SessionHold, end_of, hold_words, read_day
from reaper.core.model import DAY_S, TOMBSTONES, Malformed
from reaper.core.text import clean
from reaper.engine.connected_project import ConnectedProject
from reaper.engine.discovery import first_match
from reaper.logs import get_logger
from reaper.mcp.advice import NotDoneError
from reaper.mcp.context import ToolContext, project_at
from reaper.mcp.session_models import OneInput, Output
from reaper.store.session_holds import TooManyHoldsError
from reaper.store.store import opened

log = get_logger()

DAYS_MAX: Final = 90
"""So many days ahead an assistant may hold a session at most."""
STANDING_MAX: Final = 50
"""So many holds of assistants may stand on one state: who is told to hold everything fills no quota with it."""


class HoldInput(OneInput):
    until: Annotated[
        str,
        Field(
            pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
            description=f"The last day of the hold, in UTC, as in 2027-01-31; at most {DAYS_MAX} days from now.",
        ),
    ]
    reason: Annotated[
        str, Field(min_length=1, max_length=WORDS_MAX_CHARS, description="Why, for the people who find it held.")
    ]


class Held(Output):
    agent_session_id: str
    hold: str = Field(description="The id of the hold.")
    until: str
    told: str = Field(description="The hold in words.")
    late: str = Field(description="What had begun on the session before it was held; '' for nothing.")
    next: str = Field(description="What to do now.")


async def hold(context: ToolContext, request: HoldInput) -> Held:
    """Hold one session: nobody stops or deletes it to the end of a day, whatever a policy says.

    It keeps what is there, as it is now; a session made anew under the same id is not held. Only a person can release
    it.
    """
    settings = context.settings()
    project, agent = project_at(settings, request.project_endpoint), request.agent_name
    if first_match(project, agent) is None:
        raise NotDoneError(f"no policy manages agent {clean(agent)!r}, so its sessions are left alone anyway")
    by = f"mcp client {context.caller.name}"
    async with context.connect(project) as client:
        found = await client.get(agent, request.session_id)
        origin = ConnectedProject(project, client, ClockGuard(), settings.fingerprint).origin(
            by, client=context.caller.name
        )
    record, now = found.value, context.clock.wall() if found.date is None else found.date
    if isinstance(record, Malformed):
        raise NotDoneError(f"the record of {request.session_id} is malformed, so it is left alone. Tell the operator")
    if record.status in TOMBSTONES:
        raise NotDoneError(f"session {request.session_id} is {record.status}: there is nothing to hold")
    wanted = SessionHold(
        project=project.name,
        agent=agent,
        session=request.session_id,
        until=_until(request.until, now),
        reason=clean(request.reason, WORDS_MAX_CHARS),
        by=by,
        created_at=record.created_at,
        at=now,
        client=context.caller.name,
    )
    with opened(settings.state) as store:
        if store.fault:
            raise NotDoneError(f"nothing is held: {store.fault}. Tell the operator")
        try:
            placed = store.holds.place(wanted, origin.as_json(), most=STANDING_MAX)
        except TooManyHoldsError as error:
            raise NotDoneError(_too_many(agent, request.session_id)) from error
    log.info(
        "session_hold", client=context.caller.name, project=project.name, agent=agent, session=request.session_id
    )
    return Held(
        agent_session_id=request.session_id,
        hold=placed.hold.id,
        until=request.until,
        told=hold_words(placed.hold),
        late=placed.late,
        next="Look with session_get whether it is still there." if placed.late else "Nothing: it is held.",
    )


def _until(text: str, now: float) -> date:
    """The last day; NotDoneError when it is none, over, or too far away."""
    try:
        day = read_day(text)
    except ValueError:
        raise NotDoneError(f"until {clean(text)!r} is no day of the calendar. Write it as in 2027-01-31") from None
    left = end_of(day) - now
    if left <= 0:
        raise NotDoneError(f"until {day} is over already, so nothing is held. Name a later day")
    if left > (DAYS_MAX + 1) * DAY_S:
        raise NotDoneError(
            f"until {day} is more than {DAYS_MAX} days away, so nothing is held. Name an earlier day; a person can "
            "hold it for longer, with `reaper hold`"
        )
    return day


def _too_many(agent: str, session: str) -> str:
    return (
        f"nothing is held: {STANDING_MAX} holds of assistants stand already. No setting lifts that. Tell the person, "
        f"who can hold it with `{command('hold', agent, session)} --until DAY --reason TEXT`, or add a keep rule"
    )

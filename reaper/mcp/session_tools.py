"""The platform's own session tools, for configured projects only."""

from __future__ import annotations

from reaper.core.model import Malformed, Session
from reaper.core.provider import Answer
from reaper.logs import get_logger
from reaper.mcp.context import ToolContext, project_at
from reaper.mcp.not_done import NotDoneError
from reaper.mcp.session_models import CreateInput, ListInput, OneInput, OneRecord, Page, listed, record

log = get_logger()


async def create(desk: ToolContext, asked: CreateInput) -> OneRecord:
    """Create a session of a hosted agent, with an id of your choice or one that the platform chooses.

    It starts in status creating and uses compute and quota while it is active.
    """
    project = project_at(desk.settings(), asked.project_endpoint)
    async with desk.connect(project) as client:
        made = await client.create(asked.agent_name, asked.session_id)
    log.info("session_create", client=desk.caller.name, project=project.name, agent=asked.agent_name)
    return _one(made)


async def get(desk: ToolContext, asked: OneInput) -> OneRecord:
    """Show one session: status, agent version, when it was created and last used, and when it expires."""
    project = project_at(desk.settings(), asked.project_endpoint)
    async with desk.connect(project) as client:
        return _one(await client.get(asked.agent_name, asked.session_id))


async def list_(desk: ToolContext, asked: ListInput) -> Page:
    """Show one page of an agent's sessions, ordered by creation.

    Deleted sessions linger in the list with status deleted.
    """
    project = project_at(desk.settings(), asked.project_endpoint)
    async with desk.connect(project) as client:
        answer = await client.page(
            asked.agent_name, limit=asked.limit, order=asked.order, after=asked.after, before=asked.before
        )
    page = answer.value
    return Page(
        data=[listed(found) for found in page.sessions],
        first_id=page.first_id,
        last_id=page.last_id,
        has_more=page.has_more,
        platform_time=answer.date,
    )


def _one(answer: Answer[Session | Malformed]) -> OneRecord:
    if isinstance(answer.value, Malformed):
        raise NotDoneError(
            f"the platform's record of the session is malformed: {answer.value.reason}. "
            "Leave the session alone, and tell the operator"
        )
    return OneRecord(**record(answer.value), platform_time=answer.date)

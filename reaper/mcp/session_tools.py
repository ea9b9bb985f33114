"""The platform's own session tools, for configured projects only."""

from __future__ import annotations

from reaper.core.model import Malformed, Session
from reaper.core.provider import Answer
from reaper.logs import get_logger
from reaper.mcp.advice import NotDoneError
from reaper.mcp.context import ToolContext, project_at
from reaper.mcp.session_models import CreateInput, ListInput, OneInput, OneRecord, Page, listed

log = get_logger()


async def create(context: ToolContext, request: CreateInput) -> OneRecord:
    """Create a session of a hosted agent, with an id of your choice or one that the platform chooses.

    It starts in status creating and uses compute and quota while it is active.
    """
    project = project_at(context.settings(), request.project_endpoint)
    async with context.connect(project) as client:
        answer = await client.create(request.agent_name, request.session_id)
    log.info("session_create", client=context.caller.name, project=project.name, agent=request.agent_name)
    return _one(answer)


async def get(context: ToolContext, request: OneInput) -> OneRecord:
    """Show one session: status, agent version, when it was created and last used, and when it expires."""
    project = project_at(context.settings(), request.project_endpoint)
    async with context.connect(project) as client:
        return _one(await client.get(request.agent_name, request.session_id))


async def list_(context: ToolContext, request: ListInput) -> Page:
    """Show one page of an agent's sessions, ordered by creation.

    Deleted sessions linger in the list with status deleted.
    """
    project = project_at(context.settings(), request.project_endpoint)
    async with context.connect(project) as client:
        answer = await client.page(
            request.agent_name, limit=request.limit, order=request.order, after=request.after, before=request.before
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
    session = answer.value
    return OneRecord(agent_session_id=session.id, platform_time=answer.date, **session._asdict())

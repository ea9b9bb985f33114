"""What the session tools take and give; the tools' schemas are made from these.

Parameters carry the names of the platform's own tools, results the names of its records. Times are Unix seconds.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema

from reaper.core.model import Malformed, Session
from reaper.core.provider import PAGE_MAX, Order
from reaper.foundry.requests import CURSOR_MAX_CHARS, NAME_MAX_CHARS

PAGE_DEFAULT: Final = 20
ENDPOINT_MAX_CHARS: Final = 2_048

Endpoint = Annotated[
    str,
    Field(
        min_length=1,
        max_length=ENDPOINT_MAX_CHARS,
        description="The endpoint of a configured project, as reaper_status lists it: "
        "https://ACCOUNT.services.ai.azure.com/api/projects/PROJECT",
    ),
]
AgentName = Annotated[
    str,
    Field(min_length=1, max_length=NAME_MAX_CHARS, description="The name of the hosted agent, without wildcards."),
]
SessionId = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-]{8,128}$", description="The session's id (agent_session_id).")
]
Cursor = Annotated[str, Field(min_length=1, max_length=CURSOR_MAX_CHARS, pattern=r"^[ -~]+$")]
ProjectName = Annotated[str, Field(min_length=1, max_length=NAME_MAX_CHARS)]

EXCLUSIVE: Final[dict[str, Any]] = {"not": {"required": ["after", "before"]}}


def _without_nulls(schema: dict[str, Any]) -> None:
    """A parameter that may be left out has no `default: null` in its schema."""
    for described in schema.get("properties", {}).values():
        if described.get("default", ...) is None:
            del described["default"]
        described.pop("title", None)


class Input(BaseModel):
    """The arguments of one tool. A parameter that is not required may also come as null, which is as if left out."""

    model_config = ConfigDict(
        extra="forbid", strict=True, alias_generator=to_camel, frozen=True, json_schema_extra=_without_nulls
    )


class OfAgent(Input):
    project_endpoint: Endpoint
    agent_name: AgentName


class CreateInput(OfAgent):
    session_id: SessionId | SkipJsonSchema[None] = Field(
        None, description="The id that the session shall have; the platform chooses one when it is left out."
    )


class OneInput(OfAgent):
    session_id: SessionId


class ListInput(OfAgent):
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX, description="How many sessions on the page.")] = PAGE_DEFAULT
    order: Annotated[Order, Field(description="By creation, the oldest or the newest first.")] = "asc"
    after: Cursor | SkipJsonSchema[None] = Field(
        None, description="Start behind this session: last_id of the page before. Not together with before."
    )
    before: Cursor | SkipJsonSchema[None] = Field(
        None, description="End in front of this session: first_id of the page after. Not together with after."
    )

    @model_validator(mode="after")
    def _one_cursor(self) -> ListInput:
        if self.after is not None and self.before is not None:
            raise ValueError("after and before exclude each other: give one of them")
        return self


class Output(BaseModel):
    """The structured result of one tool."""

    model_config = ConfigDict(frozen=True)


class Record(Output):
    """A session as the platform shows it."""

    agent_session_id: str
    status: str = Field(
        description="creating, active, idle, updating, failed, deleting, deleted, expired, or new ones"
    )
    version: str | None
    created_at: int
    last_accessed_at: int
    expires_at: int
    stopped_at: int | None


class MalformedRecord(Output):
    """A record that cannot be believed; its session is left alone."""

    agent_session_id: str | None
    malformed: str


class OneRecord(Record):
    platform_time: float | None = Field(description="The platform's clock when it answered: ages count from here.")


class Page(Output):
    data: list[Record | MalformedRecord]
    first_id: str | None
    last_id: str | None
    has_more: bool = Field(description="Whether more follow; ask again with after = last_id.")
    platform_time: float | None


Ending = Literal["done", "already_gone", "unverified", "in_doubt"]


class Ended(Output):
    """How a stop or a deletion ended."""

    agent_session_id: str
    outcome: Ending
    why: str
    next: str = Field(description="What to do now.")


class Deleted(Ended):
    outcome: Ending = Field(
        description="done: deleted, and looked up since. already_gone: there was nothing to delete. unverified: the "
        "platform accepted it, and the session is still there. in_doubt: sent, and it could not be found out."
    )


class Stopped(Ended):
    outcome: Ending = Field(
        description="done: stopped, and looked up since. already_gone: there is no such session. unverified: the "
        "platform accepted it, and the session is still active. in_doubt: sent, and it could not be found out."
    )


def listed(session: Session | Malformed) -> Record | MalformedRecord:
    """One row of a page."""
    if isinstance(session, Malformed):
        return MalformedRecord(agent_session_id=session.id, malformed=session.reason)
    return Record(agent_session_id=session.id, **session._asdict())

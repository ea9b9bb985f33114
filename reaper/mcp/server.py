"""The MCP server: one table of tools, and how a call travels from arguments to a structured result or an error."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import mcp_types as types
import structlog
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from reaper import __version__
from reaper.mcp import deleting, looking, sessions
from reaper.mcp.advice import EXPECTED, advice
from reaper.mcp.desk import Desk
from reaper.mcp.shapes import EXCLUSIVE, CreateInput, Deleted, Input, ListInput, OneInput, OneRecord, Output, Page
from reaper.mcp.views import Explained, ExplainInput, PlanInput, Planned, Status, StatusInput

log = structlog.get_logger()

INSTRUCTIONS: Final = (
    "Hosted agent sessions of Microsoft Foundry, and the reaper that keeps them in order. reaper_status names the "
    "configured projects: only their endpoints are accepted as projectEndpoint. Deleting a session destroys its "
    "files for ever: show the person which session you mean, and ask, before you call session_delete. When a tool "
    "refuses, do what its message says; do not look for a way around it."
)

Work = Callable[[Desk, Any], Awaitable[Output]]


@dataclass(frozen=True, slots=True)
class Hints:
    """What a tool does to the world, for clients that ask a person first."""

    reads: bool = False
    destroys: bool = False
    repeats: bool = False
    platform: bool = True

    def annotations(self, title: str) -> types.ToolAnnotations:
        return types.ToolAnnotations(
            title=title,
            read_only_hint=self.reads,
            destructive_hint=self.destroys,
            idempotent_hint=self.reads or self.repeats,
            open_world_hint=self.platform,
        )


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: its name, what it takes and gives, and the function that does it, whose docstring describes it."""

    name: str
    title: str
    work: Work
    takes: type[Input]
    gives: type[Output]
    hints: Hints

    def described(self) -> types.Tool:
        schema = self.takes.model_json_schema() | (EXCLUSIVE if self.takes is ListInput else {})
        return types.Tool(
            name=self.name,
            title=self.title,
            description=" ".join((self.work.__doc__ or "").split()),
            input_schema=schema | {"title": self.name},
            output_schema=self.gives.model_json_schema(mode="serialization"),
            annotations=self.hints.annotations(self.title),
        )


READS: Final = Hints(reads=True)
TOOLS: Final = (
    Tool("session_create", "Create a session", sessions.create, CreateInput, OneRecord, Hints()),
    Tool("session_get", "Show a session", sessions.get, OneInput, OneRecord, READS),
    Tool(
        "session_delete",
        "Delete a session and its files",
        deleting.delete,
        OneInput,
        Deleted,
        Hints(destroys=True, repeats=True),
    ),
    Tool("session_list", "List an agent's sessions", sessions.list_, ListInput, Page, READS),
    Tool("reaper_plan", "What a sweep would do", looking.plan, PlanInput, Planned, READS),
    Tool("reaper_explain", "Why a session is kept or deleted", looking.explain_one, ExplainInput, Explained, READS),
    Tool(
        "reaper_status",
        "How things stand",
        looking.status,
        StatusInput,
        Status,
        Hints(reads=True, platform=False),
    ),
)
_BY_NAME: Final = {tool.name: tool for tool in TOOLS}


def make_server(desk: Desk) -> Server[Any]:
    """An MCP server that offers the tools on this desk, over whatever transport it is run on."""

    async def list_tools(
        _: ServerRequestContext[Any], __: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[tool.described() for tool in TOOLS])

    async def call_tool(_: ServerRequestContext[Any], called: types.CallToolRequestParams) -> types.CallToolResult:
        tool = _BY_NAME.get(called.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"there is no such tool; there are: {', '.join(_BY_NAME)}")
        return await call(desk, tool, called.arguments or {})

    return Server(
        "session-reaper",
        version=__version__,
        title="Session reaper",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def call(desk: Desk, tool: Tool, arguments: dict[str, Any]) -> types.CallToolResult:
    """Carry out one call; what goes wrong becomes a result that is marked as an error and says what to do next."""
    try:
        found = await tool.work(desk, tool.takes.model_validate(_given(tool, arguments)))
    except EXPECTED as error:
        told = advice(error)
        log.info("tool_refused", tool=tool.name, why=told)
        return _error(told)
    except Exception:
        log.exception("tool_crashed", tool=tool.name)
        return _error(f"{tool.name} failed unexpectedly. Do not repeat it; the operator finds the reason in the log.")
    structured = found.model_dump(mode="json")
    text = json.dumps(structured, indent=2)
    return types.CallToolResult(content=[types.TextContent(text=text)], structured_content=structured)


def _given(tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments without those parameters that may be left out and came as null."""
    optional = {field.alias for field in tool.takes.model_fields.values() if not field.is_required()}
    return {name: value for name, value in arguments.items() if value is not None or name not in optional}


def _error(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=True)

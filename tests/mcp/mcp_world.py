"""A platform, a configuration, and `reaper mcp` as a process, spoken to by the official client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import CallToolResult
from process_world import REAPER, Cli, Process, Town, exact_town, harmless_environment, wait_for

T = TypeVar("T")
PATIENCE_S = 60
MANAGED = [{"name": "support-*", "policy": "standard"}, {"name": "crowded", "policy": "standard"}]


@dataclass
class Place:
    """One platform with one configuration, and a server on it."""

    cli: Cli
    town: Town
    http: str

    @property
    def stdio(self) -> StdioServerParameters:
        arguments = ["mcp", "--config", str(self.cli.config)]
        return StdioServerParameters(command=str(REAPER), args=arguments, env=harmless_environment())

    def over(self, transport: str) -> Any:
        return self.stdio if transport == "stdio" else self.http

    def call(self, tool: str, **arguments: Any) -> CallToolResult:
        """One call over HTTP, exactly as given."""
        return talk(self.http, lambda client: client.call_tool(tool, arguments))

    def ask(self, tool: str, agent: str = "support-eu", **arguments: Any) -> CallToolResult:
        """One call of a session tool on the configured project."""
        return self.call(tool, projectEndpoint=self.town.endpoint, agentName=agent, **arguments)

    def status_of(self, session: str, agent: str = "support-eu") -> str | None:
        found = {one["agent_session_id"]: one["status"] for one in self.town.sessions(agent)}
        return found.get(session)

    def reconfigure(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the file under the running server."""
        tree = yaml.safe_load(self.cli.config.read_text())
        change(tree)
        self.cli.config.write_text(yaml.safe_dump(tree, sort_keys=False))


def talk(server: Any, work: Callable[[Client], Awaitable[T]]) -> T:
    """What the official client gets from a server: a URL, or a command to start."""

    async def run() -> T:
        async with asyncio.timeout(PATIENCE_S), Client(server) as client:
            return await work(client)

    return asyncio.run(run())


def said(result: CallToolResult) -> str:
    """The text of an error that a tool reports."""
    assert result.is_error, result.structured_content
    assert result.structured_content is None
    return str(result.content[0].text)  # type: ignore[union-attr]


def told(result: CallToolResult) -> Any:
    """The structured result of a call that went well."""
    assert not result.is_error, result.content
    return result.structured_content


@contextlib.contextmanager
def place(folder: Path, agents: dict[str, Any]) -> Iterator[Place]:
    with exact_town(folder / "town", agents) as town:
        cli = Cli(folder).configure(town.endpoint, agents=MANAGED)
        made = Place(cli, town, "")
        made.reconfigure(lambda tree: tree["projects"]["here"].update(must_see=["canary-00000001"]))
        try:
            made.http = address(serve(cli))
            yield made
        finally:
            cli.clear_away()


def serve(cli: Cli, *options: str) -> Process:
    """`reaper mcp --http` on a free port."""
    where = () if "--listen" in options else ("--listen", "127.0.0.1:0")
    return cli.start("mcp", "--http", *where, *options, "--config", str(cli.config))


def address(process: Process) -> str:
    wait_for("the server's ready line", lambda: "\n" in process.stdout or process.popen.poll() is not None)
    assert process.stdout.startswith("ready: "), process.stderr
    return process.stdout.split()[1]

"""A platform, a configuration, and `reaper mcp` as a process, spoken to by the official client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import yaml
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, ElicitResult, Implementation
from process_world import DAY, REAPER, Cli, Process, Town, exact_town, harmless_environment, session, wait_for

T = TypeVar("T")
PATIENCE_S = 60
TOKEN = "correct-horse-battery-staple-0123"
EVERYTHING = ("--allow-stop", "--allow-delete", "--allow-create")
AMPLE = {"per_sweep": 100, "per_day": 100}
MANAGED = [{"name": "support-*", "policy": "standard"}, {"name": "crowded", "policy": "standard"}]

CROWD = [session(f"crowd-{number:06}", idle=8 * DAY) for number in range(120)]
PEOPLE = [
    session("vip-00000001", idle=9 * DAY),
    *(session(f"old-{number:08}", idle=9 * DAY) for number in range(1, 21)),
    session("making-00000001", idle=DAY, held="creating"),
    session("moving-00000001", idle=DAY, held="updating"),
    session("broken-00000001", idle=DAY, held="failed"),
    session("busy-00000001", idle=60, held="active"),
    session("young-00000001", idle=60, age=120, held="failed"),
    session("canary-00000001", idle=9 * DAY),
]


@dataclass
class Place:
    """One platform with one configuration, and a server on it."""

    cli: Cli
    town: Town
    http: str

    def stdio(self, *flags: str) -> StdioServerParameters:
        arguments = ["mcp", *flags, "--config", str(self.cli.config)]
        return StdioServerParameters(command=str(REAPER), args=arguments, env=harmless_environment())

    def over(self, transport: str) -> Any:
        return self.stdio(*EVERYTHING) if transport == "stdio" else over_http(self.http)

    def call(self, tool: str, **arguments: Any) -> CallToolResult:
        """One call over HTTP, exactly as given; whoever is asked says yes."""
        return talk(over_http(self.http), lambda client: client.call_tool(tool, arguments), says_yes)

    def ask(self, tool: str, agent: str = "support-eu", **arguments: Any) -> CallToolResult:
        """One call of a session tool on the configured project."""
        return self.call(tool, projectEndpoint=self.town.endpoint, agentName=agent, **arguments)

    def serving(self, *flags: str) -> str:
        """The address of another server on the same configuration, with these flags."""
        return address(serve(self.cli, *flags))

    def status_of(self, session: str, agent: str = "support-eu") -> str | None:
        found = {one["agent_session_id"]: one["status"] for one in self.town.sessions(agent)}
        return found.get(session)

    def reconfigure(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the file under the running server."""
        tree = yaml.safe_load(self.cli.config.read_text())
        change(tree)
        self.cli.config.write_text(yaml.safe_dump(tree, sort_keys=False))


def over_http(url: str, token: str = TOKEN) -> Any:
    """A way to a server over HTTP that carries the token."""
    headers = {"Authorization": f"Bearer {token}"}
    carrying = httpx2.AsyncClient(headers=headers, timeout=PATIENCE_S, trust_env=False)
    return streamable_http_client(url, http_client=carrying)


async def says_yes(_: Any, __: Any) -> ElicitResult:
    return ElicitResult(action="accept", content={})


def talk(
    server: Any,
    work: Callable[[Client], Awaitable[T]],
    answers: Any = None,
    mode: str = "auto",
    name: str = "tester",
) -> T:
    """What the official client gets from a server: a way over HTTP, or a command to start.

    `answers` says what the person behind the client answers; without it, the client can ask nobody.
    """
    called = Implementation(name=name, version="1")

    async def run() -> T:
        made = Client(server, elicitation_callback=answers, client_info=called, mode=mode)  # type: ignore[arg-type]
        async with asyncio.timeout(PATIENCE_S), made as client:
            return await work(client)

    return asyncio.run(run())


def said(result: CallToolResult) -> str:
    """The text of an error that a tool reports."""
    assert result.is_error, result.structured_content
    assert result.structured_content is None
    return str(result.content[0].text)  # type: ignore[union-attr]


def structured(result: CallToolResult) -> Any:
    """The structured result of a call that went well."""
    assert not result.is_error, result.content
    return result.structured_content


@contextlib.contextmanager
def place(folder: Path, agents: dict[str, Any]) -> Iterator[Place]:
    with exact_town(folder / "town", agents) as town:
        cli = Cli(folder).configure(town.endpoint, agents=MANAGED)
        made = Place(cli, town, "")
        made.reconfigure(lambda tree: tree["projects"]["here"].update(must_see=["canary-00000001"]))
        made.reconfigure(lambda tree: tree["policies"]["standard"].update(limits=AMPLE))
        try:
            made.http = address(serve(cli, *EVERYTHING))
            yield made
        finally:
            cli.clear_away()


def serve(cli: Cli, *options: str) -> Process:
    """`reaper mcp --http` on a free port."""
    where = () if "--listen" in options else ("--listen", "127.0.0.1:0")
    token = cli.folder / "token"
    token.write_text(TOKEN + "\n")
    carried = () if "--token-file" in options else ("--token-file", str(token))
    return cli.start("mcp", "--http", *where, *carried, *options, "--config", str(cli.config))


def address(process: Process) -> str:
    wait_for("the server's ready line", lambda: "\n" in process.stdout or process.popen.poll() is not None)
    assert process.stdout.startswith("ready: "), process.stderr
    return process.stdout.split()[1]

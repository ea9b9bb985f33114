"""The server, its platform and its client in one process: for what needs no real one to be seen."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from mcp.client import Client
from mcp_types import CallToolResult, ElicitResult, Implementation
from mcp_world import AMPLE, CROWD, EVERYTHING, MANAGED, PATIENCE_S, PEOPLE
from process_world import DAY, Cli, session

from reaper.clock import SystemClock
from reaper.config import load
from reaper.emulator import AgentVersion, Emulator, Fault
from reaper.emulator.stored import StoredSession
from reaper.engine.runner import Run, Runner, Scope
from reaper.mcp.context import ToolContext
from reaper.mcp.server import make_server
from reaper.store.journal import Entry
from reaper.store.store import opened
from reaper.wiring import Connector
from tests.record import entries

T = TypeVar("T")
ENDPOINT = "http://127.0.0.1/api/projects/emulated"
TOWN = {"support-eu": PEOPLE, "crowded": CROWD, "stray": [session("stray-00000001", idle=DAY)]}


async def says_yes(_: Any, __: Any) -> ElicitResult:
    return ElicitResult(action="accept", content={})


class Inside:
    """One platform with one configuration; each `talk` is with a server that was started for it."""

    def __init__(self, folder: Path) -> None:
        self.emulator = Emulator(agents=0, sessions=0)
        now = int(self.emulator.now())
        for agent, sessions in TOWN.items():
            version = AgentVersion("1", now - 90 * DAY)
            self.emulator.platform.add_agent(agent, [version])
            for one in sorted(sessions, key=lambda each: -each["age"]):
                record = StoredSession(one["id"], version, now - one["age"], now - one["idle"])
                record.held, record.held_until = one["held"], math.inf if one["held"] else 0.0
                self.emulator.platform.place(agent, record)
        self.cli = Cli(folder).configure(ENDPOINT, agents=MANAGED)
        self.config = self.cli.config
        self.reconfigure(lambda tree: tree["projects"]["here"].update(must_see=["canary-00000001"]))
        self.change(limits=AMPLE)
        self.clock = SystemClock()

    def reconfigure(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the file under the running server."""
        tree = yaml.safe_load(self.config.read_text())
        change(tree)
        self.config.write_text(yaml.safe_dump(tree, sort_keys=False))

    def change(self, **changes: Any) -> None:
        """Change the policy under the running server."""
        self.reconfigure(lambda tree: tree["policies"]["standard"].update(changes))

    @property
    def settings(self) -> Any:
        return load(self.config, {}).settings

    def connector(self, actor: str) -> Connector:
        return Connector(self.clock, transport=self.emulator.transport(actor=actor))

    def talk(
        self,
        work: Callable[[Client], Awaitable[T]],
        answers: Any = says_yes,
        mode: str = "auto",
        name: str = "tester",
        flags: Sequence[str] = EVERYTHING,
    ) -> T:
        """What the official client gets; `answers` is the person behind it, None where nobody can be asked."""
        context = ToolContext(lambda: self.settings, self.connector("assistant"), self.clock)
        server, called = make_server(context, frozenset(flags)), Implementation(name=name, version="1")

        async def run() -> T:
            made = Client(server, elicitation_callback=answers, client_info=called, mode=mode)  # type: ignore[arg-type]
            async with asyncio.timeout(PATIENCE_S), made as client:
                return await work(client)

        return asyncio.run(run())

    def ask(
        self, tool: str, session: str, agent: str = "support-eu", answers: Any = says_yes, mode: str = "auto"
    ) -> CallToolResult:
        given = {"projectEndpoint": ENDPOINT, "agentName": agent, "sessionId": session}
        return self.talk(lambda client: client.call_tool(tool, given), answers, mode)

    def call(self, tool: str, **arguments: Any) -> Any:
        result = self.talk(lambda client: client.call_tool(tool, arguments))
        assert not result.is_error, result.content
        return result.structured_content

    def sweep(self, agent: str = "support-eu") -> Run:
        async def run() -> Run:
            with opened(self.settings.state) as store:
                sweeper = Runner(store, self.clock, lambda _: None, self.connector("reaper"))
                return await sweeper.run(self.settings, Scope(agent=agent))

        return asyncio.run(run())

    def approve(self, plan: str) -> None:
        """As a person does it."""
        self.cli.run("approve", plan).ended(0)

    def intents(self) -> list[Entry]:
        with opened(self.settings.state) as store:
            return [entry for entry in entries(store.journal) if entry.kind == "intent"]

    def refusals(self, sessions: Sequence[str], answers: Any = says_yes) -> list[str]:
        """The words of the refusals when all of these are asked for, one after the other."""

        async def work(client: Client) -> list[str]:
            where = {"projectEndpoint": ENDPOINT, "agentName": "support-eu"}
            asked = [await client.call_tool("session_delete", {**where, "sessionId": name}) for name in sessions]
            return [str(one.content[0].text) for one in asked if one.is_error]  # type: ignore[union-attr]

        return self.talk(work, answers)

    def fault(self, *faults: Fault) -> None:
        self.emulator.faults.replace(faults)

    def deleted(self, agent: str = "support-eu") -> list[str]:
        history = self.emulator.platform.history
        return [event.session for event in history if event.kind == "deleted" and event.agent == agent]

    def changes(self) -> int:
        """How many requests came that could have changed something."""
        return sum(self.emulator.api.requests[kind] for kind in ("delete", "stop", "create"))


def outcome(result: CallToolResult) -> str:
    return "refused" if result.is_error else str((result.structured_content or {})["outcome"])


def deleting(endpoint: str, sessions: Sequence[str], agent: str = "support-eu") -> Any:
    """All of these at once, over one connection."""

    async def work(client: Client) -> Counter[str]:
        where = {"projectEndpoint": endpoint, "agentName": agent}
        calls = [client.call_tool("session_delete", {**where, "sessionId": name}) for name in sessions]
        return Counter(outcome(one) for one in await asyncio.gather(*calls))

    return work

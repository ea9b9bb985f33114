"""Servers as processes: what they offer, whom they ask, and what two of them do beside each other."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
from inside import deleting
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_world import Place, over_http, said, says_yes, talk

from reaper.core.model import Action
from reaper.mcp.allowance import CAPS

pytestmark = pytest.mark.process

READING = {"session_get", "session_list", "reaper_plan", "reaper_explain", "reaper_status"}
OLD = [f"old-{number:08}" for number in range(1, 21)]
DELETES = CAPS[Action.DELETE]


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_without_a_flag_there_are_only_tools_that_read_and_an_error_names_the_flag(
    own: Place, transport: str
) -> None:
    async def work(client: Client) -> dict[str, str]:
        assert {tool.name for tool in (await client.list_tools()).tools} == READING
        words = {}
        for tool in ("session_delete", "session_stop", "session_create"):
            given = {"projectEndpoint": own.town.endpoint, "agentName": "support-eu", "sessionId": OLD[0]}
            with pytest.raises(MCPError) as error:
                await client.call_tool(tool, given)
            words[tool] = str(error.value)
        return words

    words = talk(own.stdio() if transport == "stdio" else over_http(own.serving()), work, says_yes)
    assert [f"reaper mcp --allow-{tool.removeprefix('session_')}" in why for tool, why in words.items()] == [True] * 3
    assert own.town.changes() == 0


def test_nothing_is_deleted_while_the_daemon_does_not_believe_its_list(own: Place, free_port: int) -> None:
    def listen(tree: dict[str, Any]) -> None:
        tree["server"].update(listen=f"127.0.0.1:{free_port}")
        tree["projects"]["here"].update(must_see=["canary-00000001", "lost-00000001"])

    own.reconfigure(listen)
    own.cli.daemon().until_ready()
    assert "is not believed" in said(own.ask("session_delete", sessionId=OLD[0]))
    assert own.town.changes() == 0


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_who_is_asked_and_accepts_lets_this_one_go(own: Place, mode: str) -> None:
    assert talk(own.over("stdio"), deleting(own.town.endpoint, OLD[:1]), says_yes, mode) == {"done": 1}
    assert own.town.deleted() == [("support-eu", OLD[0])]


def test_two_servers_side_by_side_and_other_names_share_one_cap(own: Place) -> None:
    servers = [own.over("stdio"), own.over("stdio"), own.over("http")]

    async def all_at_once() -> list[Counter[str]]:
        works = [
            asyncio.to_thread(talk, server, deleting(own.town.endpoint, OLD), says_yes, "auto", f"client-{number}")
            for number, server in enumerate(servers)
        ]
        return list(await asyncio.gather(*works))

    asyncio.run(all_at_once())
    before = len(own.town.deleted())
    assert before <= DELETES.together
    by = Counter(
        json.loads(row["body"])["sweep"].partition(" ")[2] for row in own.cli.journal() if row["kind"] == "intent"
    )
    assert max(by.values()) <= DELETES.client
    assert sum(by.values()) == before == len(set(own.town.deleted()))

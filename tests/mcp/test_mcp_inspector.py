"""The MCP Inspector's command line, a client nobody here wrote.

`npm install --prefix DIR @modelcontextprotocol/inspector@0.15.0` makes it `DIR/node_modules/.bin/mcp-inspector`.
`REAPER_INSPECTOR` says where it is when PATH does not.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import Any

import pytest
from mcp_world import EVERYTHING, PATIENCE_S, TOKEN, Place
from process_world import REAPER, harmless_environment

pytestmark = pytest.mark.process

INSPECTOR = os.environ.get("REAPER_INSPECTOR") or shutil.which("mcp-inspector")


@pytest.fixture(params=["stdio", "http"])
def inspected(request: pytest.FixtureRequest, shared: Place) -> list[str]:
    """The Inspector's command line up to the method."""
    if INSPECTOR is None or shutil.which("node") is None:
        pytest.skip(
            f"no MCP Inspector (REAPER_INSPECTOR or PATH): `reaper mcp` over {request.param} was not inspected"
        )
    # The Inspector has a --config of its own, and would take ours for it.
    over_stdio = ["-e", f"REAPER_CONFIG={shared.cli.config}", str(REAPER), "mcp", *EVERYTHING]
    over_http = [shared.http, "--transport", "http", "--header", f"Authorization: Bearer {TOKEN}"]
    return [INSPECTOR, "--cli", *(over_stdio if request.param == "stdio" else over_http)]


def ask(inspected: list[str], method: str, *options: str) -> Any:
    ended = subprocess.run(
        [*inspected, "--method", method, *options],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=harmless_environment(),
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return json.loads(ended.stdout)


def call(inspected: list[str], tool: str, **arguments: str) -> Any:
    given = [word for name, value in arguments.items() for word in ("--tool-arg", f"{name}={value}")]
    return ask(inspected, "tools/call", "--tool-name", tool, *given)


def test_the_inspector_lists_the_tools(inspected: list[str]) -> None:
    tools = {tool["name"]: tool for tool in ask(inspected, "tools/list")["tools"]}
    assert {"session_create", "session_get", "session_delete", "session_list"} < set(tools)
    assert tools["session_delete"]["annotations"]["destructiveHint"] is True
    assert tools["session_list"]["inputSchema"]["not"] == {"required": ["after", "before"]}
    assert all("outputSchema" in tool for tool in tools.values())


def test_the_inspector_lists_sessions_and_is_refused_the_deletion_of_a_kept_one(
    inspected: list[str], shared: Place
) -> None:
    where = {"projectEndpoint": shared.town.endpoint, "agentName": "support-eu"}
    page = call(inspected, "session_list", **where, limit="3")["structuredContent"]
    assert len(page["data"]) == 3
    refused = call(inspected, "session_delete", **where, sessionId="vip-00000001")
    assert refused["isError"] is True
    assert "rule 'vip'" in refused["content"][0]["text"]


def test_the_inspector_deletes_a_session_once_a_person_has_approved_it(inspected: list[str], shared: Place) -> None:
    session = "old-00000011" if "--transport" in inspected else "old-00000012"
    which = {"projectEndpoint": shared.town.endpoint, "agentName": "support-eu", "sessionId": session}
    refused = call(inspected, "session_delete", **which)
    plan = re.search(r"`reaper approve (\w+)`", refused["content"][0]["text"])
    assert plan is not None
    shared.cli.run("approve", plan[1]).ended(0)
    assert call(inspected, "session_delete", **which)["structuredContent"]["outcome"] == "done"
    assert shared.status_of(session) in {"deleted", None}

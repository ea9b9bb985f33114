"""Who may connect, and what is written where."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import httpx2
import pytest
from mcp.client import Client
from mcp_types import CallToolResult
from mcp_world import PATIENCE_S, TOKEN, Place, address, over_http, serve, structured, talk
from process_world import REAPER, harmless_environment

from reaper.cli.endings import CommandError
from reaper.cli.mcp_command import read_token
from reaper.core.settings import Connection, Project, Settings
from reaper.mcp.advice import NotDoneError
from reaper.mcp.context import project_at

pytestmark = pytest.mark.process

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


RIGHT = {"Authorization": f"Bearer {TOKEN}"}


def post(url: str, **headers: str) -> httpx2.Response:
    return httpx2.post(url, json=HELLO, headers=ACCEPT | RIGHT | headers, trust_env=False, timeout=10)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example:9465",
        "http://evil.example:9465",
        "file://localhost",
        "null",
    ],
)
def test_a_page_of_another_origin_gets_403(shared: Place, origin: str) -> None:
    assert post(shared.http, Origin=origin).status_code == 403


@pytest.mark.parametrize("origin", ["http://localhost:6274", "http://127.0.0.1", "https://[::1]:8443"])
def test_a_page_of_this_machine_is_served(shared: Place, origin: str) -> None:
    assert post(shared.http, Origin=origin).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9465", "127.0.0.1.evil.example"])
def test_a_name_that_was_pointed_at_this_machine_gets_421(shared: Place, host: str) -> None:
    assert post(shared.http, Host=host).status_code == 421


@pytest.mark.parametrize("where", ["127.0.0.1:0", "0.0.0.0:0"])
def test_http_takes_a_token_on_loopback_too_and_says_how_to_make_one(shared: Place, where: str) -> None:
    ended = shared.cli.run("mcp", "--http", "--listen", where).ended(2)
    assert "--http needs a bearer token" in ended.stderr
    assert "openssl rand -hex 32" in ended.stderr
    assert ended.stdout == ""


def test_a_token_of_31_characters_is_refused_and_one_of_32_taken(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("a" * 31 + "\n")
    with pytest.raises(
        CommandError, match=r"has 31 characters, 32 are the least; make one with `openssl rand -hex 32`"
    ):
        read_token(file, {})
    with pytest.raises(CommandError, match="REAPER_MCP_TOKEN has 5 characters"):
        read_token(None, {"REAPER_MCP_TOKEN": "short"})
    file.write_text("a" * 32 + "\n")
    assert read_token(file, {}) == "a" * 32


@pytest.mark.parametrize("content", [None, "a" * 5_000])
def test_a_token_file_that_cannot_be_read_or_is_huge_is_one_clear_message(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(CommandError, match="bearer token"):
        read_token(file, {})


@pytest.mark.parametrize("content", ["", "  \n", "two words", "line\nline", "naïve"])
def test_a_file_without_a_token_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(CommandError, match="no bearer token"):
        read_token(file, {})


def test_options_of_http_without_http_are_refused(shared: Place) -> None:
    shared.cli.run("mcp", "--listen", "127.0.0.1:0").ended(2)


@pytest.mark.parametrize("where", ["0.0.0.0:0", "127.0.0.2:0"])
def test_only_who_carries_the_token_is_served(shared: Place, tmp_path: Path, where: str) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    url = address(serve(shared.cli, "--listen", where, "--token-file", str(file))).replace("0.0.0.0", "127.0.0.1")
    for headers in (
        {"Authorization": ""},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Basic {TOKEN}"},
    ):
        refused = post(url, **headers)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert post(url, Authorization=f"Bearer {TOKEN}").status_code == 200
    assert post(url, Authorization=f"Bearer {TOKEN}", Origin="https://evil.example").status_code == 403


def test_the_token_may_come_from_the_environment_and_the_official_client_carries_it(
    shared: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = harmless_environment()
    monkeypatch.setattr("process_world.harmless_environment", lambda: kept | {"REAPER_MCP_TOKEN": TOKEN})
    process = shared.cli.start("mcp", "--http", "--listen", "0.0.0.0:0", "--config", str(shared.cli.config))
    url = address(process).replace("0.0.0.0", "127.0.0.1")

    async def status(client: Client) -> CallToolResult:
        return await client.call_tool("reaper_status", {})

    assert structured(talk(over_http(url), status))["projects"]


def test_the_http_server_ends_cleanly_on_sigterm(shared: Place) -> None:
    process = serve(shared.cli)
    address(process)
    assert process.end() == 0


def start_stdio(place: Place) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [REAPER, "mcp", "--config", str(place.cli.config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=harmless_environment(),
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_stdio_server_ends_at_once_on_a_signal(shared: Place, number: signal.Signals) -> None:
    with start_stdio(shared) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(HELLO) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == -number


def test_nothing_but_the_protocol_is_on_stdout(shared: Place) -> None:
    lines = [
        HELLO,
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "reaper_status", "arguments": {}}},
        {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "session_get", "arguments": {}}},
    ]
    process = start_stdio(shared)
    assert process.stdin is not None
    assert process.stdout is not None
    for line in lines:
        process.stdin.write(json.dumps(line) + "\n")
    process.stdin.flush()
    answers = [json.loads(process.stdout.readline()) for line in lines if "id" in line]
    rest, log = process.communicate(timeout=PATIENCE_S)
    assert ({answer["id"] for answer in answers}, rest, process.returncode) == ({1, 2, 3}, "", 0)
    assert "tool_refused" in log


def test_a_broken_configuration_ends_the_start_with_nothing_on_stdout(own: Place) -> None:
    own.reconfigure(lambda tree: tree.update(polices={}))
    ended = own.cli.run("mcp").ended(2)
    assert ended.stdout == ""
    assert "polices" in ended.stderr


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("https://contoso.services.ai.azure.com/api/projects/prod", True),
        ("HTTPS://Contoso.Services.AI.Azure.com:443/api/projects/prod/", True),
        ("https://contoso.services.ai.azure.com/api/projects/Prod", False),
        ("http://contoso.services.ai.azure.com/api/projects/prod", False),
        ("https://contoso.services.ai.azure.com:8443/api/projects/prod", False),
        ("https://contoso.services.ai.azure.com@evil.example/api/projects/prod", False),
        ("https://contoso.services.ai.azure.com", False),
        ("https://[", False),
        ("prod", False),
    ],
)
def test_endpoints_are_the_same_whatever_the_case_of_their_host(given: str, found: bool) -> None:
    connection = Connection("https://contoso.services.ai.azure.com/api/projects/prod")
    settings = Settings((Project("prod", connection),), ())
    if found:
        assert project_at(settings, given).name == "prod"
    else:
        with pytest.raises(NotDoneError, match="none of the configured projects"):
            project_at(settings, given)

"""A token shows in nothing that a log could print."""

from __future__ import annotations

import asyncio
import copy
import pickle
import traceback

import httpx2
import pytest
from azure.core.credentials import AccessTokenInfo
from foundry_world import answer, record

from reaper.core.provider import ProviderError
from reaper.core.settings import Connection, CredentialKind, Requests
from reaper.foundry.auth import Tokens
from reaper.foundry.client import Client
from reaper.foundry.rate_limiter import RateLimiter
from reaper.foundry.secret import Secret
from tests.clock import ManualClock

TEXT = "eyJhbGciOi.some-token.signature"


def test_a_secret_shows_in_no_text_and_is_not_written_down() -> None:
    secret = Secret(TEXT)
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!s:>40}", repr([secret]), repr({"a": secret})):
        assert TEXT not in shown
        assert "<token>" in shown
    assert secret.reveal() == TEXT
    for write in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="not written down"):
            write(secret)


def test_secrets_are_the_same_when_their_texts_are() -> None:
    assert Secret(TEXT) == Secret(TEXT)
    assert Secret(TEXT) != Secret("other")
    assert Secret(TEXT) != TEXT
    assert len({Secret(TEXT), Secret(TEXT)}) == 1


class Holder:
    async def get_token_info(self, *_: str) -> AccessTokenInfo:
        return AccessTokenInfo(TEXT, 4_000_000_000)

    async def close(self) -> None: ...


def failure_of(endpoint: str, transport: httpx2.AsyncBaseTransport | None, operation: str) -> BaseException:
    """How a call fails."""
    connection = Connection(endpoint, CredentialKind.DEFAULT, requests=Requests(timeout_s=1))
    clock = ManualClock()

    async def scene() -> BaseException:
        tokens = Tokens(connection, clock, credential_factory=lambda _: Holder())
        async with Client(connection, clock, tokens, RateLimiter(1000, 0.0), transport=transport) as client:
            try:
                await getattr(client, operation)("a", "session-0001")
            except Exception as error:
                return error
        raise AssertionError("it did not fail")

    return asyncio.run(scene())


def shown(error: BaseException) -> str:
    """All that a traceback with the variables of every function shows."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()) + repr(error)


@pytest.mark.parametrize("operation", ["get", "delete", "stop"])
@pytest.mark.parametrize("raised", [RuntimeError("unexpected"), httpx2.ReadError("broken"), TimeoutError("late")])
def test_no_traceback_of_a_failed_request_shows_the_token(raised: Exception, operation: str) -> None:
    sent = []

    async def fail(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        raise raised

    error = failure_of("https://p.services.ai.azure.com/api/projects/p", httpx2.MockTransport(fail), operation)
    assert sent[0].headers["Authorization"] == f"Bearer {TEXT}"
    sent.clear()
    assert TEXT not in shown(error)


@pytest.mark.parametrize("operation", ["get", "delete", "stop"])
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", b"nonsense\r\n\r\n"])
def test_no_traceback_of_a_request_that_broke_on_the_wire_shows_the_token(said: bytes, operation: str) -> None:
    heads = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(said)
        writer.close()

    async def scene() -> BaseException:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/projects/p"
            return await asyncio.to_thread(failure_of, endpoint, None, operation)

    error = asyncio.run(scene())
    assert isinstance(error, ProviderError)
    assert f"Authorization: Bearer {TEXT}".encode() in heads[0]
    assert TEXT not in shown(error)


def test_whom_a_token_names_is_known_once_there_is_one() -> None:
    claims = "eyJ0aWQiOiAidC0xIiwgIm9pZCI6ICJvLTEiLCAiYXpwIjogImEtMSJ9"  # {"tid": "t-1", "oid": "o-1", "azp": "a-1"}

    class Named(Holder):
        async def get_token_info(self, *_: str) -> AccessTokenInfo:
            return AccessTokenInfo(f"eyJh.{claims}.sig", 4_000_000_000)

    async def ok(_: httpx2.Request) -> httpx2.Response:
        return answer(200, record())

    async def scene() -> None:
        connection, clock = Connection("https://x/api/projects/p", CredentialKind.DEFAULT), ManualClock()
        tokens = Tokens(connection, clock, credential_factory=lambda _: Named())
        async with Client(
            connection, clock, tokens, RateLimiter(1000, 0.0), transport=httpx2.MockTransport(ok)
        ) as client:
            assert dict(client.identity) == {}
            await client.get("a", "session-0001")
            assert dict(client.identity) == {"tenant": "t-1", "oid": "o-1", "appid": "a-1"}

    asyncio.run(scene())

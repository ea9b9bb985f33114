"""Which requests leave through a proxy: a real one on loopback writes down what it is asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from azure.core.credentials import AccessTokenInfo

from reaper.core.provider import Refused, Retryable
from reaper.core.settings import Connection, CredentialKind
from reaper.foundry.auth import Tokens, build_credential
from reaper.foundry.client import Client
from reaper.foundry.proxies import proxy_of
from reaper.foundry.rate_limiter import RateLimiter
from tests.clock import ManualClock

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
TOKEN = "eyJ-a-bearer-token"
FAR = "https://far.invalid/api/projects/p"
"""A host that no resolver knows: asked for without a proxy, it is not found."""


class Endpoint:
    """Listens on loopback, keeps the head of every request, and answers each with the same."""

    def __init__(self, answer: bytes) -> None:
        self.heads: list[str] = []
        self.heard = asyncio.Event()
        self._answer = answer

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            self.heard.set()
            writer.write(self._answer)
            await writer.drain()
        writer.close()


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class Holder:
    async def get_token_info(self, *_: str) -> AccessTokenInfo:
        return AccessTokenInfo(TOKEN, 4_000_000_000)

    async def close(self) -> None: ...


def asked_through(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, setting: str = "environment", **environ: str
) -> list[str]:
    """What a proxy is asked when a session is read and then deleted; PROXY in a value is the proxy's address."""

    async def scene() -> list[str]:
        proxy = Endpoint(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")
        async with proxy.listening() as address:
            for name, value in environ.items():
                monkeypatch.setenv(name, value.replace("PROXY", address))
            connection = Connection(endpoint, CredentialKind.DEFAULT, proxy=setting.replace("PROXY", address))
            clock = ManualClock()
            tokens = Tokens(connection, clock, credential_factory=lambda _: Holder())
            async with Client(connection, clock, tokens, RateLimiter(1000, 0.0)) as client:
                for call in (client.get, client.delete):
                    with pytest.raises(Retryable):
                        await call("a", "session-0001")
        return proxy.heads

    return asyncio.run(scene())


@pytest.mark.parametrize("host", ["127.0.0.2", "[0:0:0:0:0:0:0:1]", "localhost", "[::ffff:127.0.0.1]"])
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
def test_no_request_to_this_machine_leaves_through_a_proxy_however_its_address_is_written(
    host: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {variable: "http://PROXY"}
    assert asked_through(monkeypatch, f"http://{host}:1/api/projects/p", **environ) == []
    assert asked_through(monkeypatch, f"https://{host}:1/api/projects/p", "http://PROXY", **environ) == []


@pytest.mark.parametrize(
    ("setting", "environ"),
    [
        ("environment", {"HTTPS_PROXY": "http://PROXY"}),
        ("environment", {"https_proxy": "PROXY"}),
        ("environment", {"ALL_PROXY": "http://PROXY"}),
        ("http://PROXY", {}),
        ("http://PROXY", {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "*"}),
    ],
)
def test_reads_and_changes_go_through_the_proxy_that_was_named_and_it_never_sees_the_token(
    setting: str, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = asked_through(monkeypatch, FAR, setting, **environ)
    assert len(heads) >= 2
    assert all(head.startswith("CONNECT far.invalid:443 ") for head in heads)
    assert TOKEN not in "".join(heads)


@pytest.mark.parametrize(
    ("setting", "environ"),
    [
        ("none", {"HTTPS_PROXY": "http://x:1"}),
        ("environment", {"HTTPS_PROXY": "http://x:1", "NO_PROXY": "x.example,.invalid"}),
        ("environment", {"HTTPS_PROXY": "http://x:1", "NO_PROXY": "far.invalid"}),
        ("environment", {"HTTPS_PROXY": "http://x:1", "no_proxy": "*"}),
        ("environment", {"HTTP_PROXY": "http://x:1"}),
        ("environment", {}),
    ],
)
def test_nothing_goes_through_a_proxy_that_is_not_meant(
    setting: str, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(FAR, setting) is None


def test_a_proxy_is_told_the_user_and_password_of_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    heads = asked_through(monkeypatch, FAR, "http://ann:pass%40word@PROXY")
    assert "proxy-authorization: basic yw5uonbhc3nad29yza==" in heads[0].lower()


@pytest.mark.parametrize("proxy", ["nonsense://secret@x:1", "http://secret@x:y"])
def test_a_proxy_that_is_none_is_refused_without_repeating_it(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    connection, clock = Connection(FAR, CredentialKind.NONE), ManualClock()
    with pytest.raises(Refused, match="the proxy cannot be used") as caught:
        Client(connection, clock, Tokens(connection, clock), RateLimiter(1000, 0.0))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://far.invalid/x", "https://169.254.169.254/x", "https://[fe80::1]/x"])
@pytest.mark.parametrize("setting", ["environment", "http://proxy.example:3128", "none"])
def test_what_is_not_encrypted_or_on_the_machines_own_link_goes_through_no_proxy(
    url: str, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES[:3]:
        monkeypatch.setenv(name, "http://proxy.example:3128")
    assert proxy_of(url, setting) is None


def granted() -> bytes:
    """What the endpoint of a managed identity answers."""
    told = {"access_token": TOKEN, "expires_on": str(int(time.time()) + 3600), "expires_in": "3600"}
    body = json.dumps({**told, "resource": "https://ai.azure.com", "token_type": "Bearer"}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def with_endpoints(work: Callable[[str, str], Awaitable[None]]) -> tuple[list[str], list[str]]:
    """Do the work beside a token endpoint and a proxy; gives what each was asked."""

    async def scene() -> tuple[list[str], list[str]]:
        endpoint, proxy = Endpoint(granted()), Endpoint(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")
        async with endpoint.listening() as address, proxy.listening() as through:
            task = asyncio.ensure_future(work(address, through))
            heard = [asyncio.ensure_future(each.heard.wait()) for each in (endpoint, proxy)]
            await asyncio.wait([task, *heard], return_when=asyncio.FIRST_COMPLETED, timeout=20)
            for one in heard:
                one.cancel()
            if proxy.heads:
                task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()
        return endpoint.heads, proxy.heads

    return asyncio.run(scene())


@pytest.mark.parametrize("setting", ["environment", "http://PROXY", "none"])
@pytest.mark.parametrize(
    "environ",
    [
        {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://ENDPOINT"},
        {"IDENTITY_ENDPOINT": "http://ENDPOINT/token", "IDENTITY_HEADER": "x"},
    ],
)
@pytest.mark.parametrize("kind", [CredentialKind.MANAGED_IDENTITY, CredentialKind.DEFAULT])
def test_the_token_endpoint_of_a_managed_identity_is_never_asked_through_a_proxy(
    kind: CredentialKind, environ: dict[str, str], setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)

    async def work(endpoint: str, proxy: str) -> None:
        for name in (*VARIABLES[:3], "http_proxy"):
            monkeypatch.setenv(name, f"http://{proxy}")
        for name, value in environ.items():
            monkeypatch.setenv(name, value.replace("ENDPOINT", endpoint))
        credential = build_credential(kind, setting.replace("PROXY", proxy))
        try:
            assert (await credential.get_token_info("https://ai.azure.com/.default")).token == TOKEN
        finally:
            await credential.close()

    asked, proxied = with_endpoints(work)
    assert asked
    assert proxied == []


@pytest.mark.parametrize("setting", ["environment", "http://PROXY"])
@pytest.mark.parametrize("authority", ["login.invalid", "https://login.invalid/"])
def test_the_token_endpoint_of_entra_is_asked_through_the_projects_proxy(
    authority: str, setting: str, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    (tmp_path / "assertion").write_text("assertion")
    environ = {"AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t", "AZURE_AUTHORITY_HOST": authority}
    for name, value in {**environ, "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "assertion")}.items():
        monkeypatch.setenv(name, value)

    async def work(_: str, proxy: str) -> None:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy}" if setting == "environment" else "http://127.0.0.1:1")
        credential = build_credential(CredentialKind.WORKLOAD_IDENTITY, setting.replace("PROXY", proxy))
        try:
            await credential.get_token_info("https://ai.azure.com/.default")
        finally:
            await credential.close()

    _, proxied = with_endpoints(work)
    assert proxied[0].startswith("CONNECT login.invalid:443 ")

"""Who may read the page, the metrics and the health, at one address or at two."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from page_world import busy, no_metrics
from starlette.testclient import TestClient

from reaper.core.settings import Server
from reaper.web.access import TokenError, read_token
from reaper.web.server import Served, Site, listening, sites

TOKEN = "0123456789abcdef0123456789abcdef"
READS = ("/", "/metrics", "/api/v1/status", "/agents/prod-eu/support-eu", "/static/page.js")
HEALTH = ("/livez", "/readyz")
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    return str(file)


def made(server: Server) -> list[Site]:
    return sites(Served(busy(), no_metrics), server)


def get(site: Site, path: str, host: str = "127.0.0.1:9464", **headers: str) -> httpx2.Response:
    return TestClient(site.app).get(path, headers={"Host": host, **headers})  # type: ignore[return-value]


@pytest.mark.parametrize("listen", ["127.0.0.1", "::1", "localhost", "127.0.0.2"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:9464", "127.0.0.1.evil.example", "", "10.0.0.1", "["])
def test_on_loopback_no_name_that_was_pointed_here_is_answered(listen: str, host: str) -> None:
    [site] = made(Server(listen, 9464))
    for path in (*READS, *HEALTH):
        answer = get(site, path, host)
        assert answer.status_code == 421
        assert "support-eu" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:9464", "localhost", "LOCALHOST:1", "[::1]:9464", "127.0.0.2"])
def test_on_loopback_every_name_of_this_machine_is_answered(host: str) -> None:
    [site] = made(Server("127.0.0.1", 9464))
    assert get(site, "/", host).status_code == 200
    assert get(site, "/livez", host).status_code == 200


def test_elsewhere_any_name_is_answered_since_nobody_knows_them() -> None:
    [site] = made(Server("0.0.0.0", 9464))
    assert get(site, "/metrics", "session-reaper.reaper.svc:9464").status_code == 200


def test_with_a_token_everything_but_health_asks_for_it(token_file: str) -> None:
    [site] = made(Server("0.0.0.0", 9464, token_file=token_file))
    for path in READS:
        refused = get(site, path)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert refused.headers["x-content-type-options"] == "nosniff"
        assert get(site, path, **BEARER).status_code == 200
    assert [get(site, path).status_code for path in HEALTH] == [200, 200]


@pytest.mark.parametrize(
    "given", ["", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer ü"]
)
def test_what_is_not_the_token_is_refused(token_file: str, given: str) -> None:
    [site] = made(Server("0.0.0.0", 9464, token_file=token_file))
    headers = {b"Authorization": given.encode()}
    answer = TestClient(site.app).get("/metrics", headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 401


@pytest.mark.parametrize("content", ["", "  \n", "short", "x" * 31, "two words " * 8, "line\n" * 10, "ï" * 40])
def test_a_token_that_could_be_guessed_or_not_be_sent_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(TokenError, match="at least 32"):
        read_token(str(file))


def test_a_token_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match="missing: No such file"):
        made(Server(token_file=str(tmp_path / "missing")))


def test_the_page_can_have_a_listener_of_its_own() -> None:
    metrics, page = made(Server("0.0.0.0", 9464, page=("127.0.0.1", 9465)))
    assert (page.host, page.port) == ("127.0.0.1", 9465)
    for path in ("/metrics", *HEALTH):
        assert get(metrics, path).status_code == 200
        assert get(page, path).status_code == 404
    for path in ("/", "/api/v1/status", "/agents/prod-eu/support-eu"):
        assert get(metrics, path).status_code == 404
        assert get(page, path).status_code == 200
    assert get(page, "/", "evil.example").status_code == 421


def test_no_answer_names_the_server_that_gives_it() -> None:
    async def ask() -> list[httpx2.Response]:
        both = made(Server("127.0.0.1", 0, page=("127.0.0.1", 0)))
        async with listening(both) as addresses, httpx2.AsyncClient(trust_env=False) as client:
            assert len({urlsplit(address).port for address in addresses}) == 2
            return [await client.get(f"{address}{path}") for address in addresses for path in ("/", "/metrics")]

    answers = asyncio.run(ask())
    assert sorted(answer.status_code for answer in answers) == [200, 200, 404, 404]
    assert all("server" not in answer.headers for answer in answers)

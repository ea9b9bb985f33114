"""A token goes to the platform, to this machine, or to a host that a person vouched for; nowhere else."""

from __future__ import annotations

import pytest

from reaper.config.addresses import parse_endpoint, read_listen, read_state, split_listen
from reaper.config.problem import BadValue

PATH = "/api/projects/p"


@pytest.mark.parametrize(
    "host",
    [
        "contoso.services.ai.azure.com",
        "CONTOSO.Services.AI.Azure.US",
        "a.b.services.ai.azure.com",
        "x-1.services.ai.azure.us:443",
    ],
)
def test_the_platforms_hosts_are_known(host: str) -> None:
    assert parse_endpoint(f"https://{host}{PATH}").is_platform


@pytest.mark.parametrize(
    "host",
    [
        "evilservices.ai.azure.com",
        "services.ai.azure.com",
        "x.services.ai.azure.com.evil.org",
        "x.services.ai.azure.co",
        "x.services.ai.azure.com.co",
        "x-services.ai.azure.com",
        "services.ai.azure.com.x.us",
        "x.services.ai.azure.commercial",
        "xservicesXai.azure.com",
        "xn--80ak6aa92e.com",
    ],
)
def test_a_look_alike_is_a_stranger(host: str) -> None:
    endpoint = parse_endpoint(f"https://{host}{PATH}")
    assert not endpoint.is_platform
    assert not endpoint.is_loopback


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.255.0.9",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "LOCALHOST",
        "127.0.0.1:8080",
        "[::1]:8080",
    ],
)
def test_loopback_is_known(host: str) -> None:
    assert parse_endpoint(f"http://{host}{PATH}").is_loopback


@pytest.mark.parametrize(
    "host",
    [
        "128.0.0.1",
        "0.0.0.0",
        "127.0.0.1.nip.io",
        "localhost.evil.org",
        "[::2]",
        "[::ffff:128.0.0.1]",
        "[::]",
        "mylocalhost",
    ],
)
def test_what_only_looks_like_loopback_is_not(host: str) -> None:
    assert not parse_endpoint(f"http://{host}{PATH}").is_loopback


@pytest.mark.parametrize(
    "text",
    [
        "https://x.services.ai.azure.com@evil.org" + PATH,
        "https://x.services.ai.azure.com:pw@evil.org" + PATH,
        "https://evil.org#.services.ai.azure.com" + PATH,
        "https://evil.org?.services.ai.azure.com" + PATH,
        "https://evil.org\\.services.ai.azure.com" + PATH,
        "https://evil.org/.services.ai.azure.com" + PATH,
        "https://evil.org%2f.services.ai.azure.com" + PATH,
        "https://x.services.ai.azure.com." + PATH,
        "https://.services.ai.azure.com" + PATH,
        "https://x..services.ai.azure.com" + PATH,
        "https://-x.services.ai.azure.com" + PATH,
        "https://x_y.services.ai.azure.com" + PATH,
        "https://ｘ.services.ai.azure.com" + PATH,
        "https://x。services.ai.azure.com" + PATH,
        "https://x.services.ai.azure.com\t" + PATH,
        " https://x.services.ai.azure.com" + PATH,
        "https://x.services.ai.azure.com" + PATH + "\n",
        "https:x.services.ai.azure.com" + PATH,
        "//x.services.ai.azure.com" + PATH,
        "ftp://x.services.ai.azure.com" + PATH,
        "https://x.services.ai.azure.com:0" + PATH,
        "https://x.services.ai.azure.com:65536" + PATH,
        "https://x.services.ai.azure.com:443x" + PATH,
        "https://x.services.ai.azure.com:" + PATH,
        "https://127.1" + PATH,
        "https://0x7f.1" + PATH,
        "https://0x7f000001" + PATH,
        "https://2130706433" + PATH,
        "https://127.0.0.01" + PATH,
        "https://[::1" + PATH,
        "https://[x]" + PATH,
        "https://[fe80::1%25eth0]" + PATH,
        "https://" + PATH,
        "https://x.services.ai.azure.com",
        "https://x.services.ai.azure.com/api/projects/",
        "https://x.services.ai.azure.com/api/projects/a/b",
        "https://x.services.ai.azure.com/api/projects/..",
        "https://x.services.ai.azure.com/api/projects/%2e%2e",
        "https://x.services.ai.azure.com//api/projects/p",
        "https://x.services.ai.azure.com/API/projects/p",
        "https://x.services.ai.azure.com/api/projects/p//",
        "",
    ],
)
def test_what_can_be_read_in_two_ways_is_no_endpoint(text: str) -> None:
    with pytest.raises(BadValue):
        parse_endpoint(text)


def test_an_endpoint_is_rebuilt_from_its_parts() -> None:
    assert parse_endpoint("HTTP://[0:0::1]:8080/api/projects/A.b/").url == "http://[0:0::1]:8080/api/projects/A.b"
    assert parse_endpoint("https://LOCALHOST:443/api/projects/p").url == "https://localhost/api/projects/p"


@pytest.mark.parametrize(
    ("text", "parts"),
    [("127.0.0.1:9464", ("127.0.0.1", 9464)), ("[::]:80", ("::", 80)), ("Localhost:0", ("localhost", 0))],
)
def test_an_address_to_listen_on_has_a_host_and_a_port(text: str, parts: tuple[str, int]) -> None:
    assert split_listen(text) == parts


@pytest.mark.parametrize(
    "text", ["", ":80", "80", "::1:80", "[::1]", "a b:80", "host:", "host:-1", "host:65536", "h:8０", 9464]
)
def test_anything_else_is_not_listened_on(text: object) -> None:
    with pytest.raises(BadValue):
        read_listen(text)


@pytest.mark.parametrize("text", ["sqlite:///a.db", "sqlite:////var/lib/reaper/state.db", "sqlite:///./a b.db"])
def test_the_state_is_a_file(text: str) -> None:
    assert read_state(text) == text


@pytest.mark.parametrize(
    "text",
    ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file::memory:?uri=true", "sqlite:///file:x.db", "sqlite:///a/",
     "sqlite:///a.db?mode=memory", "sqlite:a.db", "sqlite://host/a.db", "a.db", "postgresql://h/d", "", 7],
)  # fmt: skip
def test_state_that_would_be_forgotten_or_kept_elsewhere_is_refused(text: object) -> None:
    with pytest.raises(BadValue):
        read_state(text)

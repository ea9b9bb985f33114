"""What counts as this machine only."""

from __future__ import annotations

import pytest

from reaper.core.loopback import is_loopback

HERE = (
    "localhost",
    "LocalHost",
    "127.0.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "::1",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "0000:0000:0000:0000:0000:0000:0000:0001",
    "::ffff:127.0.0.1",
    "[::ffff:7f00:2]",
)
ELSEWHERE = (
    "",
    "[]",
    "0.0.0.0",
    "::",
    "10.0.0.1",
    "128.0.0.1",
    "::2",
    "::ffff:10.0.0.1",
    "127.0.0.1.example.com",
    "localhost.example.com",
    "[localhost]",
    "[127.0.0.1",
    "127.1",
    "2130706433",
    "evil.test",
)


@pytest.mark.parametrize("host", HERE)
def test_every_way_to_write_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_what_only_looks_like_this_machine_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)

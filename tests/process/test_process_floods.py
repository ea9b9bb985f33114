"""Clients that open connections and say nothing cost the reaper nothing: few descriptors, little log, no sweep."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2
import pytest
from process_world import REAPER, Cli, Process, Town, fetch, wait_for

pytestmark = pytest.mark.process

HALF_A_REQUEST = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "


def limited(cli: Cli, descriptors: int) -> Process:
    """A daemon that may open so many files."""
    script = f'ulimit -n {descriptors}; exec "$0" run --config "$1"'
    process = Process.start(cli.folder, "sh", "-c", script, str(REAPER), str(cli.config))
    cli.processes.append(process)
    return process


@contextlib.contextmanager
def half_open(address: str, count: int) -> Iterator[list[socket.socket]]:
    """So many connections that each began a request and never end it."""
    host, port = urlsplit(address).hostname, urlsplit(address).port
    opened: list[socket.socket] = []
    try:
        for _ in range(count):
            made = socket.socket()
            made.setblocking(False)
            made.connect_ex((host, port))
            opened.append(made)
        for made in opened:
            with contextlib.suppress(OSError):
                made.send(HALF_A_REQUEST)
        yield opened
    finally:
        for made in opened:
            made.close()


def test_hundreds_of_half_open_connections_stop_no_sweep_and_fill_no_log(cli: Cli, own: Town) -> None:
    cli.configure(own.endpoint, every="10s", mode="observe", log="console")
    process = limited(cli, 256)
    wait_for("the address", lambda: "http://127.0.0.1:" in process.stderr or process.popen.poll() is not None)
    address = "http://127.0.0.1:" + process.stderr.partition("http://127.0.0.1:")[2].split()[0]
    wait_for("a sweep", lambda: fetch(f"{address}/readyz")[0] == 200)
    with half_open(address, 400):
        listed = own.counts()["list"]
        wait_for("an answer beside them", lambda: fetch(f"{address}/livez")[0] == 200, 5)
        wait_for("the next sweep", lambda: own.counts()["list"] >= listed + 3, 15)
        assert process.end(seconds=10) == 0
    assert "crashed" not in process.stderr
    assert len(process.stderr) < 20_000


def test_a_daemon_on_loopback_answers_no_other_name_and_asks_for_its_token(cli: Cli, shared: Town) -> None:
    token = "0123456789abcdef" * 2
    file = cli.folder / "token"
    text = cli.text(shared.endpoint, mode="observe")
    listens = "listen: 127.0.0.1:0"
    assert listens in text
    cli.config.write_text(text.replace(listens, f"{listens}\n  page: 127.0.0.1:0\n  token_file: {file}"))
    file.write_text("too short")
    assert "at least 32 printable" in cli.run("run").ended(2).stderr
    file.write_text(token)
    daemon = cli.daemon()
    daemon.until_ready()
    page = str(daemon.events("listening")[0]["page"])
    for url in (f"{daemon.address}/metrics", f"{page}/", f"{page}/api/v1/status"):
        assert fetch(url)[0] == 401
        assert _asked(url, Authorization=f"Bearer {token}") == 200
        assert _asked(url, Authorization=f"Bearer {token}", Host="evil.example") == 421
    assert _asked(f"{daemon.address}/livez", Host="evil.example") == 421
    assert _asked(f"{daemon.address}/", Authorization=f"Bearer {token}") == 404
    assert token not in daemon.process.stderr


def _asked(url: str, **headers: str) -> int:
    with httpx2.Client(trust_env=False) as client:
        return client.get(url, headers=headers).status_code

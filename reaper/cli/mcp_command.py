"""mcp: the tools for assistants, over stdio or streamable HTTP."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from reaper.cli.endings import CommandError
from reaper.cli.interrupts import until_signalled
from reaper.cli.which_config import read
from reaper.clock import SystemClock
from reaper.config import load
from reaper.core.text import clean
from reaper.logs import configure_logging
from reaper.mcp.context import ToolContext
from reaper.mcp.server import make_server
from reaper.mcp.transports import serve_stdio, serving_http
from reaper.wiring import Connector

HTTP_LISTEN: Final = "127.0.0.1:9465"
TOKEN_VARIABLE: Final = "REAPER_MCP_TOKEN"  # noqa: S105 - the variable's name
TOKEN_MIN_CHARS: Final = 32
TOKEN_FILE_MAX_BYTES: Final = 4_096
_MAKE_ONE: Final = "make one with `openssl rand -hex 32`"


async def run_stdio(config: Path | None, allowed: frozenset[str]) -> None:
    """Serve one client on stdin and stdout until it hangs up; nothing else is written to stdout."""
    server = make_server(_context(config), allowed)
    # A thread waits for stdin and cannot be interrupted, so Ctrl-C ends the process as SIGTERM does. A deletion on
    # its way then has its intent on disk, and the next sweep finds out what became of it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    await serve_stdio(server)


async def run_http(
    config: Path | None, allowed: frozenset[str], listen: tuple[str, int], token_file: Path | None
) -> None:
    """Serve over HTTP until interrupted; one line on stdout when ready."""
    token = read_token(token_file, os.environ)
    # Servers behind one name share the token, so each knows what the others have asked a person.
    server = make_server(_context(config), allowed, hashlib.sha256(b"questions of " + token.encode()).digest())
    stop = until_signalled()
    async with serving_http(server, token, *listen, SystemClock()) as address:
        print(f"ready: {address}", flush=True)
        await stop.wait()


def read_token(file: Path | None, environ: Mapping[str, str]) -> str:
    """The bearer token that clients must carry, on loopback, too: other users of the machine reach it as well."""
    if file is None and TOKEN_VARIABLE not in environ:
        raise CommandError(f"--http needs a bearer token, in --token-file or {TOKEN_VARIABLE}; {_MAKE_ONE}")
    where = TOKEN_VARIABLE if file is None else clean(file)
    token = (environ[TOKEN_VARIABLE] if file is None else _read(file)).strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise CommandError(f"{where} holds no bearer token: one line of printable ASCII without spaces; {_MAKE_ONE}")
    if len(token) < TOKEN_MIN_CHARS:
        raise CommandError(
            f"the bearer token in {where} has {len(token)} characters, {TOKEN_MIN_CHARS} are the least; {_MAKE_ONE}"
        )
    return token


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(TOKEN_FILE_MAX_BYTES + 1)
    except OSError as error:
        raise CommandError(f"the bearer token could not be read: {clean(file)}: {error.strerror}") from error
    if len(content) > TOKEN_FILE_MAX_BYTES:
        raise CommandError(f"{clean(file)} holds no bearer token: it has more than {TOKEN_FILE_MAX_BYTES} bytes")
    return content.decode("utf-8", "replace")


def _context(config: Path | None) -> ToolContext:
    """What the tools stand on: the configuration, read once to say what is wrong with it, and anew for each call."""
    path, loaded = read(config)
    configure_logging(loaded.settings.log.format, loaded.settings.log.level)
    clock = SystemClock()
    return ToolContext(lambda: load(path, os.environ).settings, Connector(clock), clock)

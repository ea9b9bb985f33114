"""What the tests of commands by hand need: known sessions, a terminal that answers, a line that can be cut."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

from process_world import DAY, Cli, Process, session

AGENT = "support-eu"
OLD = [f"old-{number:08}" for number in range(30)]
PEOPLE = [
    *(session(name, idle=8 * DAY + number) for number, name in enumerate(OLD)),
    *(session(f"vip-{number:08}", idle=9 * DAY) for number in range(3)),
    session("fresh-00000001", idle=7_200),
    session("busy-00000001", idle=60, held="active"),
    session("making-00000001", idle=9 * DAY, held="creating"),
    session("moving-00000001", idle=9 * DAY, held="updating"),
    session("broken-00000001", idle=9 * DAY, held="failed"),
]

_KINDS = ("active", None, "failed", None, None, "creating", None, "updating", None, None)
_NAMES = ("vip-", "demo-", "Sess_A", "bcc1ab2a", "00ff00ff", "job-", "f34f9f8c")
CROWD = [
    session(f"{_NAMES[i % 7]}{i:08}", idle=1_800 + i * 4_500, age=1_800 + i * 4_500 + DAY, held=_KINDS[i % 10])
    for i in range(450)
]


def rows(cli: Cli, kind: str) -> list[dict[str, Any]]:
    return [dict(row) for row in cli.journal() if row["kind"] == kind]


def start(cli: Cli, *arguments: str) -> Process:
    return cli.start(*arguments, "--config", str(cli.config))


class Line:
    """A way to an emulator that can be cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self._open += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(65_536):
                target.sendall(part)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """End every connection that is open now."""
        open_now, self._open = self._open, []
        for one in open_now:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        self._listener.close()
        self.cut()


@contextlib.contextmanager
def line_to(endpoint: str) -> Iterator[tuple[Line, str]]:
    """A line to an endpoint, and the endpoint as it is reached through it."""
    port = int(endpoint.split(":")[2].partition("/")[0])
    made = Line(port)
    try:
        yield made, endpoint.replace(f":{port}/", f":{made.port}/")
    finally:
        made.close()

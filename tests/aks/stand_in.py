"""`az`, `kubectl` and `helm` again, as far as installing needs them: programs on PATH that ask this process.

A command or option that is not known is refused, as the tools themselves do. `breaks` makes the change of that number
fail, before or after it has an effect.
"""

from __future__ import annotations

import copy
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import stand_in_az
import stand_in_kube

World = dict[str, Any]
PROGRAM = """\
#!/bin/bash
input=
[[ " $* " != *" - "* ]] || input=$(cat; echo .)
exec 3<>/dev/tcp/127.0.0.1/{port}
printf '%s\\0' "$(($# + 3))" {tool} "$PWD" "$KUBECONFIG" "$@" "${{input%.}}" >&3
read -r code <&3
if ((code)); then cat <&3 >&2; else cat <&3; fi
exit "$code"
"""


@dataclass
class Tools:
    """A world, the calls that were made on it, and which change is to fail."""

    world: World
    calls: list[list[str]] = field(default_factory=list)
    changes: list[list[str]] = field(default_factory=list)
    breaks: tuple[int, str] = (0, "")

    def call(self, argv: list[str], asker: stand_in_kube.Asker) -> tuple[int, str]:
        """The exit code, and what is said; a call that fails changes nothing, unless it breaks afterwards."""
        self.calls.append(argv)
        before = copy.deepcopy(self.world)
        try:
            changes, act = self._command(argv, asker)
            if not changes:
                return 0, act()
            self.changes.append(argv)
            broken = self.breaks[1] if self.breaks[0] == len(self.changes) else ""
            said = act()
        except ValueError as error:
            self.world.update(before)
            return 1, f"ERROR: {error}\n"
        if broken == "before":
            self.world.update(before)
        return (1, "ERROR: the connection broke\n") if broken else (0, said)

    def _command(self, argv: list[str], asker: stand_in_kube.Asker) -> tuple[bool, Callable[[], str]]:
        tool, *arguments = argv
        if tool == "az":
            return stand_in_az.command(self.world, arguments, asker.folder)
        return (stand_in_kube.kubectl if tool == "kubectl" else stand_in_kube.helm)(self.world, arguments, asker)


@contextmanager
def on_path(tools: Tools, folder: Path) -> Iterator[None]:
    """The three programs in a folder, as long as this lasts."""

    class Answer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            words = [self._word() for _ in range(int(self._word()) + 1)]
            tool, place, kubeconfig, *arguments, text = words
            asker = stand_in_kube.Asker(Path(place), kubeconfig, text)
            code, said = tools.call([tool, *arguments], asker)
            self.wfile.write(f"{code}\n{said}".encode())

        def _word(self) -> str:
            found = b""
            while not found.endswith(b"\0"):
                found += self.rfile.read(1)
            return found[:-1].decode()

    with socketserver.TCPServer(("127.0.0.1", 0), Answer) as server:
        for tool in ("az", "kubectl", "helm"):
            (folder / tool).write_text(PROGRAM.format(port=server.server_address[1], tool=tool))
            (folder / tool).chmod(0o755)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield
        server.shutdown()
        thread.join()

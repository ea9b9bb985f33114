"""An emulator with exactly the sessions that a JSON file names, as a program.

The file: `{agent: [{id, idle, age, held?}]}`, ages in seconds. Prints `ready: ENDPOINT` like `reaper emulator`.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
from pathlib import Path

from reaper.emulator import Emulator
from reaper.emulator.stored import AgentVersion, StoredSession


async def main(world: str, latency_s: float) -> None:
    emulator = Emulator(agents=0, latency_s=latency_s)
    now = int(emulator.platform.now())
    for name, sessions in json.loads(world).items():
        version = AgentVersion("1", now - 90 * 86_400)
        emulator.platform.add_agent(name, [version])
        for one in sorted(sessions, key=lambda each: -each["age"]):
            record = StoredSession(one["id"], version, now - one["age"], now - one["idle"])
            record.held, record.held_until = one.get("held"), math.inf if one.get("held") else 0.0
            emulator.platform.place(name, record)
    await emulator.serve("127.0.0.1", 0, on_ready=_ready)


def _ready(endpoint: str) -> None:
    print(f"ready: {endpoint}", flush=True)  # noqa: T201 - the one line that its starter waits for


asyncio.run(main(Path(sys.argv[1]).read_text(), float(sys.argv[2])))

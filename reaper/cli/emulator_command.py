"""emulator: the platform's stand-in as a program."""

from __future__ import annotations

from reaper.cli.interrupts import until_signalled
from reaper.emulator import Emulator


async def run_emulator(listen: tuple[str, int], agents: int, sessions: int, seed: int, latency_s: float) -> None:
    """Serve until interrupted; one line on stdout when ready."""
    emulator = Emulator(agents=agents, sessions=sessions, seed=seed, latency_s=latency_s)

    def ready(endpoint: str) -> None:
        print(f"ready: {endpoint}", flush=True)

    await emulator.serve(*listen, on_ready=ready, stop=until_signalled())

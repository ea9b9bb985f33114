"""What a backlog costs: a million sessions of which seven of ten are stale, and nothing of it may be done yet."""

from __future__ import annotations

import itertools
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.bench.rows import Row
from tests.bench.subject import backlog_configuration as configuration
from tests.bench.towns import REAPER, fetch, peak_mib, peak_of, running, timed, town

AGENTS: Final = 10
SESSIONS: Final = 1_000_000
MEMORY_MIB: Final = 200
STALL_S: Final = 0.1
WAYS: Final[Mapping[str, Mapping[str, str]]] = {
    "observe": {"mode": "observe"},
    "withhold": {"grace": "0s"},
    "spread": {"grace": "0s", "limits": "{per_sweep: 20, per_day: 20, beyond: spread}"},
}
"""Ways to live with a backlog, by name, and their settings."""
MARKED: Final = {"grace": "1d"}
_numbers: Final = itertools.count()
_SOUND: Final = re.compile(r'result="(ok|withheld)"')


def backlog(sessions: int = SESSIONS) -> Iterator[Row]:
    """Memory of the daemon and of a single sweep, turns of the loop, and whether the daemon answers meanwhile."""
    with town(AGENTS, sessions // AGENTS) as endpoint:
        for way, policy in WAYS.items():
            yield from _daemon(endpoint, way, policy, sessions)
            file = _file(endpoint, policy)
            peak = peak_of(REAPER, "sweep", "--config", file, "--output", "json", output=file.with_suffix(".json"))
            yield _memory(f"`sweep --output json`, {way}", peak, sessions)
            yield _stall(endpoint, way, policy)
        yield from _daemon(endpoint, "marks of all", MARKED, sessions)
        yield _stall(endpoint, "marks of all and a plan of them written", MARKED)


def _stall(endpoint: str, way: str, policy: Mapping[str, str]) -> Row:
    """How long at most nothing else had its turn; the processor's part says how much of it is our own."""
    told = timed("stalls", endpoint=endpoint, state=str(_file(endpoint, {}).with_suffix(".db")), policy=policy)
    assert set(told["results"]) <= {"ok", "withheld"}, told
    stall_s = told["stall_s"]
    return Row(
        f"longest stall of the loop, {told['candidates']:,} candidates: {way}",
        "100 ms",
        f"{stall_s * 1e3:.0f} ms, {told['busy_s'] * 1e3:.0f} ms of the processor",
        "100 ms",
        stall_s / STALL_S,
        stall_s <= STALL_S,
    )


def _daemon(endpoint: str, way: str, policy: Mapping[str, str], sessions: int) -> Iterator[Row]:
    waits = []
    with running(_file(endpoint, policy)) as (address, pid):
        ended = 0
        while ended < AGENTS:
            started = time.perf_counter()
            fetch(f"{address}/livez")
            waits.append(time.perf_counter() - started)
            time.sleep(0.02)
            if len(waits) % 50 == 0:
                ended = _ended(fetch(f"{address}/metrics"))
        peak = peak_mib(pid)
    yield _memory(f"daemon, {way}", peak, sessions)
    slowest = max(waits)
    yield Row(
        f"/livez during such a sweep, {way}",
        "100 ms",
        f"{slowest * 1e3:.0f} ms, the slowest of {len(waits):,}",
        "100 ms",
        slowest / STALL_S,
        slowest <= STALL_S,
    )


def _ended(page: str) -> int:
    """How many agents' sweeps have ended by what the metrics say; what was not listed whole is no measurement."""
    counts = [line.rsplit(" ", 1) for line in page.splitlines() if line.startswith("session_reaper_sweeps_total{")]
    bad = [labels for labels, count in counts if float(count) and not _SOUND.search(labels)]
    assert not bad, bad
    return int(sum(float(count) for _, count in counts))


def _memory(how: str, peak: float, sessions: int) -> Row:
    what = f"peak memory at {sessions:,} sessions, 70 % stale: {how}"
    return Row(
        what, f"{MEMORY_MIB} MiB", f"{peak:.0f} MiB", f"{MEMORY_MIB} MiB", peak / MEMORY_MIB, peak <= MEMORY_MIB
    )


def _file(endpoint: str, policy: Mapping[str, str]) -> Path:
    """A configuration with a state of its own."""
    file = Path(tempfile.mkdtemp(prefix="bench-")) / f"reaper{next(_numbers)}.yaml"
    file.write_text(configuration(endpoint, str(file.with_suffix(".db")), **policy))
    return file


BACKLOG: Final = {"backlog": backlog}

"""Runs seeds until stopped: `python -m tests.sim.soak [--from N] [--seeds N] [--for 1h] [--only SEED] [--jobs N]`.

Exit 1 when a history broke the law; `--only SEED` shows that history again, with its plot and what was injected.
"""

# ruff: noqa: T201 - a program that prints

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from multiprocessing.pool import Pool

from reaper.core.durations import parse_duration
from reaper.wiring import settle_memory
from tests.sim.history import History

TOLD_EVERY_S = 5.0
AHEAD = 1_000
ANSWER_MAX_S = 60.0
"""No history takes that long: a worker that is silent for longer has died."""


def attempt(seed: int) -> tuple[int, int, str]:
    """The seed, how many sweeps it had, and what was wrong, '' when nothing was."""
    history = History(seed)
    try:
        history.run()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a crash of the simulator itself must not pass as a quiet history either
        told = "\n  ".join([str(history.plot), *history.told])
        return seed, history.sweeps, f"{type(error).__name__}: {error}\n  {told}"
    return seed, history.sweeps, ""


def show(seed: int) -> int:
    """One history with its plot and everything that was injected; returns the exit code."""
    history = History(seed)
    print(history.plot)
    try:
        history.run()
    finally:
        print("\n".join(history.told))
    print(f"seed {seed}: {history.sweeps} sweeps, no violation")
    return 0


@dataclass
class Tally:
    """What a soak has lived through so far."""

    started: float = field(default_factory=time.monotonic)
    seeds: int = 0
    sweeps: int = 0
    broken: list[int] = field(default_factory=list)
    _told_at: float = 0.0

    def add(self, seed: int, sweeps: int, wrong: str) -> None:
        self.seeds, self.sweeps = self.seeds + 1, self.sweeps + sweeps
        if wrong:
            self.broken.append(seed)
            print(f"seed {seed}: {wrong}\n  again: python -m tests.sim.soak --only {seed}", flush=True)
        if time.monotonic() - self._told_at > TOLD_EVERY_S:
            self._told_at = time.monotonic()
            self.tell()

    def tell(self) -> None:
        took = max(time.monotonic() - self.started, 0.001)
        rate = self.seeds / took
        bad = f"{len(self.broken)} violations" + (f", first of seed {self.broken[0]}" if self.broken else "")
        print(
            f"{took:.0f} s: {self.seeds} histories, {self.sweeps} sweeps, {rate:.1f} histories/s, {bad}", flush=True
        )


def soak(seeds: Iterator[int], jobs: int, for_s: float | None = None) -> int:
    """All seeds, or as many as fit into `for_s`, on so many processes; returns how many of them broke the law."""
    tally, kept = Tally(), signal.signal(signal.SIGTERM, signal.default_int_handler)
    until = None if for_s is None else tally.started + for_s
    try:
        with multiprocessing.get_context("spawn").Pool(jobs, _begin) as pool:
            for result in _results(pool, seeds, until):
                tally.add(*result)
    except KeyboardInterrupt:
        print("stopped")
    finally:
        signal.signal(signal.SIGTERM, kept)
    tally.tell()
    return len(tally.broken)


def _results(pool: Pool, seeds: Iterator[int], until: float | None) -> Iterator[tuple[int, int, str]]:
    for batch in iter(lambda: list(islice(seeds, AHEAD)), []):
        results = pool.imap_unordered(attempt, batch)
        for _ in batch:
            yield results.next(ANSWER_MAX_S)
            if until is not None and time.monotonic() >= until:
                return


def _begin() -> None:
    """Of a worker: Ctrl-C is for the parent, which ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settle_memory()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.soak", description=__doc__)
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, help="so many; without it, until stopped")
    parser.add_argument("--for", dest="for_s", type=parse_duration, metavar="1h", help="for so long")
    parser.add_argument("--only", type=int, metavar="SEED", help="this one alone, with all that happened in it")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="so many processes")
    asked = parser.parse_args()
    if asked.only is not None:
        return show(asked.only)
    seeds = iter(range(asked.first, asked.first + asked.seeds)) if asked.seeds else count(asked.first)
    return 1 if soak(seeds, asked.jobs, asked.for_s) else 0


if __name__ == "__main__":
    if sys.flags.hash_randomization:
        # What comes from a set comes in one order then, and a seed shows again what it has shown.
        os.execve(sys.executable, [*sys.orig_argv], {**os.environ, "PYTHONHASHSEED": "0"})
    sys.exit(main())

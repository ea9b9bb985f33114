"""Runs seeds until stopped: `python -m tests.sim.soak [--from N] [--seeds N] [--only SEED] [--jobs N]`.

Exit 1 when a history broke the law; `--only SEED` shows that history again, with its plot and what was injected.
"""

# ruff: noqa: T201 - a program that prints

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from itertools import count, islice

from tests.sim.history import History

TOLD_EVERY_S = 5.0
AHEAD = 1_000


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


def soak(seeds: Iterator[int], jobs: int) -> int:
    """All seeds on so many processes; returns how many of them broke the law."""
    started, told_at, done, sweeps, broken = time.monotonic(), 0.0, 0, 0, 0
    try:
        for seed, made, wrong in _results(seeds, jobs):
            done, sweeps = done + 1, sweeps + made
            if wrong:
                broken += 1
                print(f"seed {seed}: {wrong}\n  again: python -m tests.sim.soak --only {seed}", flush=True)
            if time.monotonic() - told_at > TOLD_EVERY_S:
                told_at = time.monotonic()
                _tell(done, sweeps, broken, told_at - started)
    except KeyboardInterrupt:
        print("stopped")
    _tell(done, sweeps, broken, time.monotonic() - started)
    return broken


def _results(seeds: Iterator[int], jobs: int) -> Iterator[tuple[int, int, str]]:
    with multiprocessing.get_context("spawn").Pool(jobs, _ignore_interrupts) as pool:
        for batch in iter(lambda: list(islice(seeds, AHEAD)), []):
            yield from pool.imap_unordered(attempt, batch, chunksize=5)


def _ignore_interrupts() -> None:
    """Ctrl-C is for the parent: it ends the others."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _tell(done: int, sweeps: int, broken: int, seconds: float) -> None:
    rate = done / max(seconds, 0.001)
    print(f"{done} seeds, {sweeps} sweeps, {rate:.1f} histories/s, {broken} violations", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.soak", description=__doc__)
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, help="so many; without it, until stopped")
    parser.add_argument("--only", type=int, metavar="SEED", help="this one alone, with all that happened in it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    if asked.only is not None:
        return show(asked.only)
    seeds = iter(range(asked.first, asked.first + asked.seeds)) if asked.seeds else count(asked.first)
    return 1 if soak(seeds, asked.jobs) else 0


if __name__ == "__main__":
    sys.exit(main())

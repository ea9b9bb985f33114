"""`/livez` tells whether this process goes on, not whether the platform does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from reaper.config import load
from reaper.daemon import Daemon
from reaper.emulator import Fault
from reaper.wiring import Connector
from tests.clock import run
from tests.scenarios.story import HOUR_S, Story

Told = Callable[["House"], Awaitable[None]]


class House:
    """A daemon without its timers: the test is the schedule."""

    def __init__(self, story: Story, folder: Path, every_s: int, agents: Sequence[str], **requests: Any) -> None:
        self.every_s, self.story = every_s, story
        path = folder / "reaper.yaml"
        rule = {"name": "old", "action": "delete", "when": {"idle": "7d"}}
        wide = {"per_sweep": "100%", "per_day": "100%"}
        project = {
            "endpoint": "http://127.0.0.1/api/projects/p",
            "credential": "none",
            "agents": [{"name": name, "policy": "p"} for name in agents],
            "requests": {"concurrency": 2, **requests},
        }
        told = {
            "version": 1,
            "schedule": {"every": f"{every_s}s", "jitter": "0s"},
            "projects": {"p": project},
            "policies": {"p": {"mode": "enforce", "grace": "0s", "rules": [rule], "limits": wide}},
            "state": f"sqlite:///{folder}/state.db",
        }
        path.write_text(json.dumps(told))
        connector = Connector(self.story.clock, transport=self.story.emulator.transport(actor="reaper"))
        self.daemon = Daemon(path, {}, self.story.clock, load(path, {}), connector)

    async def ticks(self) -> None:
        while True:
            self.daemon.request_sweep()
            await asyncio.sleep(self.every_s)

    async def never_stuck(self, seconds: float) -> None:
        for _ in range(int(seconds // 5)):
            await asyncio.sleep(5)
            assert not self.stuck

    @property
    def stuck(self) -> bool:
        """Whether `/livez` answers 503."""
        return bool(self.daemon._stuck())


@contextlib.asynccontextmanager
async def never(_: object) -> AsyncIterator[Any]:
    """A deadlock of our own."""
    await asyncio.Event().wait()
    yield


def in_house(folder: Path, told: Told, every_s: int, agents: Sequence[str] = ("*",), **requests: Any) -> None:
    async def go() -> None:
        story = Story(latency_s=0.1)
        await story.stale_and_fresh(20, 20)
        house = House(story, folder, every_s, agents, **requests)
        ticking = asyncio.create_task(house.ticks())
        try:
            await told(house)
        finally:
            ticking.cancel()
            house.daemon._held.close()

    run(go)


@pytest.mark.parametrize(
    ("every_s", "timeout", "operation"), [(10, "10m", "*"), (10, "30s", "list"), (60, "2m", "get"), (900, "30s", "*")]
)
def test_a_platform_that_hangs_is_no_reason_to_restart(
    tmp_path: Path, every_s: int, timeout: str, operation: str
) -> None:
    async def told(house: House) -> None:
        house.story.fault(Fault(operation=operation, hang="before"))
        await house.never_stuck(HOUR_S)

    in_house(tmp_path, told, every_s, timeout=timeout)


def test_a_request_that_timed_out_is_progress(tmp_path: Path) -> None:
    async def told(house: House) -> None:
        await asyncio.sleep(30)
        asked_at = house.daemon.clock.monotonic()
        house.story.fault(Fault(operation="*", hang="before"))
        house.daemon.request_sweep()
        await asyncio.sleep(31)
        assert house.daemon.live.progressed_at > asked_at

    in_house(tmp_path, told, 900)


def test_a_platform_that_asks_for_long_pauses_is_no_reason_to_restart(tmp_path: Path) -> None:
    async def told(house: House) -> None:
        fault = Fault(operation="list", status=503, retry_after_seconds=290)
        house.story.fault(fault)
        await house.never_stuck(HOUR_S)

    in_house(tmp_path, told, 10, timeout="30s")


def test_a_process_that_does_nothing_any_more_is_stuck(tmp_path: Path) -> None:
    async def told(house: House) -> None:
        await asyncio.sleep(30)
        assert not house.stuck

        house.daemon.sweeper.connect = never
        await asyncio.sleep(3 * 900 + 600)
        assert house.stuck

    in_house(tmp_path, told, 900)


def test_a_process_that_stood_by_for_long_is_not_stuck_when_it_may_sweep(tmp_path: Path) -> None:
    async def told(house: House) -> None:
        await asyncio.sleep(25)  # between two sweeps: the end of one says whether this process stands by
        house.daemon.live.standby = "another process sweeps"
        house.daemon._ending = "no more sweeps for now"
        for _ in range(20):
            await asyncio.sleep(HOUR_S)
            assert not house.stuck
        house.daemon.live.standby = ""
        assert not house.stuck

    in_house(tmp_path, told, 10)

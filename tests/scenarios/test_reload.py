"""A configuration that changes while the daemon runs: what comes into force, and when."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reaper.config import load
from reaper.daemon import RELOAD_POLL_S, Daemon
from reaper.wiring import Connector
from tests.clock import run
from tests.scenarios.story import Story

LATENCY_S = 1.0


class House:
    """A daemon on a configuration file, its polls running, a platform with sessions idle for ten days."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "reaper.yaml"
        self.story = Story(latency_s=LATENCY_S)
        self.polling: asyncio.Task[None] | None = None

    def text(self, **changes: Any) -> str:
        """A configuration in which every setting can be changed; JSON is YAML."""
        rule = {"name": "old", "action": "delete", "when": {"idle": "7d"}}
        policy = {"mode": "enforce", "grace": "0s", "limits": {"per_sweep": 1000, "per_day": 1000}, "rules": [rule]}
        project = {
            "endpoint": "http://127.0.0.1/api/projects/p",
            "credential": "none",
            "requests": {"concurrency": 1, "max_per_second": 1000},
            "agents": [{"name": "*", "policy": "standard"}],
        }
        told = {
            "version": 1,
            "schedule": {"cron": "0 3 * * *"},
            "projects": {"p": project},
            "policies": {"standard": policy | changes},
            "state": f"sqlite:///{self.folder}/state.db",
        }
        return json.dumps(told, indent=1)

    def write(self, **changes: Any) -> None:
        self.path.write_text(self.text(**changes))

    async def opened(self, before_daemon: Callable[[], None] = lambda: None) -> Daemon:
        """The daemon, once there is something to delete. `before_daemon` comes between its reading and its start."""
        await self.story.stale_and_fresh(40, 60)
        loaded = load(self.path, {})
        before_daemon()
        connector = Connector(self.story.clock, transport=self.story.emulator.transport(actor="reaper"))
        self.daemon = Daemon(self.path, {}, self.story.clock, loaded, connector)
        self.polling = asyncio.create_task(self._poll())
        return self.daemon

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(RELOAD_POLL_S)
            self.daemon.reload()

    async def until(self, reached: Callable[[], object]) -> None:
        for _ in range(20_000):
            if reached():
                return
            await asyncio.sleep(0.05)
        raise AssertionError("waited in vain")

    async def swept(self) -> None:
        """Until no sweep is running."""
        await self.until(lambda: not sweeps())

    async def until_deleted(self, count: int) -> None:
        await self.until(lambda: len(self.story.deleted()) >= count)

    def close(self) -> None:
        if self.polling is not None:
            self.polling.cancel()
        self.daemon._held.close()

    @property
    def mode(self) -> str:
        return str(self.daemon.settings.policies[0].mode)


def sweeps() -> int:
    """How many runs are in progress."""
    return sum(task.get_name() == "sweep" for task in asyncio.all_tasks())


def in_house(folder: Path, told: Callable[[House], Any]) -> None:
    async def go() -> None:
        house = House(folder)
        house.write()
        try:
            await told(house)
        finally:
            house.close()

    run(go)


def test_a_file_that_changes_between_its_reading_and_the_start_is_noticed(tmp_path: Path) -> None:
    async def told(house: House) -> None:
        await house.opened(lambda: house.write(mode="observe"))
        assert house.mode == "enforce"
        await asyncio.sleep(3 * RELOAD_POLL_S)
        assert house.mode == "observe"
        house.daemon.request_sweep()
        await house.swept()
        assert house.story.deleted() == []

    in_house(tmp_path, told)


def test_a_file_that_is_half_written_never_comes_into_force_although_it_is_valid(tmp_path: Path) -> None:
    async def told(house: House) -> None:
        daemon = await house.opened()
        keep = {"name": "vip", "action": "keep", "when": {"id": "stale-*"}}
        old = {"name": "old", "action": "delete", "when": {"idle": "7d"}}
        whole = house.text(rules=[keep, old])
        await asyncio.sleep(1)
        house.write(rules=[old, old | {"name": "older"}])
        hash_before = daemon.live.config_hash
        await asyncio.sleep(RELOAD_POLL_S)
        assert daemon.live.config_hash == hash_before
        house.path.write_text(whole)
        await asyncio.sleep(RELOAD_POLL_S)
        assert daemon.live.config_hash == hash_before
        await asyncio.sleep(RELOAD_POLL_S)
        assert [rule.name for rule in daemon.settings.policies[0].rules] == ["vip", "old"]
        house.daemon.request_sweep()
        await house.swept()
        assert house.story.deleted() == []

    in_house(tmp_path, told)


def test_a_change_in_mid_sweep_ends_it_and_the_next_starts_at_once_and_alone(tmp_path: Path) -> None:
    async def told(house: House) -> None:
        daemon = await house.opened()
        daemon.request_sweep()
        await house.until_deleted(3)
        house.write(rules=[{"name": "other", "action": "delete", "when": {"idle": "8d"}}])
        await house.until(lambda: daemon.settings.policies[0].rules[0].name == "other")
        daemon.request_sweep()
        assert sweeps() == 1
        done = len(house.story.deleted())
        assert 3 <= done < 30
        await house.until_deleted(40)
        await house.swept()
        outcomes = [one for one in daemon.live.recent if one.outcome.item.rule == "other"]
        assert 40 - done - 1 <= len(outcomes) <= 40 - done
        assert len(house.story.deleted()) == len(set(house.story.deleted())) == 40

    in_house(tmp_path, told)


def test_a_change_to_observing_in_mid_sweep_lets_no_further_sweep_act(tmp_path: Path) -> None:
    async def told(house: House) -> None:
        daemon = await house.opened()
        daemon.request_sweep()
        await house.until_deleted(3)
        house.write(mode="observe")
        await house.swept()
        assert 3 <= len(house.story.deleted()) < 30
        assert daemon.live.latest["p", "a"].observed

    in_house(tmp_path, told)


def test_a_broken_file_leaves_the_old_one_in_force_and_the_sweep_alone(tmp_path: Path) -> None:
    async def told(house: House) -> None:
        daemon = await house.opened()
        daemon.request_sweep()
        await house.until_deleted(3)
        house.path.write_text("policies: [broken")
        await house.swept()
        assert len(house.story.deleted()) == 40
        assert daemon.live.config_errors
        house.write()
        await asyncio.sleep(3 * RELOAD_POLL_S)
        assert list(daemon.live.config_errors) == []

    in_house(tmp_path, told)


def test_a_file_that_is_gone_for_a_moment_is_no_change(tmp_path: Path) -> None:
    async def told(house: House) -> None:
        daemon = await house.opened()
        house.path.unlink()
        await asyncio.sleep(RELOAD_POLL_S + 1)
        assert list(daemon.live.config_errors) == []
        house.write()
        await asyncio.sleep(3 * RELOAD_POLL_S)
        assert list(daemon.live.config_errors) == []
        house.path.unlink()
        await asyncio.sleep(3 * RELOAD_POLL_S)
        assert "No such file" in daemon.live.config_errors[0]

    in_house(tmp_path, told)


def test_a_hang_up_reads_at_once_and_the_change_still_has_to_settle(tmp_path: Path) -> None:
    async def told(house: House) -> None:
        await house.opened()
        await asyncio.sleep(RELOAD_POLL_S + 1)
        house.write(mode="observe")
        house.daemon.hang_up()
        await asyncio.sleep(RELOAD_POLL_S - 1)
        assert house.mode == "enforce"
        await asyncio.sleep(1.5)
        assert house.mode == "observe"

    in_house(tmp_path, told)

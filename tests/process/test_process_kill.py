"""`kill -9` of the real process against the real emulator, held still at exact points of its work."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from process_world import DAY, Cli, exact_town, session, wait_for

pytestmark = pytest.mark.process

STALE = {f"old-session-{number:02d}" for number in range(6)}
RUNAWAYS = {f"run-session-{number:02d}" for number in range(2)}
WORLD = {
    "support-eu": [
        *(session(name, idle=8 * DAY) for name in sorted(STALE)),
        *(session(name, idle=3 * 3600, held="active") for name in sorted(RUNAWAYS)),
        *(session(f"new-session-{number:02d}", idle=60) for number in range(6)),
    ]
}
RULES = [
    {"name": "idle-a-week", "action": "delete", "when": {"idle": "7d"}},
    {"name": "runaway", "action": "stop", "when": {"status": "active", "idle": "2h"}},
]

POINTS = {
    "finding the agents": {"operation": "list_agents", "hang": "before"},
    "listing": {"operation": "list", "hang": "before"},
    "the first look": {"operation": "get", "hang": "before"},
    "a later look": {"operation": "get", "after": 7, "hang": "before"},
    "the first delete, before it happens": {"operation": "delete", "hang": "before"},
    "the first delete, after it happened": {"operation": "delete", "hang": "after"},
    "a later delete, before it happens": {"operation": "delete", "after": 3, "hang": "before"},
    "a later delete, after it happened": {"operation": "delete", "after": 3, "hang": "after"},
    "the last delete, after it happened": {"operation": "delete", "after": 5, "hang": "after"},
    "verifying a delete": {"operation": "get", "after": 1, "hang": "after"},
    "a stop, before it happens": {"operation": "stop", "hang": "before"},
    "a stop, after it happened": {"operation": "stop", "hang": "after"},
}


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_this_point_loses_nothing_and_repeats_nothing(point: str, cli: Cli, tmp_path: Path) -> None:
    fault: dict[str, Any] = {"times": None, **POINTS[point]}
    with exact_town(tmp_path / "town", WORLD) as made:
        cli.configure(
            made.endpoint, rules=RULES, limits={"per_sweep": 100, "per_day": 100}, requests={"concurrency": 1}
        )
        made.break_with(fault)
        sweep = cli.start("sweep", "--config", str(cli.config))
        reached = fault.get("after", 0) + 1
        wait_for(point, lambda: made.counts().get(fault["operation"], 0) >= reached)
        sweep.popen.send_signal(signal.SIGKILL)
        sweep.popen.wait(10)
        made.break_with()
        cli.run("sweep").ended(0)
        assert sorted(name for _, name in made.deleted()) == sorted(STALE)
        assert {event["session"] for event in made.history("stopped")} == RUNAWAYS
        left = {one["agent_session_id"] for one in made.sessions("support-eu") if one["status"] != "deleted"}
        assert {name for name in left if name.startswith("new-")} == {f"new-session-{n:02d}" for n in range(6)}
        rows = cli.journal()
        intents = [row["action_id"] for row in rows if row["kind"] == "intent"]
        assert set(intents) == {row["action_id"] for row in rows if row["kind"] == "outcome"}
        done = [row["session"] for row in rows if row["outcome"] == "done"]
        assert sorted(done) == sorted(STALE | RUNAWAYS)
        cli.run("audit", "verify").ended(0)

"""`reaper run` and `reaper demo` as programs that stay."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from collections import Counter
from pathlib import Path

import pytest
from process_world import AGENTS, DAY, Cli, Town, exact_town, fetch, session, stale_ids, town, wait_for

pytestmark = pytest.mark.process

MANY = {"support-eu": [session(f"old-session-{i:04d}", idle=8 * DAY + i) for i in range(160)]}
SLOWLY = {"concurrency": 4, "max_per_second": 1000}
AMPLE = {"per_sweep": 1000, "per_day": 1000}


def test_the_daemon_sweeps_at_once_and_serves_what_it_knows(cli: Cli, own: Town) -> None:
    due = {(agent, name) for agent in AGENTS for name in stale_ids(own.sessions(agent), time.time())}
    daemon = cli.configure(own.endpoint).daemon()
    daemon.until_ready()
    wait_for("all three agents", lambda: len(daemon.events("sweep")) == 3)
    assert set(own.deleted()) == due
    assert daemon.get("/livez")[0] == 200
    status = json.loads(daemon.get("/api/v1/status")[1])
    assert status["ready"] is True
    assert {agent["agent"] for agent in status["agents"]} == set(AGENTS)
    assert status["next_sweep"]
    assert len(daemon.metric("inventory_trusted")) == 3
    assert set(daemon.metric("inventory_trusted").values()) == {1.0}
    assert sum(daemon.metric("actions_total", outcome="done").values()) == len(due)
    assert sum(daemon.metric("sweeps_total", result="ok").values()) == 3
    assert daemon.metric("sessions", agent="research", status="idle")
    names = [one["session"] for one in daemon.events("action")]
    assert not any(name in daemon.get("/metrics")[1] for name in names)
    for line in daemon.log:
        assert {"timestamp", "level", "event"} <= set(line)
        assert "sweep_id" in line or line["event"] not in {"action", "sweep"}
    assert daemon.process.end() == 0
    assert daemon.process.stdout == ""
    assert [line["event"] for line in daemon.log][-1] == "stopped"


def test_sigterm_while_deleting_leaves_no_action_without_intent_and_outcome(cli: Cli, tmp_path: Path) -> None:
    with exact_town(tmp_path / "town", MANY, latency_s=0.05) as made:
        daemon = cli.configure(made.endpoint, requests=SLOWLY, limits=AMPLE).daemon()
        wait_for("some deletes", lambda: len(made.deleted()) >= 10)
        started = time.monotonic()
        assert daemon.process.end(signal.SIGTERM, 25) == 0
        assert time.monotonic() - started < 20
        seen = [name for _, name in made.deleted()]
        assert 10 <= len(seen) < 150
        rows = cli.journal()
        intents = [row["session"] for row in rows if row["kind"] == "intent"]
        outcomes = {row["session"]: row["outcome"] for row in rows if row["kind"] == "outcome"}
        assert sorted(intents) == sorted(seen)
        assert outcomes == dict.fromkeys(seen, "done")
        again = cli.daemon()
        wait_for("the rest", lambda: len(made.deleted()) == 160)
        again.until_ready()
        assert again.process.end() == 0
        assert max(Counter(made.deleted()).values()) == 1
        assert made.counts()["delete"] == 160
        assert len([row for row in cli.journal() if row["kind"] == "outcome"]) == 160


def test_a_killed_daemon_is_succeeded_at_once_and_nothing_is_deleted_twice(cli: Cli, tmp_path: Path) -> None:
    with exact_town(tmp_path / "town", MANY, latency_s=0.03) as made:
        daemon = cli.configure(made.endpoint, requests=SLOWLY, limits=AMPLE).daemon()
        wait_for("some deletes", lambda: len(made.deleted()) >= 10)
        daemon.process.end(signal.SIGKILL)
        assert len(made.deleted()) < 150
        cli.run("sweep").ended(0)
        assert len(made.deleted()) == len(set(made.deleted())) == 160
        rows = cli.journal()
        assert {r["action_id"] for r in rows if r["kind"] == "intent"} == {
            r["action_id"] for r in rows if r["kind"] == "outcome"
        }


def test_an_interrupted_plan_within_its_limits_goes_on_after_a_restart(cli: Cli, tmp_path: Path) -> None:
    kept = [session(f"fresh-session-{i:04d}", idle=60) for i in range(160)]
    with exact_town(tmp_path / "town", {"support-eu": [*MANY["support-eu"], *kept]}, latency_s=0.03) as made:
        cli.configure(made.endpoint, requests=SLOWLY, limits={"per_sweep": "51%", "per_day": "51%"})
        daemon = cli.daemon()
        wait_for("some deletes", lambda: len(made.deleted()) >= 20)
        assert daemon.process.end() == 0
        assert len(made.deleted()) < 150
        cli.run("sweep").ended(0)
        assert len(made.deleted()) == 160


def test_sweeps_start_on_schedule(cli: Cli, own: Town) -> None:
    daemon = cli.configure(own.endpoint, mode="observe", every="10s").daemon()
    daemon.until_ready()
    wait_for("a second sweep of each agent", lambda: daemon.process.stderr.count('"event": "sweep"') >= 6, 14)
    assert daemon.process.end() == 0


def test_beside_a_daemon_a_second_sweeper_does_nothing_and_says_who_sweeps(cli: Cli, own: Town) -> None:
    first = cli.configure(own.endpoint, mode="observe").daemon()
    first.until_ready()
    wait_for("all three agents", lambda: len(first.events("sweep")) == 3)
    lists = own.counts()["list"]
    done = cli.run("sweep").ended(1)
    assert f"pid {first.process.popen.pid} " in done.stderr
    second = cli.daemon()
    wait_for("its reason", lambda: "pid" in second.get("/readyz")[1])
    status, why = second.get("/readyz")
    assert status == 503
    assert f"pid {first.process.popen.pid} " in why
    assert second.get("/livez")[0] == 200
    assert second.events("standing_by")
    assert own.counts()["list"] == lists
    cli.run("plan").ended(10)
    assert own.changes() == 0
    assert second.process.end() == 0
    assert first.process.end() == 0


def test_a_swapped_configuration_is_in_force_at_the_next_sweep_and_a_broken_one_is_not(cli: Cli, own: Town) -> None:
    mount = cli.folder / "mount"
    mount.mkdir()

    def swap(version: str, text: str) -> None:
        (mount / f"..{version}").mkdir()
        (mount / f"..{version}" / "reaper.yaml").write_text(text)
        (mount / "..tmp").symlink_to(f"..{version}")
        os.replace(mount / "..tmp", mount / "..data")

    swap("v1", cli.text(own.endpoint, mode="observe", every="10s"))
    (mount / "reaper.yaml").symlink_to("..data/reaper.yaml")
    daemon = cli.daemon(mount / "reaper.yaml")
    daemon.until_ready()
    (old,) = daemon.metric("config_info")
    assert daemon.metric("config_last_reload_successful") == {"session_reaper_config_last_reload_successful": 1.0}
    assert own.changes() == 0

    swap("v2", "version: 1\npolicies: [broken")
    wait_for("the failure", lambda: 0.0 in daemon.metric("config_last_reload_successful").values())
    assert list(daemon.metric("config_info")) == [old]
    assert "reaper.yaml:2:" in daemon.events("configuration_not_reloaded")[0]["errors"][0]
    assert json.loads(daemon.get("/api/v1/status")[1])["config"]["errors"]
    assert own.changes() == 0

    swap("v3", cli.text(own.endpoint, mode="enforce", every="10s"))
    wait_for("the new hash", lambda: list(daemon.metric("config_info")) != [old])
    assert 1.0 in daemon.metric("config_last_reload_successful").values()
    wait_for("the new policy to act", own.deleted)
    assert daemon.process.end() == 0


def test_a_hang_up_signal_reads_the_configuration_again_and_ends_nothing(cli: Cli, own: Town) -> None:
    daemon = cli.configure(own.endpoint, mode="observe").daemon()
    daemon.until_ready()
    cli.configure(own.endpoint, mode="observe", grace="1h")
    daemon.process.popen.send_signal(signal.SIGHUP)
    wait_for("the reading", lambda: daemon.events("reading_configuration"))
    wait_for("the new configuration", lambda: daemon.events("configuration_reloaded"))
    assert own.changes() == 0
    assert daemon.process.end() == 0


def test_a_daemon_whose_platform_is_down_waits_for_it(cli: Cli, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    daemon = cli.configure(f"http://127.0.0.1:{port}/api/projects/emulated", every="10s").daemon()
    wait_for("its reason", lambda: "no connection to 127.0.0.1" in daemon.get("/readyz")[1])
    assert daemon.get("/readyz")[0] == 503
    assert daemon.get("/livez")[0] == 200
    with town(tmp_path / "town", "--agents", "1", "--sessions", "20", port=port):
        daemon.until_ready(45)
        assert daemon.process.end() == 0


def test_a_port_that_is_taken_ends_the_daemon_with_a_message(cli: Cli, shared: Town) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = cli.text(shared.endpoint).replace("127.0.0.1:0", f"127.0.0.1:{taken.getsockname()[1]}")
        cli.config.write_text(text)
        assert "in use" in cli.run("run").ended(1).stderr


def test_the_demo_shows_an_observing_and_an_enforcing_sweep(cli: Cli) -> None:
    done = cli.bare("demo", "--once", "--listen", "127.0.0.1:0").ended(0)
    assert "1. observing" in done.stdout
    assert "2. enforcing" in done.stdout
    sent = re.findall(r"requests so far: .* (\d+) delete, (\d+) stop", done.stdout)
    assert sent[0] == ("0", "0")
    assert int(sent[1][0]) > 0


def test_the_demo_serves_metrics_until_interrupted(cli: Cli) -> None:
    process = cli.start("demo", "--listen", "127.0.0.1:0")
    found = wait_for("the address", lambda: re.search(r"metrics: (http://\S+/metrics)", process.stdout))
    wait_for("its last line", lambda: "Ctrl-C" in process.stdout)
    assert "session_reaper_actions_total" in fetch(found[1])[1]
    assert process.end(signal.SIGINT) == 0

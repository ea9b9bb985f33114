"""The state of real processes: removed, replaced, put back, linked, and a lock that cannot be had."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import stat
from pathlib import Path

from process_world import DAY, Cli, Daemon, Town, exact_town, session, wait_for

STALE = 100


def many(folder: Path, latency_s: float = 0.01) -> contextlib.AbstractContextManager[Town]:
    """An agent whose stale sessions take some seconds to delete, and one session in use."""
    sessions = [session(f"stale-{number:04d}", idle=9 * DAY) for number in range(STALE)]
    return exact_town(folder, {"desk": [*sessions, session("fresh-0001", idle=60)]}, latency_s)


def started(cli: Cli, town: Town) -> Daemon:
    """A daemon that is in the middle of deleting."""
    cli.configure(town.endpoint, requests={"concurrency": 2, "max_per_second": 40})
    daemon = cli.daemon()
    wait_for("the first deletes", lambda: len(town.deleted()) >= 10)
    return daemon


def at_fault(daemon: Daemon, why: str) -> None:
    wait_for("the fault", lambda: why in daemon.get("/readyz")[1])
    assert daemon.get("/readyz")[0] == 503
    assert daemon.metric("state_fault") == {"session_reaper_state_fault": 1}
    assert why in daemon.get("/api/v1/status")[1]
    assert why in daemon.get("/")[1]
    assert any(why in line["error"] for line in daemon.events("state_at_fault"))


def until_whole(daemon: Daemon) -> None:
    wait_for("a whole state", lambda: daemon.metric("state_fault") == {"session_reaper_state_fault": 0})
    assert daemon.events("state_whole_again")


def nothing_more(town: Town, daemon: Daemon) -> int:
    """How many were deleted when the run that was in progress had ended."""
    wait_for("the end of the run", lambda: daemon.events("sweep"))
    return len(town.deleted())


def test_a_daemon_whose_state_is_removed_touches_nothing_and_goes_on_when_it_is_back(
    cli: Cli, tmp_path: Path
) -> None:
    with many(tmp_path / "town") as town:
        daemon = started(cli, town)
        away = cli.state.with_name("away.db")
        cli.state.rename(away)
        recorded = len(town.deleted())
        at_fault(daemon, "state.db is not there any more")
        deleted = nothing_more(town, daemon)
        # What was under way when the file went may end; nothing begins.
        assert deleted <= recorded + 4
        assert not cli.state.exists()
        away.rename(cli.state)
        until_whole(daemon)
        daemon.until_ready()
        wait_for("every stale session to go", lambda: len(town.deleted()) == STALE)
        assert daemon.process.end() == 0
        assert ("desk", "fresh-0001") not in town.deleted()
        intents = {row["session"] for row in cli.journal() if row["kind"] == "intent"}
        assert intents == {name for _, name in town.deleted()}
    cli.run("audit", "verify").ended(0)


def test_an_older_copy_that_is_put_back_waits_for_a_person_and_then_goes_on(cli: Cli, tmp_path: Path) -> None:
    with many(tmp_path / "town") as town:
        daemon = started(cli, town)
        older = cli.folder / "older.db"
        with (
            contextlib.closing(sqlite3.connect(cli.state)) as source,
            contextlib.closing(sqlite3.connect(older)) as target,
        ):
            source.backup(target)
        known = len(town.deleted())
        wait_for("more deletes", lambda: len(town.deleted()) > known + 10)
        older.replace(cli.state)
        at_fault(daemon, "an older copy was put back")
        deleted = nothing_more(town, daemon)
        assert "an older copy was put back" in cli.run("state", "check").ended(1).stderr
        assert daemon.process.end() == 0
        # A restart is no person.
        again = cli.daemon()
        at_fault(again, "an older copy was put back")
        assert len(town.deleted()) == deleted
        cli.run("state", "check", "--accept", "--by", "ops").ended(0)
        until_whole(again)
        wait_for("every stale session to go", lambda: len(town.deleted()) == STALE)
        assert again.process.end() == 0
        assert cli.run("state", "check", "--accept", "--output", "json").json["given_up_entries"] is None
        accepted = [json.loads(row["body"]) for row in cli.journal() if row["rule"] == "older_copy_accepted"]
        assert [body["origin"]["by"] for body in accepted] == ["ops"]
        cli.run("audit", "verify").ended(0)


def test_a_daemon_whose_lock_is_removed_begins_nothing_until_it_holds_one_again(cli: Cli, tmp_path: Path) -> None:
    with many(tmp_path / "town") as town:
        daemon = started(cli, town)
        lock = cli.state.with_name("state.db.lock")
        lock.unlink()
        deleted = nothing_more(town, daemon)
        assert deleted < STALE
        assert daemon.events("sweep")[-1]["result"] == "failed"
        assert "state.db.lock is not there any more" in daemon.events("sweep")[-1]["why"]
        wait_for("every stale session to go", lambda: len(town.deleted()) == STALE)
        assert lock.exists()
        assert "another process sweeps" in cli.run("sweep").ended(1).stderr
        assert daemon.process.end() == 0


def test_through_a_link_only_one_process_sweeps(cli: Cli, own: Town) -> None:
    cli.configure(own.endpoint)
    daemon = cli.daemon()
    daemon.until_ready()
    (cli.folder / "link.db").symlink_to(cli.state)
    text = cli.config.read_text()
    cli.config.write_text(text.replace(str(cli.state), str(cli.folder / "link.db")))
    assert f"pid {daemon.process.popen.pid} on " in cli.run("sweep").ended(1).stderr


def test_without_a_lock_nothing_sweeps_and_everybody_is_told(cli: Cli, own: Town) -> None:
    cli.configure(own.endpoint)
    lock = cli.state.with_name("state.db.lock")
    lock.symlink_to(cli.folder / "victim")
    assert "state.db.lock: is a symbolic link" in cli.run("sweep").ended(1).stderr
    daemon = cli.daemon()
    wait_for("the fault", lambda: "is a symbolic link" in daemon.get("/readyz")[1])
    assert daemon.metric("state_fault") == {"session_reaper_state_fault": 1}
    assert own.counts().get("list_sessions", 0) == 0
    assert own.deleted() == []
    assert not (cli.folder / "victim").exists()
    lock.unlink()
    daemon.until_ready()
    assert own.deleted() != []
    assert daemon.process.end() == 0


def test_a_plan_that_is_saved_and_the_state_are_readable_by_their_owner_alone(cli: Cli, own: Town) -> None:
    cli.configure(own.endpoint)
    cli.run("plan", "--out", str(cli.folder / "plan.json")).ended(10)
    cli.run("sweep").ended(0)
    made = [path for path in cli.folder.iterdir() if path.name.startswith(("state.db", "plan.json"))]
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in made} == dict.fromkeys(
        ["plan.json", "state.db", "state.db.lock", "state.db.head"], 0o600
    )

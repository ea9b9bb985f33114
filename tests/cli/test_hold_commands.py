"""hold, release and holds: what a person says is held stays, whoever would delete it."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from process_world import Cli, Done, Town, wait_for
from sessions_world import AGENT, OLD

pytestmark = pytest.mark.process

ONE = OLD[0]
UNTIL = (datetime.now(UTC).date() + timedelta(days=30)).isoformat()
GONE = "gone-0000001"


@pytest.fixture
def desk(cli: Cli, people: Town) -> Cli:
    return cli.configure(people.endpoint)


def hold(desk: Cli, *more: str, session: str = ONE) -> Done:
    return desk.run("hold", AGENT, session, "--until", UNTIL, "--reason", "thesis", "--by", "kim", *more)


def names(desk: Cli, *more: str) -> list[tuple[str, str, str]]:
    shown = desk.run("holds", "--output", "json", *more).ended(0).json["holds"]
    return [(one["session"], one["by"], one["until"] or one["legal"]) for one in shown]


def deleted(people: Town) -> list[str]:
    return sorted(name for _, name in people.deleted())


def name_in_file(desk: Cli, *holds: dict[str, Any]) -> None:
    tree = yaml.safe_load(desk.config.read_text())
    whom = {"project": "here", "agent": AGENT}
    tree["holds"] = [whom | one for one in holds]
    desk.config.write_text(yaml.safe_dump(tree, sort_keys=False))


def test_a_held_session_outlives_sweeps_and_deletes_by_hand_until_it_is_released(desk: Cli, people: Town) -> None:
    said = hold(desk).ended(0).stdout
    assert said.startswith(f"{ONE} of here/{AGENT}: held by kim until {UNTIL}: thesis (hold ")
    planned = desk.run("plan", "--output", "json").ended(10).json["sweeps"]
    (kept,) = [each for sweep in planned for each in sweep["decisions"] if each["outcome"] == "hold"]
    assert (kept["session"], f"held by kim until {UNTIL}: thesis" in kept["reason"]) == (ONE, True)
    assert f"1 held by people, see reaper holds --project here --agent {AGENT}" in desk.run("plan").ended(10).stdout
    desk.run("sweep").ended(0)
    done = desk.run("sessions", "delete", AGENT, ONE, "--yes", "--output", "json").ended(1)
    assert done.json["deleted"][0]["outcome"] == "changed"
    assert f"1 of them is held, and will be kept: {ONE} (held by kim until {UNTIL}: thesis)" in done.stderr
    desk.run("sessions", "delete", AGENT, ONE, "--yes", "--no-record").ended(1)
    assert ONE not in deleted(people)
    assert len(deleted(people)) > 20
    assert "nobody holds it any more" in desk.run("release", AGENT, ONE).ended(0).stdout
    desk.run("sweep").ended(0)
    assert ONE in deleted(people)
    desk.run("audit", "verify").ended(0)
    record = desk.run("audit", "show", "--session", ONE).ended(0).stdout
    assert record.index("hold_placed") < record.index("hold_released") < record.index("delete")


def test_explain_says_who_holds_a_session_and_when_it_may_go_at_the_earliest(desk: Cli) -> None:
    hold(desk).ended(0)
    said = desk.run("explain", AGENT, ONE).ended(0).stdout
    assert f"held by kim until {UNTIL}: thesis" in said
    free = date.fromisoformat(UNTIL) + timedelta(days=1)
    shown = desk.run("explain", AGENT, ONE, "--output", "json").ended(0).json
    assert datetime.fromtimestamp(shown["earliest"], UTC).date() >= free
    assert [one["by"] for one in shown["holds"]] == ["kim"]
    desk.run("hold", AGENT, ONE, "--legal", "ABC-1", "--by", "lee").ended(0)
    shown = desk.run("explain", AGENT, ONE, "--output", "json").ended(0).json
    assert shown["earliest"] is None
    assert "it is held without an end" in shown["next_due_text"]


def test_several_people_hold_one_session_and_each_releases_by_name(desk: Cli) -> None:
    first = hold(desk, "--output", "json").ended(0).json["hold"]["id"]
    hold(desk, "--by", "lee").ended(0)
    desk.run("hold", AGENT, ONE, "--legal", "ABC-1").ended(0)
    name_in_file(desk, {"session": ONE, "until": UNTIL, "reason": "audit", "by": "ops"})
    assert len(names(desk)) == 4
    said = desk.run("release", AGENT, ONE).ended(2).stderr
    assert "2 people hold session" in said
    assert first in said
    said = desk.run("release", AGENT, ONE, "--hold", first, "--reason", "done").ended(0).stdout
    assert said.count("still held by") == 3
    assert f"still held by ops until {UNTIL}: audit (hold holds[0]; in {desk.config})" in said
    desk.run("release", AGENT, ONE).ended(0)
    said = desk.run("release", AGENT, ONE).ended(2).stderr
    assert "held for a legal case; name it with --legal" in said
    desk.run("release", AGENT, ONE, "--legal", "ABC-2").ended(1)
    desk.run("release", AGENT, ONE, "--legal", "ABC-1").ended(0)
    said = desk.run("release", AGENT, ONE).ended(1).stderr
    assert "what stands in the configuration is released by removing it there" in said
    assert len(names(desk)) == 1
    assert len(names(desk, "--all")) == 4


def test_a_session_that_is_not_there_is_held_by_its_id_alone(desk: Cli, people: Town) -> None:
    assert "--id-only` holds the id" in hold(desk, session=GONE).ended(1).stderr.replace("… --id-only", "--id-only")
    assert names(desk) == []
    before = people.counts()
    said = hold(desk, "--id-only", session=GONE).ended(0).stdout
    assert f"{GONE} of here/{AGENT}, whoever gets this id: held by kim" in said
    assert people.counts() == before, "nothing was looked up"
    assert names(desk) == [(GONE, "kim", UNTIL)]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "say until when"),
        (("--until", UNTIL, "--legal", "ABC-1"), "say until when"),
        (("--until", UNTIL), "say why, with --reason"),
        (("--until", "2020-01-31", "--reason", "x"), "is over already"),
        (("--until", "31.01.2099", "--reason", "x"), "is not a day"),
        (("--until", "30d", "--reason", "x"), "is not a day"),
        (("--until", UNTIL, "--reason", "x" * 301), "has 301 characters"),
        (("--legal", " "), "names no case"),
        (("--until", UNTIL, "--reason", "x", "--project", "nowhere"), "no project"),
    ],
)
def test_a_hold_that_cannot_be_meant_is_refused(
    desk: Cli, people: Town, arguments: tuple[str, ...], why: str
) -> None:
    assert why in desk.run("hold", AGENT, ONE, *arguments).ended(2).stderr
    assert people.counts() == {}


def test_an_id_of_an_agent_that_no_pattern_matches_is_not_held(desk: Cli) -> None:
    desk.configure("http://127.0.0.1:1/api/projects/p", agents=[{"name": "support-*", "policy": "standard"}])
    done = desk.run("hold", "suport-eu", ONE, "--until", UNTIL, "--reason", "x", "--id-only").ended(2)
    assert "no pattern of project here matches agent 'suport-eu'; it has: support-*" in done.stderr


def test_holds_of_the_configuration_keep_sessions_from_everybody(desk: Cli, people: Town) -> None:
    name_in_file(desk, {"session": ONE, "until": UNTIL, "reason": "audit", "by": "ops"})
    desk.run("sweep").ended(0)
    desk.run("sessions", "delete", AGENT, ONE, "--yes").ended(1)
    assert ONE not in deleted(people)
    assert names(desk) == [(ONE, "ops", UNTIL)]


def test_a_held_session_is_not_stopped_by_hand(desk: Cli, people: Town) -> None:
    busy = "busy-00000001"
    hold(desk, session=busy).ended(0)
    done = desk.run("sessions", "stop", AGENT, busy).ended(3)
    assert f"session {busy} is left as it is: held by kim" in done.stderr
    desk.run("release", AGENT, busy).ended(0)
    desk.run("sessions", "stop", AGENT, busy).ended(0)
    assert people.changes() == 1


def test_holds_that_cannot_be_read_keep_everything(desk: Cli, people: Town) -> None:
    hold(desk).ended(0)
    with sqlite3.connect(desk.state) as state:
        state.execute("UPDATE holds SET until = 'whenever'")
    desk.run("sweep").ended(1)
    for more in ((), ("--no-record",)):
        assert "altered" in desk.run("sessions", "delete", AGENT, OLD[1], "--yes", *more).ended(1).stderr
    assert "altered" in desk.run("holds").ended(1).stderr
    assert deleted(people) == []


def test_a_hold_beside_a_running_daemon_is_heeded_by_its_next_sweep_and_shown(desk: Cli, people: Town) -> None:
    hold(desk).ended(0)
    daemon = desk.daemon()
    daemon.until_ready()
    shown = wait_for("the sweep's end", lambda: daemon.metric("holds"))
    assert list(shown.values()) == [1.0]
    assert len(deleted(people)) > 20
    assert ONE not in deleted(people)
    assert daemon.metric("blocked", reason="hold") != {}
    status = json.loads(daemon.get("/api/v1/status")[1])
    assert [one["by"] for one in status["holds"]] == ["kim"]
    page = daemon.get(f"/agents/here/{AGENT}")[1]
    assert "Held, so left alone" in page
    assert "thesis" in page


def test_words_that_would_steer_a_terminal_are_made_harmless(desk: Cli) -> None:
    desk.run("hold", AGENT, ONE, "--until", UNTIL, "--reason", "a\x1b[2Jb\nc", "--by", "k\u202eim").ended(0)
    assert "\x1b" not in desk.run("holds").ended(0).stdout
    assert "\\x1b[2J" in desk.run("holds", "--output", "json").ended(0).json["holds"][0]["reason"]


def test_nothing_is_made_to_list_what_is_held(desk: Cli) -> None:
    assert "no session is held" in desk.run("holds").ended(0).stdout
    assert not Path(desk.state).exists()

"""`reaper sessions delete`: exactly what was asked for goes, agreed to, recorded, and printed to the end."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml
from process_world import DAY, Cli, Town, at_terminal, exact_town, fetch, raw_controls, session, wait_for
from sessions_world import AGENT, OLD, rows, start

pytestmark = pytest.mark.process

MANY = {AGENT: [session(f"many-{number:08}", idle=8 * DAY + number) for number in range(60)]}
FILTERED = ("sessions", "delete", AGENT, "--id", "many-*", "--all-matching", "--yes")


def deleted(town: Town) -> list[str]:
    return sorted(name for _, name in town.deleted())


def outcomes(printed: Any) -> dict[str, str]:
    return {one["session"]: one["outcome"] for one in printed["deleted"]}


@pytest.mark.parametrize(
    ("filters", "due"),
    [
        ("--idle-over 7d", [*OLD, "vip-00000000", "vip-00000001", "vip-00000002", "broken-00000001"]),
        ("--idle-over 7d --id old-0000001?", OLD[10:20]),
        ("--id vip-* --id fresh-*", ["vip-00000000", "vip-00000001", "vip-00000002", "fresh-00000001"]),
        ("--status failed", ["broken-00000001"]),
        ("--status active", ["busy-00000001"]),
        ("--id *-00000001", ["old-00000001", "vip-00000001", "fresh-00000001", "broken-00000001"]),
        ("--id nobody-*", []),
    ],
)
def test_a_filter_deletes_exactly_what_fits_and_never_what_is_in_transition(
    cli: Cli, people: Town, filters: str, due: list[str]
) -> None:
    cli.configure(people.endpoint)
    command = ("sessions", "delete", AGENT, *filters.split(), "--all-matching", "--yes", "--output", "json")
    assert outcomes(cli.run(*command).ended(0).json) == dict.fromkeys(due, "done")
    assert deleted(people) == sorted(due)


def test_deletes_by_hand_are_recorded_as_approved_with_their_evidence(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    cli.run("sessions", "delete", AGENT, "--idle-over", "7d", "--id", "old-*", "--all-matching", "--yes").ended(0)
    intents, ends = rows(cli, "intent"), rows(cli, "outcome")
    assert sorted(row["session"] for row in intents) == OLD
    assert {(row["rule"], row["approved"], row["action"], row["project"]) for row in intents} == {
        ("by-hand", 1, "delete", "here")
    }
    assert {row["action_id"]: row["outcome"] for row in ends} == {row["action_id"]: "done" for row in intents}
    body = json.loads(intents[0]["body"])
    assert body["record"]["status"] == "idle"
    assert [one["condition"] for one in body["compared"]] == ["idle", "id"]
    cli.run("audit", "verify").ended(0)
    shown = cli.run("audit", "show", "--session", OLD[3]).ended(0).stdout
    assert "by-hand" in shown
    assert "is gone" in cli.run("explain", AGENT, OLD[3]).ended(0).stdout


def test_deletes_by_hand_do_not_use_up_the_days_limit(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint, limits={"per_sweep": 25, "per_day": 25, "at_least": 1})
    cli.run("sessions", "delete", AGENT, *OLD[:10], "--yes").ended(0)
    cli.run("sweep").ended(0)
    assert deleted(people) == sorted([*OLD, "broken-00000001"])


def test_many_ids_are_deleted_and_each_is_told_even_when_one_cannot_be_looked_up(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    people.break_with({"operation": "get", "session": OLD[2], "status": 403})
    names = [OLD[0], "nobody-00000001", OLD[0], OLD[1], OLD[2]]
    done = cli.run("sessions", "delete", AGENT, *names, "--yes", "--output", "json").ended(1)
    assert [(one["session"], one["outcome"]) for one in done.json["deleted"]] == [
        (OLD[0], "done"),
        ("nobody-00000001", "already_gone"),
        (OLD[1], "done"),
        (OLD[2], "failed"),
    ]
    assert "2 done, 1 already gone, 0 changed, 1 failed, 0 not tried" in done.stderr
    assert deleted(people) == OLD[:2]


def test_at_a_terminal_what_would_go_is_shown_before_the_question(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    command = ("sessions", "delete", AGENT, "--id", "old-*", "--all-matching")
    code, said = at_terminal(cli, *command, prompt="for ever?", answer=lambda: "n\n")
    assert code == 1
    assert "nothing was deleted" in said
    assert all(name in said for name in OLD[:20])
    assert OLD[20] not in said
    assert "… and 10 more, 30 in all" in said
    assert "Delete 30 session(s) of support-eu" in said
    assert people.changes() == 0
    code, said = at_terminal(cli, *command, prompt="for ever?", answer=lambda: "y\n")
    assert code == 0
    assert "30 done, 0 already gone" in said
    assert "30/30" in said
    assert deleted(people) == OLD


def test_ctrl_c_at_the_question_deletes_nothing(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    code, said = at_terminal(cli, "sessions", "delete", AGENT, OLD[0], prompt="for ever?", answer=lambda: "\x03")
    assert code == 1
    assert "nothing was deleted" in said
    assert people.changes() == 0


def test_a_session_that_changed_while_the_question_stood_is_kept(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    sessions = f"{people.endpoint}/agents/{AGENT}/endpoint/sessions"

    def meanwhile() -> str:
        people.ask("use", {"agent": AGENT, "session": OLD[0]})
        cli.run("sessions", "delete", AGENT, OLD[1], "--yes", "--no-record").ended(0)
        assert fetch(f"{sessions}?api-version=v1", {"agent_session_id": OLD[1]})[0] == 201
        return "y\n"

    code, said = at_terminal(cli, "sessions", "delete", AGENT, *OLD[:3], prompt="for ever?", answer=meanwhile)
    assert code == 1
    assert f"{OLD[0]}: changed it was idle when looked at first, and is active now" in said
    assert f"{OLD[1]}: changed another session has its id now" in said
    assert "1 done, 0 already gone, 2 changed" in said
    assert deleted(people) == OLD[1:3]
    assert [row["session"] for row in rows(cli, "intent")] == [OLD[2]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_finishes_what_is_under_way_and_tells_all_the_rest(cli: Cli, tmp_path: Path, number: int) -> None:
    with exact_town(tmp_path / "town", MANY, latency_s=0.1) as made:
        cli.configure(made.endpoint)
        process = start(cli, *FILTERED, "--output", "json")
        wait_for("some deletes", lambda: len(made.deleted()) >= 5)
        assert process.end(number, 15) == 1
        printed = outcomes(json.loads(process.stdout))
        assert len(printed) == 60
        assert sorted(name for name, outcome in printed.items() if outcome == "done") == deleted(made)
        assert 5 <= len(deleted(made)) < 60
        assert set(printed.values()) == {"done", "not_tried"}
        assert "interrupted" in process.stderr
        assert sorted(row["session"] for row in rows(cli, "intent")) == deleted(made)
        assert {row["outcome"] for row in rows(cli, "outcome")} == {"done"}
        assert len(rows(cli, "outcome")) == len(deleted(made))


def test_a_second_ctrl_c_stops_waiting_and_a_later_sweep_finds_out(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    people.break_with({"operation": "delete", "hang": "after"})
    process = start(cli, "sessions", "delete", AGENT, OLD[0], "--yes", "--output", "json")
    wait_for("the delete", people.deleted)
    process.popen.send_signal(signal.SIGINT)
    wait_for("the first answer", lambda: "is finished first" in process.stderr)
    assert process.end(signal.SIGINT, 10) == 1
    assert outcomes(json.loads(process.stdout)) == {OLD[0]: "in_doubt"}
    assert [row["outcome"] for row in rows(cli, "outcome")] == ["in_doubt"]
    people.break_with()
    cli.run("sweep").ended(0)
    mine = rows(cli, "intent")[0]["action_id"]
    assert [row["outcome"] for row in rows(cli, "outcome") if row["action_id"] == mine] == ["in_doubt", "done"]


def test_ctrl_c_while_listing_deletes_nothing(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    people.break_with({"operation": "list", "hang": True})
    process = start(cli, "sessions", "delete", AGENT, "--idle-over", "7d", "--all-matching", "--yes")
    wait_for("the listing", lambda: people.counts().get("list"))
    assert process.end(signal.SIGINT, 10) == 1
    assert "nothing was deleted" in process.stderr
    assert people.changes() == 0


def test_a_listing_that_breaks_off_deletes_nothing(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    people.break_with({"operation": "list", "lie": "loop_cursor"})
    done = cli.run("sessions", "delete", AGENT, "--idle-over", "7d", "--all-matching", "--yes").ended(1)
    assert "the cursor repeats; nothing was deleted" in done.stderr
    assert people.changes() == 0


def test_a_filter_leaves_out_records_that_this_version_does_not_know(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    people.break_with(
        {"operation": "list", "lie": "add_field", "session": "vip-00000001", "field": "hold", "value": True},
        {"operation": "list", "lie": "drop_field", "session": "vip-00000002", "field": "status"},
    )
    done = cli.run("sessions", "delete", AGENT, "--id", "vip-*", "--all-matching", "--yes").ended(0)
    assert "1 left out: their records are malformed" in done.stderr
    assert "1 left out: their records carry fields" in done.stderr
    assert deleted(people) == ["vip-00000000"]


def test_a_state_that_cannot_be_read_stops_deleting_with_and_without_a_record(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    cli.state.write_text("this is no state")
    cli.run("sessions", "delete", AGENT, OLD[0], "--yes").ended(1)
    done = cli.run("sessions", "delete", AGENT, OLD[0], "--yes", "--no-record").ended(1)
    assert "whether a session is held cannot be known" in done.stderr
    assert people.counts() == {}
    assert cli.state.read_text() == "this is no state"
    cli.state.unlink()
    cli.run("sessions", "delete", AGENT, OLD[0], "--yes", "--no-record").ended(0)
    assert deleted(people) == OLD[:1]


@pytest.mark.parametrize(
    ("fault", "outcome", "code", "recorded"),
    [
        ({"lie": "ghost_delete"}, "unverified", 1, ["unverified"]),
        ({"drop": "after", "times": 1}, "done", 0, ["done"]),
        ({"status": 403}, "failed", 1, ["failed"]),
        ({"status": 429, "retry_after_seconds": 0.2, "times": 1}, "done", 0, ["done"]),
    ],
)
def test_what_goes_wrong_with_a_delete_is_told_and_recorded_as_it_was(
    cli: Cli, people: Town, fault: dict[str, Any], outcome: str, code: int, recorded: list[str]
) -> None:
    cli.configure(people.endpoint)
    people.break_with({"operation": "delete", **fault})
    done = cli.run("sessions", "delete", AGENT, OLD[0], "--yes").ended(code)
    assert f"{OLD[0]}: {outcome}" in done.stdout
    assert [row["outcome"] for row in rows(cli, "outcome")] == recorded
    assert deleted(people) == (OLD[:1] if outcome == "done" else [])


def test_foreign_text_is_made_harmless_in_what_is_told(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    people.break_with({"operation": "delete", "status": 403, "message": "no\x1b[2J [bold]\x07way\u202e"})
    done = cli.run("sessions", "delete", AGENT, OLD[0], "--yes").ended(1)
    assert "[bold]" in done.said
    assert raw_controls(done.said) == set()


def kept_sessions(cli: Cli, people: Town) -> None:
    """A configuration that keeps the vips, by a rule, and two others, as sessions that must always be there."""
    cli.configure(people.endpoint)
    tree = yaml.safe_load(cli.config.read_text())
    tree["projects"]["here"]["must_see"] = [OLD[0], "fresh-00000001"]
    cli.config.write_text(yaml.safe_dump(tree, sort_keys=False))


KEPT_BY_RULE = "2 of them are kept by rule 'vip' of policy 'standard': vip-00000000, vip-00000001"
KEPT_IN_SIGHT = f"1 of them is named under must_see of project here: {OLD[0]}"
SOME_KEPT = ("sessions", "delete", AGENT, "vip-00000000", OLD[0], "vip-00000001", OLD[1])


def test_what_a_keep_rule_or_must_see_names_is_told_before_the_question_and_the_person_decides(
    cli: Cli, people: Town
) -> None:
    kept_sessions(cli, people)
    code, said = at_terminal(cli, *SOME_KEPT, prompt="for ever?", answer=lambda: "n\n")
    assert code == 1
    for caution in (KEPT_BY_RULE, KEPT_IN_SIGHT):
        assert caution in said.partition("for ever?")[0]
    assert people.changes() == 0
    code, said = at_terminal(cli, *SOME_KEPT, prompt="for ever?", answer=lambda: "y\n")
    assert code == 0
    assert len(deleted(people)) == 4


def test_with_yes_a_script_is_warned_on_stderr_and_gets_what_it_asked_for(cli: Cli, people: Town) -> None:
    kept_sessions(cli, people)
    done = cli.run(*SOME_KEPT, "--yes", "--output", "json").ended(0)
    assert f"reaper: {KEPT_BY_RULE}" in done.stderr
    assert f"reaper: {KEPT_IN_SIGHT}" in done.stderr
    assert list(done.json) == ["deleted"]
    assert set(outcomes(done.json).values()) == {"done"}


def test_of_many_kept_sessions_a_filter_names_the_first_few(cli: Cli, people: Town) -> None:
    everyone = {"name": "everyone", "action": "keep", "when": {"id": "old-*"}}
    cli.configure(people.endpoint, rules=[everyone])
    done = cli.run("sessions", "delete", AGENT, "--id", "old-*", "--all-matching", "--yes").ended(0)
    assert f"30 of them are kept by rule 'everyone' of policy 'standard': {', '.join(OLD[:5])}, …\n" in done.stderr


def test_who_deletes_what_nothing_keeps_is_warned_of_nothing(cli: Cli, people: Town) -> None:
    kept_sessions(cli, people)
    done = cli.run("sessions", "delete", AGENT, OLD[1], "--yes").ended(0)
    assert "kept by" not in done.stderr
    assert "must_see" not in done.stderr


def test_while_the_platforms_clock_cannot_be_believed_nothing_is_deleted_by_hand(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    people.break_with({"operation": "*", "date_shift_seconds": 1_200})
    for which in ((OLD[0],), ("--id", "old-*", "--all-matching")):
        done = cli.run("sessions", "delete", AGENT, *which, "--yes").ended(3)
        assert "apart, so nothing was deleted" in done.stderr
    assert people.changes() == 0
    assert cli.journal() == []


def test_a_clock_that_jumps_before_the_last_look_stops_a_deletion_by_hand(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    people.break_with({"operation": "get", "after": 2, "date_shift_seconds": 300})
    done = cli.run("sessions", "delete", AGENT, *OLD[:2], "--yes", "--output", "json").ended(1)
    assert outcomes(done.json) == {OLD[0]: "changed", OLD[1]: "not_tried"}
    assert "the platform's clock jumped" in done.stderr
    assert people.changes() == 0


def test_a_delete_whose_outcome_cannot_be_recorded_is_told_and_ends_the_rest(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    cli.run("sessions", "delete", AGENT, OLD[0], "--yes").ended(0)
    with contextlib.closing(sqlite3.connect(cli.state)) as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON journal WHEN NEW.kind = 'outcome' "
            "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    done = cli.run("sessions", "delete", AGENT, *OLD[1:4], "--yes", "--output", "json").ended(1)
    assert outcomes(done.json) == {OLD[1]: "done", OLD[2]: "not_tried", OLD[3]: "not_tried"}
    assert "an outcome was not recorded" in done.stderr
    assert deleted(people) == OLD[:2]

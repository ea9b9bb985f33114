"""`reaper sessions files`: what people keep in a session, whole and never overwritten by chance."""

from __future__ import annotations

import urllib.request

import pytest
from process_world import Cli, Town, at_terminal
from sessions_world import AGENT

pytestmark = pytest.mark.process

SESSION = "busy-00000001"
WHERE = (AGENT, SESSION)
BYTES = bytes(range(256)) * 5


def upload(town: Town, path: str, content: bytes = b"x") -> None:
    url = f"{town.endpoint}/agents/{AGENT}/endpoint/sessions/{SESSION}/files/content?path={path}&api-version=v1"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, content, method="PUT"), timeout=10) as answer:
        assert answer.status == 201


def names(cli: Cli, path: str = ".") -> list[str]:
    printed = cli.run("sessions", "files", "list", *WHERE, "--path", path, "--output", "json").ended(0).json
    return [one["name"] for one in printed["data"]]


def test_a_file_goes_in_and_comes_out_as_it_was(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    local, back = cli.folder / "report.bin", cli.folder / "back.bin"
    local.write_bytes(BYTES)
    cli.run("sessions", "files", "put", *WHERE, str(local)).ended(0)
    cli.run("sessions", "files", "put", *WHERE, str(local), "--path", "deep/er/copy.bin").ended(0)
    assert names(cli) == ["deep", "report.bin"]
    table = cli.run("sessions", "files", "list", *WHERE).ended(0).stdout
    assert "deep/" in table
    assert "1280" in table
    cli.run("sessions", "files", "get", *WHERE, "--path", "deep/er/copy.bin", "-o", str(back)).ended(0)
    assert back.read_bytes() == BYTES
    cli.run("sessions", "files", "delete", *WHERE, "--path", "report.bin", "--yes").ended(0)
    assert names(cli) == ["deep"]
    assert "has no report.bin" in cli.run("sessions", "files", "get", *WHERE, "--path", "report.bin").ended(1).stderr


def test_nothing_is_overwritten_without_force(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    upload(people, "notes.txt", b"theirs")
    mine = cli.folder / "notes.txt"
    mine.write_text("mine")
    get = ("sessions", "files", "get", *WHERE, "--path", "notes.txt")
    put = ("sessions", "files", "put", *WHERE, str(mine))
    assert "--force" in cli.run(*get, "-o", str(mine)).ended(2).stderr
    assert "--force" in cli.run(*put).ended(1).stderr
    assert mine.read_text() == "mine"
    assert cli.run(*get).ended(0).stdout == "theirs"
    cli.run(*put, "--force").ended(0)
    assert cli.run(*get).ended(0).stdout == "mine"
    upload(people, "notes.txt", b"theirs")
    cli.run(*get, "-o", str(mine), "--force").ended(0)
    assert mine.read_text() == "theirs"
    assert [path.name for path in cli.folder.iterdir() if path.name.startswith(".notes")] == []


def test_a_directory_is_listed_whole(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    for number in range(230):
        upload(people, f"many/file-{number:03}")
    assert names(cli, "many") == [f"file-{number:03}" for number in range(230)]


def test_a_file_that_is_too_large_is_refused_before_anything_is_sent(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    large = cli.folder / "large.bin"
    with large.open("wb") as file:
        file.truncate(50 * 1024 * 1024 + 1)
    assert "52428800" in cli.run("sessions", "files", "put", *WHERE, str(large)).ended(2).stderr
    assert people.counts() == {}


def test_a_directory_is_deleted_only_recursively_and_after_a_yes(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    upload(people, "work/one.txt")
    delete = ("sessions", "files", "delete", *WHERE, "--path", "work")
    assert "not empty" in cli.run(*delete, "--yes").ended(1).stderr
    assert "--yes" in cli.run(*delete, "--recursive").ended(2).stderr
    code, said = at_terminal(cli, *delete, "--recursive", prompt="for ever?", answer=lambda: "n\n")
    assert (code, names(cli)) == (1, ["work"])
    assert "Delete work and all in it" in said
    code, _ = at_terminal(cli, *delete, "--recursive", prompt="for ever?", answer=lambda: "y\n")
    assert (code, names(cli)) == (0, [])


def test_the_files_of_a_session_that_is_gone_are_said_to_be_gone(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    done = cli.run("sessions", "files", "list", AGENT, "nobody-00000001").ended(1)
    assert "nobody-00000001" in done.stderr
    assert done.stdout == ""


def test_a_names_escape_sequences_do_not_reach_the_terminal(cli: Cli, people: Town) -> None:
    cli.configure(people.endpoint)
    upload(people, "evil%1b%5b2J.txt")
    done = cli.run("sessions", "files", "list", *WHERE).ended(0)
    assert "\x1b" not in done.said
    assert "evil" in done.stdout

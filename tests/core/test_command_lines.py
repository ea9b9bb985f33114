"""A command that the reaper shows can be pasted, whatever the names in it hold."""

from __future__ import annotations

import fnmatch
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper.core.command_lines import command, only

HOSTILE = (
    "a$(touch pwned)",
    "a`touch pwned`",
    "a; touch pwned",
    "a' ; touch pwned ; '",
    'a" && touch pwned',
    "a\ntouch pwned\n",
    "a\x1b]0;x\x07'$(touch pwned)'\\",
    "$HOME",
    "*",
    "[bold]x[/]",
    "ü \u202e name",
    "-rf",
    "eyJabcdefghij",
    "",
)


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_a_shell_runs_what_was_meant_and_nothing_else(tmp_path: Path, shell: str) -> None:
    shown = [command("plan", project="here", agent=name) for name in HOSTILE]
    script = "reaper() { printf '%s\\0' \"$@\"; }\n" + "\n".join(shown)
    ran = subprocess.run([shell], input=script.encode(), capture_output=True, cwd=tmp_path, check=True)
    assert ran.stderr == b""
    assert subprocess.run(["ls"], capture_output=True, cwd=tmp_path, check=True).stdout == b""
    if shell == "bash":
        words = [word for name in HOSTILE for word in ("plan", "--project", "here", "--agent", name)]
        assert ran.stdout.decode().split("\0")[:-1] == words


@given(st.text())
def test_a_command_is_one_printable_line(name: str) -> None:
    assert command("sessions stop", name, project=name).isprintable()


@given(st.text().filter(str.isprintable))
def test_a_shell_reads_back_the_words(name: str) -> None:
    read = shlex.split(command("sessions stop", "agent", name))
    assert [word for word in read if word != "--"] == [
        word for word in ["reaper", "sessions", "stop", "agent", name] if word != "--"
    ]


def test_a_name_that_looks_like_an_option_is_none() -> None:
    shown = command("sessions stop", "support-eu", "-session-1", project="here")
    assert shown == "reaper sessions stop --project here -- support-eu -session-1"


def test_plain_names_are_shown_plainly() -> None:
    assert (
        command("plan", project="prod-eu", agent="support-eu") == "reaper plan --project prod-eu --agent support-eu"
    )


@given(st.text(max_size=30))
def test_the_glob_of_an_agent_matches_it_and_no_other(name: str) -> None:
    assert fnmatch.fnmatchcase(name, only(name))
    assert not fnmatch.fnmatchcase(f"{name}x", only(name))


def test_no_command_with_a_name_in_it_is_put_together_without_quoting() -> None:
    sources = Path(__file__).parents[2].joinpath("reaper").rglob("*.py")
    found = [
        (source.name, bare.group())
        for source in sources
        for bare in re.finditer(r"\breaper [a-z]+(?: [a-z]+)?(?: --?[a-z-]+)* \{", source.read_text(encoding="utf-8"))
    ]
    assert found == []

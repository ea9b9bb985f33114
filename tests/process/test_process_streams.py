"""Commands whose output goes nowhere, or whose arguments are no text: no traceback, and an exit code that says so."""

from __future__ import annotations

import os
import subprocess

import pytest
from process_world import IDLE_A_WEEK, REAPER, Cli, Done, Town, harmless_environment, raw_controls

pytestmark = pytest.mark.process

NO_TEXT = b"ab\xff\xfe-0000001"


def shell(cli: Cli, script: str) -> Done:
    """A script in which `$REAPER` is the command, and `$REAPER_CONFIG` the configuration."""
    environ = {**harmless_environment(), "REAPER": str(REAPER), "REAPER_CONFIG": str(cli.config)}
    ended = subprocess.run(
        ["bash", "-c", script], check=False, capture_output=True, timeout=60, env=environ, cwd=cli.folder
    )
    done = Done(ended.returncode, ended.stdout.decode(), ended.stderr.decode())
    assert "Traceback" not in done.said, done.said[-3000:]
    assert "Exception ignored" not in done.said
    return done


@pytest.mark.parametrize(
    ("command", "code"), [("plan >&-", 10), ("plan --output json >&- 2>&-", 10), ("sweep <&- >&- 2>&-", 0)]
)
def test_a_command_whose_streams_are_closed_does_its_work_and_says_how_it_ended(
    cli: Cli, shared: Town, command: str, code: int
) -> None:
    cli.configure(shared.endpoint, mode="observe")
    assert shell(cli, f'"$REAPER" {command}').returncode == code


def test_a_closed_stream_is_not_mistaken_for_the_state(cli: Cli, own: Town) -> None:
    cli.configure(own.endpoint)
    shell(cli, '"$REAPER" sweep >&- 2>&-').ended(0)
    shell(cli, '"$REAPER" plan >&- 2>&-')
    assert cli.run("audit", "verify").ended(0)
    assert len(cli.journal()) > 0


@pytest.mark.parametrize("command", ["plan --all", "config show", "--version"])
def test_a_reader_that_leaves_early_ends_a_command_quietly(cli: Cli, shared: Town, command: str) -> None:
    cli.configure(shared.endpoint, mode="observe")
    done = shell(cli, f'set -o pipefail; "$REAPER" {command} | true')
    assert done.returncode in {0, 1}
    assert done.stderr == ""


def test_a_full_disk_behind_stdout_is_one_message(cli: Cli, shared: Town) -> None:
    cli.configure(shared.endpoint, mode="observe")
    for command in ("plan", "config show"):
        done = shell(cli, f'"$REAPER" {command} >/dev/full').ended(1)
        assert done.stderr.count("\n") == 1, command
        assert "No space left on device" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [b"approve", NO_TEXT],
        [b"explain", NO_TEXT, b"session-0001"],
        [b"explain", b"support-eu", NO_TEXT],
        [b"plan", b"--agent", NO_TEXT],
        [b"sessions", b"list", NO_TEXT],
        [b"sessions", b"delete", b"support-eu", NO_TEXT, b"--yes"],
    ],
    ids=lambda arguments: b"-".join(arguments[:2]).decode(errors="ignore"),
)
def test_arguments_that_are_no_text_are_refused_in_one_message(
    cli: Cli, shared: Town, arguments: list[bytes]
) -> None:
    cli.configure(shared.endpoint, mode="observe")
    command = [os.fsencode(REAPER), *arguments, b"--config", os.fsencode(cli.config)]
    ended = subprocess.run(command, check=False, capture_output=True, timeout=60, env=harmless_environment())
    assert b"Traceback" not in ended.stderr, ended.stderr.decode(errors="replace")[-2000:]
    assert ended.returncode == 2
    said = ended.stderr.decode()
    assert "\\udcff" in said
    assert raw_controls(said) == set()
    assert ended.stdout == b""


def test_a_file_whose_name_is_no_text_is_used_and_named_harmlessly(cli: Cli, shared: Town) -> None:
    cli.configure(shared.endpoint, mode="observe", rules=[IDLE_A_WEEK])
    odd = os.fsencode(cli.folder) + b"/\xff.yaml"
    with open(odd, "wb") as file:
        file.write(cli.config.read_bytes())
    for command in ([b"config", b"check"], [b"plan", b"--out", os.fsencode(cli.folder) + b"/\xfe.json"]):
        ran = [os.fsencode(REAPER), *command, b"--config", odd]
        ended = subprocess.run(ran, check=False, capture_output=True, timeout=60, env=harmless_environment())
        assert b"Traceback" not in ended.stderr
        assert ended.returncode in {0, 10}
        assert raw_controls((ended.stdout + ended.stderr).decode()) == set()

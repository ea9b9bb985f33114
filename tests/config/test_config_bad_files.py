"""Each bad configuration gives exactly the lines that stand beside it."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

import pytest

from reaper.config import ConfigError, load

BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_every_problem_it_has(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    printed = "".join(f"{problem}\n" for problem in caught.value.problems).replace(str(path), "{file}")
    assert printed == path.with_suffix(".expected").read_text(encoding="utf-8")


def test_there_are_bad_files_and_each_has_its_expected_output() -> None:
    expected = {path.stem for path in (Path(__file__).parent / "bad").glob("*.expected")}
    assert len(BAD) >= 45
    assert {path.stem for path in BAD} == expected


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_no_message_carries_a_control_character_or_a_secret(path: Path) -> None:
    expected = path.with_suffix(".expected").read_text(encoding="utf-8")
    assert "hunter2" not in expected
    assert all(line.isprintable() for line in expected.splitlines())


def test_a_file_that_is_not_there_is_one_problem_without_a_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "gone.yaml", {})
    assert str(caught.value).endswith(
        "gone.yaml: the file cannot be read: No such file or directory: check the path and its rights"
    )


def test_a_directory_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: it is a directory"):
        load(tmp_path, {})


def test_a_pipe_that_nobody_writes_to_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(ConfigError, match="cannot be read: it is a pipe: name a file that stays as it is"):
        load(tmp_path / "pipe.yaml", {})


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_no_configuration(device: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read: it is a device"):
        load(device, {})


def test_a_socket_is_no_configuration(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket"))
        with pytest.raises(ConfigError, match="cannot be read"):
            load(tmp_path / "socket", {})


def test_a_file_beyond_a_mebibyte_is_not_even_parsed(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"# comment\n" * 200_000)
    with pytest.raises(ConfigError, match="larger than 1048576 bytes"):
        load(path, {})


def test_the_digest_is_that_of_the_bytes_that_were_parsed() -> None:
    example = Path(__file__).parents[2] / "config" / "reaper.yaml"
    assert load(example, {}).digest == hashlib.sha256(example.read_bytes()).hexdigest()


def test_a_file_with_very_many_values_is_refused() -> None:
    from reaper.config import parse

    with pytest.raises(ConfigError, match="more than 20000 values"):
        parse("version: [" + "1," * 30_000 + "]", "many.yaml", {})

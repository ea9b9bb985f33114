"""A release is refused unless everything in it agrees; what it publishes names what was built."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging_world import ROOT

from reaper import __version__

DIGEST = "sha256:" + "0123456789abcdef" * 4
KEPT = ("reaper/__init__.py", "CHANGELOG.md", "Dockerfile", "helm/session-reaper")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The parts of this tree that a release looks at, as they are on the day of the release."""
    root = tmp_path / "tree"
    for name in KEPT:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    change(root / "CHANGELOG.md", "## Unreleased\n", f"## Unreleased\n\n## {__version__} - 2026-12-01\n")
    return root


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def release(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "packaging" / "release.py"), "--root", str(root), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_a_tree_in_which_all_agree_may_be_released(tree: Path) -> None:
    done = release(tree, "check", f"v{__version__}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("CHANGELOG.md", f"## {__version__} - 2026-12-01\n", "", f"no section '## {__version__} - YYYY-MM-DD'"),
        (
            "helm/session-reaper/Chart.yaml",
            f"\nversion: {__version__}",
            "\nversion: 9.9.9",
            f"version: {__version__}",
        ),
        ("helm/session-reaper/Chart.yaml", f'"{__version__}"', '"9.9.9"', f'appVersion: "{__version__}"'),
        ("reaper/__init__.py", f'"{__version__}"', '"0.2.0.dev1"', "version 0.2.0.dev1 is not of the form 1.2.3"),
        (
            "Dockerfile",
            "FROM python:",
            "FROM python:3.13-slim AS other\nFROM python:",
            "base python:3.13-slim is not",
        ),
    ],
    ids=["changelog", "chart", "app", "version", "base"],
)
def test_what_does_not_agree_is_not_released_and_is_named(
    tree: Path, file: str, old: str, new: str, said: str
) -> None:
    change(tree / file, old, new)
    done = release(tree, "check", f"v{__version__}")
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_tag_of_another_version_is_not_released(tree: Path) -> None:
    done = release(tree, "check", "v9.9.9")
    assert (done.returncode, done.stderr) == (
        1,
        f"release: the tag is v9.9.9, the version is {__version__}: expected v{__version__}\n",
    )


def test_the_notes_are_the_changelogs_section_and_no_other(tree: Path) -> None:
    change(tree / "CHANGELOG.md", f"{__version__} - 2026-12-01\n", f"{__version__} - 2026-12-01\n- This.\n## 0.0.1 -")
    assert release(tree, "notes").stdout == "- This.\n"


def test_the_published_chart_names_its_image_by_digest_and_changes_nothing_else(tree: Path, tmp_path: Path) -> None:
    done = release(tree, "chart", str(tmp_path / "out"), "--repository", "r.example/reaper", "--digest", DIGEST)
    assert (done.returncode, done.stderr) == (0, "")
    before, after = (yaml.safe_load((at / "values.yaml").read_text()) for at in (tree / KEPT[3], tmp_path / "out"))
    assert after == {**before, "image": {**before["image"], "repository": "r.example/reaper", "digest": DIGEST}}
    same = [path.relative_to(tree / KEPT[3]) for path in (tree / KEPT[3]).rglob("*") if path.is_file()]
    assert [
        str(name) for name in same if (tree / KEPT[3] / name).read_bytes() != (tmp_path / "out" / name).read_bytes()
    ] == ["values.yaml"]


@pytest.mark.parametrize("digest", ["", "latest", DIGEST[:-1], DIGEST.upper()])
def test_no_chart_is_written_for_what_is_no_digest(tree: Path, tmp_path: Path, digest: str) -> None:
    done = release(tree, "chart", str(tmp_path / "out"), "--repository", "r.example/reaper", "--digest", digest)
    assert done.returncode == 1
    assert "is no digest: expected sha256:" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_version_stands_in_one_place_and_in_the_chart() -> None:
    chart = yaml.safe_load((ROOT / "helm" / "session-reaper" / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
    assert not re.search(r"^version *=", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)


def test_every_base_of_the_image_is_pinned_by_digest() -> None:
    named = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert named
    assert [base for base in named if not re.search(r"@sha256:[0-9a-f]{64}$", base)] == []

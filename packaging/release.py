"""What a release is made of, checked and written from the one version in reaper/__init__.py.

release.py check TAG    tag, changelog, chart and bases agree with the version
release.py notes        what the changelog says of this version
release.py bases        the bases of the image, a line each
release.py chart FOLDER --repository R --digest D    write a copy of the chart that names its image by digest
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parents[1]
DIGEST: Final = r"sha256:[0-9a-f]{64}"
RELEASED: Final = r"\d+\.\d+\.\d+"


class ReleaseError(Exception):
    """What has to be put right before anything is released."""


def version(root: Path) -> str:
    """The version, from the one place that has it."""
    found = re.search(r'^__version__ = "(.+)"$', (root / "reaper" / "__init__.py").read_text(), re.MULTILINE)
    if not found:
        raise ReleaseError('reaper/__init__.py: no line __version__ = "…"')
    return found[1]


def notes(root: Path) -> str:
    """What the changelog says of the version: the section with its number and a date."""
    named = version(root)
    text = (root / "CHANGELOG.md").read_text()
    found = re.search(
        rf"^## {re.escape(named)} - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    if not found or not found[1].strip():
        raise ReleaseError(f"CHANGELOG.md: no section '## {named} - YYYY-MM-DD' that says something")
    return found[1].strip() + "\n"


def bases(root: Path) -> list[str]:
    """The images that the Dockerfile builds on, in its order."""
    return re.findall(r"^FROM (?:--\S+ )*(\S+)", (root / "Dockerfile").read_text(), re.MULTILINE | re.IGNORECASE)


def problems(root: Path, tag: str) -> Iterator[str]:
    """What keeps this tree from being released under this tag, a line each."""
    named = version(root)
    if not re.fullmatch(RELEASED, named):
        yield f"reaper/__init__.py: version {named} is not of the form 1.2.3"
    if tag != f"v{named}":
        yield f"the tag is {tag}, the version is {named}: expected v{named}"
    try:
        notes(root)
    except ReleaseError as error:
        yield str(error)
    chart = (root / "helm" / "session-reaper" / "Chart.yaml").read_text()
    for line in (f"version: {named}", f'appVersion: "{named}"'):
        if line not in chart.splitlines():
            yield f"helm/session-reaper/Chart.yaml: expected the line {line}"
    for base in bases(root):
        if not re.fullmatch(rf"\S+@{DIGEST}", base):
            yield f"Dockerfile: the base {base} is not pinned: append @sha256:… of its index"


def write_chart(root: Path, folder: Path, repository: str, digest: str) -> None:
    """A copy of the chart in a new folder, whose image is this one and no other."""
    if not re.fullmatch(DIGEST, digest):
        raise ReleaseError(f"'{digest}' is no digest: expected sha256: and 64 hexadecimal digits")
    shutil.copytree(root / "helm" / "session-reaper", folder)
    values = folder / "values.yaml"
    text = values.read_text()
    for key, value in (("repository", repository), ("digest", f'"{digest}"')):
        text, changed = re.subn(rf"(?m)^(image:\n(?:(?:  .*)?\n)*?  {key}:) .*$", rf"\g<1> {value}", text)
        if changed != 1:
            raise ReleaseError(f"values.yaml: image.{key} not found where it was expected")
    values.write_text(text)


def main() -> int:
    """Do what is asked; 1 with a line each for what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=HERE, help="the source tree")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check").add_argument("tag")
    commands.add_parser("notes")
    commands.add_parser("bases")
    chart = commands.add_parser("chart")
    chart.add_argument("folder", type=Path)
    chart.add_argument("--repository", required=True)
    chart.add_argument("--digest", required=True)
    asked = parser.parse_args()
    try:
        return _run(asked)
    except ReleaseError as error:
        sys.stderr.write(f"release: {error}\n")
        return 1


def _run(asked: argparse.Namespace) -> int:
    wrong: list[str] = []
    match asked.command:
        case "check":
            wrong = [*problems(asked.root, asked.tag)]
        case "notes":
            sys.stdout.write(notes(asked.root))
        case "bases":
            sys.stdout.write("".join(f"{base}\n" for base in bases(asked.root)))
        case _:
            write_chart(asked.root, asked.folder, asked.repository, asked.digest)
    sys.stderr.write("".join(f"release: {problem}\n" for problem in wrong))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())

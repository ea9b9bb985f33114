"""`make bench`: measures everything beside its baseline in one run, prints the table, and keeps it in the docs."""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench.backlog import BACKLOG, SESSIONS, backlog
from tests.bench.rows import ALL, Row

PAGE: Final = Path(__file__).parents[2] / "docs" / "benchmarks.md"
PARTS: Final = ALL | BACKLOG
BEGIN, END = "<!-- table: make bench -->", "<!-- end of table -->"


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help=f"only these: {', '.join(PARTS)}")
    parser.add_argument("--keep", action="store_true", help=f"write the table into {PAGE.name}")
    parser.add_argument(
        "--sessions", type=int, default=SESSIONS, help=f"how large the backlog is, where not {SESSIONS:,}"
    )
    given = parser.parse_args()
    parts = PARTS | {"backlog": partial(backlog, given.sessions)}
    rows: list[Row] = []
    for part in given.parts or PARTS:
        for row in parts[part]():
            rows.append(row)
            print("\t".join(_cells(row)), flush=True)  # noqa: T201 - what it is for
    table = _table(rows)
    print(f"\n{table}")  # noqa: T201
    if given.keep:
        head, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}\n{_machine()}\n\n{table}\n{END}{rest.split(END)[1]}")


def _cells(row: Row) -> Sequence[str]:
    return (
        row.what,
        row.target,
        row.figure,
        row.baseline,
        f"{row.ratio:.3g}",
        "yes" if row.met else "**no**",
        row.note,
    )


def _table(rows: Iterable[Row]) -> str:
    head = ("what", "target", "figure", "beside", "ratio", "met", "")
    lines = [head, ("---",) * len(head), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _machine() -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return f"{day}, Python {platform.python_version()}, {os.cpu_count()} cores ({platform.machine()}), shared."


if __name__ == "__main__":
    main()

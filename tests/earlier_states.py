"""State files as the programs of earlier versions left them, and what is in them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from reaper.store.claim import Claim
from reaper.store.tables import SCHEMA_VERSION
from reaper.store.upgrade import Migration, bring_up_to_date
from tests.world import NOW

STATES = Path(__file__).parent / "store" / "states"
VERSIONS = tuple(range(1, SCHEMA_VERSION + 1))
OLDER = VERSIONS[:-1]
BY = {"by": "ada"}


def state_of(version: int, path: Path) -> str:
    """The URL of a state that a program of this version left."""
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript((STATES / f"version-{version}.sql").read_text())
        raw.execute("PRAGMA journal_mode=WAL")
    return f"sqlite:///{path}"


def later_version(path: Path, version: int = SCHEMA_VERSION + 1) -> None:
    """What a program of a later version would make of a state: new tables, another column, an entry of its own."""
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(
            "ALTER TABLE marks ADD COLUMN seen_by VARCHAR; CREATE TABLE archives (id VARCHAR PRIMARY KEY, at FLOAT);"
            f"UPDATE meta SET value = '{version}' WHERE key = 'version'"
        )


def migrated(url: str, at: float = NOW) -> Migration | None:
    """Migrate as whoever may sweep."""
    claim = Claim(url)
    try:
        return bring_up_to_date(url, claim, at, BY)
    finally:
        claim.release()


def contents(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, by name."""
    with closing(sqlite3.connect(path)) as raw:
        raw.row_factory = sqlite3.Row
        names = [row["name"] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: [dict(row) for row in raw.execute(f"SELECT * FROM {name} ORDER BY 1, 2")] for name in names}


def version(path: Path) -> int:
    return int(next(row["value"] for row in contents(path)["meta"] if row["key"] == "version"))

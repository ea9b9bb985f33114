"""A state file that tests may tamper with, filled with actions."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reaper.core.model import DAY_S, Action, OutcomeKind
from reaper.store.journal import Intent, Journal
from reaper.store.store import Store
from reaper.store.verification import Verification

NOW = 1_790_000_000.0

CONFIG = """\
version: 1
state: sqlite:///{state}
projects:
  prod:
    endpoint: {endpoint}
    credential: none
    agents: [{{name: "*", policy: standard}}]
policies:
  standard:
    mode: enforce
    grace: 0s
    rules: [{{name: stale, action: delete, when: {{idle: 7d}}}}]
    limits: {{per_sweep: 100000, per_day: 100000}}
"""


def write_config(folder: Path, state: Path, endpoint: str = "http://127.0.0.1:9/api/projects/p") -> Path:
    path = folder / "reaper.yaml"
    path.write_text(CONFIG.format(state=state, endpoint=endpoint), encoding="utf-8")
    return path


@dataclass
class Book:
    """A journal on disk. What the program writes goes through `journal`, what an intruder does through `tamper`."""

    path: Path
    store: Store = field(init=False)
    made: int = 0

    def __post_init__(self) -> None:
        self.store = Store.open(f"sqlite:///{self.path}")
        assert not self.store.fault

    @property
    def journal(self) -> Journal:
        return self.store.journal

    def intend(self, session: str = "session-0001", *, at: float = NOW, agent: str = "desk") -> Intent:
        self.made += 1  # each time another incarnation: one is deleted once
        created_at = int(at) - 9 * DAY_S - self.made
        intent = Intent("", "prod", agent, session, created_at, Action.DELETE, "stale", approved=False)
        check = {"condition": "idle", "wanted": "at least 7d", "actual": "8d"}
        return asyncio.run(self.journal.intend(intent, at, {"compared": [check], "received": '{"colour": "red"}'}))

    def conclude(self, intent: Intent, outcome: OutcomeKind, at: float, why: str) -> None:
        asyncio.run(self.journal.conclude(intent, outcome, at, why))

    def act(self, session: str = "session-0001", *, at: float = NOW, agent: str = "desk", why: str = "") -> None:
        """One action from intent to outcome."""
        self.conclude(self.intend(session, at=at, agent=agent), OutcomeKind.DONE, at, why)

    def act_many(self, count: int) -> None:
        for number in range(count):
            self.act(f"session-{number:04d}", at=NOW + number)

    def tamper(self, statement: str) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.executescript(statement)
        connection.close()

    def begin_anew(self) -> None:
        """What an intruder can do who writes a record of his own: no process and no note remember the old one."""
        self.store.close()
        self.tamper("DELETE FROM journal; DELETE FROM sqlite_sequence")
        Path(f"{self.path}.head").unlink(missing_ok=True)
        self.store = Store.open(f"sqlite:///{self.path}")

    def verify(self, noted: str | None = None) -> Verification:
        return self.journal.verify(noted)

    def doubts(self, **named: Any) -> tuple[str, ...]:
        """What is wrong beside a chain that is unbroken."""
        verdict = self.journal.verify(**named)
        assert verdict.broken is None
        return verdict.doubts

    def broken(self) -> tuple[int, str]:
        found = self.verify().broken
        assert found is not None
        return found.row, found.what

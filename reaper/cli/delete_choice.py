"""Which sessions a delete by hand would take, looked up first and shown before anything is sent."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

import typer
from rich.console import Console

from reaper.cli.all_pages import Batch, every_page
from reaper.cli.delete_results import DeleteResult
from reaper.cli.endings import CommandError, Exit
from reaper.cli.filters import Filter
from reaper.cli.interrupts import plain_ctrl_c
from reaper.cli.progress import counting
from reaper.cli.record_rows import records_table
from reaper.core.conditions import StatusIn
from reaper.core.model import ACTIVE, FAILED, IDLE, TOMBSTONES, Malformed, OutcomeKind, Session
from reaper.core.provider import Gone, Provider, ProviderError, Unauthenticated
from reaper.listing.listing import PAGE_SIZE, PAGES_MAX

PREVIEWED: Final = 20

_BY_DEFAULT: Final = frozenset({IDLE, FAILED})
_DELETABLE: Final = _BY_DEFAULT | {ACTIVE}


@dataclass(frozen=True, slots=True)
class Choice:
    """What would go, and what needs no delete or can have none; `now` is the platform's time of the look.

    `cautions` say which of them the configuration means to keep.
    """

    found: tuple[Session, ...]
    settled: tuple[DeleteResult, ...] = ()
    notes: tuple[str, ...] = ()
    now: float | None = None
    cautions: tuple[str, ...] = ()


def check_deletable(meant: Filter) -> None:
    """Refuse a filter on statuses that a filter never deletes."""
    for condition in meant.conditions:
        wrong = condition.words - _DELETABLE if isinstance(condition, StatusIn) else frozenset()
        if wrong:
            raise CommandError(f"a filter deletes idle, failed and active sessions, never {', '.join(sorted(wrong))}")


async def by_ids(client: Provider, agent: str, ids: Sequence[str]) -> Choice:
    """Look each session up; one that cannot be looked up is not deleted."""
    looks = []
    with counting(sys.stderr, "looking", len(ids)) as step:
        for name in ids:
            looks.append(await _look(client, agent, name))
            step()
    seen = [one for one in looks if not isinstance(one, DeleteResult)]
    settled = tuple(one for one in looks if isinstance(one, DeleteResult))
    return Choice(tuple(session for session, _ in seen), settled, now=seen[-1][1] if seen else None)


async def _look(client: Provider, agent: str, name: str) -> tuple[Session, float | None] | DeleteResult:
    """One session with the platform's time of the look, or why it needs no delete or can have none."""
    try:
        answer = await client.get(agent, name)
    except Unauthenticated:
        raise
    except Gone:
        return DeleteResult(name, OutcomeKind.ALREADY_GONE.value)
    except ProviderError as error:
        return DeleteResult(name, OutcomeKind.FAILED.value, f"no look at it, so nothing was sent: {error}")
    record = answer.value
    if isinstance(record, Malformed):
        return DeleteResult(name, OutcomeKind.FAILED.value, f"its record is malformed: {record.reason}")
    if record.status in TOMBSTONES:
        return DeleteResult(name, OutcomeKind.ALREADY_GONE.value, f"it is {record.status}")
    return record, answer.date


async def by_filter(client: Provider, agent: str, meant: Filter) -> Choice:
    """List all sessions to the end, and take those that are meant; an incomplete list deletes nothing."""
    named = any(isinstance(condition, StatusIn) for condition in meant.conditions)
    chosen = _Selection(meant, _DELETABLE if named else _BY_DEFAULT)
    pages = every_page(client, agent, order="asc", limit=PAGE_SIZE, pages_max=PAGES_MAX)
    with counting(sys.stderr, "listing pages", None) as step:
        async with aclosing(pages) as batches:  # type: ignore[type-var]
            async for batch in batches:
                chosen.add(batch)
                step()
    return Choice(tuple(chosen.found.values()), notes=chosen.notes(), now=chosen.now)


@dataclass(slots=True)
class _Selection:
    """Keeps of each page what is meant, and counts what nobody can judge: that is left out."""

    meant: Filter
    statuses: frozenset[str]
    found: dict[str, Session] = field(default_factory=dict)
    now: float | None = None
    malformed: int = 0
    strange: int = 0

    def add(self, batch: Batch) -> None:
        self.now = batch.now if self.now is None else self.now
        for record in batch.records:
            if isinstance(record, Malformed):
                self.malformed += 1
            elif record.status in self.statuses and self.meant.fits(record, batch.now):
                self.strange += bool(record.strange)
                if not record.strange:
                    self.found[record.id] = record

    def notes(self) -> tuple[str, ...]:
        fields = "their records carry fields that this version does not know; name them to delete"
        left_out = ((self.malformed, "their records are malformed"), (self.strange, fields))
        return tuple(f"{count} left out: {why}" for count, why in left_out if count)


def show(choice: Choice) -> None:
    """Print what would go on stderr, the first of many and the number."""
    out = Console(stderr=True, highlight=False)
    out.print(records_table(choice.found[:PREVIEWED], choice.now))
    if len(choice.found) > PREVIEWED:
        out.print(f"… and {len(choice.found) - PREVIEWED} more, {len(choice.found)} in all")


def ask(question: str) -> None:
    """Go on only after a yes at the terminal."""
    try:
        with plain_ctrl_c():
            agreed = typer.confirm(question, err=True)
    except (typer.Abort, KeyboardInterrupt, EOFError):
        print(file=sys.stderr)
        agreed = False
    if not agreed:
        raise CommandError("nothing was deleted", Exit.FAILED)


def must_be_asked(*, yes: bool) -> None:
    """Refuse to delete where nobody can be asked and nobody said yes."""
    if not (yes or sys.stdin.isatty()):
        raise CommandError("deleting asks at a terminal; in a script say --yes")

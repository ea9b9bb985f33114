"""Which sessions a delete by hand would take, looked up first and shown before anything is sent."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
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
_MALFORMED: Final = "their records are malformed"
_STRANGE: Final = "their records carry fields that this version does not know; name them to delete"


@dataclass(frozen=True, slots=True)
class Choice:
    """What would go, and what needs no delete or can have none; `now` is the platform's time of the look."""

    found: tuple[Session, ...]
    settled: tuple[DeleteResult, ...] = ()
    notes: tuple[str, ...] = ()
    now: float | None = None


def check_deletable(which: Filter) -> None:
    """Refuse a filter on statuses that a filter never deletes."""
    for condition in which.conditions:
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


async def by_filter(client: Provider, agent: str, which: Filter) -> Choice:
    """List all sessions to the end, and take those that fit; an incomplete list deletes nothing."""
    found: dict[str, Session] = {}
    left_out = Counter({_MALFORMED: 0, _STRANGE: 0})
    now: float | None = None
    pages = every_page(client, agent, order="asc", limit=PAGE_SIZE, pages_max=PAGES_MAX)
    with counting(sys.stderr, "listing pages", None) as step:
        async with aclosing(pages) as batches:  # type: ignore[type-var]
            async for batch in batches:
                now = batch.now if now is None else now
                found.update((session.id, session) for session in _fitting(batch, which, left_out))
                step()
    notes = tuple(f"{count} left out: {why}" for why, count in left_out.items() if count)
    return Choice(tuple(found.values()), notes=notes, now=now)


def _fitting(batch: Batch, which: Filter, left_out: Counter[str]) -> Iterator[Session]:
    """The sessions of one page that fit; what nobody can judge is counted and left out."""
    named = any(isinstance(condition, StatusIn) for condition in which.conditions)
    for record in batch.records:
        if isinstance(record, Malformed):
            left_out[_MALFORMED] += 1
        elif record.status in (_DELETABLE if named else _BY_DEFAULT) and which.fits(record, batch.now):
            if record.strange:
                left_out[_STRANGE] += 1
            else:
                yield record


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

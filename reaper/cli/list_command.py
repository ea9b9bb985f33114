"""sessions list: one page, or all of them printed as they come."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from rich.markup import render

from reaper.cli.all_pages import Batch
from reaper.cli.endings import CommandError, Exit
from reaper.cli.filters import Filter
from reaper.cli.options import OutputFormat
from reaper.cli.record_rows import COLUMNS, record_cells, record_json
from reaper.core.model import Malformed, Session

_WIDTHS: Final = (36, 9, 8, 17, 7, 10)


@dataclass(slots=True)
class AlignedLines:
    """Aligned lines for people. A column is as wide as the widest cell so far: what is printed stays as it is."""

    _widths: tuple[int, ...] = ()

    def page(self, records: list[Session | Malformed], now: float | None) -> None:
        if not self._widths:
            self._widths = _WIDTHS
            self._print([column.removesuffix("#") for column in COLUMNS])
        for record in records:
            self._print([render(cell, emoji=False).plain for cell in record_cells(record, now)])
        sys.stdout.flush()

    def end(self, why: str) -> None:
        """Nothing is open."""

    def _print(self, cells: list[str]) -> None:
        grown = [max(w, len(c)) for w, c in zip(self._widths, cells, strict=False)]
        self._widths = (*grown, *self._widths[len(grown) :])
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, self._widths, strict=False)).rstrip())


@dataclass(slots=True)
class JsonStream:
    """One JSON object, written as it is read: a million sessions need not fit into memory."""

    _count: int = 0
    _is_open: bool = False

    def page(self, records: list[Session | Malformed], now: float | None) -> None:
        if not self._is_open:
            print('{"data": [', end="")
            self._is_open = True
        for record in records:
            print(",\n " if self._count else "\n ", end="")
            print(json.dumps(record_json(record)), end="")
            self._count += 1
        sys.stdout.flush()

    def end(self, why: str) -> None:
        """Close the object, with `why` it is not whole; what breaks off before its first page prints nothing."""
        if self._is_open:
            ending = {"complete": not why, **({"why": why} if why else {})}
            print("\n], " + json.dumps(ending)[1:], flush=True)


@dataclass(slots=True)
class Tally:
    """How far a listing came."""

    pages: int = 0
    seen: int = 0
    shown: int = 0
    malformed: int = 0

    def summary(self) -> str:
        unread = f"; {self.malformed} malformed record(s)" if self.malformed else ""
        return f"{self.shown} of {self.seen} sessions on {self.pages} page(s){unread}"


async def print_all(batches: AsyncIterator[Batch], which: Filter, output: OutputFormat) -> None:
    """Print every session that fits as its page comes; a listing that breaks off says so and fails."""
    printer = JsonStream() if output is OutputFormat.JSON else AlignedLines()
    tally = Tally()
    try:
        async with aclosing(batches) as pages:  # type: ignore[type-var]
            async for batch in pages:
                printer.page(list(_to_show(batch, which, tally)), batch.now)
    except CommandError as error:
        printer.end(str(error))
        raise CommandError(f"{error}; until then {tally.summary()}", Exit.FAILED) from error
    except asyncio.CancelledError as error:
        printer.end("interrupted")
        problem = f"interrupted, so the listing is not whole: until then {tally.summary()}"
        raise CommandError(problem, Exit.FAILED) from error
    printer.end("")
    print(tally.summary(), file=sys.stderr)


def _to_show(batch: Batch, which: Filter, tally: Tally) -> Iterator[Session | Malformed]:
    """The records of a page to show: a malformed one cannot be judged, so a filter leaves it out."""
    tally.pages += 1
    for record in batch.records:
        tally.seen += 1
        tally.malformed += isinstance(record, Malformed)
        if not which if isinstance(record, Malformed) else which.fits(record, batch.now):
            tally.shown += 1
            yield record

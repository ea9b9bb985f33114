"""What long work is doing, at a terminal only: sessions seen, pages, actions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self, TextIO, assert_never

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from reaper.engine import events


class Progress:
    """One moving line for all agents; silent when `stream` is not a terminal."""

    def __init__(self, stream: TextIO) -> None:
        console = Console(file=stream, stderr=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bars = Bars(*columns, console=console, transient=True, disable=not stream.isatty())
        self._task = self._bars.add_task("asking the platform")
        self._pages = self._sessions = self._planned = self._acted = 0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def hear(self, event: events.Event) -> None:
        """Show that a sweep has come further."""
        match event:
            case events.PageRead(sessions=sessions):
                self._pages += 1
                self._sessions += sessions
            case events.Planned(plan=plan):
                self._planned += plan.tally.act
            case events.ActionEnded():
                self._acted += 1
            case events.SweepBegun() | events.Judged() | events.SweepEnded() | events.QuotaRelieved():
                pass
            case events.UnknownApprovals() | events.AgentsFound() | events.MustSeeListed():
                pass
            case _:
                assert_never(event)
        actions = f", {self._acted} of {self._planned} actions" if self._planned else ""
        self._bars.update(self._task, description=f"{self._sessions} sessions on {self._pages} pages{actions}")


@contextmanager
def counting(stream: TextIO, what: str, total: int | None) -> Iterator[Callable[[], None]]:
    """A bar that grows with each call of what it gives; silent when `stream` is not a terminal."""
    console = Console(file=stream, stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True, disable=not stream.isatty()) as bars:
        task = bars.add_task(what, total=total)
        yield lambda: bars.advance(task)

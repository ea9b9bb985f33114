"""What long work is doing, at a terminal only: sessions seen, pages, actions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TextIO, assert_never

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from reaper.engine.events import (
    ActionEnded,
    AgentsFound,
    Event,
    PageRead,
    Planned,
    QuotaRelieved,
    SweepEnded,
    UnknownApprovals,
)


class Progress:
    """One moving line for all agents; silent when `stream` is not a terminal."""

    def __init__(self, stream: TextIO) -> None:
        console = Console(file=stream, stderr=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bars = Bars(*columns, console=console, transient=True, disable=not stream.isatty())
        self._task: TaskID | None = None
        self._pages = self._sessions = self._planned = self._acted = 0

    def __enter__(self) -> Self:
        self._bars.start()
        self._task = self._bars.add_task("asking the platform")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def hear(self, event: Event) -> None:
        """Show that a sweep has come further."""
        match event:
            case PageRead(sessions=sessions):
                self._pages += 1
                self._sessions += sessions
            case Planned(plan=plan):
                self._planned += len(plan.act)
            case ActionEnded():
                self._acted += 1
            case SweepEnded() | QuotaRelieved() | UnknownApprovals() | AgentsFound():
                pass
            case _:
                assert_never(event)
        self._show()

    def _show(self) -> None:
        if self._task is not None:
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

"""What long work is doing, at a terminal only: sessions seen, pages, actions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from reaper.core.planner import Plan
from reaper.engine.report import Listener, Outcome, Report


class Progress(Listener):
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

    def page(self, project: str, agent: str, sessions: int) -> None:
        self._pages += 1
        self._sessions += sessions
        self._show()

    def planned(self, project: str, plan: Plan) -> None:
        self._planned += len(plan.act)
        self._show()

    def outcome(self, project: str, agent: str, outcome: Outcome) -> None:
        self._acted += 1
        self._show()

    def report(self, report: Report) -> None:
        self._show()

    def _show(self) -> None:
        if self._task is not None:
            actions = f", {self._acted} of {self._planned} actions" if self._planned else ""
            told = f"{self._sessions} sessions on {self._pages} pages{actions}"
            self._bars.update(self._task, description=told)


@contextmanager
def counting(stream: TextIO, what: str, total: int | None) -> Iterator[Callable[[], None]]:
    """A bar that grows with each call of what it gives; silent when `stream` is not a terminal."""
    console = Console(file=stream, stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True, disable=not stream.isatty()) as bars:
        task = bars.add_task(what, total=total)
        yield lambda: bars.advance(task)

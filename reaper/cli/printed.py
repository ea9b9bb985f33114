"""Tables for people. Text from outside is made harmless before it is printed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import islice
from typing import Final

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reaper.core.command_lines import command, only
from reaper.core.durations import show_duration
from reaper.core.plan import Hold
from reaper.core.policy import Mode
from reaper.core.text import clean
from reaper.engine.report import Failed, Report, Result
from reaper.engine.runner import Run
from reaper.engine.status_json import decisions, instant
from reaper.store.known_plans import KnownPlan

ROWS_SHOWN: Final = 12
WIDTH_NOT_A_TERMINAL: Final = 160
WHY_MAX_CHARS: Final = 4_000

_COLOURS: Final = {Result.OK: "green", Result.WITHHELD: "yellow", Result.UNTRUSTED: "red", Result.INCOMPLETE: "red"}


def console() -> Console:
    """Standard output; wide when nobody's screen sets a width."""
    return Console(width=None if sys.stdout.isatty() else WIDTH_NOT_A_TERMINAL, highlight=False)


def table(*columns: str, title: str = "") -> Table:
    """A plain table; columns whose name ends in `#` hold numbers."""
    made = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(
            column.removesuffix("#"), justify="right" if column.endswith("#") else "left", overflow="fold"
        )
    return made


def safe(text: object) -> str:
    """Foreign text as it may stand in a table."""
    return escape(clean(text))


def print_run(run: Run, *, planned: bool, rows_shown: int | None = ROWS_SHOWN) -> None:
    """The agents, the decisions on their sessions, and what a person may want to do next."""
    out = console()
    out.print(_agents(run))
    for report in run.swept:
        rows = list(islice(decisions(report, planned=planned), rows_shown))
        if rows:
            out.print(_decisions(report, rows))
            left = sum(report.totals[a] for a in ("stop", "delete")) - len(rows)
            if left > 0:
                out.print(f"  … and {left} more; --output json lists all\n")
    for project, names in run.unmanaged.items():
        out.print(f"{safe(project)}: no pattern matches {safe(', '.join(names))}: left alone")
    for ended in run.reports:
        for line in notes(ended, planned=planned):
            out.print(line, soft_wrap=True)


def _agents(run: Run) -> Table:
    made = table(
        "project", "agent", "policy", "mode", "sessions#", "pages#", "keep#", "stop#", "delete#", "done#", "result"
    )
    for report in run.reports:
        colour = _COLOURS.get(report.result, "red")
        made.add_row(
            safe(report.project),
            safe(report.agent),
            report.policy.name,
            "observe" if report.observed else "enforce",
            *map(str, _counts(report)),
            f"[{colour}]{report.result}[/]",
        )
    return made


def _counts(report: Report) -> tuple[object, ...]:
    """Sessions, pages, and how many are kept, to be stopped, to be deleted, and done."""
    if isinstance(report, Failed):
        return ("-", "-", 0, 0, 0, 0)
    done = sum(outcome.kind == "done" for outcome in report.outcomes)
    return (report.snapshot.sessions, report.snapshot.pages, *report.totals.values(), done)


def _decisions(report: Report, rows: Sequence[dict[str, object]]) -> Table:
    names = ("session", "action", "rule", "outcome", "reason")
    made = table(*names, title=f"{report.project}/{safe(report.agent)}")
    for row in rows:
        made.add_row(*(safe(row[name]) for name in names))
    return made


def notes(report: Report, *, planned: bool) -> list[str]:
    """What a person should know of one agent's sweep, each a line."""
    where = f"{report.project}/{safe(report.agent)}"
    if isinstance(report, Failed):
        return [_trouble(report, where)] if report.why else []
    plan, lines = report.plan, [f"{where}: {safe(report.asked)}"] if report.asked else []
    if report.result is Result.WITHHELD:
        lines.append(f"[yellow]{where}: withheld, nothing was {'planned' if planned else 'done'}[/]: {_why(report)}")
    elif report.why:
        lines.append(_trouble(report, where))
    elif plan.foreseen or plan.jump:
        excess = "; ".join(str(one) for one in (plan.jump, *plan.foreseen) if one)
        lines.append(
            f"{where}: once due, this plan will be withheld: {excess}. "
            f"Approve ahead: {escape(command('approve', plan.id))}"
        )
    if report.policy.mode is Mode.OBSERVE and plan.tally.total:
        lines.append(f"{where}: observing; `mode: enforce` in policy {report.policy.name} lets it act")
    if waiting := report.blocked[Hold.GRACE]:
        ripe = plan.tally.first_ripe(Hold.GRACE)
        lines.append(f"{where}: {waiting} in grace, the first may be deleted in {show_duration(ripe - plan.now)}")
    if held := sum(bool(plan.holds.on(i.session, plan.now)) for i in plan.items if i.hold is Hold.HOLD):
        look = command("holds", project=report.project, agent=only(report.agent))
        lines.append(f"{where}: {held} held by people, see {escape(look)}")
    return [*lines, *(f"[yellow]{where}[/]: {safe(note)}" for note in report.notes)]


def _trouble(report: Report, where: str) -> str:
    return f"[red]{where}: {report.result}[/]: {_why(report)}"


def _why(report: Report) -> str:
    """The whole reason: the commands at its end are of no use when they are cut."""
    return escape(clean(report.why, WHY_MAX_CHARS))


def print_approval(plan_id: str, parts: Sequence[KnownPlan]) -> None:
    """What was approved."""
    out = console()
    for part in parts:
        where = f"{safe(part.project)}/{safe(part.agent)}"
        out.print(f"approved: {len(part.approvals)} actions on {where}, planned {instant(part.at)}")
    out.print(f"plan {plan_id} runs in the next sweep: limits aside, every other guard on")

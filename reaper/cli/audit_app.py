"""audit: the commands that show the record, and verify it."""

from __future__ import annotations

from typing import Annotated

import typer

from reaper.cli.options import Config, Output, OutputFormat

app = typer.Typer(help="What was done, with the evidence; and that nobody altered it.", no_args_is_help=True)


@app.command()
def show(
    session: Annotated[str | None, typer.Option("--session", metavar="ID", help="Only this session.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", metavar="NAME", help="Only this agent.")] = None,
    project: Annotated[str | None, typer.Option("--project", metavar="NAME", help="Only this project.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Only since then: 7d ago, or a date as in 2026-11-01 (UTC).")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="The last so many actions; 0 for all.")] = 50,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Every stop and delete that was sent, the newest last.

    With json each carries its evidence: the platform's record right before it, and the values compared.
    """
    from reaper.cli.audit_commands import action_filter, run_show

    run_show(config, action_filter(project, agent, session, since), limit, output)


@app.command()
def verify(
    head: Annotated[
        str | None, typer.Option(metavar="HASH", help="A head noted elsewhere, which the record must contain.")
    ] = None,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Whether the record is as it was written.

    Walks the whole chain of hashes. Without a head that was noted elsewhere, an end that was cut off carefully, or a
    record written anew, is not noticed.

    Exit codes: 0 it holds; 1 it is broken, or does not contain the head; 2 wrong configuration or command line.
    """
    from reaper.cli.audit_commands import run_verify

    raise typer.Exit(run_verify(config, head, output))

"""sessions: the platform's own session operations, by hand."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from reaper.cli.files_app import app as files_app
from reaper.cli.options import AgentName, Config, Output, OutputFormat, ProjectName, SessionId

app = typer.Typer(help="The platform's own session operations, by hand.", no_args_is_help=True)
app.add_typer(files_app, name="files")

Statuses = Annotated[
    list[str] | None, typer.Option("--status", metavar="STATUS", help="Only with this status; may be repeated.")
]
IdleOver = Annotated[
    str | None, typer.Option("--idle-over", metavar="DURATION", help="Only unused for at least so long: 36h, 7d.")
]
Globs = Annotated[
    list[str] | None,
    typer.Option("--id", metavar="GLOB", help="Only ids that match, as in 'vip-*'; may be repeated."),
]


@app.command()
def create(
    agent: AgentName,
    session: Annotated[str | None, typer.Option("--id", help="The id; the platform chooses one by default.")] = None,
    version: Annotated[
        str | None, typer.Option("--version", help="The agent version, which must be active; the newest by default.")
    ] = None,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Show the session of this --id when it runs; make it when not.")
    ] = False,
    project: ProjectName = None,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Create a session."""
    from reaper.cli.session_commands import SessionCommands

    commands = SessionCommands(config, project, agent, output)
    asyncio.run(commands.create(session, version, if_missing=if_missing))


@app.command()
def get(
    agent: AgentName,
    session: SessionId,
    project: ProjectName = None,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Show one session's record."""
    from reaper.cli.session_commands import SessionCommands

    asyncio.run(SessionCommands(config, project, agent, output).get(session))


@app.command("list")
def list_(
    agent: AgentName,
    all_: Annotated[bool, typer.Option("--all", help="Every page, printed as it comes.")] = False,
    status: Statuses = None,
    idle_over: IdleOver = None,
    id_: Globs = None,
    limit: Annotated[
        int | None, typer.Option(help="How many on a page, 1 to 100; 20, or 100 with --all.", show_default=False)
    ] = None,
    max_pages: Annotated[int, typer.Option(min=1, help="With --all: give up after so many.")] = 20_000,
    order: Annotated[str, typer.Option(help="asc or desc, by creation.")] = "asc",
    after: Annotated[str | None, typer.Option(metavar="SESSION", help="Start after this session.")] = None,
    before: Annotated[str | None, typer.Option(metavar="SESSION", help="End before this session.")] = None,
    project: ProjectName = None,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Show one page of an agent's sessions, or with --all every session that fits.

    The platform itself filters nothing: every page is read. A listing that breaks off says so, and exits 1.
    """
    from reaper.cli.filters import read_filter
    from reaper.cli.session_commands import SessionCommands

    commands, which = SessionCommands(config, project, agent, output), read_filter(status or (), idle_over, id_ or ())
    if not all_ and which:
        raise typer.BadParameter("one page says little about what fits: add --all", param_hint="filters")
    if all_ and before is not None:
        raise typer.BadParameter("--all reads on to the end: --before has no meaning there", param_hint="--before")
    if all_:
        pages = {"limit": 100 if limit is None else limit, "order": order, "after": after}
        asyncio.run(commands.all(which, max_pages, **pages))
        return
    asyncio.run(commands.page(limit=20 if limit is None else limit, order=order, after=after, before=before))


@app.command()
def delete(
    agent: AgentName,
    sessions: Annotated[list[str] | None, typer.Argument(metavar="SESSION...", help="The sessions' ids.")] = None,
    status: Statuses = None,
    idle_over: IdleOver = None,
    id_: Globs = None,
    all_matching: Annotated[
        bool, typer.Option("--all-matching", help="Yes, every session that fits the filter.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    no_record: Annotated[
        bool, typer.Option("--no-record", help="Do not write it into the audit record of the configured state.")
    ] = False,
    project: ProjectName = None,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Delete sessions and their files for ever; shows them and asks first at a terminal.

    Names sessions, or filters them: a filter takes idle and failed ones, active ones only with --status active, and
    never those that are being created or updated. Each is looked at once more right before, and kept when it changed.

    Exit codes: 0 all are gone; 1 some are not, or Ctrl-C; 2 wrong configuration or command line; 3 the
    platform's clock cannot be believed, so nothing was deleted.
    """
    from reaper.cli.delete_command import DeleteRequest, run_delete
    from reaper.cli.filters import read_filter
    from reaper.cli.session_commands import SessionCommands

    commands = SessionCommands(config, project, agent, output)
    ids, which = tuple(dict.fromkeys(sessions or ())), read_filter(status or (), idle_over, id_ or ())
    request = DeleteRequest(ids, which, all_matching)
    raise typer.Exit(asyncio.run(run_delete(commands, request, yes=yes, record=not no_record)))


@app.command()
def stop(
    agent: AgentName,
    session: SessionId,
    project: ProjectName = None,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Stop a running session; its files stay."""
    from reaper.cli.session_commands import SessionCommands

    asyncio.run(SessionCommands(config, project, agent, output).stop(session))


@app.command()
def logs(
    agent: AgentName,
    session: SessionId,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the session is gone, or Ctrl-C.")
    ] = False,
    project: ProjectName = None,
    config: Config = None,
) -> None:
    """Print a session's log.

    Without --follow it ends when nothing came for two seconds. With it, a connection that breaks is made again.
    """
    from reaper.cli.logs_command import run_logs
    from reaper.cli.session_commands import SessionCommands

    commands = SessionCommands(config, project, agent, OutputFormat.TABLE)
    asyncio.run(run_logs(commands, session, follow=follow))

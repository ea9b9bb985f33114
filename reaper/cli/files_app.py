"""sessions files: the commands."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from reaper.cli.options import AgentName, Config, Output, OutputFormat, ProjectName, SessionId

app = typer.Typer(
    help="A session's files. Each of these may wake its sandbox and count as a use.", no_args_is_help=True
)

FilePath = Annotated[str, typer.Option("--path", metavar="PATH", help="The file or directory in the session.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command("list")
def list_(
    agent: AgentName,
    session: SessionId,
    path: FilePath = ".",
    project: ProjectName = None,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Show one directory."""
    from reaper.cli.files_commands import FileCommands
    from reaper.cli.session_commands import SessionCommands

    asyncio.run(FileCommands(SessionCommands(config, project, agent, output), session).show(path))


@app.command()
def get(
    agent: AgentName,
    session: SessionId,
    path: FilePath,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write it here; stdout by default.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
    project: ProjectName = None,
    config: Config = None,
) -> None:
    """Fetch one file, up to 64 MiB."""
    from reaper.cli.files_commands import FileCommands
    from reaper.cli.session_commands import SessionCommands

    home = FileCommands(SessionCommands(config, project, agent, OutputFormat.TABLE), session)
    asyncio.run(home.get(path, out, force=force))


@app.command()
def put(
    agent: AgentName,
    session: SessionId,
    local: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write, up to 50 MB.")],
    path: Annotated[
        str | None, typer.Option("--path", metavar="PATH", help="Where in the session; by default FILE's name.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    project: ProjectName = None,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Write one file into the session."""
    from reaper.cli.files_commands import FileCommands
    from reaper.cli.session_commands import SessionCommands

    asyncio.run(FileCommands(SessionCommands(config, project, agent, output), session).put(local, path, force=force))


@app.command()
def delete(
    agent: AgentName,
    session: SessionId,
    path: FilePath,
    recursive: Annotated[bool, typer.Option("--recursive", help="A directory with all in it.")] = False,
    yes: Yes = False,
    project: ProjectName = None,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Delete a file, or a directory with all in it; asks first at a terminal."""
    from reaper.cli.files_commands import FileCommands
    from reaper.cli.session_commands import SessionCommands

    home = FileCommands(SessionCommands(config, project, agent, output), session)
    asyncio.run(home.delete(path, recursive=recursive, yes=yes))

"""sessions: the platform's own session operations, by hand."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from reaper.cli.options import Config, Output, OutputFormat, ProjectName

app = typer.Typer(help="The platform's own session operations, by hand.", no_args_is_help=True)

AgentName = Annotated[str, typer.Argument(metavar="AGENT", help="The agent's name.")]
SessionId = Annotated[str, typer.Argument(metavar="SESSION", help="The session's id.")]


@app.command()
def create(
    agent: AgentName,
    session: Annotated[str | None, typer.Option("--id", help="The id; the platform chooses one by default.")] = None,
    version: Annotated[
        str | None, typer.Option("--version", help="The agent version; the newest by default.")
    ] = None,
    project: ProjectName = None,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Create a session."""
    from reaper.cli.by_hand import Hand

    hand = Hand(config, project, agent, output)
    asyncio.run(hand.create(session, version))


@app.command()
def get(
    agent: AgentName,
    session: SessionId,
    project: ProjectName = None,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Show one session's record."""
    from reaper.cli.by_hand import Hand

    asyncio.run(Hand(config, project, agent, output).get(session))


@app.command("list")
def list_(
    agent: AgentName,
    limit: Annotated[int, typer.Option(help="How many on the page, 1 to 100.")] = 20,
    order: Annotated[str, typer.Option(help="asc or desc, by creation.")] = "asc",
    after: Annotated[str | None, typer.Option(metavar="SESSION", help="Start after this session.")] = None,
    before: Annotated[str | None, typer.Option(metavar="SESSION", help="End before this session.")] = None,
    project: ProjectName = None,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Show one page of an agent's sessions."""
    from reaper.cli.by_hand import Hand

    hand = Hand(config, project, agent, output)
    asyncio.run(hand.list(limit=limit, order=order, after=after, before=before))


@app.command()
def delete(
    agent: AgentName,
    sessions: Annotated[list[str], typer.Argument(metavar="SESSION...", help="The sessions' ids.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    project: ProjectName = None,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Delete sessions and their files for ever; asks first at a terminal."""
    from reaper.cli.by_hand import Hand

    hand = Hand(config, project, agent, output)
    raise typer.Exit(asyncio.run(hand.delete(sessions, yes=yes)))


@app.command()
def stop(
    agent: AgentName,
    session: SessionId,
    project: ProjectName = None,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Stop a running session; its files stay."""
    from reaper.cli.by_hand import Hand

    asyncio.run(Hand(config, project, agent, output).stop(session))


@app.command()
def logs(
    agent: AgentName,
    session: SessionId,
    project: ProjectName = None,
    config: Config = None,
) -> None:
    """Follow a session's log until it ends or Ctrl-C."""
    from reaper.cli.by_hand import Hand

    asyncio.run(Hand(config, project, agent, OutputFormat.TABLE).logs(session))

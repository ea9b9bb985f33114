"""The commands. Each imports what it needs when it is called, so that `--help` is quick."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from reaper.cli.audit_app import app as audit_app
from reaper.cli.config_app import app as config_app
from reaper.cli.options import (
    AgentName,
    All,
    Config,
    Output,
    OutputFormat,
    ProjectName,
    Reason,
    SessionId,
    parse_listen,
    read_duration,
)
from reaper.cli.sessions_app import app as sessions_app
from reaper.cli.state_app import app as state_app

app = typer.Typer(
    name="reaper",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(config_app, name="config")
app.add_typer(audit_app, name="audit")
app.add_typer(state_app, name="state")
app.add_typer(sessions_app, name="sessions")

AgentGlob = Annotated[str, typer.Option("--agent", metavar="GLOB", help="Only agents whose name matches.")]


def main() -> None:
    """Run a command; what goes wrong ends as one message and an exit code."""
    from reaper.cli.endings import ending, settle_streams

    settle_streams()
    # The shell is named by the caller: guessed from the parent process it is wrong under make, sh and kubectl exec.
    os.environ["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"
    with ending():
        app()


def _version(wanted: bool) -> None:
    if wanted:
        from reaper import __version__

        typer.echo(f"reaper {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Keeps the hosted agent sessions of Microsoft Foundry in order: stops or deletes what a policy calls stale."""


@app.command()
def run(
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", envvar="REAPER_LISTEN", help="Serve here, not where the configuration says."
        ),
    ] = None,
    config: Config = None,
) -> None:
    """The daemon: sweep on a schedule until SIGTERM.

    It reloads its configuration when that changes, and serves metrics, health and status.
    """
    from reaper.cli.sweep_commands import run_daemon

    asyncio.run(run_daemon(config, parse_listen(listen) if listen else None))


@app.command()
def sweep(
    agent: AgentGlob = "*",
    project: ProjectName = None,
    observe: Annotated[bool, typer.Option("--observe", help="Touch nothing, even where a policy enforces.")] = False,
    all_: All = False,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """One sweep now, then exit.

    Lists, judges, and stops or deletes what the policies ask for.

    Exit codes: 0 done; 1 a sweep failed or was incomplete; 2 wrong configuration or command line; 3 a guard withheld
    actions.
    """
    from reaper.cli.sweep_commands import run_sweep
    from reaper.engine.runner import Scope

    raise typer.Exit(asyncio.run(run_sweep(config, Scope(project, agent, observe, keeps=all_), output)))


@app.command()
def plan(
    agent: AgentGlob = "*",
    project: ProjectName = None,
    out: Annotated[Path | None, typer.Option("--out", help="Save the plan as JSON in this file.")] = None,
    all_: All = False,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """What a sweep would do now, and why. Touches nothing.

    Exit codes: 0 nothing to do; 10 actions are planned; 1 a listing failed or was incomplete; 2 wrong configuration
    or command line; 3 an inventory is not believed.
    """
    from reaper.cli.sweep_commands import run_plan
    from reaper.engine.runner import Scope

    scope = Scope(project, agent, rehearsal=True, keeps=all_)
    raise typer.Exit(asyncio.run(run_plan(config, scope, output, out)))


@app.command()
def approve(
    plan_id: Annotated[
        str,
        typer.Argument(
            metavar="PLAN", help="The id that a sweep or `reaper plan` printed, or its first 12 digits or more."
        ),
    ],
    by: Annotated[
        str, typer.Option("--by", metavar="NAME", help="Who approves; by default the user of the system.")
    ] = "",
    reason: Reason = "",
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Let one withheld plan run in the next sweep.

    Limits aside, every other guard stays on. The approval is for exactly the sessions of that plan as they were seen,
    and is used up by it.
    """
    from reaper.cli.sweep_commands import run_approve

    run_approve(config, plan_id, output, by, reason)


@app.command()
def hold(
    agent: AgentName,
    session: SessionId,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DAY", help="The last day, in UTC, as in 2027-01-31.")
    ] = None,
    legal: Annotated[
        str | None, typer.Option("--legal", metavar="CASE", help="Instead: for this legal case, without an end.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; needed with --until.")] = "",
    by: Annotated[
        str, typer.Option("--by", metavar="NAME", help="Who holds it; by default the user of the system.")
    ] = "",
    id_only: Annotated[
        bool, typer.Option("--id-only", help="Hold whatever has or gets this id, and look nothing up.")
    ] = False,
    project: ProjectName = None,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Hold a session: nobody stops or deletes it until that has ended.

    Sweeps, quota relief, assistants and `sessions delete` leave it alone, from the moment on in which this says so.
    Several people may hold one session.

    Exit codes: 0 it is held; 1 there is no such session, or the hold came too late for what was under way; 2 wrong
    configuration or command line.
    """
    from reaper.cli.hold_command import HoldRequest, run_hold

    request = HoldRequest(agent, session, until, legal, reason, by, id_only, project)
    raise typer.Exit(asyncio.run(run_hold(config, request, output)))


@app.command()
def release(
    agent: AgentName,
    session: SessionId,
    hold_id: Annotated[
        str | None, typer.Option("--hold", metavar="ID", help="Which of several holds, as `reaper holds` shows it.")
    ] = None,
    legal: Annotated[
        str | None, typer.Option("--legal", metavar="CASE", help="The case, for a hold that has one.")
    ] = None,
    reason: Reason = "",
    by: Annotated[
        str, typer.Option("--by", metavar="NAME", help="Who releases; by default the user of the system.")
    ] = "",
    project: ProjectName = None,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """End a hold on a session; says which others stand.

    Once nobody holds it, a policy that wants it deleted marks it first: its grace begins anew.
    """
    from reaper.cli.release_command import ReleaseRequest, run_release

    run_release(config, ReleaseRequest(agent, session, hold_id, legal, reason, by, project), output)


@app.command()
def holds(
    agent: AgentGlob = "*",
    project: ProjectName = None,
    all_: Annotated[bool, typer.Option("--all", help="Also those that ended or were released lately.")] = False,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Which sessions are held: by whom, until when, and why."""
    from reaper.cli.holds_command import run_holds

    run_holds(config, project, agent, output, all_=all_)


@app.command()
def explain(
    agent: Annotated[str, typer.Argument(metavar="AGENT")],
    session: Annotated[str, typer.Argument(metavar="SESSION")],
    project: ProjectName = None,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Why one session is kept, stopped or deleted.

    Every rule with the values compared, every guard, and when the session is next due. Of a session that is gone,
    what this program did to it, and why.
    """
    from reaper.cli.explain_command import run_explain

    asyncio.run(run_explain(config, project, agent, session, output))


@app.command("mcp")
def mcp_(
    http: Annotated[bool, typer.Option("--http", help="Streamable HTTP instead of stdio.")] = False,
    listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where HTTP listens, 127.0.0.1:9465 by default."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The bearer token of HTTP clients, 32 characters or more; default $REAPER_MCP_TOKEN."
        ),
    ] = None,
    allow_stop: Annotated[bool, typer.Option("--allow-stop", help="Offer session_stop.")] = False,
    allow_delete: Annotated[bool, typer.Option("--allow-delete", help="Offer session_delete.")] = False,
    allow_create: Annotated[bool, typer.Option("--allow-create", help="Offer session_create.")] = False,
    allow_hold: Annotated[bool, typer.Option("--allow-hold", help="Offer session_hold.")] = False,
    config: Config = None,
) -> None:
    """The sessions as tools for assistants.

    An MCP server over stdio, or over HTTP. It only looks: session_get, session_list, reaper_plan, reaper_explain and
    reaper_status. What it may do beyond that is allowed one by one. Stopping and deleting need an agent whose policy
    enforces, keep its limits, and have caps of their own; a person is asked before each delete.
    """
    from reaper.cli.mcp_command import HTTP_LISTEN, run_http, run_stdio
    from reaper.mcp.server import ALLOW_CREATE, ALLOW_DELETE, ALLOW_HOLD, ALLOW_STOP

    if not http and (listen or token_file):
        raise typer.BadParameter("--listen and --token-file are for --http")
    flags = {ALLOW_STOP: allow_stop, ALLOW_DELETE: allow_delete, ALLOW_CREATE: allow_create, ALLOW_HOLD: allow_hold}
    allowed = frozenset(name for name, given in flags.items() if given)
    where = parse_listen(listen or HTTP_LISTEN)
    asyncio.run(run_http(config, allowed, where, token_file) if http else run_stdio(config, allowed))


@app.command()
def emulator(
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to listen; port 0 takes a free one.")
    ] = "127.0.0.1:8089",
    agents: Annotated[int, typer.Option(min=0, help="How many agents.")] = 3,
    sessions: Annotated[int, typer.Option(min=0, help="How many sessions each agent has.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed gives the same sessions.")] = 1,
    latency: Annotated[str, typer.Option(metavar="DURATION", help="How long each answer takes: 50ms, 1s.")] = "0ms",
) -> None:
    """A local stand-in for the platform.

    It serves the sessions API with agents and sessions made from a seed, their times spread over 28 days. One line on
    stdout says when it is ready, and where.
    """
    from reaper.cli.emulator_command import run_emulator

    asyncio.run(run_emulator(parse_listen(listen), agents, sessions, seed, read_duration(latency)))


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the sweeps.")] = False,
    agents: Annotated[int, typer.Option(min=1, max=50)] = 4,
    sessions: Annotated[int, typer.Option(min=1, max=20_000, help="Sessions of each agent.")] = 120,
    seed: Annotated[int, typer.Option()] = 7,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where metrics and status are served.")
    ] = "127.0.0.1:9464",
) -> None:
    """See it work, no account needed.

    An emulated platform, one sweep observing and one enforcing; then metrics, status and further sweeps until Ctrl-C.
    """
    from reaper.cli.demo_command import run_demo

    raise typer.Exit(asyncio.run(run_demo(once, agents, sessions, seed, parse_listen(listen))))

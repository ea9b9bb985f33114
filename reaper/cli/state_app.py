"""state: the command that checks the state file."""

from __future__ import annotations

from typing import Annotated

import typer

from reaper.cli.options import Config, Output, OutputFormat, Reason

app = typer.Typer(help="The state file: whether it is whole.", no_args_is_help=True)


@app.command()
def check(
    accept: Annotated[
        bool, typer.Option("--accept", help="Go on with an older copy: what was logged after it is given up.")
    ] = False,
    by: Annotated[
        str, typer.Option("--by", metavar="NAME", help="Who accepts; by default the user of the system.")
    ] = "",
    reason: Reason = "",
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Whether the state can be relied on, and how far its record has come.

    An older copy that was put back has forgotten limits, breakers and what was done since. Nothing is touched with it
    until a person accepts that.

    Exit codes: 0 it is whole; 1 it is not, and why; 2 wrong configuration or command line.
    """
    from reaper.cli.state_commands import run_check

    run_check(config, output, accept=accept, by=by, reason=reason)

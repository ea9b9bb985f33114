"""config: the commands that check, show or describe the configuration."""

from __future__ import annotations

from typing import Annotated

import typer

from reaper.cli.options import Config

app = typer.Typer(help="Check, show or describe the configuration.", no_args_is_help=True)


@app.command()
def check(
    state: Annotated[
        bool, typer.Option("--state", help="Also look into the state: is each of the `approvals` known, or used up?")
    ] = False,
    online: Annotated[
        bool,
        typer.Option(
            "--online", help="Also ask each project: does it answer, and are its `must_see` sessions there?"
        ),
    ] = False,
    config: Config = None,
) -> None:
    """Read the configuration and say everything that is wrong with it.

    Exit codes: 0 it is right; 1 the state cannot be read, or a project does not answer as it must; 2 something is
    wrong with it.
    """
    from reaper.cli.config_check import run_check

    raise typer.Exit(run_check(config, state=state, online=online))


@app.command()
def show(config: Config = None) -> None:
    """Print the configuration with every default filled in."""
    from reaper.cli.which_config import read
    from reaper.config import show

    typer.echo(show(read(config)[1].settings), nl=False)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration."""
    from reaper.config import schema_text

    typer.echo(schema_text(), nl=False)

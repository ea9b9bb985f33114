"""state: the commands about the state file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reaper.cli.options import Config, Output, OutputFormat, Reason

By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who asks for it; by default the user of the system.")]

app = typer.Typer(help="The state file: whether it is whole; migrate, copy and restore it.", no_args_is_help=True)


@app.command()
def check(
    accept: Annotated[
        bool, typer.Option("--accept", help="Go on with an older copy: what was logged after it is given up.")
    ] = False,
    by: By = "",
    reason: Reason = "",
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Whether the state can be relied on, how far its record has come, and whether a migration is due.

    An older copy that was put back has forgotten limits, breakers and what was done since. Nothing is touched with it
    until a person accepts that.

    Exit codes: 0 it is whole; 10 it is whole and an earlier version wrote it; 1 it is not, and why; 2 wrong
    configuration or command line.
    """
    from reaper.cli.state_commands import run_check

    raise typer.Exit(run_check(config, output, accept=accept, by=by, reason=reason))


@app.command()
def migrate(by: By = "", reason: Reason = "", output: Output = OutputFormat.TABLE, config: Config = None) -> None:
    """Bring a state of an earlier version up to this one, now and not when the daemon or a sweep starts.

    A copy of it as it was is made beside it before. Only while nobody sweeps on it; whatever happens meanwhile, the
    state is the old one or the new one, whole.

    Exit codes: 0 done, or nothing to do; 1 it was not migrated, and why; 2 wrong configuration or command line.
    """
    from reaper.cli.state_commands import run_migrate

    run_migrate(config, output, by, reason)


@app.command()
def backup(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="The new file, or a folder for it; default beside the state."),
    ] = None,
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Copy the state to a new file, also while a daemon works on it.

    The copy is consistent, on disk and found whole when this ends. It replaces no file.

    Exit codes: 0 done; 1 it was not copied, and why; 2 wrong configuration or command line.
    """
    from reaper.cli.state_commands import run_backup

    run_backup(config, file, output)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A copy, as `state backup` and migrations make them.")],
    by: By = "",
    reason: Reason = "",
    output: Output = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Put a copy in the place of the state, to roll back or after a loss.

    What was recorded after the copy was made is given up; the record says so, and by whom. The state as it was is
    kept beside it. Not while somebody sweeps on it; a daemon that cannot use the state as it is may be running.

    Exit codes: 0 done; 1 it was not restored, and why; 2 wrong configuration or command line.
    """
    from reaper.cli.state_commands import run_restore

    run_restore(config, file, output, by, reason)

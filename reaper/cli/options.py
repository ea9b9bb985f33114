"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class OutputFormat(StrEnum):
    TABLE = "table"
    JSON = "json"


Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", help="The configuration; default $REAPER_CONFIG, then config/reaper.yaml."
    ),
]
Output = Annotated[
    OutputFormat, typer.Option("--output", "-o", help="json prints one object on stdout, and nothing else.")
]
AgentName = Annotated[str, typer.Argument(metavar="AGENT", help="The agent's name.")]
SessionId = Annotated[str, typer.Argument(metavar="SESSION", help="The session's id.")]
ProjectName = Annotated[str | None, typer.Option("--project", metavar="NAME", help="A project of the configuration.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stands in the record.")]
All = Annotated[bool, typer.Option("--all", help="Also list the sessions that are kept.")]


def parse_listen(value: str) -> tuple[str, int]:
    """HOST:PORT, IPv6 hosts in brackets; a usage error for anything else."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]+)):(\d{1,5})", value)
    if match is None or int(match[3]) > 65_535:
        raise typer.BadParameter(f"{value!r} is not HOST:PORT, as in 127.0.0.1:9464", param_hint="--listen")
    return match[1] or match[2], int(match[3])


def read_duration(value: str) -> float:
    """Seconds of `50ms`, `1s` or `2m`; a usage error for anything else."""
    match = re.fullmatch(r"(\d{1,6})(ms|s|m)", value)
    if match is None:
        raise typer.BadParameter(f"{value!r} is not a duration, as in 50ms or 1s", param_hint="--latency")
    return int(match[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0}[match[2]]

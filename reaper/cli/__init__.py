"""The command line: parse, call, print, exit code."""

from reaper.cli.main import main

__all__ = ["main"]

"""The commands, each in a file of its name: parse, call, print, exit code."""

from reaper.cli.main import main

__all__ = ["main"]

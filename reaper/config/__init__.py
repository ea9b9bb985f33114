"""The configuration: YAML to plain settings, or to every mistake in it with line and column."""

from reaper.config.config_file import ConfigWatch
from reaper.config.cron import standard_cron
from reaper.config.json_schema import schema, schema_text
from reaper.config.load import Loaded, load, parse
from reaper.config.problem import ConfigError, Problem
from reaper.config.show import show

__all__ = [
    "ConfigError",
    "ConfigWatch",
    "Loaded",
    "Problem",
    "load",
    "parse",
    "schema",
    "schema_text",
    "show",
    "standard_cron"
]  # fmt: skip

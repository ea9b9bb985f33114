"""The configuration: YAML to plain settings, or to every mistake in it with line and column."""

from reaper.config.config_file import ConfigWatch
from reaper.config.json_schema import schema_text
from reaper.config.load import Loaded, load, parse
from reaper.config.problem import ConfigError
from reaper.config.show import show

__all__ = ["ConfigError", "ConfigWatch", "Loaded", "load", "parse", "schema_text", "show"]

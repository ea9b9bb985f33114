"""`${NAME}` and `${NAME:-default}` in a scalar, from the environment.

Done after the YAML is parsed, so a variable can change a value but never the shape of the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from reaper.config.problem import BadValue, escaped, shown

NAMES_PREFIX: Final = "REAPER_"
"""Of all variables only these may be used where a name is written."""

_PLACEHOLDER: Final = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_NAMED: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.ASCII | re.DOTALL)
_HINT: Final = "write ${NAME} or ${NAME:-default}, and $${ for the characters themselves"


def substitute(text: str, environ: Mapping[str, str], prefix: str = "") -> str:
    """The text with its placeholders filled in, from variables that begin with the prefix; `$${` stands for `${`.

    As in a shell, empty counts as unset where there is a default.
    """
    return _PLACEHOLDER.sub(lambda match: _filled(match, environ, prefix), text)


def escape(text: str) -> str:
    """The text written so that `substitute` gives it back."""
    return text.replace("${", "$${")


def _filled(match: re.Match[str], environ: Mapping[str, str], prefix: str) -> str:
    if match[0] == "$${":
        return "${"
    named = _NAMED.fullmatch(match[1])
    if named is None or not match[2] or "${" in match[1]:
        raise BadValue("is not a placeholder that can be filled", _HINT)
    name, default = named.groups()
    if not name.startswith(prefix):
        raise BadValue(
            f"{escaped(name)} may not be part of a name: names are shown in metrics, logs and on the status page",
            f"use a variable that is called {prefix}..., which holds no secret",
            quiet=True,
        )
    value = environ.get(name)
    if value is None and default is None:
        raise BadValue(
            f"the environment variable {shown(name)[1:-1]} is not set",
            f"set it, or give a default: ${{{name}:-...}}",
            quiet=True,
        )
    return value if value else default or ""

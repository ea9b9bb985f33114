"""The fields of the platform's records: those this version knows, and those that a person has accepted. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

RECORD_FIELDS: Final = frozenset(
    {
        "agent_session_id",
        "version_indicator",
        "status",
        "created_at",
        "last_accessed_at",
        "expires_at",
        "stopped_at",
        "object",
        "id",
    }
)
"""What this version understands of a session's record. Source: `AgentSessionResource` of the REST reference."""

FIELD_NAME: Final = r"^[A-Za-z0-9_@$][A-Za-z0-9_@$.:-]{0,63}$"
"""The names that can be accepted: whatever else a record may call a field, none of it stands in YAML unharmed."""

_NEEDS_NO_QUOTES: Final = re.compile(r"[A-Za-z]+(_[A-Za-z]+)+", re.ASCII)
_NAME: Final = re.compile(FIELD_NAME, re.ASCII)


def acceptance(strange: Iterable[str], accepted: Iterable[str] = ()) -> str:
    """The line of YAML by which a project accepts these fields beside what it accepts; '' when none can be."""
    new = {name for name in strange if _NAME.fullmatch(name)}
    if not new:
        return ""
    return f"known_fields: [{', '.join(map(_written, sorted(new | set(accepted))))}]"


def _written(name: str) -> str:
    """Plain where YAML can take it for nothing but text."""
    return name if _NEEDS_NO_QUOTES.fullmatch(name) else f'"{name}"'

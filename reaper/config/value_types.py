"""What a value of the configuration may be: each kind with what reads it, and with its part of the schema."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, WithJsonSchema

from reaper.config import headers, vocabulary
from reaper.config.cron import read_cron
from reaper.config.duration_texts import LOOK_AGE, PATTERN, read_duration, read_duration_or_zero, read_look_age
from reaper.config.problem import BadValue
from reaper.core.model import STATUSES, TOMBSTONES
from reaper.core.record_fields import FIELD_NAME

MANY: Final = 10**9
"""A bound that is none."""


def text(pattern: str = "", *examples: str) -> WithJsonSchema:
    """The schema of a text that fits a pattern, where one is given."""
    schema: dict[str, Any] = {"type": "string", "minLength": 1}
    if pattern:
        schema["pattern"] = pattern
    return WithJsonSchema(schema | ({"examples": list(examples)} if examples else {}))


def _as_list(value: object) -> object:
    if value == []:
        raise BadValue("is empty", "write at least one, or remove the key")
    return value if isinstance(value, list | dict) else [value]


def several(word: Any, item: dict[str, Any]) -> Any:
    """One such word, or a list of them."""
    schema = WithJsonSchema({"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]})
    return Annotated[list[word], BeforeValidator(_as_list), schema]


def read_whole(value: object, low: int, high: int) -> int:
    """A whole number within these bounds, both included."""
    bounds = f"{low} or more" if high >= MANY else f"{low} to {high}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadValue("is not a whole number", f"write {bounds}, digits only, without quotes")
    if not low <= value <= high:
        raise BadValue("is out of bounds", f"write {bounds}")
    return value


def whole(low: int, high: int) -> tuple[BeforeValidator, WithJsonSchema]:
    """What reads such a number, and its schema."""
    schema = {"type": "integer", "minimum": low, "maximum": high}
    return BeforeValidator(partial(read_whole, low=low, high=high)), WithJsonSchema(schema)


Duration = Annotated[str, BeforeValidator(read_duration), text(PATTERN, "15m", "7d", "1d12h")]
LookAge = Annotated[str, BeforeValidator(read_look_age), text(LOOK_AGE, "2s", "500ms")]
DurationOrZero = Annotated[str, BeforeValidator(read_duration_or_zero), text(PATTERN, "0s", "24h")]
Name = Annotated[str, BeforeValidator(vocabulary.read_name), text(vocabulary.NAME)]
Key = Annotated[str, BeforeValidator(vocabulary.read_name)]
Reference = Annotated[str, BeforeValidator(vocabulary.read_text), text(vocabulary.NAME)]
AgentName = Annotated[str, BeforeValidator(vocabulary.read_agent_pattern), text("", "support-*", "research")]
SessionId = Annotated[str, BeforeValidator(vocabulary.read_session_id), text(vocabulary.SESSION_ID)]
FieldName = Annotated[str, BeforeValidator(vocabulary.read_field_name), text(FIELD_NAME, "legal_hold")]
SessionGlob = Annotated[str, BeforeValidator(vocabulary.read_session_glob)]
Version = Annotated[str, BeforeValidator(vocabulary.read_version)]
Status = Annotated[str, BeforeValidator(vocabulary.read_status)]
Counted = Annotated[
    str,
    BeforeValidator(vocabulary.read_counted_status),
    WithJsonSchema({"enum": [status for status in STATUSES if status not in TOMBSTONES]}),
]
Percent = Annotated[str, BeforeValidator(vocabulary.read_percent), text(vocabulary.PERCENT_ABOVE_0, "85%")]
Share = Annotated[
    int | str,
    BeforeValidator(vocabulary.read_limit),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": vocabulary.PERCENT}]}),
]  # fmt: skip
Words = Annotated[str, BeforeValidator(vocabulary.read_words), text("", "thesis")]
Clock = Annotated[str, BeforeValidator(vocabulary.read_time_of_day), text(vocabulary.TIME_OF_DAY, "22:00")]
Zone = Annotated[str, BeforeValidator(vocabulary.read_zone), text("", "UTC", "Europe/Madrid")]
Cron = Annotated[str, BeforeValidator(read_cron), text(r"^\S+( +\S+){4}$", "*/15 * * * *")]
SkippedDates = Annotated[
    str, BeforeValidator(vocabulary.read_dates), text(vocabulary.DATES, "2026-12-25", "2026-12-24..2027-01-02")
]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Credential = Literal[
    "default", "workload-identity", "managed-identity", "environment", "azure-cli", "none"
]  # fmt: skip
HeaderName = Annotated[str, BeforeValidator(headers.read_header_name)]
HeaderValue = Annotated[str, BeforeValidator(headers.read_header_value), text(r"^[ -~]+$")]

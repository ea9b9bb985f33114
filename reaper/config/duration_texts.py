"""Durations in a configuration: always with a unit, exact in both directions."""

from __future__ import annotations

import re
from typing import Final

from reaper.config.problem import BadValue
from reaper.core.durations import parse_duration
from reaper.core.model import DAY_S

PATTERN: Final = r"^(?=\d)(\d{1,9}w)?(\d{1,9}d)?(\d{1,9}h)?(\d{1,9}m)?(\d{1,9}s)?$"
LOOK_AGE: Final = r"^(?=\d)(\d{1,3}s)?(\d{1,6}ms)?$"
LOOK_AGE_MS: Final = (200, 2_000)
LONGEST_S: Final = 3_650 * DAY_S

_BARE: Final = re.compile(r"\d{1,9}", re.ASCII)
_FINE: Final = re.compile(r"(?=\d)(?:(\d{1,3})s)?(?:(\d{1,6})ms)?", re.ASCII)


def read_duration(value: object) -> str:
    """The text of a duration longer than zero, as it is written."""
    if seconds_of(value) == 0 or str(value) == "0":
        raise BadValue("is zero", "write how long, as in 7d or 15m")
    return read_duration_or_zero(value)


def read_duration_or_zero(value: object) -> str:
    """The text of a duration, as it is written; `0s` is one."""
    seconds = seconds_of(value)
    if seconds is None or not isinstance(value, str):
        raise BadValue("is not a duration", _hint(value))
    if seconds > LONGEST_S:
        raise BadValue("is longer than ten years", "check the unit: w, d, h, m or s")
    return value


def read_look_age(value: object) -> str:
    """The text of how old a look may be: seconds and milliseconds, as it is written."""
    if not isinstance(value, str) or not _FINE.fullmatch(value):
        raise BadValue("is not such a duration", "write seconds or milliseconds with their unit, as in 2s or 500ms")
    low, high = LOOK_AGE_MS
    if not low <= look_age_s(value) * 1_000 <= high:
        hint = f"write {exact_look_age(low / 1_000)} to {exact_look_age(high / 1_000)}: a person may use it meanwhile"
        raise BadValue("is out of bounds", hint)
    return value


def look_age_s(text: str) -> float:
    """A text that `read_look_age` accepts, in seconds."""
    match = _FINE.fullmatch(text)
    seconds, milliseconds = match.groups() if match else (None, None)
    return (int(seconds or 0) * 1_000 + int(milliseconds or 0)) / 1_000


def exact_look_age(seconds: float) -> str:
    """Seconds written so that `look_age_s` gives them back: `2s`, `500ms`, `1s500ms`."""
    whole, milliseconds = divmod(round(seconds * 1_000), 1_000)
    return (f"{whole}s" if whole else "") + (f"{milliseconds}ms" if milliseconds else "")


def seconds_of(value: object) -> int | None:
    """A duration in seconds, None for anything that is not one."""
    try:
        return parse_duration(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _hint(value: object) -> str:
    text = str(value)
    if text == "0":
        return "write 0s"
    if _BARE.fullmatch(text):
        return f"write a number with its unit, as in {text}d, {text}h, {text}m or {text}s"
    return "write numbers with their units, largest first, as in 90s, 15m, 7d or 1d12h"

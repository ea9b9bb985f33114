"""The small words of the language: names, globs, statuses, percentages, times of day."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from reaper.config.problem import BadValue, did_you_mean, one_of
from reaper.core.holds import WORDS_MAX_CHARS
from reaper.core.holds import read_day as parse_day
from reaper.core.model import STATUSES, TOMBSTONES
from reaper.core.record_fields import FIELD_NAME

NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
SESSION_ID: Final = r"^[A-Za-z0-9_-]{8,128}$"
PLAN_ID: Final = r"^([0-9a-f]{32}|[0-9a-f]{12})$"
OLD_PLAN_ID_CHARS: Final = 12
TIME_OF_DAY: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
DATES: Final = r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}(\.\.20[0-9]{2}-[0-9]{2}-[0-9]{2})?$"
DATES_MAX: Final = 366
PERCENT: Final = r"^(100|[1-9]?[0-9])%$"
PERCENT_ABOVE_0: Final = r"^(100|[1-9][0-9]?)%$"
DAY: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
SCOPE: Final = r"^(https|api)://[A-Za-z0-9][A-Za-z0-9._/-]*/\.default$"

_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}", re.ASCII)
_ID_LENGTHS: Final = range(8, 129)
_GLOB_PART: Final = re.compile(r"\[!?[A-Za-z0-9_-]+\]|[A-Za-z0-9_*?-]", re.ASCII)


def matches(pattern: str, value: object) -> bool:
    """Whether the value is text that the whole pattern matches; `$` alone would let a line break pass."""
    return isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None


def read_text(value: object) -> str:
    if not isinstance(value, str):
        raise BadValue("is not text", "put it in quotes")
    if not value.strip():
        raise BadValue("is empty", "write a value, or remove the key")
    return value


def _shaped(pattern: str, message: str, hint: str) -> Callable[[object], str]:
    """Reads text of this shape, as it is written."""

    def read(value: object) -> str:
        if not matches(pattern, value):
            raise BadValue(message, hint)
        return str(value)

    return read


# A name is fit to be a label of a metric and part of a file name.
read_name = _shaped(
    NAME,
    "is not a usable name",
    "write 1 to 63 letters, digits, dots, dashes or underscores, the first a letter or digit",
)
read_session_id = _shaped(
    SESSION_ID, "is not a session id", "ids are 8 to 128 letters, digits, dashes and underscores"
)
read_field_name = _shaped(
    FIELD_NAME,
    "is not the name of a field",
    "copy it from the log line `unknown_field`: 1 to 64 letters, digits and _ @ $ . : -",
)
read_plan_id = _shaped(
    PLAN_ID, "is not the id of a plan", "copy the 32 characters 0-9 a-f that `reaper plan` shows, in quotes"
)
read_percent = _shaped(PERCENT_ABOVE_0, "is not a percentage", "write 1% to 100%, as in 85%")
read_scope = _shaped(SCOPE, "is not a scope for a token", "it ends in /.default, as in https://ai.azure.com/.default")


def read_session_glob(value: object) -> str:
    """A glob that can match a session id. One that cannot would keep nothing, and say nothing."""
    text = read_text(value)
    parts = _GLOB_PART.findall(text)
    if "".join(parts) != text:
        hint = "ids hold letters, digits, - and _ only; * ? and [abc] are wildcards"
        raise BadValue("can match no session id", hint)
    fixed = sum(part != "*" for part in parts)
    if fixed >= _ID_LENGTHS.stop or ("*" not in parts and fixed not in _ID_LENGTHS):
        raise BadValue("can match no session id: they have 8 to 128 characters", f"did you mean {text}*?")
    return text


def read_agent_pattern(value: object) -> str:
    """The name of an agent, or a glob; it becomes one segment of a URL, so no slash and no dots alone."""
    text = read_text(value)
    if text != text.strip() or len(text) > 256 or "/" in text or "\\" in text or not text.strip("."):
        hint = "write one agent's name, or a pattern such as support-*"
        raise BadValue("can be no agent's name", hint)
    if "[" in re.sub(r"\[!?[^\]]+\]", "", text):
        raise BadValue("has a [ that no ] closes", "write [abc] for one of several characters")
    return text


def read_agent_name(value: object) -> str:
    """The name of one agent."""
    text = read_agent_pattern(value)
    if any(character in text for character in "*?["):
        raise BadValue("is a pattern", "write one agent's name: a hold is on one session")
    return text


def read_day(value: object) -> str:
    """A day of the calendar."""
    try:
        return parse_day(value if isinstance(value, str) else "").isoformat()
    except ValueError:
        raise BadValue("is not a day", "write year, month and day, as in 2027-01-31") from None


def read_words(value: object) -> str:
    """Words of a person, of bounded length."""
    text = read_text(value)
    if len(text) > WORDS_MAX_CHARS:
        raise BadValue(f"has more than {WORDS_MAX_CHARS} characters", "say it in fewer words")
    return text


def read_status(value: object) -> str:
    if value not in STATUSES or not isinstance(value, str):
        hint = did_you_mean(value if isinstance(value, str) else "", STATUSES)
        raise BadValue("is not a status of a session", hint)
    return value


def read_counted_status(value: object) -> str:
    """A status that can use up a quota; tombstones never count as inventory."""
    status = read_status(value)
    if status in TOMBSTONES:
        counted = [word for word in STATUSES if word not in TOMBSTONES]
        raise BadValue("is a status that never counts", f"write some of {one_of(counted)}")
    return status


def read_version(value: object) -> str:
    """A version's name. A whole number is one too; 1.10 unquoted has already lost its zero."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise BadValue("is read as a number or a truth value, not as a version", "put it in quotes")
    return read_text(value)


def read_limit(value: object) -> int | str:
    """A share such as `10%`, or a whole number of sessions."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10**9:
        return value
    if matches(PERCENT, value):
        return str(value)
    raise BadValue("is not a limit", "write a share of 0% to 100%, as in 10%, or a whole number, as in 50")


def read_time_of_day(value: object) -> str:
    if not matches(TIME_OF_DAY, value):
        hint = "write midnight as 00:00" if value == "24:00" else 'write hours and minutes, as in "22:00"'
        raise BadValue("is not a time of day", hint)
    return str(value)


def read_dates(value: object) -> str:
    """One date, or a first and a last one; a range that lasts for years is a slip of the finger."""
    if not matches(DATES, value):
        hint = 'write one as in "2026-12-25", or the first and the last as in "2026-12-24..2027-01-02"'
        raise BadValue("is no date and no range of dates", hint)
    first, last = _dates(str(value))
    if last < first:
        raise BadValue("ends before it begins", f'write the earlier date first: "{last}..{first}"')
    if (last - first).days >= DATES_MAX:
        hint = f"write at most {DATES_MAX} days; to delete nothing for longer, write `mode: observe`"
        raise BadValue("is too long a range", hint)
    return str(value)


def _dates(text: str) -> tuple[date, date]:
    """The first and the last date of a range, or one date twice."""
    try:
        first, *last = map(date.fromisoformat, text.split(".."))
    except ValueError:
        raise BadValue("names a day that no calendar has", "look at its month and day") from None
    return first, (last or [first])[0]


def read_zone(value: object) -> str:
    """The name of a time zone that this machine's database has."""
    text = read_text(value)
    try:
        if _ZONE.fullmatch(text) and text != "localtime":
            return ZoneInfo(text).key
    except (OSError, ValueError, KeyError):
        pass
    raise BadValue("is not a time zone", _nearest_zone(text))


def _nearest_zone(text: str) -> str:
    """A hint that names a zone of that city, or one that differs by a slip of the finger."""
    zones = sorted(zone for zone in available_timezones() if "/" in zone)
    cities = [zone for zone in zones if zone.lower().endswith("/" + text.lower())]
    near = f"did you mean {cities[0]}?" if cities else did_you_mean(text, zones)
    return near if near.endswith("?") else "write an IANA name, as in Europe/Madrid or UTC"

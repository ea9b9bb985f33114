"""Five-field cron expressions, read as cron reads them, where Sunday is 0 or 7.

APScheduler counts weekdays from Monday = 0. `standard_cron` therefore writes weekdays as names, which mean
the same to both; the settings hold that form only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from reaper.config.problem import BadValue

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAY_MINUTES: Final = 1440
_HINT: Final = 'write minute, hour, day, month and weekday, as in "*/15 * * * *" or "0 3 * * mon-fri"'
_PART: Final = re.compile(r"(\*|[0-9a-z]{1,3})(?:-([0-9a-z]{1,3}))?(?:/([0-9]{1,3}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    first: int
    last: int
    words: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 0, 7, _WEEKDAYS),
)


def standard_cron(expression: str) -> str:
    """The expression with its weekdays as names, for APScheduler's `from_crontab`; BadValue if it is none."""
    days = {number % 7 for number in _numbers(expression)[4]}
    named = "*" if len(days) == 7 else ",".join(_WEEKDAYS[day] for day in sorted(days))
    return " ".join([*expression.lower().split()[:4], named])


def shortest_gap_s(expression: str) -> int:
    """The least number of seconds between two times on one wall clock."""
    minutes, hours, *_ = _numbers(expression)
    times = sorted(hour * 60 + minute for hour in hours for minute in minutes)
    return 60 * min(later - earlier for earlier, later in pairwise([*times, times[0] + _DAY_MINUTES]))


def read_cron(value: object) -> str:
    """The expression as it is written."""
    if not isinstance(value, str):
        raise BadValue("is not a cron expression", _HINT)
    _numbers(value)
    return value


def _numbers(expression: str) -> list[set[int]]:
    written = expression.lower().split()
    if len(written) != len(_FIELDS):
        raise BadValue("does not have the five fields of cron", _HINT)
    numbers = [_values(field, text) for field, text in zip(_FIELDS, written, strict=True)]
    _, _, days, months, _ = numbers
    if not written[2].startswith("*") and not written[4].startswith("*"):
        # cron takes either day then, APScheduler takes both: neither reading would be everybody's.
        raise BadValue("gives both a day of the month and a weekday", "write * for one of them")
    if min(days) > max(_LONGEST[month - 1] for month in months):
        raise BadValue("names a date that never comes", "check the day and the month")
    return numbers


def _values(field: _Field, text: str) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        numbers = _range(field, match) if match else range(0)
        if not numbers:
            hint = f"write {field.first} to {field.last}, a-b, */n or a-b/n, and commas between"
            raise BadValue(f"is wrong in the field of the {field.name}", hint)
        found.update(numbers)
    return found


def _range(field: _Field, match: re.Match[str]) -> range:
    """The numbers of one part; empty when it is none."""
    start, end, step = match.groups()
    if start == "*":
        last = 6 if field.name == "weekday" else field.last
        low, high = (field.first, -1 if end else last)
    else:
        low = _number(field, start)
        high = low if end is None else _number(field, end)
        if step is not None and end is None:
            return range(0)
    if low < field.first or high > field.last or step == "0" or (step and not int(step)):
        return range(0)
    return range(low, high + 1, int(step) if step else 1)


def _number(field: _Field, text: str) -> int:
    if text in field.words:
        return field.words.index(text) + field.first
    return int(text) if text.isdigit() else -1

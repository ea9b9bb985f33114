"""Durations and moments as people write and read them: `90s`, `15m`, `1d12h`, `2026-11-22 13:05Z`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_UNITS: Final = (("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_PATTERN: Final = re.compile("".join(rf"(?:(\d{{1,9}}){unit})?" for unit, _ in _UNITS), re.ASCII)


def parse_duration(text: str) -> int:
    """Read a duration as whole seconds; ValueError for anything but numbers with units, largest first."""
    match = _PATTERN.fullmatch(text)
    if not text or match is None:
        raise ValueError(
            f"{text!r} is not a duration; write a number with its unit, as in 90s, 15m, 36h, 7d or 1d12h"
        )
    return sum(int(count) * seconds for count, (_, seconds) in zip(match.groups(), _UNITS, strict=True) if count)


def exact_duration(seconds: int) -> str:
    """Seconds written so that they read back as exactly as many: `7d`, `1d12h30m`, `0s`."""
    parts: list[str] = []
    left = seconds
    for unit, size in _UNITS[1:]:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def show_duration(seconds: float) -> str:
    """Write seconds as the two largest units that matter, without weeks: `7d`, `3d4h`, `0s`."""
    left = int(abs(seconds))
    parts: list[str] = []
    for unit, size in _UNITS[1:]:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return ("-" if seconds <= -1 else "") + ("".join(parts) or "0s")


def show_time(seconds: float) -> str:
    """Unix seconds as `2026-11-22 13:05Z`, and as `never` when beyond any calendar."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%MZ")
    except (OverflowError, ValueError, OSError):
        return "never"

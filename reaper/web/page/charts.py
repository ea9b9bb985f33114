"""What the pictures show, as columns with heights in percent, and in words for those who cannot see them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from reaper.core.model import DAY_S, EXPIRY_S, STATUSES, TOMBSTONES
from reaper.listing.snapshot import BUCKETS_S, Durations
from reaper.web.page.wording import compact, days, plural, safe

HEIGHT_MIN: Final = 3.0
"""What is there is seen, however little it is beside the tallest column."""
COLUMNS_MAX: Final = 24
HOUR_S: Final = 3_600
WIDTHS_S: Final = (300, 900, 1_800, *(hours * HOUR_S for hours in (1, 2, 3, 6, 12, 24, 48, 168)))
LABEL_STEPS_S: Final = (1_800, HOUR_S, 2 * HOUR_S, 6 * HOUR_S, 12 * HOUR_S, DAY_S, 2 * DAY_S, 4 * DAY_S, 14 * DAY_S)
LABEL_COLUMNS: Final = 3
"""On a phone, a label is about as wide as so many columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """One bar: its count, as written above it, its height in percent, what stands below, and what it says."""

    count: int
    shown: str
    height: float
    label: str
    words: str


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars side by side; `alt` says in words what they show."""

    columns: tuple[Column, ...]
    alt: str


@dataclass(frozen=True, slots=True)
class StatusShare:
    """One status's share of an inventory, for a bar that starts at `start` and is `width` percent wide."""

    name: str
    style: str
    count: int
    start: float
    width: float


def _bars(rows: Sequence[tuple[int, str, str]], alt: str) -> Bars:
    """Columns of (count, label below, what it counts)."""
    most = max((count for count, _, _ in rows), default=0)
    columns = (
        Column(
            count,
            compact(count) if count else "",
            max(round(count * 100 / most, 1), HEIGHT_MIN) if count else 0.0,
            label,
            f"{words}: {plural(count, 'session')}",
        )
        for count, label, words in rows
    )
    return Bars(tuple(columns), alt)


def idle_bars(histograms: Iterable[Durations]) -> Bars:
    """How long sessions have been idle, all histograms added up; the last column is what will soon expire."""
    counts = [sum(column) for column in zip(*(histogram.counts for histogram in histograms), strict=True)]
    bounds = [bound for bound in BUCKETS_S if bound < EXPIRY_S]
    rows, lower = [], "0"
    for bound, count in zip(bounds, counts, strict=False):
        rows.append((count, days(bound), f"idle {lower} to {days(bound)}"))
        lower = days(bound)
    rows.append((sum(counts[len(bounds) :]), f">{lower}", f"idle longer than {lower}"))
    return _bars(rows, _idle_words(rows))


def _idle_words(rows: Sequence[tuple[int, str, str]]) -> str:
    total = sum(count for count, _, _ in rows)
    if not total:
        return "No sessions, so no idle times."
    every = "; ".join(f"{words} {count:,}" for count, _, words in rows if count)
    return f"Idle times of {plural(total, 'session')}: {every}."


def half_idle(bars: Bars) -> str:
    """The picture in one sentence: the bound within which half of the sessions fall."""
    total, below = sum(column.count for column in bars.columns), 0
    for column in bars.columns:
        below += column.count
        if total and below * 2 >= total:
            bound = column.label
            return f"Half are idle {'longer than ' + bound[1:] if bound[0] == '>' else 'at most ' + bound}"
    return ""


def time_line(ripening: Mapping[int, int], now: float) -> Bars | None:
    """When promised deletions may go, in equal steps from now until the last; None when there are none."""
    if not ripening:
        return None
    latest = max(ripening)
    width = next((w for w in WIDTHS_S if latest // w - now // w < COLUMNS_MAX), WIDTHS_S[-1])
    start, last = now // width * width, COLUMNS_MAX - 1
    counts: Counter[int] = Counter()
    for at, count in ripening.items():
        counts[min(max(int((at - start) // width), 0), last)] += count
    rows = [_step(start + number * width, width, number, counts[number]) for number in range(max(counts) + 1)]
    every = "; ".join(f"{words}: {count:,}" for count, _, words in rows if count)
    return _bars(rows, f"Deletions by the time they may go at the earliest: {every}.")


def _step(start: float, width: int, number: int, count: int) -> tuple[int, str, str]:
    begins, ends = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(start + width, UTC)
    step = next((step for step in LABEL_STEPS_S if step >= LABEL_COLUMNS * width), 28 * DAY_S)
    written = begins.strftime("%H:%M" if start % DAY_S else "%d %b")
    label = written if start % step == 0 and number >= LABEL_COLUMNS else ""
    words = f"{begins:%a %d %b %H:%M} to {ends:%a %H:%M} UTC"
    return count, "now" if number == 0 else label, words


def status_parts(by_status: Mapping[str, int]) -> tuple[StatusShare, ...]:
    """An inventory by status, the largest first, tombstones left out."""
    living = [(name, count) for name, count in by_status.items() if name not in TOMBSTONES and count]
    total, start, parts = sum(count for _, count in living), 0.0, []
    for name, count in sorted(living, key=lambda one: (-one[1], one[0])):
        width = round(count * 100 / total, 2)
        style = name if name in STATUSES else "unknown"
        parts.append(StatusShare(safe(name), style, count, round(start, 2), width))
        start += width
    return tuple(parts)

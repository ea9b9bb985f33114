"""Numbers, names and moments as a sentence on the page says them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from reaper.core.durations import show_duration
from reaper.core.model import DAY_S, OutcomeKind
from reaper.core.plan import Hold
from reaper.core.text import clean
from reaper.engine.report import Result

LAST_MOMENT_S: Final = 253_402_300_799
REASON_MAX_CHARS: Final = 1_000

RESULTS: Final = {
    Result.OK: "swept",
    Result.WITHHELD: "withheld",
    Result.INCOMPLETE: "incomplete",
    Result.UNTRUSTED: "not believed",
    Result.FAILED: "failed",
}

HOLDS: Final = {
    Hold.HOLD: "held",
    Hold.STATE: "the state cannot be relied on",
    Hold.INCOMPLETE: "the listing broke off",
    Hold.UNTRUSTED: "the inventory is not believed",
    Hold.CLOCK: "the clock is not believed",
    Hold.BREAKER: "the breaker is open",
    Hold.OBSERVE: "observing only",
    Hold.STRANGE: "fields this version does not know",
    Hold.RANK: "how it ranks is not known",
    Hold.REFUSED: "refused by the platform lately",
    Hold.GRACE: "in grace",
    Hold.WINDOW: "outside every window",
    Hold.JUMP: "suddenly many more candidates",
    Hold.LIMIT_SWEEP: "over the limit of a sweep",
    Hold.LIMIT_DAY: "over the limit of a day",
}

OUTCOMES: Final = {
    OutcomeKind.DONE: "done",
    OutcomeKind.ALREADY_GONE: "already gone",
    OutcomeKind.CHANGED: "changed, so kept",
    OutcomeKind.FAILED: "failed",
    OutcomeKind.IN_DOUBT: "in doubt",
    OutcomeKind.UNVERIFIED: "sent, not verified",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time: for machines, as the clock shows it, and counted from now."""

    iso: str
    clock: str
    words: str


def moment(at: float, now: float) -> Moment:
    """`at` as read at `now`; today's moments are shown without their date."""
    at = min(max(at, 0), LAST_MOMENT_S)
    shown, today = datetime.fromtimestamp(at, UTC), datetime.fromtimestamp(now, UTC).date()
    clock = shown.strftime("%H:%M UTC" if shown.date() == today else "%a %d %b %H:%M UTC")
    return Moment(shown.strftime("%Y-%m-%dT%H:%M:%SZ"), clock, relative(at - now))


def relative(seconds: float) -> str:
    """How far away a moment is: `in 3h12m`, `2m ago`, `now`."""
    if abs(seconds) < 1:
        return "now"
    away = abs(seconds)
    shown = show_duration(round(away / 60) * 60 if away >= 60 else round(away))
    return f"in {shown}" if seconds > 0 else f"{shown} ago"


def plural(count: int, noun: str) -> str:
    """`1 plan`, `2 plans`, `12,040 sessions`."""
    return f"{count:,} {noun if count == 1 else noun + 's'}"


def compact(count: int) -> str:
    """A count in at most four characters or so: `980`, `1.2k`, `12k`, `3.4M`."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            share = count / size
            return f"{share:.1f}{unit}".replace(".0", "") if share < 10 else f"{share:.0f}{unit}"
    return str(count)


def listed(names: Sequence[str], shown: int) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {rest} more" if rest > 0 else "")


def joined(parts: Iterable[str]) -> str:
    """The parts that say something, with commas."""
    return ", ".join(part for part in parts if part)


def safe(text: object) -> str:
    """Foreign text, or a reason that holds some, as it may be shown."""
    return clean(text, REASON_MAX_CHARS)


def address(project: str, agent: str) -> str:
    """Where an agent's own page is."""
    return f"/agents/{quote(project, safe='')}/{quote(agent, safe='')}"


def days(seconds: int) -> str:
    """A bound of a histogram, as short as it can be: `6h`, `14d`."""
    return f"{seconds // DAY_S}d" if seconds >= DAY_S else f"{seconds // 3_600}h"

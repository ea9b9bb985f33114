"""When sweeps start, as the scheduler understands it, and how far apart that can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from reaper.core.model import DAY_S
from reaper.core.settings import Schedule

DAYS_LOOKED_AT: Final = 366
"""Of a cron expression: its fires in one day show the gaps within each, so many days those between them."""
_INSTANT: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)


def trigger(schedule: Schedule) -> BaseTrigger:
    """The schedule as the scheduler understands it."""
    jitter = schedule.jitter_s or None
    if schedule.cron is not None:
        parsed = CronTrigger.from_crontab(schedule.cron, timezone=schedule.timezone)
        parsed.jitter = jitter
        return parsed
    return IntervalTrigger(seconds=schedule.every_s or 0, jitter=jitter)


def longest_gap_s(schedule: Schedule, now: float) -> float:
    """So many seconds lie at most between the starts of two sweeps; of a cron expression, in the year that comes.

    An hour by which clocks are put back in the midst of a day's starts is left out. A day for an expression that
    fires less than twice.
    """
    if schedule.every_s is not None:
        return schedule.every_s + schedule.jitter_s
    gaps = _gaps_s(trigger(replace(schedule, jitter_s=0)), datetime.fromtimestamp(now, UTC))
    return max(gaps, default=DAY_S) + schedule.jitter_s


def _gaps_s(cron: BaseTrigger, now: datetime) -> Iterator[float]:
    """The gaps within one day, then those between the days: the minutes at which it fires are the same on each."""
    first = cron.get_next_fire_time(None, now)
    if first is None:
        return
    start = last = cron.get_next_fire_time(None, _midnight(first)) or first
    for _ in range(DAYS_LOOKED_AT):
        while start is not None and start.date() == first.date():
            yield start.timestamp() - last.timestamp()
            last, start = start, cron.get_next_fire_time(start, start + _INSTANT)
        if start is None:
            return
        yield start.timestamp() - last.timestamp()
        last = start.replace(hour=last.hour, minute=last.minute)
        start = cron.get_next_fire_time(last, _midnight(last + _DAY))


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)

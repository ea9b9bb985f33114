"""The law in the reaper's own values."""

from __future__ import annotations

from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

from reaper.core.conditions import Age, Condition, Idle, IdMatches, StatusIn, VersionIs
from reaper.core.model import Action
from reaper.core.policy import Beyond, KeepNewest, Limit, Limits, Mode, Policy, Rule
from reaper.core.windows import DAYS, Dates, Window
from tests.sim.law import Law, Line

DEFAULT_STATUSES = {"delete": frozenset({"idle", "failed"}), "stop": frozenset({"active"})}


def policy_of(law: Law, name: str = "simulated") -> Policy:
    """The law in the reaper's own values."""
    windows: tuple[Window, ...] = ()
    if law.open_hours is not None:
        first, last = law.open_hours
        skips = tuple(Dates(_date(closed), _date(until)) for closed, until in law.closed_days)
        windows = (Window(frozenset(DAYS), time(first), time(last), ZoneInfo("UTC"), skips),)
    return Policy(
        name=name,
        rules=tuple(_rule(line) for line in law.lines),
        mode=Mode.ENFORCE if law.enforce else Mode.OBSERVE,
        grace_s=law.grace_s,
        limits=Limits(
            Limit(*law.per_sweep),
            Limit(*law.per_day),
            law.at_least,
            Beyond.SPREAD if law.spread else Beyond.WITHHOLD,
            Limit(*law.jump),
        ),
        windows=windows,
        keep_newest=KeepNewest(law.newest, per_version=law.newest_per_version) if law.newest else None,
        at_most=law.at_most,
    )


def _date(day: int) -> date:
    """The day that is so many after the first of 1970."""
    return date(1970, 1, 1) + timedelta(days=day)


def _rule(line: Line) -> Rule:
    when: list[Condition] = []
    statuses = line.status or DEFAULT_STATUSES.get(line.action)
    if statuses:
        when.append(StatusIn(statuses))
    if line.idle_s is not None:
        when.append(Idle(line.idle_s))
    if line.age_s is not None:
        when.append(Age(line.age_s))
    if line.ids:
        when.append(IdMatches(line.ids))
    if line.superseded:
        when.append(VersionIs(frozenset({"superseded"})))
    if line.latest:
        when.append(VersionIs(frozenset({"latest"})))
    if line.serving:
        when.append(VersionIs(frozenset({"serving"})))
    return Rule(line.name, Action(line.action), tuple(when))

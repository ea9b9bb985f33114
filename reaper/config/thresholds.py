"""What a rule, a schedule or a quota may ask for: floors that protect people, bounds that the platform sets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reaper.config.cron import shortest_gap_s
from reaper.config.document import Document, Value
from reaper.config.duration_texts import seconds_of
from reaper.config.problem import BadValue, Finding, Path, one_of
from reaper.config.tree import child, entries, has, items, texts
from reaper.config.vocabulary import matches
from reaper.core.conditions import CONDITIONS, TimeCondition
from reaper.core.durations import exact_duration
from reaper.core.model import AGE_FLOOR_S, DAY_S, ELIGIBLE, EXPIRY_S, MINUTE_S, STATUSES, Action

SHORTEST_INTERVAL_S: Final = 10
FLOORS_S: Final = {Action.DELETE: AGE_FLOOR_S, Action.STOP: MINUTE_S}
TIMEOUT_S: Final = (1, 600)
AUDIT_SHORTEST_S: Final = 7 * DAY_S

_TIMES: Final = {kind.name: kind for kind in CONDITIONS if issubclass(kind, TimeCondition)}
_STATUS_HINTS: Final = {
    Action.DELETE: "write idle or failed; or active, if running sessions are to be lost",
    Action.STOP: "write active, or remove the key",
}
_NEEDS: Final = f"add {one_of(_TIMES)}: without one it would match every session at once"


def threshold_findings(document: Document) -> list[Finding]:
    """Every value that is well written but must not stand where it stands."""
    root = document.value
    return [*_schedule(root), *_requests(root), *_policies(root), *_quotas(root), *_audit(root)]


def _schedule(root: Value) -> Iterator[Finding]:
    if not has(root, "schedule"):
        return
    schedule, path = child(root, "schedule"), ("schedule",)
    if isinstance(schedule, dict) and has(schedule, "every") == has(schedule, "cron"):
        message = "gives both every and cron" if has(schedule, "every") else "gives neither every nor cron"
        yield Finding(path, message, "write one of them, as in `every: 15m`", at_key=True, shows_value=False)
    every = seconds_of(child(schedule, "every"))
    if every is not None and 0 < every < SHORTEST_INTERVAL_S:
        yield Finding((*path, "every"), "is too often", f"write {SHORTEST_INTERVAL_S}s or more")
    jitter, interval = seconds_of(child(schedule, "jitter")), every or _gap(child(schedule, "cron"))
    if jitter and interval and jitter >= interval:
        message = f"is not shorter than the interval between two sweeps, {exact_duration(interval)}"
        yield Finding((*path, "jitter"), message, "write less, or 0s")
    full = seconds_of(child(schedule, "full_listing"))
    if full:
        yield from _full_listing(full, interval, _idles(root), (*path, "full_listing"))


def _full_listing(full: int, interval: int | None, idles: list[int], path: Path) -> Iterator[Finding]:
    """Whether what sweeps in between do not read can wait: nobody falls idle for so long meanwhile."""
    if full > DAY_S:
        yield Finding(path, "is too seldom", "write 1d or less")
    elif interval and full < interval:
        message = f"is shorter than the interval between two sweeps, {exact_duration(interval)}"
        yield Finding(path, message, "write more, or leave it out: then every sweep lists all")
    elif idles and full > min(idles):
        message = f"is longer than the shortest `idle` of a rule, {exact_duration(min(idles))}"
        yield Finding(path, message, "write less: a session could be due in between and not be read")


def _idles(root: Value) -> list[int]:
    """The idle times that stops and deletes ask for, in seconds."""
    rules = (rule for path, policy in entries(root, (), "policies") for _, rule in items(policy, path, "rules"))
    found = (seconds_of(child(child(rule, "when"), "idle")) for rule in rules if child(rule, "action") in ELIGIBLE)
    return [seconds for seconds in found if seconds]


def _gap(cron: Value) -> int | None:
    try:
        return shortest_gap_s(cron) if isinstance(cron, str) else None
    except BadValue:
        return None


def _requests(root: Value) -> Iterator[Finding]:
    low, high = TIMEOUT_S
    for path, project in entries(root, (), "projects"):
        timeout = seconds_of(child(child(project, "requests"), "timeout"))
        if timeout and not low <= timeout <= high:
            hint = f"write {exact_duration(low)} to {exact_duration(high)}"
            yield Finding((*path, "requests", "timeout"), "is out of bounds", hint)


def _policies(root: Value) -> Iterator[Finding]:
    for path, policy in entries(root, (), "policies"):
        if (seconds_of(child(policy, "grace")) or 0) >= EXPIRY_S:
            message = "can never pass: the platform expires a session that is untouched for 30d"
            yield Finding((*path, "grace"), message, "write less, as in 24h")
        for place, rule in items(policy, path, "rules"):
            yield from _rule(rule, place)
        for place, window in items(policy, path, "windows"):
            if has(window, "to") and child(window, "from") == child(window, "to"):
                hint = "write different times; for whole days leave the window out or end it a minute earlier"
                yield Finding((*place, "to"), "is when the window opens, too", hint)


def _rule(rule: Value, path: Path) -> Iterator[Finding]:
    when, place = child(rule, "when"), (*path, "when")
    if not isinstance(when, dict):
        return
    action = next((action for action in Action if action == child(rule, "action")), None)
    if action in ELIGIBLE and not has(when, *_TIMES):
        yield Finding(place, f"a {action} needs a time", _NEEDS, shows_value=False, at_key=True)
    elif not when:
        yield Finding(place, "has no condition", 'write one; `id: "*"` holds for every session', shows_value=False)
    yield from _times(action, when, place)
    if action in ELIGIBLE and action is not None:
        for entry, status in texts(when, place, "status"):
            if status in STATUSES and status not in ELIGIBLE[action]:
                yield Finding(entry, f"is a status that a {action} never touches", _STATUS_HINTS[action])


def _times(action: Action | None, when: Value, path: Path) -> Iterator[Finding]:
    floor = FLOORS_S.get(action, 0) if action else 0
    for key, kind in _TIMES.items():
        seconds, place = seconds_of(child(when, key)), (*path, key)
        if not seconds:
            continue
        if kind(seconds).unused_s >= EXPIRY_S:
            message = "is never reached: the platform expires a session that is idle for 30d"
            yield Finding(place, message, "write less than 30d")
        elif seconds < floor and not kind.counts_down:
            yield Finding(place, f"is too short for a {action}", f"write {exact_duration(floor)} or more")
        elif floor and seconds >= EXPIRY_S - floor and kind.counts_down:
            message = f"would {action} sessions as soon as they exist, for they expire after 30d"
            yield Finding(place, message, "write how near the end it must be, as in 2d")


def _quotas(root: Value) -> Iterator[Finding]:
    for path, quota in entries(root, (), "quotas"):
        pressure, place = child(quota, "pressure"), (*path, "pressure")
        above, until = _percent(child(pressure, "above")), _percent(child(pressure, "until"))
        if above and until and until >= above:
            yield Finding((*place, "until"), f"is not below `above`, {above}%", f"write less than {above}%")
        yield from _times(Action.STOP, pressure, place)


def _audit(root: Value) -> Iterator[Finding]:
    keep = seconds_of(child(child(root, "audit"), "keep"))
    if keep and keep < AUDIT_SHORTEST_S:
        message = "is too short: the day's limits and the search for lost actions look back into the record"
        yield Finding(("audit", "keep"), message, f"write {exact_duration(AUDIT_SHORTEST_S)} or more, as in 400d")


def _percent(value: Value) -> int | None:
    return int(value[:-1]) if isinstance(value, str) and matches(r"[0-9]{1,3}%", value) else None

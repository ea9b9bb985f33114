"""Rules and agent patterns that can never decide, because an earlier one always does.

Only what can be proven is reported: for each condition of the earlier rule the later one must hold a
condition that implies it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from reaper.core.conditions import Age, Condition, ExpiresWithin, Idle, IdMatches, StatusIn, VersionIs, glob_regex
from reaper.core.model import AGE_FLOOR_S, Action
from reaper.core.policy import Rule
from reaper.core.settings import AgentPattern

_WILDCARDS: Final = re.compile(r"[*?\[]")
_Kind = TypeVar("_Kind", Idle, Age, ExpiresWithin, StatusIn, IdMatches, VersionIs)


def shadowing_rule(rules: Sequence[Rule], place: int) -> int | None:
    """The place of an earlier rule that holds whenever the rule at `place` does; None when there is none."""
    later = _whole(rules[place])
    for earlier in range(place):
        if all(_implied(wanted, rules[earlier], later, rules[place]) for wanted in _whole(rules[earlier])):
            return earlier
    return None


def shadowing_pattern(patterns: Sequence[AgentPattern], place: int) -> int | None:
    """The place of an earlier pattern that matches every agent that the one at `place` does."""
    for earlier in range(place):
        if covers([patterns[earlier].name], patterns[place].name):
            return earlier
    return None


def covers(globs: Iterable[str], other: str) -> bool:
    """Whether everything that matches the glob `other` provably matches one of `globs`."""
    return any(_covers(glob, other) for glob in globs)


def _covers(glob: str, other: str) -> bool:
    if glob == other or not glob.strip("*"):
        return True
    if not _WILDCARDS.search(other):
        return glob_regex([glob]).match(other) is not None
    start, star, rest = glob.partition("*")
    return star == "*" and not rest and not _WILDCARDS.search(start) and other.startswith(start)


def _whole(rule: Rule) -> tuple[Condition, ...]:
    """The rule's conditions and those that every stop or delete has unsaid."""
    if rule.action is Action.KEEP:
        return rule.when
    return (*rule.when, Age(AGE_FLOOR_S), StatusIn(rule.statuses or frozenset()))


def _implied(wanted: Condition, earlier: Rule, given: Sequence[Condition], later: Rule) -> bool:
    """Whether `given`, the conditions of the later rule, leave `wanted` no choice but to hold."""
    match wanted:
        case Idle():
            return any(had.seconds >= wanted.seconds for had in _of(Idle, given))
        case Age():
            # A session is never idle for longer than it exists.
            times = [had.seconds for had in _of(Age, given)] + [had.seconds for had in _of(Idle, given)]
            return any(seconds >= wanted.seconds for seconds in times)
        case ExpiresWithin():
            return any(had.seconds <= wanted.seconds for had in _of(ExpiresWithin, given))
        case StatusIn():
            narrowest = [had.statuses for had in _of(StatusIn, given)]
            return bool(narrowest) and frozenset.intersection(*narrowest) <= wanted.statuses
        case IdMatches():
            ids = [had.globs for had in _of(IdMatches, given)] or [("*",)]
            return any(all(covers(wanted.globs, glob) for glob in globs) for globs in ids)
        case VersionIs():
            # An unreadable version holds for a keep and fails the others: a keep is not shadowed by those.
            alike = earlier.action is Action.KEEP or later.action is not Action.KEEP
            return alike and any(had.versions <= wanted.versions for had in _of(VersionIs, given))
    return False


def _of(kind: type[_Kind], conditions: Iterable[Condition]) -> list[_Kind]:
    return [condition for condition in conditions if isinstance(condition, kind)]

"""Rules and agent patterns that can never decide, because an earlier one always does.

Only what can be proven is reported: for each condition of the earlier rule the later one must hold a
condition that implies it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reaper.core.conditions import Age, Condition, IdMatches, StatusIn
from reaper.core.globs import covers
from reaper.core.model import AGE_FLOOR_S, Action
from reaper.core.policy import Rule
from reaper.core.settings import AgentPattern

_ANY_ID: Final = IdMatches(("*",))


def shadowing_rule(rules: Sequence[Rule], place: int) -> int | None:
    """The place of an earlier rule that holds whenever the rule at `place` does; None when there is none."""
    return next((earlier for earlier in range(place) if _shadows(rules[earlier], rules[place])), None)


def shadowing_pattern(patterns: Sequence[AgentPattern], place: int) -> int | None:
    """The place of an earlier pattern that matches every agent that the one at `place` does."""
    found = (earlier for earlier in range(place) if covers([patterns[earlier].name], patterns[place].name))
    return next(found, None)


def _shadows(earlier: Rule, later: Rule) -> bool:
    given = _whole(later)
    # What cannot be judged holds for a keep and fails the others: a keep is not shadowed by those.
    blind = later.action is Action.KEEP and earlier.action is not Action.KEEP
    return all(
        any(wanted.covers(had) for had in given) and not (blind and wanted.needs_versions)
        for wanted in _whole(earlier)
    )


def _whole(rule: Rule) -> list[Condition]:
    """The rule's conditions and those that go without saying."""
    whole = [*rule.when, _ANY_ID]
    if rule.statuses is not None:
        whole.append(StatusIn(rule.statuses))
    if rule.action is not Action.KEEP:
        whole.append(Age(AGE_FLOOR_S))
    return whole

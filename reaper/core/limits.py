"""What limits leave room for: whether a plan is too large for them, and what goes all the same, by turns. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reaper.core.backlog import NOBODY, Turns, place_of
from reaper.core.model import Action
from reaper.core.plan import Excess, Hold, Item, Limited, PlanContext
from reaper.core.policy import Beyond, Limit, Limits


def exceeded(limits: Limits, counts: Mapping[Action, int], context: PlanContext) -> tuple[Excess, ...]:
    """The limits that so many actions are too many for; deletes and stops are counted apart."""
    found = []
    for action, planned in sorted((action, count) for action, count in counts.items() if count):
        for hold, limit, used, allowed in _allowances(limits, action, context):
            if planned + used > allowed:
                found.append(Excess(hold, action, planned, used, allowed, str(limit)))
    return tuple(found)


def _allowances(limits: Limits, action: Action, context: PlanContext) -> Iterator[tuple[Hold, Limit, int, int]]:
    """Each limit of these actions, how many it counts already, and how many it allows with them."""
    for hold, limit, used, inventory in (
        (Hold.LIMIT_SWEEP, limits.per_sweep, 0, context.inventory),
        (Hold.LIMIT_DAY, limits.per_day, context.used_today.get(action, 0), context.inventory_today),
    ):
        yield hold, limit, used, limit.of(inventory, limits.at_least)


def rooms_of(limits: Limits, action: Action, context: PlanContext) -> Iterable[tuple[int, Hold]]:
    """How many of these actions each limit still allows."""
    return ((allowed - used, hold) for hold, _, used, allowed in _allowances(limits, action, context))


def room_of(limits: Limits, action: Action, context: PlanContext) -> tuple[int, Hold]:
    """How many of these actions may go, and by which limit no more."""
    room, hold = min(rooms_of(limits, action, context), key=lambda pair: pair[0])
    return max(room, 0), hold


def turns_of(limits: Limits, context: PlanContext) -> dict[Action, Turns[Item]]:
    """Who goes first of each action, where limits let some of them go."""
    if limits.beyond is not Beyond.SPREAD:
        return {}
    return {action: Turns(room_of(limits, action, context)[0]) for action in (Action.DELETE, Action.STOP)}


def by_turn(
    turns: Mapping[Action, Turns[Item]], actions: Iterable[Action], limits: Limits, context: PlanContext
) -> tuple[Limited, list[Item]]:
    """What waits for a later turn where limits have no room for all of these actions, and what goes now."""
    last, going = {}, list[Item]()
    for action in actions:
        chosen = turns[action].chosen
        last[action] = (place_of(chosen[-1]) if chosen else NOBODY, room_of(limits, action, context)[1])
        going += chosen
    return Limited(turns=last), going

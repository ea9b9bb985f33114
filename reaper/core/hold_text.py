"""What a held candidate waits for, in words. Pure."""

from __future__ import annotations

from typing import assert_never

from reaper.core.durations import show_duration, show_time
from reaper.core.holds import holds_words
from reaper.core.plan import Hold, Item, Plan


def hold_text(item: Item, plan: Plan) -> str:
    """What a held candidate waits for, where its hold does not say it all."""
    match item.hold:
        case Hold.GRACE:
            return f"in grace until {show_time(item.ripe_at)} ({show_duration(item.ripe_at - plan.now)})"
        case Hold.WINDOW:
            return plan.policy.closed_text(plan.now)
        case Hold.HOLD:
            by_people = holds_words(plan.holds.on(item.session, plan.now))
            return by_people or (plan.voice.keeps(plan.now) if plan.voice else "")
        case Hold.REFUSED:
            return "the platform refused it, and is asked again later"
        case Hold.RANK:
            return "how it ranks among the others cannot be judged"
        case Hold.STRANGE:
            names = ", ".join(item.session.strange)
            return f"its record has fields this version does not know, and known_fields does not accept: {names}"
        case None | Hold.STATE | Hold.INCOMPLETE | Hold.UNTRUSTED | Hold.CLOCK | Hold.BREAKER | Hold.OBSERVE:
            return ""
        case Hold.JUMP:
            return "waits for a person: there are suddenly many more candidates"
        case Hold.LIMIT_SWEEP | Hold.LIMIT_DAY:
            return "others have been overdue for longer" if plan.left else ""
        case _:
            assert_never(item.hold)

"""Every guard of the product by name. Each must have a world in `mutants.py` in which only it prevents a loss."""

from __future__ import annotations

from reaper.planner import Hold
from reaper.trust import Doubt

HOLDS = [f"hold: {hold}" for hold in Hold]
DOUBTS = [f"doubt: {doubt}" for doubt in Doubt]

GUARDS = [
    *HOLDS,
    *DOUBTS,
    # limits
    "a limit of zero means none",
    "the day's limit survives a restart",
    "approvals cover exactly what was seen",
    "approvals name an action",
    "a written approval closes a breaker once",
    # what may ever be touched
    "floor of age",
    "active is deleted only where a rule names it",
    "only known, settled statuses are touched",
    "keep rules",
    "a keep rule holds for an unreadable version",
    "a delete rule fails for an unreadable version",
    "the first rule that matches decides",
    # the last look
    "last look",
    "last look: incarnation",
    "last look: gone",
    "last look: any change",
    "last look: the policy again",
    "last look: the window again",
    "last look: the clock again",
    "last look: an answer without a date",
    "last look: a malformed record",
    "last look: it fails, so nothing is sent",
    # marks
    "a mark is dropped when its session changes",
    "a mark belongs to one incarnation",
    "a mark belongs to one rule",
    "a longer grace holds for standing marks",
    "marks are kept while the inventory is doubted",
    "marks survive a restart",
    # the breaker
    "breaker: the past became staler",
    "breaker: deletes without effect",
    "the breaker survives a restart",
    # actions and their record
    "intent before action",
    "an action waits until its intent is on disk",
    "nothing is sent when the intent cannot be written",
    "verification",
    "actions in doubt are looked up",
    "intents are resolved after a crash",
    "actions in doubt count against the day",
    "a throttled action is looked at again",
    "an action that waited is not sent",
    "an action is sent once",
    "one process sweeps at a time",
    "a process that is asked to stop begins nothing new",
    # listings
    "incomplete: the cursor repeats",
    "incomplete: too many pages",
    "incomplete: a page fails",
    "incomplete: an empty page says there is more",
    "incomplete: the cursor's session is gone for good",
    "a session on two pages counts once",
    "tombstones are no inventory",
    # records and time
    "malformed records are kept",
    "times in the future are malformed",
    "unknown fields are kept",
    "skew of the clocks",
    "a jump of the clock",
    "an answer without a date says nothing of ages",
]

"""Every guard of the product by name. Each must have a world in `mutants.py` in which only it prevents a loss."""

from __future__ import annotations

from reaper.core.inventory_checks import Doubt
from reaper.core.planner import Hold

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
    # what a person has set
    "a field is accepted by its name alone",
    "a field that was accepted stops nothing",
    "no window opens on a date that it skips",
    "a night belongs to the day on which it begins",
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
    "last look: too old once the intent is on disk",
    "last look: too old after a suspension",
    "last look: its age counts from when it was asked for",
    "last look: asked for its age in the instant of leaving",
    "last look: a pause of the machine ends it",
    "last look: the agent too, where versions decide",
    "last look: the agent grows old as well",
    # marks
    "a mark is dropped when its session changes",
    "a mark is dropped when a sweep keeps its session",
    "a mark belongs to one incarnation",
    "a mark belongs to one rule",
    "a longer grace holds for standing marks",
    "marks are kept while the inventory is doubted",
    "marks survive a restart",
    # the breaker
    "breaker: times moved back",
    "breaker: not by what was not shown before",
    "breaker: deletes without effect",
    "the breaker survives a restart",
    # actions and their record
    "intent before action",
    "one deletion for one incarnation",
    "an action waits until its intent is on disk",
    "nothing is sent when the intent cannot be written",
    "verification",
    "actions in doubt are looked up",
    "intents are resolved after a crash",
    "actions in doubt count against the day",
    "a throttled action is looked at again",
    "an action is sent once",
    "a 404 that is not the platform's says nothing",
    "gone is only what an agent that answers has not",
    "nothing that is listed is resolved as gone",
    "what fails again and again ends the sweep",
    "one action at a time until one has not failed",
    "a sweep whose actions fail has failed",
    "a relief whose stops fail has failed",
    "one process sweeps at a time",
    "one claim, whatever the state is called",
    "no sweep without a claim",
    "a claim is the lock that is there",
    "no intent is written once the claim is lost",
    "the state is the file that was opened",
    "the state is no copy of what was opened",
    "an older copy is not believed",
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
    "an expiry before the last use, or long ago, is malformed",
    "unknown fields are kept",
    "skew of the clocks",
    "a jump of the clock",
    "an answer without a date says nothing of ages",
]

"""The last look before an action: whether the plan still holds for the record as it was just read. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from reaper.core.durations import show_duration
from reaper.core.model import TOMBSTONES, Action, Agent, Malformed, Session
from reaper.core.plan import Item, Plan
from reaper.core.policy import decide
from reaper.core.ranks import RANKING_MAX_S

RANKS_OLD: Final = (
    f"it was ranked among the others over {show_duration(RANKING_MAX_S)} ago: the next sweep ranks anew"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the last look before an action found: go ahead, or why not. `changed` breaks the promise to delete."""

    go: bool = False
    gone: bool = False
    changed: bool = False
    why: str = ""


def recheck(
    item: Item, fresh: Session | Malformed, plan: Plan, now: float | None, agent: Agent | None = None
) -> Verdict:
    """Whether the plan still holds for the record just read at platform time `now`.

    `agent` is how the agent was just read, None where that does not matter.
    """
    if now is None:
        return Verdict(why="the platform's clock could not be read")
    if isinstance(fresh, Malformed):
        return Verdict(why=f"its record is malformed: {fresh.reason}")
    if fresh.created_at != item.session.created_at:
        return Verdict(changed=True, why="it was deleted and created again")
    if fresh.status in TOMBSTONES:
        return Verdict(gone=True, why=f"its status is {fresh.status}")
    if fresh != item.session:
        return Verdict(changed=True, why=_difference(item.session, fresh))
    if plan.voice is not None and agent is not None and agent.metadata.asked != plan.agent.metadata.asked:
        return Verdict(why="what its agent's developers ask for has changed since the plan was made")
    again = decide(fresh, plan.policy, agent_now(plan.agent, agent, now) if agent else plan.agent, now)
    if again.action is Action.KEEP or (again.action, again.rule) != (item.decision.action, item.decision.rule):
        return Verdict(changed=True, why="the policy no longer asks for it")
    if plan.policy.rests_on_ranks(item.decision) and now - plan.now > RANKING_MAX_S:
        return Verdict(why=RANKS_OLD)
    if item.action is not Action.STOP and not plan.policy.is_open(now):
        return Verdict(why="the window has closed")
    return Verdict(go=True)


def agent_now(then: Agent, fresh: Agent, at: float) -> Agent:
    """The agent as it was read again at platform time `at`, with what is remembered of its versions' traffic.

    What was in use when the plan was made is left behind since this moment at the earliest.
    """
    known = then.unserved
    if known is None:
        return fresh
    in_use = then.serving.versions | ({then.latest} if then.latest is not None else set())
    return replace(fresh, unserved=replace(known, since={**known.since, **dict.fromkeys(in_use, at)}))


def _difference(before: Session, after: Session) -> str:
    names = ("status", "version", "last_accessed_at", "expires_at", "stopped_at", "strange")
    changed = [name for name in names if getattr(before, name) != getattr(after, name)]
    return f"it changed since it was listed: {', '.join(changed)}"

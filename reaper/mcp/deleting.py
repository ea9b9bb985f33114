"""session_delete: what must hold before a session is deleted on an assistant's word, and the deletion.

The guards here say why not, in words for the assistant. The deletion itself is an executor's, as in a sweep: it looks
again, writes its intent down, deletes, verifies, and writes down how it ended.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

import structlog

from reaper.commands import command
from reaper.executor import Executor
from reaper.foundry.client import Answer, Client
from reaper.foundry.errors import Gone, Refused
from reaper.mcp.desk import Desk, NotDoneError, project_at
from reaper.mcp.shapes import Deleted, OneInput
from reaper.model import (
    ACTIVE,
    AGE_FLOOR_S,
    CREATING,
    FAILED,
    IDLE,
    TOMBSTONES,
    UPDATING,
    Action,
    Agent,
    Malformed,
    OutcomeKind,
    Session,
)
from reaper.planner import Item, Plan, plan_id
from reaper.policy import Mode, Policy, Rule, decide
from reaper.report import Outcome
from reaper.roster import first_match
from reaper.settings import Project
from reaper.skew import ClockGuard
from reaper.store.store import Store, opened
from reaper.times import show_duration

log = structlog.get_logger()

BY_HAND: Final = Rule("by-hand:mcp", Action.DELETE, ())
"""The rule under which the record keeps what an assistant deleted; it holds from the floor of age on."""

UNMANAGED: Final = Policy("none", ())

_NEXT: Final = {
    OutcomeKind.DONE: "Nothing: the session and its files are gone.",
    OutcomeKind.ALREADY_GONE: "Nothing: there was no such session to delete any more.",
    OutcomeKind.UNVERIFIED: "Look with session_get in a minute. If it is still there, tell the operator.",
    OutcomeKind.IN_DOUBT: "Look with session_get in a minute, before you delete it again.",
}


async def delete(desk: Desk, asked: OneInput) -> Deleted:
    """Delete one session and all its files, for ever.

    It is looked up first, and refused while it is active, creating or updating, younger than five minutes, or kept by
    a keep rule of its policy; afterwards it is looked up again. A session that is gone already is no error.
    """
    settings = desk.settings()
    project = project_at(settings, asked.project_endpoint)
    with opened(settings.state) as store:
        if store.fault:
            raise NotDoneError(f"nothing is deleted, because it could not be recorded: {store.fault}")
        async with desk.connect(project) as client:
            outcome = await _Deletion(desk, project, client, store).of(asked.agent_name, asked.session_id)
    log.info("session_delete", project=project.name, agent=asked.agent_name, session=asked.session_id, **outcome)
    todo = _NEXT[OutcomeKind(outcome["outcome"])]
    return Deleted.model_validate({"agent_session_id": asked.session_id, **outcome, "next": todo})


@dataclass(frozen=True, slots=True)
class _Deletion:
    desk: Desk
    project: Project
    client: Client
    store: Store

    async def of(self, name: str, session: str) -> dict[str, str]:
        """The outcome; NotDoneError when a guard refuses, and a FoundryError when the platform does."""
        started, guard = self.desk.clock.monotonic(), ClockGuard()
        agent = await self._agent(name)
        try:
            fresh = await self.client.get(name, session)
        except Gone:
            return {"outcome": OutcomeKind.ALREADY_GONE, "why": "the platform has no such session"}
        guard.observe(fresh.date, fresh.received_wall, fresh.received_monotonic)
        if isinstance(fresh.value, Session) and fresh.value.status in TOMBSTONES:
            return {"outcome": OutcomeKind.ALREADY_GONE, "why": f"its status is {fresh.value.status}"}
        plan = plan_of(self.project, agent, session, fresh)
        outcomes: list[Outcome] = []
        executor = Executor(
            project=self.project.name,
            client=self.client,
            store=self.store,
            clock=self.desk.clock,
            guard=guard,
            sweep_id=f"mcp-{uuid.uuid4().hex[:12]}",
            started=started,
            stopping=lambda: "",
            on_outcome=outcomes.append,
            workers=1,
        )
        execution = await executor.execute(plan)
        if not outcomes:
            raise NotDoneError(
                f"the deletion of {session} was halted: {execution.halted}. "
                "Look with session_get whether the session is still there, and tell the operator"
            )
        if outcomes[0].kind in {OutcomeKind.CHANGED, OutcomeKind.FAILED}:
            raise NotDoneError(
                f"session {session} was not deleted: {outcomes[0].why}. Look with session_get before you decide again"
            )
        return {"outcome": outcomes[0].kind, "why": outcomes[0].why}

    async def _agent(self, name: str) -> Agent:
        """The agent, without its newest version where that may not be read: what asks for it then keeps."""
        try:
            return (await self.client.get_agent(name)).value
        except Refused:
            return Agent(name)


def plan_of(project: Project, agent: Agent, session: str, fresh: Answer[Session | Malformed]) -> Plan:
    """A plan of this one deletion, by a person's word; NotDoneError when a guard refuses it."""
    pattern = first_match(project, agent.name)
    policy = pattern.policy if pattern else UNMANAGED
    if isinstance(fresh.value, Malformed):
        raise NotDoneError(
            f"session {session} is kept: its record is malformed ({fresh.value.reason}). Tell the operator"
        )
    if fresh.date is None:
        raise NotDoneError(f"session {session} is kept: the platform's answer carried no time, so its age is unknown")
    for refusal in _refusals(fresh.value, fresh.date, project, policy, agent):
        raise NotDoneError(f"session {session} is kept: {refusal}")
    judged_by = by_hand(fresh.value, policy, agent, fresh.date)
    decision = decide(fresh.value, judged_by, agent, fresh.date)
    items = (Item(fresh.value, decision, fresh.date, approved=True),)
    return Plan(
        id=plan_id(project.name, agent.name, items),
        agent=agent,
        policy=judged_by,
        now=fresh.date,
        items=items,
        marks=None,
    )


def by_hand(session: Session, policy: Policy, agent: Agent, now: float) -> Policy:
    """The policy under which a deletion by hand is judged again right before it is sent.

    The keep rules that come before whatever decides now, then the word of a person: a session that a keep rule covers
    by the time of the last look stays.
    """
    deciding = decide(session, policy, agent, now).rule
    before = takewhile(lambda rule: rule is not deciding, policy.rules)
    keeps = tuple(rule for rule in before if rule.action is Action.KEEP)
    return replace(policy, rules=(*keeps, BY_HAND), mode=Mode.ENFORCE, grace_s=0, windows=())


def _refusals(session: Session, now: float, project: Project, policy: Policy, agent: Agent) -> Iterator[str]:
    """Every reason why this session is not deleted on an assistant's word, the strongest first."""
    decision = decide(session, policy, agent, now)
    age = now - session.created_at
    if decision.action is Action.KEEP and decision.rule is not None:
        yield (
            f"rule {decision.rule.name!r} of policy {policy.name!r} keeps it. "
            "Do not try another way: only the operator can change that rule"
        )
    if session.id in project.must_see:
        yield f"project {project.name} names it under must_see, as a session that must always be there"
    if session.status in {CREATING, UPDATING}:
        yield f"it is {session.status}. Wait until session_get shows idle or failed, then ask again"
    elif session.status == ACTIVE:
        stop = command("sessions stop", agent.name, session.id, project=project.name)
        yield (
            "it is active, and may be in the middle of work. Wait until session_get shows idle, "
            f"or ask the operator to stop it (`{stop}`), then ask again"
        )
    elif session.status not in {IDLE, FAILED}:
        yield f"its status {session.status!r} is not known to this version, which never touches such sessions"
    if age < AGE_FLOOR_S:
        wait = max(AGE_FLOOR_S - age, 1)
        yield f"it is {show_duration(max(age, 0))} old, and must be five minutes. Ask again in {wait:.0f} s"
    if session.strange:
        told = ", ".join(session.strange)
        yield f"its record has fields that this version does not know ({told}). Tell the operator"

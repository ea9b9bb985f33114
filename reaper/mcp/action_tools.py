"""session_delete and session_stop: looked at, judged, agreed to by a person where files are lost, done and recorded.

The guards say why not, in words for the assistant. The action itself is an executor's, as in a sweep: it looks again,
writes its intent down, acts, verifies, and writes down how it ended.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from reaper.config import ConfigError
from reaper.core.clock_check import ClockGuard
from reaper.core.command_lines import command
from reaper.core.durations import show_duration
from reaper.core.model import TOMBSTONES, Action, Agent, OutcomeKind, Session
from reaper.core.plan import Approval, Plan
from reaper.core.provider import Gone, Provider, Refused
from reaper.core.settings import Project, Settings
from reaper.core.text import clean
from reaper.engine.connected_project import ConnectedProject
from reaper.engine.discovery import unread_agent
from reaper.engine.executor import Executor
from reaper.engine.newest import may_be_newest
from reaper.engine.report import Outcome
from reaper.engine.routed_agent import KnownVersions, remembered, routed
from reaper.engine.voices import heard, judged_by
from reaper.logs import get_logger
from reaper.mcp.advice import NotDoneError
from reaper.mcp.allowance import Allowance, signed
from reaper.mcp.caller import Question
from reaper.mcp.context import ToolContext, project_at
from reaper.mcp.daemon_status import disbelief
from reaper.mcp.guards import Subject, managed
from reaper.mcp.session_models import Deleted, OneInput, Stopped
from reaper.store.store import Store, opened

log = get_logger()

_DONE: Final = {
    Action.DELETE: "Nothing: the session and its files are gone.",
    Action.STOP: "Nothing: the session is stopped, and its files stay.",
}
_NEXT: Final = {
    OutcomeKind.ALREADY_GONE: "Nothing: there is no such session any more.",
    OutcomeKind.UNVERIFIED: "Look with session_get in a minute. If it is as before, tell the operator.",
    OutcomeKind.IN_DOUBT: "Look with session_get in a minute, before you ask for it again.",
}


async def delete(context: ToolContext, request: OneInput) -> Deleted:
    """Delete one session and all its files, for ever.

    Only where a policy manages the agent and enforces, within its limits and windows, and only once a person has
    agreed. It is refused while the session is active, creating or updating, younger than five minutes, or kept by a
    keep rule; afterwards it is looked up again. A session that is gone already is no error.
    """
    return Deleted.model_validate(await _act(context, request, Action.DELETE))


async def stop(context: ToolContext, request: OneInput) -> Stopped:
    """Stop one active session; what it was doing ends, and its files stay.

    Only where a policy manages the agent and enforces, within its limits, and not what a keep rule keeps.
    """
    return Stopped.model_validate(await _act(context, request, Action.STOP))


async def _act(context: ToolContext, request: OneInput, action: Action) -> dict[str, str]:
    found = await _attempt(context, request, action, context.caller.agreed)
    while isinstance(found, Question):
        found = await _attempt(context, request, action, await _agreement(context, found))
    by = {"project_endpoint": request.project_endpoint, "agent": request.agent_name, "session": request.session_id}
    log.info(f"session_{action}", client=context.caller.name, **by, **found)
    kind = OutcomeKind(found["outcome"])
    todo = _DONE[action] if kind is OutcomeKind.DONE else _NEXT[kind]
    return {"agent_session_id": request.session_id, **found, "next": todo}


async def _agreement(context: ToolContext, question: Question) -> str:
    """What a person agreed to; NotDoneError when nobody did."""
    if context.caller.ask is None:
        raise NotDoneError("a person must agree, and this client cannot ask one, so nothing was done")
    with context.questions.one():
        await context.caller.ask(question)
    return question.about


async def _attempt(context: ToolContext, request: OneInput, action: Action, agreed: str) -> dict[str, str] | Question:
    """What became of the action, or what a person must be asked first. No other attempt counts or acts meanwhile."""
    async with AsyncExitStack() as stack:
        locked = context.lock.taken(lambda: context.settings().state, context.clock)
        state = await stack.enter_async_context(locked)
        settings = context.settings()
        if settings.state != state:
            raise NotDoneError("the configuration has just changed, and nothing was done. Ask again")
        project = project_at(settings, request.project_endpoint)
        store = stack.enter_context(opened(settings.state))
        if store.fault:
            raise NotDoneError(f"nothing is {action}ed, because it could not be recorded: {store.fault}")
        client = await stack.enter_async_context(context.connect(project))
        return await _Attempt(context, settings, project, client, store, action).of(request, agreed)


@dataclass(frozen=True, slots=True)
class _Attempt:
    context: ToolContext
    settings: Settings
    project: Project
    client: Provider
    store: Store
    action: Action

    async def of(self, request: OneInput, agreed: str) -> dict[str, str] | Question:
        """The outcome, or the question; NotDoneError when a guard refuses, a ProviderError when the platform does."""
        policy = managed(self.project, request.agent_name)
        started, guard = self.context.clock.monotonic(), ClockGuard()
        self.client.observe_time(guard.observe)
        agent = await self._agent(request.agent_name)
        voice = heard(self.project, agent, self.store)
        policy = judged_by(policy, voice)
        agent = await routed(agent, policy, self.client, KnownVersions(), self.project.name, 0.0)
        try:
            fresh = await self.client.get(agent.name, request.session_id)
        except Gone:
            return {"outcome": OutcomeKind.ALREADY_GONE, "why": "the platform has no such session"}
        if isinstance(fresh.value, Session) and fresh.value.status in TOMBSTONES:
            return {"outcome": OutcomeKind.ALREADY_GONE, "why": f"its status is {fresh.value.status}"}
        at = self.context.clock.wall() if fresh.date is None else fresh.date
        agent = remembered(agent, policy, self.store, self.project.name, at)
        subject = replace(Subject.seen(self.project, policy, agent, request.session_id, fresh), voice=voice)
        newest = policy.keep_newest
        if newest is not None and self.action is Action.DELETE:
            spared = await may_be_newest(self.client, agent.name, [subject.session], newest)
            subject = replace(subject, may_be_newest=bool(spared))
        configured = self.settings.holds_on(self.project.name, agent.name)
        subject.check(self.action, self.store, configured)
        client = self.context.caller.name
        Allowance(self.store, self.project.name, agent.name, policy, client, subject.now).check(self.action)
        await self._must_be_believed(agent)
        plan = subject.plan(self.action)
        if self.action is Action.DELETE and agreed != subject.about and not self._is_approved(subject):
            if agreed:
                raise NotDoneError(
                    f"session {request.session_id} changed while the person was asked, so nothing was done. "
                    "Look with session_get before you decide again"
                )
            return self._question(subject, plan)
        site = ConnectedProject(self.project, self.client, guard, self.settings.fingerprint)
        return await self._execute(plan, site, started)

    async def _must_be_believed(self, agent: Agent) -> None:
        """Refuse while a daemon beside us says that it does not believe its list of these sessions."""
        why = await disbelief(self.settings.server, self.project.name, agent.name)
        if why:
            raise NotDoneError(
                f"nothing was done: the last list of the sessions of agent {clean(agent.name)} is not believed: "
                f"{clean(why)}. Tell the operator"
            )

    async def _agent(self, name: str) -> Agent:
        """The agent, without its versions where those may not be read: what asks for them then keeps."""
        try:
            return (await self.client.get_agent(name)).value
        except Refused as error:
            return unread_agent(name, error)

    def _is_approved(self, subject: Subject) -> bool:
        leave = Approval.needed(subject.session, self.action)
        return leave in self.store.plans.approved(self.project.name, subject.agent.name)

    def _question(self, subject: Subject, plan: Plan) -> Question:
        """What to ask a person; NotDoneError when the client cannot ask one, and the plan waits for an approval."""
        if self.context.caller.ask is None:
            raise NotDoneError(self._proposed(subject, plan))
        session = subject.session
        idle, age = subject.now - session.last_accessed_at, subject.now - session.created_at
        text = (
            f"Delete session {session.id} of agent {clean(subject.agent.name)} in project {self.project.name}? "
            f"It is {session.status}, was last used {show_duration(max(idle, 0))} ago and is "
            f"{show_duration(max(age, 0))} old. All files in its home are destroyed for ever; nothing brings them "
            f"back. Asked for by {self.context.caller.name}."
        )
        return Question(text, subject.about)

    def _proposed(self, subject: Subject, plan: Plan) -> str:
        """Keep the plan for `reaper approve`, and say how a person agrees."""
        self.context.proposals.check(plan.id, self.context.clock.monotonic())
        agent, session = subject.agent.name, subject.session.id
        self.store.plans.remember(plan.id, self.project.name, agent, plan.now, plan.items)
        approve = command("approve", plan.id)
        look = command("explain", agent, session, project=self.project.name)
        return (
            f"session {session} was not deleted: a person must agree, and this client cannot ask one. Tell the "
            f"person to look (`{look}`) and to approve this one deletion (`{approve}`), then call "
            "session_delete again. The approval ends when the session is used"
        )

    async def _execute(self, plan: Plan, site: ConnectedProject, started: float) -> dict[str, str]:
        outcomes: list[Outcome] = []
        client = self.context.caller.name
        executor = Executor(
            site=site,
            store=self.store,
            clock=self.context.clock,
            sweep_id=signed(client),
            started=started,
            stopping=self._changed,
            on_outcome=outcomes.append,
            workers=1,
            origin=site.origin(f"mcp client {client}", client=client),
            held_elsewhere=partial(self.settings.holds_on, self.project.name, plan.agent.name),
        )
        execution = await executor.execute(plan)
        session = next(iter(plan.items)).session.id
        if not outcomes:
            raise NotDoneError(
                f"the {self.action} of {session} was halted: {execution.halted}. "
                "Look with session_get how the session is now, and tell the operator"
            )
        kind, why = outcomes[0].kind, "; ".join(part for part in (outcomes[0].why, execution.halted) if part)
        if kind in {OutcomeKind.CHANGED, OutcomeKind.FAILED}:
            raise NotDoneError(
                f"the {self.action} of {session} was not done: {why}. Look with session_get before you decide again"
            )
        return {"outcome": kind, "why": why}

    def _changed(self) -> str:
        """Why nothing may be sent any more: the configuration is another one than the action was judged by."""
        try:
            same = self.context.settings() == self.settings
        except ConfigError:
            same = False
        return "" if same else "the configuration has changed"

"""The tools that only look: what a sweep would do, why about one session, and how things stand."""

from __future__ import annotations

from typing import Any, Final

from reaper.core.command_lines import command
from reaper.core.durations import show_time
from reaper.core.model import Malformed
from reaper.core.provider import Gone
from reaper.core.settings import Project, Settings
from reaper.core.text import clean
from reaper.engine.discovery import read_agent
from reaper.engine.explain import Circumstances, explain
from reaper.engine.explanation_json import explanation_json
from reaper.engine.routed_agent import KnownVersions, remembered, routed
from reaper.engine.runner import Runner, Scope
from reaper.engine.standing import standing_of
from reaper.engine.status_json import instant, run_json
from reaper.engine.voices import heard, judged_by
from reaper.mcp import daemon_status
from reaper.mcp.advice import NotDoneError
from reaper.mcp.context import ToolContext, managed_in
from reaper.mcp.look_models import (
    Action,
    Breaker,
    Configured,
    Explained,
    ExplainInput,
    Pattern,
    PlanInput,
    Planned,
    Status,
    StatusInput,
    Summary,
    WaitingPlan,
)
from reaper.store.journal import ActionFilter, Recorded
from reaper.store.known_plans import KnownPlan
from reaper.store.store import Store, opened

DECISIONS_SHOWN: Final = 100
PLANS_SHOWN: Final = 20
ACTIONS_SHOWN: Final = 20


async def plan(context: ToolContext, request: PlanInput) -> Planned:
    """Show what a sweep would do now, and why; nothing is touched.

    Lists every session of the agents asked for, which takes a while for large ones. The first 100 stops and deletes
    are shown; the totals count all. A plan larger than its limits is remembered, so that a person can approve it.
    """
    settings = context.settings()
    names = [project.name for project in settings.projects]
    if request.project is not None and request.project not in names:
        raise NotDoneError(f"there is no project {clean(request.project)!r}. Use one of: {', '.join(names)}")
    with opened(settings.state) as store:
        runner = Runner(store, context.clock, lambda _: None, context.connect)
        run = await runner.run(settings, Scope(request.project, request.agent_name, rehearsal=True))
    if not run.reports:
        wanted = clean(request.agent_name)
        raise NotDoneError(f"no managed agent matches {wanted!r}. reaper_status lists the patterns")
    return _bounded(run_json(run, planned=True, shown=DECISIONS_SHOWN))


def _bounded(run: dict[str, Any]) -> Planned:
    """The run with no more decisions than an assistant can read."""
    left = DECISIONS_SHOWN
    total = sum(sweep["totals"]["stop"] + sweep["totals"]["delete"] for sweep in run["sweeps"])
    sweeps = []
    for sweep in run["sweeps"]:
        shown = sweep["decisions"][:left]
        left -= len(shown)
        sweeps.append(Summary.model_validate({**sweep, "decisions": shown}))
    return Planned(
        plan_id=run["plan_id"],
        sweeps=sweeps,
        decisions_total=total,
        decisions_shown=DECISIONS_SHOWN - left,
        unmanaged_agents=run["unmanaged_agents"],
    )


async def explain_one(context: ToolContext, request: ExplainInput) -> Explained:
    """Show why one session is kept, stopped or deleted.

    Every rule of its policy with the values compared, every guard, and when it is next due.
    """
    settings = context.settings()
    project, policy = managed_in(settings, request.project, request.agent_name)
    with opened(settings.state) as store:
        async with context.connect(project) as client:
            try:
                agent = await read_agent(request.agent_name, client)
                agent = await routed(agent, None, client, KnownVersions(), project.name, 0.0)
                answer = await client.get(request.agent_name, request.session_id)
            except Gone as error:
                raise NotDoneError(_past(store, project, request, str(error))) from error
            seen, now = answer.value, answer.date
            if isinstance(seen, Malformed):
                raise NotDoneError(f"the record of {request.session_id} is malformed ({seen.reason}): it is kept")
            if now is None:
                raise NotDoneError("the platform's answer carried no time, so nothing can be judged. Ask again")
            voice = heard(project, agent, store)
            decided = judged_by(policy, voice)
            standing = await standing_of(client, store, project.name, agent.name, seen, decided)
        agent = remembered(agent, decided, store, project.name, now)
        configured, accepted = settings.holds_on(project.name, agent.name), project.known_fields
        around = Circumstances(project.name, agent, voice, configured, accepted, standing)
        explanation = explain(seen, around, decided, store, now)
    return Explained.model_validate(explanation_json(explanation))


def _past(store: Store, project: Project, request: ExplainInput, error: str) -> str:
    """That a session is gone, and what the record says of it."""
    which = ActionFilter(project.name, request.agent_name, request.session_id)
    for done in store.journal.actions(which, 1):
        intent = done.intent.intent
        return (
            f"session {intent.session} is gone: {intent.action} by rule {clean(intent.rule)} at "
            f"{show_time(done.intent.at)}, {done.outcome}. "
            f"`{command('audit show', session=intent.session)}` has the evidence"
        )
    return f"{error}; the record knows of no action on it. session_list shows the sessions there are"


async def status(context: ToolContext, _: StatusInput) -> Status:
    """Show the configured projects with endpoints and policies, what waits for a person, and what was done last.

    Asks nothing of the platform. With a daemon running beside it, its last sweeps too.
    """
    settings = context.settings()
    address = daemon_status.address(settings.server)
    daemon = await daemon_status.daemon(settings.server)
    with opened(settings.state) as store:
        plans = [plan for plan in store.plans.latest(PLANS_SHOWN) if not _is_approved(store, plan)]
        recent = [_action(done) for done in store.journal.actions(ActionFilter(), ACTIONS_SHOWN)]
        return Status(
            projects=[_configured(project) for project in settings.projects],
            state_fault=store.fault or None,
            plans_to_approve=[_waiting(plan) for plan in plans],
            breakers=_breakers(store, settings, plans, recent),
            recent_actions=recent[::-1],
            daemon=daemon,
            daemon_note="answers" if daemon else f"no daemon of this configuration answers at {address}",
        )


def _configured(project: Project) -> Configured:
    patterns = [Pattern(pattern=a.name, policy=a.policy.name, mode=str(a.policy.mode)) for a in project.agents]
    return Configured(project=project.name, endpoint=project.connection.endpoint, agents=patterns)


def _is_approved(store: Store, plan: KnownPlan) -> bool:
    return set(plan.approvals) <= store.plans.approved(plan.project, plan.agent)


def _waiting(plan: KnownPlan) -> WaitingPlan:
    return WaitingPlan(
        plan_id=plan.id, project=plan.project, agent=plan.agent, at=instant(plan.at), sessions=len(plan.approvals)
    )


def _breakers(store: Store, settings: Settings, plans: list[KnownPlan], recent: list[Action]) -> list[Breaker]:
    """The open breakers of the agents whose names are known without asking the platform."""
    plain = {(p.name, a.name) for p in settings.projects for a in p.agents if a.is_plain}
    known = plain | {(plan.project, plan.agent) for plan in plans} | {(one.project, one.agent) for one in recent}
    breakers = ((*key, store.breaker(*key)) for key in sorted(known))
    return [
        Breaker(project=project, agent=agent, since=instant(breaker.since), reason=clean(breaker.reason))
        for project, agent, breaker in breakers
        if breaker is not None
    ]


def _action(done: Recorded) -> Action:
    intent = done.intent.intent
    return Action(
        at=instant(done.intent.at),
        project=intent.project,
        agent=intent.agent,
        session=intent.session,
        action=str(intent.action),
        rule=intent.rule,
        outcome=done.outcome,
        why=clean(done.why),
    )

"""explain: one session, every rule, every guard."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from reaper.cli.audit_commands import actions_table, recorded_json
from reaper.cli.endings import CommandError, Exit
from reaper.cli.options import OutputFormat
from reaper.cli.printed import console, safe, table
from reaper.cli.progress import Progress
from reaper.cli.record_rows import records_table
from reaper.cli.which_config import read
from reaper.clock import SystemClock
from reaper.core.durations import show_time
from reaper.core.model import TOMBSTONES, Malformed
from reaper.core.provider import Gone
from reaper.core.settings import Project, Settings
from reaper.engine.discovery import first_match, read_agent
from reaper.engine.explain import Circumstances, Explanation, explain
from reaper.engine.explanation_json import explanation_json
from reaper.engine.routed_agent import KnownVersions, remembered, routed
from reaper.engine.standing import standing_of
from reaper.engine.voices import heard, judged_by
from reaper.foundry import requests
from reaper.store.journal import ActionFilter, Recorded
from reaper.store.store import opened
from reaper.wiring import Connector

PAST_SHOWN: Final = 20


async def run_explain(
    config: Path | None, project_name: str | None, agent: str, session: str, output: OutputFormat
) -> None:
    """Fetch one session and print everything that decides about it."""
    check_names(agent, session)
    settings = read(config)[1].settings
    project = project_of(settings, project_name, agent)
    pattern = first_match(project, agent)
    if pattern is None:
        raise CommandError(f"no pattern of project {project.name} matches agent {agent!r}: it is left alone")
    which = ActionFilter(project.name, agent, session)
    async with Connector(SystemClock())(project) as client:
        try:
            known = await read_agent(agent, client)
            known = await routed(known, None, client, KnownVersions(), project.name, 0.0)
            answer = await client.get(agent, session)
        except Gone as error:
            if _print_actions(settings, which, output):
                return
            gone = f"{project.name} has no session {session} of agent {agent}: {error}"
            raise CommandError(gone, Exit.FAILED) from error
        seen, now = answer.value, answer.date
        if isinstance(seen, Malformed):
            raise CommandError(f"the record of {session} is malformed ({seen.reason}): it is kept", Exit.FAILED)
        if now is None:
            raise CommandError("the platform's answer carried no time, so nothing can be judged", Exit.FAILED)
        if seen.status in TOMBSTONES and _print_actions(settings, which, output):
            return
        with opened(settings.state) as store, Progress(sys.stderr) as progress:
            voice = heard(project, known, store)
            policy = judged_by(pattern.policy, voice)
            standing = await standing_of(client, store, project.name, agent, seen, policy, progress.hear)
            known = remembered(known, policy, store, project.name, now)
            configured, accepted = settings.holds_on(project.name, known.name), project.known_fields
            around = Circumstances(project.name, known, voice, configured, accepted, standing)
            explanation = explain(seen, around, policy, store, now)
    if output is OutputFormat.JSON:
        print(json.dumps(explanation_json(explanation), indent=2))
    else:
        _print(explanation)


def _print_actions(settings: Settings, which: ActionFilter, output: OutputFormat) -> bool:
    """Print what was done to a session that is gone; False when nothing is known to have been done."""
    with opened(settings.state) as store:
        past = list(store.journal.actions(which, PAST_SHOWN))
    if past and output is OutputFormat.JSON:
        print(json.dumps({"gone": True, "actions": [recorded_json(action) for action in past]}, indent=2))
    elif past:
        _print_past(past)
    return bool(past)


def _print_past(past: Sequence[Recorded]) -> None:
    """What was done, and the values that were compared the last time."""
    last = past[-1]
    out, intent, body = console(), last.intent.intent, last.intent.body
    out.print(f"{safe(intent.session)} of {safe(intent.agent)} is gone. What was done to it:\n")
    out.print(actions_table(past))
    compared = table("rule", "condition", "wanted", "found")
    for check in body.get("compared", []):
        compared.add_row(safe(intent.rule), *(safe(check[name]) for name in ("condition", "wanted", "actual")))
    out.print(compared)
    approved = ", approved by a person" if intent.approved else ""
    names = " ".join(f"{name} {safe(body.get(name))}," for name in ("policy", "plan", "sweep"))
    out.print(f"{names} {safe(intent.rule)} at {show_time(last.intent.at)}{approved}")
    out.print(f"the record as it came: {safe(body.get('received'))}", soft_wrap=True)


def check_names(agent: str, session: str) -> None:
    """Refuse an agent's name or a session's id that the API forbids, before anything is sent."""
    checked(requests.get_session, agent, session)


def checked(build: Any, *arguments: Any, **named: Any) -> None:
    """Refuse what the API forbids as a wrong command line, before anything is sent."""
    try:
        build(*arguments, **named)
    except UnicodeEncodeError:
        raise
    except ValueError as error:
        raise CommandError(str(error)) from error


def project_of(settings: Settings, name: str | None, agent: str) -> Project:
    """The project that was named, or the only one whose patterns match the agent."""
    named = [project for project in settings.projects if name in {None, project.name}]
    if not named:
        has = ", ".join(project.name for project in settings.projects)
        raise CommandError(f"no project {name!r}; the configuration has: {has}")
    matching = [project for project in named if first_match(project, agent)]
    if len(named) > 1 and len(matching) != 1:
        raise CommandError(f"say which project with --project: {', '.join(p.name for p in matching or named)}")
    return (matching or named)[0]


def _print(explanation: Explanation) -> None:
    out = console()
    out.print(records_table([explanation.session], explanation.now))
    rules = table("rule", "action", "condition", "wanted", "found", "holds")
    for trial in explanation.trials:
        name = trial.rule.name if explanation.policy.also is None else f"{trial.policy}: {trial.rule.name}"
        name = f"[bold]{name}[/]" if trial.decides else name
        for check in trial.checks:
            holds = {True: "yes", False: "no", None: "cannot be judged"}[check.holds]
            rules.add_row(
                name, str(trial.rule.action), check.condition, safe(check.wanted), safe(check.actual), holds
            )
            name = ""
        rules.add_row("", "", "", "", "", "[green]decides[/]" if trial.decides else "[dim]does not decide[/]")
    out.print(rules)
    guards = table("guard", "lets through", "")
    for guard in explanation.guards:
        guards.add_row(guard.name, "yes" if guard.lets_through else "[yellow]no[/]", safe(guard.text))
    out.print(guards)
    if explanation.policy.asks_version:
        out.print(f"versions: {safe(explanation.agent.routing)}")
    out.print(f"policy {explanation.policy.name}: {explanation.decision.action}, {safe(explanation.why)}")
    out.print(f"next due: {safe(explanation.due_text)}")

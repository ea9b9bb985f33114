"""config check --online: whether each project answers, and what became of the sessions under its must_see."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reaper.cli.endings import Exit
from reaper.core.durations import show_duration, show_time
from reaper.core.model import DAY_S, TOMBSTONES, Agent, Malformed, Session
from reaper.core.policy import Policy, next_due
from reaper.core.provider import Connect, Gone, Provider, ProviderError, Refused
from reaper.core.settings import Project, Settings
from reaper.core.text import clean
from reaper.engine.discovery import discover

EXPIRES_SOON_S: Final = 5 * DAY_S
"""So little time left is worth a warning: the alert has the same bound."""

NOT_SHOWN: Final = "session_not_accessible"
MADE_BY: Final = (
    "who made a session cannot be told, for records name no owner: what the identity that asks has made "
    "itself is always shown to it, and proves nothing"
)


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that a check found; a `failure` is what keeps the reaper from its work."""

    text: str
    failure: bool = False
    warning: bool = False


async def check_online(settings: Settings, connect: Connect) -> Exit:
    """Ask each project for its agents and its `must_see` sessions, and say what came of it; nothing is changed."""
    failed = False
    for project in settings.projects:
        async for found in _project(connect, project):
            failed = failed or found.failure
            sign = "failed: " if found.failure else "warning: " if found.warning else ""
            print(f"{sign}{clean(found.text, 2_000)}", file=sys.stderr if sign else sys.stdout)
        if project.name in settings.unwatched:
            print(f"warning: project {project.name} enforces without must_see", file=sys.stderr)
    return Exit.FAILED if failed else Exit.DONE


async def _project(connect: Connect, project: Project) -> AsyncIterator[Found]:
    """What one project answers; the first failure to reach it is its only one."""
    try:
        async with connect(project) as client:
            agents = await discover(project, client)
            lost = [name for name in _plain(project) if not await _is_there(client, name)]
            targets = [(agent, policy) for agent, policy in agents.targets if agent.name not in lost]
            who = ", ".join(f"{name} {claim}" for name, claim in client.identity.items())
            yield Found(f"project {project.name}: answers{f', asked as {who}' if who else ''}")
            names = ", ".join(agent.name for agent, _ in targets)
            yield Found(f"project {project.name}: {len(targets)} agent(s){f': {names}' if names else ''}")
            if agents.doubt:
                yield Found(f"project {project.name}: {agents.doubt}", failure=True)
            for name in lost:
                yield Found(f"project {project.name}: the platform knows no agent {name}", failure=True)
            for name in sorted(project.must_see):
                for found in await _canary(client, name, targets):
                    yield found
            if project.must_see:
                yield Found(f"project {project.name}: {MADE_BY}")
    except ProviderError as error:
        yield Found(f"project {project.name}: {error}", failure=True)


def _plain(project: Project) -> list[str]:
    return [pattern.name for pattern in project.agents if pattern.is_plain]


async def _is_there(client: Provider, agent: str) -> bool:
    try:
        await client.get_agent(agent)
    except Gone:
        return False
    return True


async def _canary(client: Provider, name: str, targets: Sequence[tuple[Agent, Policy]]) -> list[Found]:
    """Where a session under `must_see` is, and for how long yet."""
    what = f"must_see session {name}"
    for agent, policy in targets:
        try:
            answer = await client.get(agent.name, name)
        except Gone:
            continue
        except Refused as error:
            if error.code != NOT_SHOWN:
                raise
            lost = f"{what}: agent {agent.name} has it, and does not show it to this identity: its role is missing"
            return [Found(lost, failure=True)]
        record, now = answer.value, answer.date
        if isinstance(record, Session) and record.status in TOMBSTONES:
            continue
        if isinstance(record, Malformed) or now is None:
            return [Found(f"{what}: the record that agent {agent.name} has of it cannot be read", failure=True)]
        return list(_found(what, record, agent, policy, now))
    return [Found(f"{what}: no agent has it, so nothing is deleted in its project", failure=True)]


def _found(what: str, record: Session, agent: Agent, policy: Policy, now: float) -> Iterator[Found]:
    left = record.expires_at - now
    until = f"{show_time(record.expires_at)} (in {show_duration(max(left, 0))})"
    yield Found(f"{what}: at agent {agent.name}, {record.status}, expires {until} unless it is used")
    if left < EXPIRES_SOON_S:
        yield Found(f"{what}: expires in less than five days: who uses it?", warning=True)
    due = next_due(record, policy, agent, now)
    if due is not None and due[0] < record.expires_at and due[1].rule is not None:
        when = "now" if due[0] <= now else show_time(due[0])
        rule = f"rule {due[1].rule.name} of policy {policy.name}"
        yield Found(f"{what}: {rule} would {due[1].action} it, due {when}: put a keep rule before it", warning=True)

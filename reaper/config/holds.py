"""What must fit together in a hold: a project and an agent that exist, and one end that is still to come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reaper.config.document import Value
from reaper.config.problem import Finding, Path, did_you_mean, show_path
from reaper.config.tree import child, has, items
from reaper.core.globs import covers
from reaper.core.holds import SessionHold
from reaper.core.settings import Settings


def hold_findings(root: Value) -> Iterator[Finding]:
    """Everything that keeps a hold from holding what it names."""
    for path, hold in items(root, (), "holds"):
        yield from _end(hold, path)
        yield from _whom(root, hold, path)


def _end(hold: Value, path: Path) -> Iterator[Finding]:
    if not isinstance(hold, dict):
        return
    if has(hold, "until") and has(hold, "legal"):
        yield Finding((*path, "legal"), "stands beside `until`", "remove one: what is held for a case has no end")
    elif not has(hold, "until", "legal"):
        hint = "add `until:` with the last day, or `legal:` with a case, which has no end"
        yield Finding(path, "has no end", hint, shows_value=False)
    elif has(hold, "until") and not has(hold, "reason"):
        yield Finding(path, "has no reason", "add `reason:` for whoever wonders", shows_value=False)


def _whom(root: Value, hold: Value, path: Path) -> Iterator[Finding]:
    """What it refers to; a name that is mistyped would hold nothing, and say nothing."""
    projects, project, agent = child(root, "projects"), child(hold, "project"), child(hold, "agent")
    if not isinstance(projects, dict) or not isinstance(project, str):
        return
    if project not in projects:
        yield Finding((*path, "project"), "is not one of the projects", did_you_mean(project, projects))
        return
    if not isinstance(agent, str) or any(character in agent for character in "*?["):
        return
    agents = items(projects[project], ("projects", project), "agents")
    names = [name for _, entry in agents if isinstance(name := child(entry, "name"), str)]
    if names and not covers(names, agent):
        message = f"is matched by no agent of {show_path(('projects', project))}"
        yield Finding((*path, "agent"), message, did_you_mean(agent, names))


def hold_warnings(settings: Settings, now: float) -> Iterator[Finding]:
    """What holds nothing any more, or holds the same once more."""
    seen: dict[SessionHold, str] = {}
    for place, hold in enumerate(settings.holds):
        path: Path = ("holds", place)
        first = seen.setdefault(replace(hold, id=""), hold.id)
        if first != hold.id:
            yield Finding(path, f"says the same as {first}", "remove one of them", shows_value=False)
        elif not hold.stands(now):
            message = "has ended: it holds nothing any more"
            yield Finding((*path, "until"), message, "remove the hold, or write a later day")

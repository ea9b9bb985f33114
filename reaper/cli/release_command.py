"""release: ends the hold that is named, and says which others stand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reaper.cli.endings import CommandError, Exit
from reaper.cli.explain_command import project_of
from reaper.cli.hold_command import words
from reaper.cli.options import OutputFormat
from reaper.cli.which_config import read
from reaper.clock import SystemClock
from reaper.core.holds import SessionHold, hold_json, hold_words
from reaper.core.settings import Project, Settings
from reaper.core.text import clean
from reaper.store.origin import Origin
from reaper.store.store import Store, opened


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """Which hold a person takes back, and why."""

    agent: str
    session: str
    hold: str | None
    legal: str | None
    reason: str
    by: str
    project: str | None = None


def run_release(config: Path | None, request: ReleaseRequest, output: OutputFormat) -> None:
    """End one hold on a session, and print it with those that remain."""
    path, loaded = read(config)
    settings, now = loaded.settings, SystemClock().wall()
    project = project_of(settings, request.project, request.agent)
    reason, by = words("--reason", request.reason), words("--by", request.by)
    with opened(settings.state) as store:
        if store.fault:
            raise CommandError(f"{store.fault}; nothing is released", Exit.FAILED)
        standing = _standing(settings, store, project, request, now)
        chosen = _chosen(standing, request, str(path))
        origin = Origin.local(by, reason=reason, configuration=settings.fingerprint)
        released = store.holds.release([chosen.id], now, origin.as_json())
        remaining = _standing(settings, store, project, request, now)
    _print(released or [chosen], remaining, str(path), output)


def _standing(
    settings: Settings, store: Store, project: Project, request: ReleaseRequest, now: float
) -> list[SessionHold]:
    """The holds that stand on this id, those of the configuration last."""
    holds = [*store.holds.of_agent(project.name, request.agent), *settings.holds]
    mine = (project.name, request.agent, request.session)
    return [one for one in holds if (one.project, one.agent, one.session) == mine and one.stands(now)]


def _chosen(standing: Sequence[SessionHold], request: ReleaseRequest, path: str) -> SessionHold:
    """The one hold that is meant; CommandError when that is none, or not clear."""
    whom = f"session {clean(request.session)} of agent {clean(request.agent)}"
    ours = [one for one in standing if not one.configured]
    if request.hold is not None:
        fits = [one for one in ours if one.id == request.hold]
    elif request.legal is not None:
        fits = [one for one in ours if one.legal == request.legal]
    else:
        fits = [one for one in ours if not one.legal] or ours
    if not standing:
        raise CommandError(f"nobody holds {whom}", Exit.FAILED)
    if not fits:
        where = "" if ours else "; what stands in the configuration is released by removing it there"
        raise CommandError(f"no such hold on {whom}{where}:{_listed(standing, path)}", Exit.FAILED)
    if len(fits) > 1:
        raise CommandError(f"{len(fits)} people hold {whom}; say which with --hold ID:{_listed(standing, path)}")
    (chosen,) = fits
    if chosen.legal and chosen.legal != request.legal:
        raise CommandError(f"{whom} is held for a legal case; name it with --legal:{_listed(standing, path)}")
    return chosen


def _listed(holds: Sequence[SessionHold], path: str) -> str:
    return "".join(f" {one.id} ({hold_words(one)}{_place(one, path)});" for one in holds).rstrip(";")


def _place(hold: SessionHold, path: str) -> str:
    return f"; in {clean(path)}" if hold.configured else ""


def _print(
    released: Sequence[SessionHold], remaining: Sequence[SessionHold], path: str, output: OutputFormat
) -> None:
    if output is OutputFormat.JSON:
        body = {"released": [hold_json(one) for one in released], "remaining": [hold_json(one) for one in remaining]}
        print(json.dumps(body, indent=2))
        return
    for one in released:
        print(f"released: hold {one.id} on {one.session}, {hold_words(one)}")
    for one in remaining:
        print(f"still {hold_words(one)} (hold {one.id}{_place(one, path)})")
    if not remaining:
        print("nobody holds it any more: a policy that wants it deleted marks it, and its grace begins anew")

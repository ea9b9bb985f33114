"""What the state knows of the approvals in a configuration."""

from __future__ import annotations

import sys
from pathlib import Path

from reaper.cli.endings import CommandError, Exit
from reaper.core.settings import Settings
from reaper.core.text import clean
from reaper.engine.runner import UNKNOWN_APPROVAL
from reaper.engine.status_json import instant
from reaper.store.database import path_of
from reaper.store.plans import Standing
from reaper.store.store import opened


def check_approvals(settings: Settings) -> None:
    """Say of each approval whether it is known, given or used up."""
    database = path_of(settings.state)
    if not settings.approvals:
        print("approvals: none in the configuration")
        return
    if not database or not Path(database).exists():
        raise CommandError(
            f"state {clean(settings.state)}: there is no such file, so no approval is known", Exit.FAILED
        )
    with opened(settings.state) as store:
        if store.fault:
            raise CommandError(store.fault, Exit.FAILED)
        found = store.plans.standing(settings.approvals)
        unknown = store.plans.unknown(settings.approvals)
    for one in found:
        print(f"approval {one.id}: {told(one)}")
    for name in unknown:
        print(f"warning: approval {name} is unknown: {UNKNOWN_APPROVAL}", file=sys.stderr)


def told(one: Standing) -> str:
    """What became of an approval that a file holds, in words."""
    where = ", ".join(f"{plan.project}/{clean(plan.agent)}" for plan in one.plans)
    if one.given is None:
        return f"waits for the next sweep, {one.actions} action(s) on {where}" if one.plans else "unknown"
    given = f"given {instant(one.given)}"
    if not one.plans:
        return f"{given}, used up or over: its plan is more than 14 days old. It can be removed"
    if one.begun == one.actions:
        return f"{given}, used up: all {one.actions} action(s) on {where} were begun. It can be removed"
    return (
        f"{given}, {one.begun} of {one.actions} action(s) on {where} were begun; what was used since is not covered"
    )

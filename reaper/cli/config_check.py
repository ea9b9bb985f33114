"""config check: whether the configuration is right, and what the state and the projects say to it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from reaper.cli.endings import CommandError, Exit
from reaper.cli.which_config import read
from reaper.clock import SystemClock
from reaper.core.settings import Settings
from reaper.core.text import clean

if TYPE_CHECKING:
    from reaper.store.known_plans import StandingApproval


def run_check(config: Path | None, *, state: bool, online: bool) -> Exit:
    """Say that a configuration is right; with `state`, also what became of each approval that it holds.

    With `online`, each project is asked, too.
    """
    path, loaded = read(config)
    settings = loaded.settings
    print(
        f"{clean(path)}: ok, {len(settings.projects)} project(s), {len(settings.policies)} policies, "
        f"{len(loaded.warnings)} warning(s)"
    )
    if state:
        _check_approvals(settings)
    if not online:
        return Exit.DONE
    # Imported late: without `--online` a check does not wait for it.
    from reaper.cli.online_check import check_online
    from reaper.logs import configure_logging
    from reaper.wiring import Connector

    configure_logging(settings.log.format, "error")
    return asyncio.run(check_online(settings, Connector(SystemClock())))


def _check_approvals(settings: Settings) -> None:
    """Say of each approval whether it is known, given or used up.

    What this needs is imported here: without `--state` a check does not wait for it.
    """
    from reaper.engine.runner import UNKNOWN_APPROVAL
    from reaper.store.store import opened_if_there

    if not settings.approvals:
        print("approvals: none in the configuration")
        return
    with opened_if_there(settings.state) as store:
        if store is None:
            raise CommandError(
                f"state {clean(settings.state)}: there is no such file, so no approval is known", Exit.FAILED
            )
        if store.fault:
            raise CommandError(store.fault, Exit.FAILED)
        approvals = store.plans.standing_approvals(settings.approvals)
        unknown = store.plans.unknown(settings.approvals)
    for one in approvals:
        print(f"approval {one.id}: {_standing_text(one)}")
    for name in unknown:
        print(f"warning: approval {name} is unknown: {UNKNOWN_APPROVAL}", file=sys.stderr)


def _standing_text(one: StandingApproval) -> str:
    """What became of an approval that a file holds, in words."""
    from reaper.engine.status_json import instant

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

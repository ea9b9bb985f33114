"""What `keep_newest` and `at_most` can never do, or undo for each other: allowed, but hardly meant."""

from __future__ import annotations

from collections.abc import Iterator

from reaper.config.problem import Finding, Path
from reaper.config.unreachable_rules import shadowing_rule
from reaper.core.model import Action
from reaper.core.policy import NEWEST, Policy
from reaper.core.settings import Settings


def ranks_findings(policy: Policy, path: Path) -> Iterator[Finding]:
    """Ranks of one policy that change nothing."""
    newest, at_most = policy.keep_newest, policy.at_most
    if newest is not None:
        where = (*path, NEWEST.name)
        if not any(rule.action is Action.DELETE for rule in policy.all_rules):
            yield Finding(where, "keeps nothing: no rule of this policy deletes", "remove it, or add what it is for")
        if at_most is not None and newest.count > at_most:
            message = f"is more than at_most ({at_most}): of the newest, more than that may stay idle"
            yield Finding(where, message, "write less here, or more there", False, at_key=True)
    if at_most is not None:
        shadow = shadowing_rule(policy.all_rules, len(policy.rules))
        if shadow is not None:
            message = f"takes nothing: rule {policy.rules[shadow].name} holds for every session that it could take"
            yield Finding((*path, "at_most"), message, "remove it, or narrow that rule", False, at_key=True)


def full_listing_findings(settings: Settings) -> Iterator[Finding]:
    """Listings in full now and then, for agents that are listed in full each time."""
    ranking = [policy.name for policy in settings.policies if policy.ranks]
    if settings.schedule.full_listing_s is not None and ranking:
        names = ", ".join(ranking)
        message = f"does not apply to the agents of {names}, which are listed in full for each sweep"
        yield Finding(("schedule", "full_listing"), message, "ranks need all sessions; keep it for the other agents")

"""What is allowed but hardly meant: each is said at a check and at every load, and stops nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from reaper.config.document import Document
from reaper.config.doubtful_windows import window_findings
from reaper.config.holds import hold_warnings
from reaper.config.problem import Finding, Path, show_path
from reaper.config.rank_warnings import full_listing_findings, ranks_findings
from reaper.config.tree import child, entries, has, texts
from reaper.config.unreachable_rules import shadowing_pattern, shadowing_rule
from reaper.config.vocabulary import OLD_PLAN_ID_CHARS
from reaper.core.conditions import TimeCondition
from reaper.core.durations import exact_duration
from reaper.core.model import ACTIVE, EXPIRY_S, Action
from reaper.core.policy import Beyond, Mode, Policy
from reaper.core.record_fields import RECORD_FIELDS
from reaper.core.settings import Settings


def warning_findings(document: Document, settings: Settings, now: float) -> list[Finding]:
    """Everything doubtful at `now`, Unix seconds, in a configuration that is otherwise right."""
    found = [
        _unused(settings),
        _patterns(settings),
        _known_fields(document),
        _choices(settings),
        _quotas(settings),
        _zone(document),
        _approvals(settings),
        hold_warnings(settings, now),
        full_listing_findings(settings),
    ]
    for policy in settings.policies:
        path: Path = ("policies", policy.name)
        found += [
            _rules(policy, path),
            _times(policy, path),
            _limits(policy, path),
            _jump(document, policy, path),
            window_findings(policy, path, now),
            ranks_findings(policy, path),
        ]
    return list(chain.from_iterable(found))


def _unused(settings: Settings) -> Iterator[Finding]:
    entries = [agent for project in settings.projects for agent in project.agents]
    used = {policy.name for agent in entries for policy in (agent.policy, *agent.may_choose)}
    for policy in settings.policies:
        if policy.name not in used:
            yield Finding(("policies", policy.name), "no agent uses this policy", "", False, at_key=True)


def _known_fields(document: Document) -> Iterator[Finding]:
    for path, project in entries(document.value, (), "projects"):
        names = [name for _, name in texts(project, path, "known_fields")]
        for place, name in texts(project, path, "known_fields"):
            if name in RECORD_FIELDS:
                yield Finding(place, "is a field that this version knows anyway", "remove it")
            elif name in names[: int(place[-1])]:
                yield Finding(place, "stands here twice", "remove one of them")


def _patterns(settings: Settings) -> Iterator[Finding]:
    for project in settings.projects:
        path: Path = ("projects", project.name, "agents")
        for place in range(len(project.agents)):
            earlier = shadowing_pattern(project.agents, place)
            if earlier is not None:
                message = f"never gets its turn: {show_path((*path, earlier))} matches all of it first"
                yield Finding((*path, place, "name"), message, "put the narrower pattern first")


def _choices(settings: Settings) -> Iterator[Finding]:
    """Policies that an agent's developers may choose, and whose choice changes nothing."""
    for project in settings.projects:
        for place, agent in enumerate(project.agents):
            for number, policy in enumerate(agent.may_choose):
                if policy == agent.policy:
                    where: Path = ("projects", project.name, "agents", place, "may_choose", number)
                    message = "is the policy of these agents anyway, so choosing it changes nothing"
                    yield Finding(where, message, "remove it, or name a gentler one")


def _quotas(settings: Settings) -> Iterator[Finding]:
    for quota in settings.quotas:
        if quota.pressure and ACTIVE not in quota.counts:
            message = "active sessions do not count in this quota, so stopping them relieves nothing"
            yield Finding(("quotas", quota.name, "pressure"), message, "add active to `counts`", False, True)


def _zone(document: Document) -> Iterator[Finding]:
    schedule = child(document.value, "schedule")
    if has(schedule, "timezone") and not has(schedule, "cron"):
        yield Finding(("schedule", "timezone"), "has no effect without cron", "remove it")


def _approvals(settings: Settings) -> Iterator[Finding]:
    for place, name in enumerate(settings.approvals):
        if len(name) == OLD_PLAN_ID_CHARS:
            message = "approves nothing: ids are 32 digits long now, for two plans can be made to share a short one"
            yield Finding(("approvals", place), message, "`reaper plan` shows the id of the present plan")
        elif name in settings.approvals[:place]:
            yield Finding(("approvals", place), "stands here twice", "remove one of them")


def _rules(policy: Policy, path: Path) -> Iterator[Finding]:
    for place, rule in enumerate(policy.rules):
        earlier = shadowing_rule(policy.rules, place)
        if earlier is not None:
            first = policy.rules[earlier]
            message = f"never decides: the earlier rule {first.name} holds for everything that {rule.name} does"
            yield Finding((*path, "rules", place), message, "put the narrower rule first", False)


def _times(policy: Policy, path: Path) -> Iterator[Finding]:
    """Deletes that the platform forestalls: the session expires before its grace is over."""
    for place, rule in enumerate(policy.rules):
        if rule.action is not Action.DELETE:
            continue
        for condition in rule.when:
            where = (*path, "rules", place, "when", condition.name)
            if isinstance(condition, TimeCondition) and condition.unused_s + policy.grace_s >= EXPIRY_S:
                message = f"leaves no room for the grace of {exact_duration(policy.grace_s)}"
                yield Finding(where, message, "the platform expires the session first, so it is never deleted")


def _limits(policy: Policy, path: Path) -> Iterator[Finding]:
    sweep, day = policy.limits.per_sweep, policy.limits.per_day
    where = (*path, "limits")
    if sweep.percent == day.percent and day.amount < sweep.amount:
        message = f"per_day ({day}) is lower than per_sweep ({sweep}), which can never be used up"
        yield Finding(where, message, "write at least as much for a day", False, at_key=True)
    for key, limit in (("per_sweep", sweep), ("per_day", day)):
        if limit.amount == 0 and policy.mode is Mode.ENFORCE:
            message = "lets nothing be stopped or deleted without an approval"
            yield Finding((*where, key), message, "write a limit above 0, or keep it if that is meant")


def _jump(document: Document, policy: Policy, path: Path) -> Iterator[Finding]:
    """A guard against jumps that guards nothing, or lets nothing through."""
    limits, where = policy.limits, (*path, "limits", "jump")
    written = child(child(child(child(document.value, "policies"), policy.name), "limits"), "jump")
    if limits.beyond is not Beyond.SPREAD:
        if written is not None:
            message = "has no effect without `beyond: spread`"
            yield Finding(where, message, "remove it, or write `beyond: spread` beside it")
    elif limits.jump.amount == 0:
        message = "withholds everything as soon as there is one candidate more than before"
        yield Finding(where, message, "write what may become due between two sweeps, as in 25%")
    elif limits.jump.percent and limits.jump.amount == 100:
        message = "is never exceeded: there are no more candidates than sessions"
        yield Finding(where, message, "write less, or nobody is asked about what a changed policy newly catches")

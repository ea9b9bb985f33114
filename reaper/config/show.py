"""Settings written out as a configuration, with every default filled in.

Header values may be secrets, a proxy's user and password are, and so is the query of `audit.export`: they are shown
as `…`, and the text then does not load again, on purpose. With `headers=True` they are written, and what is shown
loads again to equal settings.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

from reaper.config.addresses import parse_endpoint, without_password, without_query
from reaper.config.duration_texts import exact_look_age
from reaper.config.environment import escape
from reaper.config.scalars import resolve
from reaper.core.durations import exact_duration
from reaper.core.holds import SessionHold
from reaper.core.model import STATUSES
from reaper.core.policy import Limit, Policy
from reaper.core.settings import AgentPattern, Audit, Project, Quota, Schedule, Server, Settings
from reaper.core.windows import DAYS, Window

HIDDEN: Final = "…"
_WIDTH: Final = 10_000


def show(settings: Settings, *, headers: bool = False, ordered: bool = False) -> str:
    """The settings as YAML; `headers` writes their values too, `ordered` sorts keys that have no order."""
    tree: dict[str, Any] = {
        "version": 1,
        "schedule": _schedule(settings.schedule),
        "projects": {project.name: _project(project, headers) for project in settings.projects},
        "policies": {policy.name: _policy(policy) for policy in settings.policies},
        "quotas": {quota.name: _quota(quota) for quota in settings.quotas},
        "approvals": list(settings.approvals),
        "holds": [_hold(hold) for hold in settings.holds],
        "state": settings.state,
        "audit": _audit(settings.audit, headers),
        "server": _server(settings.server),
        "log": {"format": settings.log.format, "level": settings.log.level},
    }
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=ordered, width=_WIDTH, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Quotes what either this language or YAML 1.1 would read as something other than text."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    plain = isinstance(resolve(text, plain=True), str)
    style = None if plain else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", escape(text), style=style)


_Dumper.add_representer(str, _text)


def _schedule(schedule: Schedule) -> dict[str, Any]:
    if schedule.cron is not None:
        shown = {"cron": schedule.cron, "timezone": schedule.timezone}
    else:
        shown = {"every": exact_duration(schedule.every_s or 0)}
        if schedule.timezone != Schedule().timezone:
            shown["timezone"] = schedule.timezone
    if schedule.full_listing_s is not None:
        shown["full_listing"] = exact_duration(schedule.full_listing_s)
    return shown | {"jitter": exact_duration(schedule.jitter_s)}


def _project(project: Project, headers: bool) -> dict[str, Any]:
    connection, requests = project.connection, project.connection.requests
    endpoint = parse_endpoint(connection.endpoint)
    return {
        "endpoint": connection.endpoint,
        "trusted_host": not (endpoint.is_loopback or endpoint.is_platform),
        "credential": connection.credential.value,
        "scope": connection.scope,
        "headers": {name: value if headers else HIDDEN for name, value in connection.headers.items()},
        "requests": {
            "concurrency": requests.concurrency,
            "timeout": exact_duration(requests.timeout_s),
            "max_per_second": requests.max_per_second,
            "max_look_age": exact_look_age(requests.max_look_age_s),
        },
        "proxy": connection.proxy if headers else without_password(connection.proxy),
        "must_see": sorted(project.must_see),
        "known_fields": sorted(project.known_fields),
        "agents": [_agent(agent) for agent in project.agents],
    }


def _agent(agent: AgentPattern) -> dict[str, Any]:
    return {
        "name": agent.name,
        "policy": agent.policy.name,
        "may_choose": [policy.name for policy in agent.may_choose],
        "voice": "required" if agent.voice_required else "heard",
    }


def _policy(policy: Policy) -> dict[str, Any]:
    limits = policy.limits
    shown: dict[str, Any] = {
        "mode": policy.mode.value,
        "grace": exact_duration(policy.grace_s),
        "rules": [
            {"name": rule.name, "action": rule.action.value, "when": {c.name: c.written() for c in rule.when}}
            for rule in policy.rules
        ],
        "limits": {
            "per_sweep": _limit(limits.per_sweep),
            "per_day": _limit(limits.per_day),
            "at_least": limits.at_least,
            "beyond": limits.beyond.value,
            "jump": _limit(limits.jump),
        },
    }
    if policy.windows:
        shown["windows"] = [_window(window) for window in policy.windows]
    if policy.keep_newest:
        count, per_version = policy.keep_newest.count, policy.keep_newest.per_version
        shown["keep_newest"] = {"count": count, "per": "version"} if per_version else count
    if policy.at_most is not None:
        shown["at_most"] = policy.at_most
    return shown


def _limit(limit: Limit) -> int | str:
    return str(limit) if limit.percent else limit.amount


def _window(window: Window) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "days": [day for day in DAYS if day in window.days],
        "from": f"{window.start:%H:%M}",
        "to": f"{window.end:%H:%M}",
        "timezone": window.zone.key,
    }
    if window.skips:
        shown["except"] = [dates.written for dates in window.skips]
    return shown


def _quota(quota: Quota) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "limit": quota.limit,
        "counts": sorted(quota.counts, key=STATUSES.index),
        "projects": list(quota.projects),
    }
    if quota.pressure:
        shown["pressure"] = {
            "above": f"{quota.pressure.above}%",
            "until": f"{quota.pressure.until}%",
            "idle": exact_duration(quota.pressure.idle_s),
        }
    return shown


def _hold(hold: SessionHold) -> dict[str, Any]:
    shown = {
        "project": hold.project,
        "agent": hold.agent,
        "session": hold.session,
        "until": hold.until.isoformat() if hold.until else "",
        "legal": hold.legal,
        "reason": hold.reason,
        "by": hold.by,
    }
    return {key: value for key, value in shown.items() if value}


def _audit(audit: Audit, secrets: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"keep": exact_duration(audit.keep_s)}
    if audit.sign_with:
        shown["sign_with"] = audit.sign_with
    if audit.export:
        shown["export"] = audit.export if secrets else without_query(audit.export)
    return shown


def _server(server: Server) -> dict[str, Any]:
    shown: dict[str, Any] = {"listen": _listen(server.host, server.port)}
    if server.page:
        shown["page"] = _listen(*server.page)
    if server.token_file:
        shown["token_file"] = server.token_file
    return shown


def _listen(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

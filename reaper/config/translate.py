"""A valid model into the plain settings that the rest of the product works on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, time
from zoneinfo import ZoneInfo

from reaper.config import models
from reaper.config.addresses import parse_endpoint, split_listen
from reaper.config.cron import standard_cron
from reaper.config.duration_texts import look_age_s
from reaper.config.show import show
from reaper.core import policy, settings, windows
from reaper.core.conditions import CONDITIONS, StatusIn
from reaper.core.durations import parse_duration
from reaper.core.holds import SessionHold, read_day
from reaper.core.model import Action
from reaper.core.policy import DEFAULT_STATUSES


def translate(root: models.Root) -> settings.Settings:
    """The settings, with the digest of what they say."""
    policies = {name: _policy(name, part) for name, part in root.policies.items()}
    page = split_listen(root.server.page) if root.server.page else None
    plain = settings.Settings(
        projects=tuple(_project(name, part, policies) for name, part in root.projects.items()),
        policies=tuple(policies.values()),
        schedule=_schedule(root.schedule),
        quotas=tuple(_quota(name, part) for name, part in root.quotas.items()),
        approvals=tuple(root.approvals),
        holds=tuple(_hold(place, part) for place, part in enumerate(root.holds)),
        state=root.state,
        audit=settings.Audit(parse_duration(root.audit.keep), root.audit.sign_with, root.audit.export),
        server=settings.Server(*split_listen(root.server.listen), page=page, token_file=root.server.token_file),
        log=settings.Log(root.log.format, root.log.level),
    )
    return replace(plain, fingerprint=fingerprint(plain))


def fingerprint(plain: settings.Settings) -> str:
    """12 hexadecimal digits that change when the meaning does, not with comments or the order of keys."""
    text = show(plain, headers=True, ordered=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _schedule(part: models.Schedule) -> settings.Schedule:
    return settings.Schedule(
        every_s=parse_duration(part.every) if part.every else None,
        cron=standard_cron(part.cron) if part.cron else None,
        timezone=part.timezone,
        jitter_s=parse_duration(part.jitter),
        full_listing_s=parse_duration(part.full_listing) if part.full_listing else None,
    )


def _project(name: str, part: models.Project, policies: Mapping[str, policy.Policy]) -> settings.Project:
    requests = settings.Requests(
        part.requests.concurrency,
        parse_duration(part.requests.timeout),
        part.requests.max_per_second,
        look_age_s(part.requests.max_look_age),
    )
    connection = settings.Connection(
        endpoint=parse_endpoint(part.endpoint).url,
        credential=settings.CredentialKind(part.credential),
        scope=part.scope,
        headers=dict(part.headers),
        requests=requests,
        proxy=part.proxy,
    )
    agents = tuple(_agent(agent, policies) for agent in part.agents)
    return settings.Project(name, connection, agents, frozenset(part.must_see), frozenset(part.known_fields))


def _agent(part: models.Agent, policies: Mapping[str, policy.Policy]) -> settings.AgentPattern:
    may_choose = tuple(policies[name] for name in part.may_choose)
    return settings.AgentPattern(part.name, policies[part.policy], may_choose, part.voice == "required")


def _policy(name: str, part: models.Policy) -> policy.Policy:
    limits = part.limits
    return policy.Policy(
        name=name,
        rules=tuple(_rule(rule) for rule in part.rules),
        mode=policy.Mode(part.mode),
        grace_s=parse_duration(part.grace),
        limits=policy.Limits(
            per_sweep=_limit(limits.per_sweep),
            per_day=_limit(limits.per_day),
            at_least=limits.at_least,
            beyond=policy.Beyond(limits.beyond),
            jump=_limit(limits.jump),
        ),
        windows=tuple(_window(window) for window in part.windows or ()),
        keep_newest=_newest(part.keep_newest) if part.keep_newest else None,
        at_most=part.at_most,
    )


def _newest(part: models.Newest) -> policy.KeepNewest:
    return policy.KeepNewest(part.count, per_version=part.per == "version")


def _rule(part: models.Rule) -> policy.Rule:
    """The rule with its conditions in their order; the default status of a stop or delete is written out."""
    action = Action(part.action)
    written = part.when.model_dump(exclude_none=True)
    if action in DEFAULT_STATUSES:
        written.setdefault(StatusIn.name, DEFAULT_STATUSES[action])
    when = tuple(kind.read(written[kind.name]) for kind in CONDITIONS if kind.name in written)
    return policy.Rule(part.name, action, when)


def _limit(share: int | str) -> policy.Limit:
    if isinstance(share, int):
        return policy.Limit(share)
    return policy.Limit(int(share.removesuffix("%")), percent=True)


def _window(part: models.Window) -> windows.Window:
    zone = ZoneInfo(part.timezone)
    start, end = time.fromisoformat(part.from_), time.fromisoformat(part.to)
    return windows.Window(frozenset(part.days), start, end, zone, tuple(map(_dates, part.except_ or ())))


def _dates(text: str) -> windows.Dates:
    first, *last = map(date.fromisoformat, text.split(".."))
    return windows.Dates(first, *last or [first])


def _quota(name: str, part: models.Quota) -> settings.Quota:
    pressure = _pressure(part.pressure) if part.pressure else None
    return settings.Quota(name, part.limit, tuple(part.projects), frozenset(part.counts), pressure)


def _hold(place: int, part: models.SessionHold) -> SessionHold:
    return SessionHold(
        project=part.project,
        agent=part.agent,
        session=part.session,
        until=read_day(part.until) if part.until else None,
        legal=part.legal or "",
        reason=part.reason or "",
        by=part.by or "",
        id=f"holds[{place}]",
        configured=True,
    )


def _pressure(part: models.Pressure) -> settings.Pressure:
    return settings.Pressure(
        above=int(part.above.removesuffix("%")),
        until=int(part.until.removesuffix("%")),
        idle_s=parse_duration(part.idle),
    )

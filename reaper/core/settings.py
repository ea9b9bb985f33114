"""The configuration once it is known to be right: plain frozen values that know nothing of YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Final

from reaper.core.globs import glob_regex
from reaper.core.holds import Holds, SessionHold
from reaper.core.model import ACTIVE, CREATING, DAY_S, UPDATING
from reaper.core.policy import Mode, Policy

DEFAULT_SCOPE: Final = "https://ai.azure.com/.default"
DEFAULT_STATE: Final = "sqlite:///reaper-state.db"
DEFAULT_PATH: Final = "config/reaper.yaml"
PROXY_NONE: Final = "none"
PROXY_ENVIRONMENT: Final = "environment"
AUDIT_KEPT_S: Final = 400 * DAY_S


class CredentialKind(StrEnum):
    """Which identity asks for tokens; exactly one is ever tried, none falls back on another."""

    DEFAULT = "default"
    WORKLOAD_IDENTITY = "workload-identity"
    MANAGED_IDENTITY = "managed-identity"
    ENVIRONMENT = "environment"
    AZURE_CLI = "azure-cli"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Requests:
    """How hard a project may be asked, and how old the last look may be when an action leaves."""

    concurrency: int = 16
    timeout_s: int = 30
    max_per_second: int = 50
    max_look_age_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a project is, and as whom to speak to it. `endpoint` has no trailing slash.

    `proxy` is PROXY_NONE, PROXY_ENVIRONMENT or a URL, which may hold a password.
    """

    endpoint: str
    credential: CredentialKind = CredentialKind.DEFAULT
    scope: str = DEFAULT_SCOPE
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    requests: Requests = Requests()
    proxy: str = field(default=PROXY_ENVIRONMENT, repr=False)


@dataclass(frozen=True)
class AgentPattern:
    """Agents by name or glob, and the policy they get.

    `may_choose` are the policies that an agent's developers may let have to agree, too. `voice_required`: where they
    cannot be heard, everything is kept.
    """

    name: str
    policy: Policy
    may_choose: tuple[Policy, ...] = ()
    voice_required: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether this is one agent's name, which needs no listing to be found."""
        return not any(character in self.name for character in "*?[")

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return glob_regex([self.name])

    def matches(self, agent: str) -> bool:
        return agent == self.name if self.is_plain else self._regex.match(agent) is not None


@dataclass(frozen=True, slots=True)
class Project:
    """One Foundry project: its connection, and which agents get which policy, first match wins.

    `known_fields` are fields of the platform's records of which this version knows nothing, accepted by a person.
    """

    name: str
    connection: Connection
    agents: tuple[AgentPattern, ...] = ()
    must_see: frozenset[str] = frozenset()
    known_fields: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Schedule:
    """When sweeps start: `every_s` seconds, or a five-field `cron` expression in `timezone`, weekdays as names.

    All sessions are listed every `full_listing_s` seconds, by every sweep when it is None.
    """

    every_s: int | None = 900
    cron: str | None = None
    timezone: str = "UTC"
    jitter_s: int = 0
    full_listing_s: int | None = None


@dataclass(frozen=True, slots=True)
class Pressure:
    """Above `above` percent of a quota, stop the longest idle active sessions until `until` percent."""

    above: int
    until: int
    idle_s: int


@dataclass(frozen=True, slots=True)
class Quota:
    """A pool of concurrency shared by projects; the platform has no call that reads it."""

    name: str
    limit: int
    projects: tuple[str, ...]
    counts: frozenset[str] = frozenset({CREATING, ACTIVE, UPDATING})
    pressure: Pressure | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """Where to listen. `page` is a listener of its own for the status page, `token_file` holds the bearer token."""

    host: str = "127.0.0.1"
    port: int = 9464
    page: tuple[str, int] | None = None
    token_file: str | None = None


@dataclass(frozen=True, slots=True)
class Log:
    format: str = "json"
    level: str = "info"


@dataclass(frozen=True, slots=True)
class Audit:
    """How long the record of a settled action is kept, what signs it, and where its heads are appended."""

    keep_s: int = AUDIT_KEPT_S
    sign_with: str | None = None
    export: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """One configuration, whole. `fingerprint` is a digest of what it says."""

    projects: tuple[Project, ...]
    policies: tuple[Policy, ...]
    schedule: Schedule = Schedule()
    quotas: tuple[Quota, ...] = ()
    approvals: tuple[str, ...] = ()
    holds: tuple[SessionHold, ...] = ()
    state: str = DEFAULT_STATE
    audit: Audit = Audit()
    server: Server = Server()
    log: Log = Log()
    fingerprint: str = ""

    @property
    def unwatched(self) -> tuple[str, ...]:
        """The projects in which sweeps may act, and no `must_see` session would show that their role is lost."""
        return tuple(
            project.name
            for project in self.projects
            if not project.must_see and any(agent.policy.mode is Mode.ENFORCE for agent in project.agents)
        )

    @property
    def policies_in_use(self) -> tuple[tuple[str, Policy], ...]:
        """Each project with each of the policies that its agents get."""
        used = {(project.name, one.policy.name): one.policy for project in self.projects for one in project.agents}
        return tuple((project, policy) for (project, _), policy in used.items())

    def holds_on(self, project: str, agent: str) -> Holds:
        """The holds that it names on sessions of this agent."""
        return Holds(hold for hold in self.holds if (hold.project, hold.agent) == (project, agent))

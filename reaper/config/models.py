"""The language of the configuration: every key, its type, its default, and what it is for.

Values stay as they are written (`24h`, `10%`); `translate` turns them into numbers. What spans several keys,
such as a policy that does not exist, is checked in `references` and `thresholds`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetPydanticSchema, WithJsonSchema, create_model
from pydantic.config import JsonDict

from reaper.config import addresses, headers, vocabulary
from reaper.config.problem import BadValue
from reaper.config.value_types import (
    MANY,
    AgentName,
    Clock,
    Counted,
    Credential,
    Cron,
    Day,
    Duration,
    DurationOrZero,
    FieldName,
    HeaderName,
    HeaderValue,
    Key,
    LookAge,
    Name,
    Percent,
    Reference,
    SessionGlob,
    SessionId,
    Share,
    SkippedDates,
    Status,
    Version,
    Words,
    Zone,
    read_whole,
    several,
    text,
    whole,
)
from reaper.core.conditions import CONDITIONS, Values
from reaper.core.durations import exact_duration
from reaper.core.model import ACTIVE, CREATING, STATUSES, UPDATING
from reaper.core.policy import Limits as DefaultLimits
from reaper.core.settings import AUDIT_KEPT_S, DEFAULT_SCOPE, DEFAULT_STATE, PROXY_ENVIRONMENT, CredentialKind
from reaper.core.windows import DAYS

DEFAULT_LISTEN: Final = "127.0.0.1:9464"

_LIMITS = DefaultLimits()

NEWEST_MAX: Final = 10_000
AT_MOST_MAX: Final = 100_000
"""A sweep remembers so many sessions to tell who is beyond them."""


def _read_format(value: object) -> int:
    if type(value) is not int or value != 1:
        raise BadValue("is not a version of this language", "write 1, without quotes")
    return value


_NAMED: JsonDict = {"propertyNames": {"pattern": vocabulary.NAME}}
_TOKENS: JsonDict = {"propertyNames": {"pattern": headers.HEADER_NAME}}


class Part(BaseModel):
    """One mapping of the file: exactly these keys, no conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class Schedule(Part):
    """When sweeps start: one of `every` and `cron`. The default is every 15m."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["every"]}, {"required": ["cron"]}]},
    )

    every: Duration | None = None
    """A sweep starts this often, the first right at start. At least 10s."""
    cron: Cron | None = None
    """Five fields (minute, hour, day, month, weekday; Sunday is 0 or 7), read in `timezone`."""
    timezone: Zone = "UTC"
    """IANA name of the time zone in which `cron` is read."""
    jitter: DurationOrZero = "0s"
    """Each sweep starts up to this much later, at random. Shorter than the interval."""
    full_listing: Duration | None = None
    """All sessions are listed only this often; sweeps in between read what is new and what may have become due.
    Without it every sweep lists all. Up to 1d, and not longer than any rule's `idle`."""


class Requests(Part):
    """How hard the platform may be asked."""

    concurrency: Annotated[int, *whole(1, 128)] = 16
    """Requests in flight at once, 1 to 128."""
    timeout: Duration = "30s"
    """Deadline of one request, 1s to 10m."""
    max_per_second: Annotated[int, *whole(1, 1_000)] = 50
    """Requests started in a second at most, 1 to 1000."""
    max_look_age: LookAge = "2s"
    """How old the last look at a session may be when its stop or delete leaves, 200ms to 2s; then it is looked at
    again."""


class Agent(Part):
    """Agents by name or pattern, and the policy they get."""

    name: AgentName
    """One agent's name, or a pattern with * ? or [abc], matched against the hosted agents."""
    policy: Reference
    """Name of one of the `policies`."""
    may_choose: list[Reference] = []
    """Policies of which the agent's developers may choose one by `reaper.policy` in their version's metadata: it has
    to agree to every action, too."""
    voice: Literal["heard", "required"] = "heard"
    """What to do where the identity may read no agents, so that nobody hears what their developers ask for. heard: go
    on without. required: keep everything."""


class Project(Part):
    """One Foundry project: where it is, who asks, and which agents get which policy."""

    endpoint: Annotated[str, BeforeValidator(addresses.read_endpoint), text(addresses.ENDPOINT)]
    """https://ACCOUNT.services.ai.azure.com/api/projects/PROJECT; http is accepted on loopback only."""
    trusted_host: bool = False
    """Set it to send tokens to a host that is neither loopback nor one of the platform's."""
    credential: Credential = CredentialKind.DEFAULT.value
    """The identity that asks for tokens; no other is ever tried. `none` sends no token."""
    scope: Annotated[str, BeforeValidator(vocabulary.read_scope), text(vocabulary.SCOPE)] = DEFAULT_SCOPE
    """Scope of the token; sovereign clouds have others."""
    headers: dict[HeaderName, HeaderValue] = Field({}, json_schema_extra=_TOKENS)
    """Further headers for each request: Foundry-*, X-*, Ocp-Apim-Subscription-Key, traceparent, tracestate, baggage;
    none that says who asks, or turns a request into another. Their values are never printed."""
    proxy: Annotated[str, BeforeValidator(addresses.read_proxy), text(addresses.PROXY)] = PROXY_ENVIRONMENT
    """none, environment (HTTPS_PROXY and NO_PROXY decide), or the URL of a proxy. Never used on loopback."""
    requests: Requests = Requests()
    """How many requests, how fast, and with which deadline."""
    must_see: list[SessionId] = []
    """Session ids that a believable inventory contains: without them nothing is deleted."""
    known_fields: list[FieldName] = []
    """Fields of the platform's records that a person has accepted: without that, a session whose record has a field
    this version does not know is kept. Nothing of them is read."""
    agents: list[Agent] = Field(min_length=1)
    """The first entry that matches an agent gives its policy."""


_VALUES: Final[dict[Values, Any]] = {
    Values.DURATION: Duration,
    Values.STATUSES: several(Status, {"enum": list(STATUSES)}),
    Values.GLOBS: several(SessionGlob, {"type": "string", "minLength": 1}),
    Values.VERSIONS: several(Version, {"type": ["string", "integer"], "minLength": 1}),
}
_CONDITIONS: Final[dict[str, Any]] = {
    kind.name: (_VALUES[kind.values] | None, Field(None, description=kind.__doc__)) for kind in CONDITIONS
}


class When(Part):
    """All conditions given must hold."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})


_When = create_model("When", __base__=When, __doc__=When.__doc__, **_CONDITIONS)


class Rule(Part):
    """What to do with a session, and when."""

    name: Name
    """Shown wherever the rule decides; unique in its policy."""
    action: Literal["keep", "stop", "delete"]
    """keep: leave alone. stop: end its compute, keep its files. delete: end it, files and all."""
    when: Annotated[When, GetPydanticSchema(lambda _, schema_of: schema_of(_When))]
    """All conditions given must hold. A stop or delete needs idle, age or expires_within."""


class Limits(Part):
    """How much may go before a person is asked; deletes and stops are counted apart."""

    per_sweep: Share = str(_LIMITS.per_sweep)
    """Of an agent's sessions in one sweep: a share such as 10%, or a whole number. 0 means none."""
    per_day: Share = str(_LIMITS.per_day)
    """The same over any 24 hours; survives restarts."""
    at_least: Annotated[int, *whole(0, MANY)] = _LIMITS.at_least
    """A share never rounds below this number."""
    beyond: Literal["withhold", "spread"] = _LIMITS.beyond.value
    """withhold: a plan larger than a limit waits, whole, for a person. spread: the longest overdue go first, as many
    as the limits allow; the rest waits for later sweeps."""
    jump: Share = str(_LIMITS.jump)
    """With spread: when candidates become more by this share of an agent's sessions, or by this number, from one
    sweep to the next, all of them wait for a person."""


class Window(Part):
    """Hours in which deleting is allowed."""

    days: list[Day] = Field(list(DAYS), min_length=1)
    """The days on which the window opens; by default all."""
    from_: Clock = Field(alias="from")
    """It opens at this time, as in "22:00"."""
    to: Clock
    """It closes at this time; on the next day when that is earlier than `from`."""
    timezone: Zone = "UTC"
    """IANA name of the time zone whose clocks and calendar are meant."""
    except_: list[SkippedDates] | None = Field(None, alias="except", min_length=1)
    """Dates on which the window does not open, such as "2026-12-25" or "2026-12-24..2027-01-02", both included. A
    night belongs to the day on which it begins."""


class Newest(Part):
    """How many of the newest sessions are never deleted, and among which."""

    count: Annotated[int, *whole(1, NEWEST_MAX)]
    """So many, 1 to 10000."""
    per: Literal["agent", "version"] = "agent"
    """agent: of all sessions of the agent. version: of the sessions of each version."""


def _read_newest(value: object) -> object:
    """A number alone is so many of the agent's."""
    return value if isinstance(value, dict) else {"count": read_whole(value, 1, NEWEST_MAX)}


# What is asked of numbers and what of mappings stands side by side: each is asked only of its own.
KeepNewest = Annotated[Newest, BeforeValidator(_read_newest), WithJsonSchema({
    **Newest.model_json_schema(), "type": ["integer", "object"], "minimum": 1, "maximum": NEWEST_MAX,
})]  # fmt: skip


class Policy(Part):
    """Rules for the sessions of an agent, and the guards around them."""

    mode: Literal["observe", "enforce"] = "observe"
    """observe: decide and report, touch nothing. enforce: stop and delete."""
    grace: DurationOrZero = "24h"
    """A session is marked first, and deleted at least this much later if nothing about it changed."""
    rules: list[Rule] = Field(min_length=1)
    """The first rule that matches decides; a session that none matches is kept."""
    limits: Limits = Limits()
    """How much may go before a person is asked."""
    windows: list[Window] | None = Field(None, min_length=1)
    """When deleting is allowed; without this key always."""
    keep_newest: KeepNewest | None = None
    """So many of the newest sessions of an agent are never deleted, whatever the rules say: a whole number, or
    {count: 3, per: version}. Without this key none."""
    at_most: Annotated[int, *whole(1, AT_MOST_MAX)] | None = None
    """So many idle sessions an agent may have: of those beyond, the longest idle are deleted that no rule keeps. 1 to
    100000; without this key as many as there are."""


class Pressure(Part):
    """What to do when a quota fills up: stop active sessions, the longest idle first."""

    above: Percent
    """Begin when more than this share of the quota is used."""
    until: Percent
    """Go on until this share is reached; below `above`."""
    idle: Duration
    """Stop only what has been idle for at least this long."""


class Quota(Part):
    """A pool of concurrency: one subscription in one region."""

    limit: Annotated[int, *whole(1, MANY)]
    """What the platform grants; no call can read it."""
    counts: list[Counted] = Field([CREATING, ACTIVE, UPDATING], min_length=1)
    """The statuses that use the quota."""
    projects: list[Reference] = Field(min_length=1)
    """The projects that share it. A project belongs to one quota at most."""
    pressure: Pressure | None = None
    """Stop idle active sessions when the quota fills up; without this key never."""


class SessionHold(Part):
    """A session that is neither stopped nor deleted, whatever a policy says: it, or any other that gets its id."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["until", "reason"]}, {"required": ["legal"]}]},
    )

    project: Reference
    """One of the `projects`."""
    agent: Annotated[str, BeforeValidator(vocabulary.read_agent_name), text("", "research")]
    """The agent's name, without wildcards; one that a pattern of the project matches."""
    session: SessionId
    """The session's id."""
    until: Annotated[str, BeforeValidator(vocabulary.read_day), text(vocabulary.DAY, "2027-01-31")] | None = None
    """The last day on which it is held, in UTC."""
    legal: Words | None = None
    """Instead of `until`: the legal case for which it is held, without an end."""
    reason: Words | None = None
    """Why, for whoever wonders. Needed with `until`."""
    by: Words | None = None
    """Who holds it."""


class Audit(Part):
    """The record of every action, with its evidence."""

    keep: Duration = exact_duration(AUDIT_KEPT_S)
    """How long a settled action stays in the record, at least 7d. Actions in doubt stay until settled."""
    sign_with: Annotated[str, BeforeValidator(vocabulary.read_text), text()] | None = None
    """File with a secret of 32 bytes or more, kept where who writes the state cannot read it: the record is signed
    with it."""
    export: Annotated[str, BeforeValidator(addresses.read_export), text()] | None = None
    """File, or https address of an append-only blob with its signature (SAS), to which each new head of the record is
    appended. Shown without its query."""


class Server(Part):
    """The HTTP server: metrics, health and status page."""

    listen: Annotated[str, BeforeValidator(addresses.read_listen), text(addresses.LISTEN)] = DEFAULT_LISTEN
    """HOST:PORT; an IPv6 address in brackets."""
    page: Annotated[str, BeforeValidator(addresses.read_listen), text(addresses.LISTEN)] | None = None
    """HOST:PORT of a listener of its own for the status page; without this key it is on `listen` with the metrics."""
    token_file: Annotated[str, BeforeValidator(vocabulary.read_text), text()] | None = None
    """File that holds the bearer token, 32 characters or more, which metrics, status page and status as JSON ask for;
    health never does. Without this key nothing asks for one."""


class Log(Part):
    """What the log looks like."""

    format: Literal["json", "console"] = "json"
    """json: one object a line. console: for people."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important lines that are written."""


class Root(Part):
    """Configuration of session-reaper."""

    version: Annotated[int, BeforeValidator(_read_format), WithJsonSchema({"type": "integer", "const": 1})]
    """Version of this language: 1."""
    schedule: Schedule = Schedule(every="15m")
    """When sweeps start."""
    projects: dict[Key, Project] = Field(min_length=1, json_schema_extra=_NAMED)
    """The Foundry projects, by a name of your choice."""
    policies: dict[Key, Policy] = Field(min_length=1, json_schema_extra=_NAMED)
    """The policies, by name."""
    quotas: dict[Key, Quota] = Field({}, json_schema_extra=_NAMED)
    """The pools of concurrency, by name."""
    approvals: list[Annotated[str, BeforeValidator(vocabulary.read_plan_id), text(vocabulary.PLAN_ID)]] = []
    """Ids of withheld plans that a person has approved."""
    holds: list[SessionHold] = []
    """Sessions that people hold: neither stopped nor deleted, whatever a policy says. `reaper hold` does the same."""
    state: Annotated[str, BeforeValidator(addresses.read_state), text(addresses.STATE)] = DEFAULT_STATE
    """Where marks, limits and the audit record are kept: sqlite:///FILE."""
    audit: Audit = Audit()
    """The record of every action."""
    server: Server = Server()
    """The HTTP server."""
    log: Log = Log()
    """The log."""

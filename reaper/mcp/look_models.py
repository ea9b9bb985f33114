"""What the looking tools take and give; the words are those of `reaper plan`, `explain` and `/api/v1/status`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from reaper.mcp.session_models import AgentName, Input, Output, ProjectName, SessionId


class PlanInput(Input):
    project: ProjectName | SkipJsonSchema[None] = Field(
        None, description="The name of one configured project; all when left out."
    )
    agent_name: Annotated[
        str, Field(min_length=1, max_length=256, description="Only agents whose name matches; * and ? are wildcards.")
    ] = "*"


class ExplainInput(Input):
    project: ProjectName | SkipJsonSchema[None] = Field(
        None, description="The name of a configured project, needed when several manage such an agent."
    )
    agent_name: AgentName
    session_id: SessionId


class StatusInput(Input):
    """No arguments."""


class Decision(Output):
    session: str
    created_at: int
    action: str
    rule: str
    outcome: str = Field(description="planned, or what holds it back: grace, window, observe, a limit, …")
    reason: str


class Sweep(Output):
    """One agent's sweep, without its decisions."""

    project: str
    agent: str
    policy: str
    mode: str
    result: str = Field(description="ok, incomplete, untrusted, withheld or failed")
    why: str
    plan_id: str | None
    sessions: int | None
    by_status: dict[str, int]
    totals: dict[str, int]
    blocked: dict[str, int]
    would_exceed: list[str] = Field(description="Limits that the plan is larger than: a person must approve it.")
    doubts: list[str]
    breaker: str | None


class Summary(Sweep):
    decisions: list[Decision]


class Planned(Output):
    plan_id: str
    sweeps: list[Summary]
    decisions_total: int
    decisions_shown: int
    unmanaged_agents: dict[str, list[str]]


class Check(Output):
    condition: str
    wanted: str
    actual: str
    holds: bool | None = Field(description="null: could not be judged")


class Trial(Output):
    rule: str
    action: str
    holds: bool
    decides: bool
    checks: list[Check]


class Judged(Output):
    action: str
    rule: str | None
    reason: str


class Guard(Output):
    guard: str
    lets_through: bool
    told: str


class HeldBy(Output):
    """A hold that stands: the session is neither stopped nor deleted."""

    id: str
    until: str | None = Field(description="The last day, in UTC; null: without an end.")
    legal: str | None
    reason: str
    by: str


class Due(Output):
    at: float
    action: str
    rule: str | None


class Seen(Output):
    id: str
    status: str
    version: str | None
    created_at: int
    last_accessed_at: int
    expires_at: int
    stopped_at: int | None


class Explained(Output):
    project: str
    agent: str
    policy: str
    mode: str
    platform_time: float
    session: Seen
    rules: list[Trial]
    decision: Judged
    holds: list[HeldBy]
    guards: list[Guard]
    next_due: Due | None
    next_due_text: str


class Pattern(Output):
    pattern: str
    policy: str
    mode: str = Field(description="observe: sweeps touch nothing; enforce: they act")


class Configured(Output):
    project: str
    endpoint: str = Field(description="What projectEndpoint may be.")
    agents: list[Pattern]


class WaitingPlan(Output):
    plan_id: str
    project: str
    agent: str
    at: str
    sessions: int


class Breaker(Output):
    project: str
    agent: str
    since: str
    reason: str


class Action(Output):
    at: str
    project: str
    agent: str
    session: str
    action: str
    rule: str
    outcome: str
    why: str


class Daemon(Output):
    """A running daemon's own words."""

    ready: bool
    standby: str | None
    next_sweep: str | None
    agents: list[Sweep]


class Status(Output):
    projects: list[Configured]
    state_fault: str | None = Field(
        description="Why the state cannot be relied on; nothing is deleted while it cannot."
    )
    plans_to_approve: list[WaitingPlan]
    breakers: list[Breaker] = Field(description="Agents whose actions wait for a person: `reaper approve PLAN`.")
    recent_actions: list[Action]
    daemon: Daemon | None
    daemon_note: str

"""Plans as they are known: what their rows would let through, and whether they still hold what their ids say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from reaper.core.model import Action
from reaper.core.plan import Approval
from reaper.core.plan_lines import id_of_lines
from reaper.logs import get_logger
from reaper.store import chain, tables
from reaper.store.plan_bodies import REFERS, lines_of_plan
from reaper.store.plan_rows import sessions_of

log = get_logger()


@dataclass(frozen=True, slots=True)
class KnownPlan:
    """A plan that can be approved."""

    id: str
    project: str
    agent: str
    at: float
    approvals: tuple[Approval, ...]


@dataclass(frozen=True, slots=True)
class StandingApproval:
    """What the state knows of an approval that is written in a file. `given` is when it was first honoured."""

    id: str
    plans: tuple[KnownPlan, ...]
    given: float | None
    begun: int

    @property
    def actions(self) -> int:
        """How many actions it lets through."""
        return sum(len(plan.approvals) for plan in self.plans)


def approvals_of(connection: Connection, row: Row[Any]) -> tuple[Approval, ...] | None:
    """What a plan would let through; None when its row no longer holds what its id was made of."""

    def fetch(name: str) -> object:
        return sessions_of(connection, name, row.project, row.agent)

    try:
        lines = list(lines_of_plan(fetch, row.id))
    except LookupError:
        lines = []
    if id_of_lines(row.project, row.agent, lines) != own_id(row.id, row.sessions):
        log.error("plan_is_not_what_it_was", plan=row.id, agent=row.agent, meaning="it approves nothing")
        return None
    return tuple(map(approval_of, lines))


def approval_of(line: str) -> Approval:
    action, session, made, used = line.split(" ")
    return Approval(session, int(made), int(used), Action(action))


def own_id(name: str, body: object) -> str:
    """The id that an agent's part has by itself: a joint plan refers to it, and changes nothing."""
    if not isinstance(body, bytes):
        return ""
    first, separator, changes = body.partition(b"\n")
    joint = first.startswith(REFERS.encode()) and separator and not changes
    return first.decode().removeprefix(REFERS) if joint else name


def begun_of(connection: Connection, plan: KnownPlan) -> int:
    """How many of a plan's actions were begun by its approval, or by another that covers them."""
    journal = tables.journal.c
    query = select(journal.session, journal.created_at, journal.action).distinct()
    mine = tables.of_agent(tables.journal, plan.project, plan.agent)
    query = query.where(mine, journal.kind == chain.INTENT, journal.approved == 1)
    begun = {tuple(row) for row in connection.execute(query)}
    return sum((one.session, one.created_at, str(one.action)) in begun for one in plan.approvals)

"""Plans that a person may approve, and the approvals: an id stands for its sessions, and they never change.

A plan is kept as the lines that its id was made of: all of them, or those by which it differs from another plan of
the same agent. Sweeps make nearly the same plan again and again, and each must stay approvable for two weeks.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Collection, Container, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from reaper.core.plan import Approval, Item
from reaper.core.plan_lines import LinesDigest, plan_lines
from reaper.logs import get_logger
from reaper.store import chain, tables
from reaper.store.chained_tables import covering
from reaper.store.database import Database, StateError
from reaper.store.dropped_plans import drop_old, with_old_plans
from reaper.store.journal import reading
from reaper.store.known_plans import KnownPlan, StandingApproval, approval_of, approvals_of, begun_of, own_id
from reaper.store.leave import Leave
from reaper.store.plan_bodies import (
    IS_PART,
    PART_LINES,
    REFERS,
    WHOLE,
    Body,
    differences,
    lines_of_plan,
    part_id,
)
from reaper.store.plan_rows import (
    LIVES,
    ONLY_NEEDED,
    PLANS,
    add,
    are_there,
    begins,
    given_to,
    is_joint,
    is_row,
    made_again,
    of_agent,
    sessions_of,
)

PREFIX_MIN: Final = 12
LISTED_OF_AGENT: Final = 10
APPROVED: Final = "approved"
CLOSED: Final = "breaker_closed"
"""What the record calls these events."""

_APART_MAX: Final = 1 / 8
"""A plan that differs by more than this share of its lines is kept whole."""

_TRIED: Final = 3
"""So many whole plans are compared with: assistants make small ones between the sweeps' large ones."""

log = get_logger()


class Plans:
    """The plans of all agents, each once under its own id, and once under each joint id it is a part of."""

    lines_at_a_time = PART_LINES

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writing: Counter[str] = Counter()

    def remember(self, name: str, project: str, agent: str, at: float, items: Iterable[Item]) -> None:
        """Keep a plan, so that a person can approve it. One that is known stays as it is; it was made again."""
        for _ in self.remembering(name, project, agent, at, plan_lines(items)):
            pass

    def remembering(
        self, name: str, project: str, agent: str, at: float, lines: Collection[str]
    ) -> Generator[None, None, None]:
        """The same by steps, so that others may have their turn after each. The lines come sorted, each time anew."""
        with self._begin() as connection:
            chain.lock(connection)
            if made_again(connection, name, project, agent, at):
                return
            mine = (of_agent(project, agent), begins(WHOLE.encode()), ~IS_PART)
            newest = select(PLANS.id).where(*mine).order_by(PLANS.at.desc()).limit(_TRIED)
            others = list(connection.execute(newest).scalars())
        self._writing[name] += 1
        try:
            yield from self._write(name, project, agent, at, lines, others)
        finally:
            self._writing -= Counter([name])

    def _write(
        self, name: str, project: str, agent: str, at: float, lines: Collection[str], others: Sequence[str]
    ) -> Generator[None, None, None]:
        head, content = yield from self._shortest(project, agent, lines, others)
        token, parts, left = uuid.uuid4().hex[:12], 0, iter(content)
        body = Body(head, list(islice(left, self.lines_at_a_time)))
        yield
        while part := list(islice(left, self.lines_at_a_time)):
            row = part_id(name, token, parts)
            with self._begin() as connection:
                chain.lock(connection)
                add(connection, row, project, agent, ONLY_NEEDED, "\n".join(part).encode())
            parts += 1
            yield
        body = replace(body, token=token, parts=parts)
        needed = [*body.part_ids(name), *([head.removeprefix(REFERS)] if head != WHOLE else [])]
        with self._begin() as connection:
            chain.lock(connection)
            if not made_again(connection, name, project, agent, at):
                if not are_there(connection, needed, project, agent):
                    raise StateError(f"state {self._database.url}: plan {name} lost a part while it was written")
                add(connection, name, project, agent, at, body.written())

    def _shortest(
        self, project: str, agent: str, lines: Collection[str], others: Sequence[str]
    ) -> Generator[None, None, tuple[str, Iterable[str]]]:
        """The lines as they are kept: by their difference to one of these whole plans where that is small."""
        for name in others:
            changes: list[str] = []
            try:
                for number, change in enumerate(differences(self._lines(name, project, agent), lines), start=1):
                    if change is not None:
                        changes.append(change)
                    if len(changes) > len(lines) * _APART_MAX:
                        break
                    if number % self.lines_at_a_time == 0:
                        yield
                else:
                    return f"{REFERS}{name}", changes
            except LookupError:
                continue
        return WHOLE, lines

    def _lines(self, name: str, project: str, agent: str) -> Iterator[str]:
        """The lines of a plan, read in several looks at the state."""

        def fetch(row: str) -> object:
            with self._begin() as connection:
                return sessions_of(connection, row, project, agent)

        return lines_of_plan(fetch, name)

    def remember_joint(self, name: str, parts: Iterable[tuple[str, str, str, float]]) -> None:
        """Keep several agents' plans (id, project, agent, at) under one id, so that one approval is for all."""
        with self._begin() as connection:
            chain.lock(connection)
            for part, project, agent, at in parts:
                if part == name or made_again(connection, name, project, agent, at):
                    continue
                if connection.execute(select(PLANS.at).where(is_row(part, project, agent))).first():
                    add(connection, name, project, agent, at, f"{REFERS}{part}\n".encode())

    def known(self, name: str) -> list[KnownPlan]:
        """The agents' parts of the plan with this id, none when it is unknown."""
        with self._begin() as connection:
            rows = connection.execute(select(tables.plans).where(LIVES, PLANS.id == name)).all()
            parts = [(row, approvals_of(connection, row)) for row in rows]
        return [KnownPlan(row.id, row.project, row.agent, row.at, found) for row, found in parts if found is not None]

    def latest(self, count: int) -> list[KnownPlan]:
        """The plans made last, some of each agent, newest first; those that only join others are left out."""
        query = select(PLANS.id, PLANS.project, PLANS.agent).where(LIVES, ~is_joint()).order_by(PLANS.at.desc())
        of_agent: Counter[tuple[str, str]] = Counter()
        newest: list[str] = []
        with self._begin() as connection:
            for name, project, agent in connection.execute(query):
                of_agent[project, agent] += 1
                if of_agent[project, agent] <= LISTED_OF_AGENT:
                    newest.append(name)
                if len(newest) == count:
                    break
        return [plan for name in newest for plan in self.known(name)]

    def named(self, beginning: str) -> list[str]:
        """The ids that this is, or that begin with it when it is long enough for an id to be meant."""
        fits = func.substr(PLANS.id, 1, len(beginning)) == beginning
        if len(beginning) < PREFIX_MIN:
            fits = PLANS.id == beginning
        with self._begin() as connection:
            names = list(connection.execute(select(PLANS.id).where(LIVES, fits).distinct()).scalars())
        return [beginning] if beginning in names else sorted(names)

    def approve(
        self, name: str, at: float, *, standing: bool = False, origin: Mapping[str, Any] | None = None
    ) -> bool:
        """Approve a plan, and close the breakers of its agents; False when it is unknown.

        A `standing` approval, one that stays written in a file, counts the first time only. Its `origin`, who and
        why, stands in the record.
        """
        body = {"plan": name, "standing": standing, **(origin or {})}
        with self._begin() as connection:
            chain.lock(connection)
            parts = connection.execute(select(PLANS.project, PLANS.agent).where(LIVES, PLANS.id == name)).all()
            for project, agent in parts:
                row = {"plan": name, "project": project, "agent": agent, "at": at}
                with covering(connection, APPROVED, project, agent, at, body, "approvals"):
                    fresh = connection.execute(insert(tables.approvals).values(row).on_conflict_do_nothing()).rowcount
                if fresh or not standing:
                    which = tables.of_agent(tables.breakers, project, agent)
                    with covering(connection, CLOSED, project, agent, at, body, "breakers"):
                        connection.execute(delete(tables.breakers).where(which))
            return bool(parts)

    def unknown(self, names: Collection[str]) -> list[str]:
        """Which of these ids no plan has, and no approval that was given had."""
        given = tables.approvals.c.plan
        with self._begin() as connection:
            known = set(connection.execute(select(PLANS.id).where(LIVES, PLANS.id.in_(names))).scalars())
            known |= set(connection.execute(select(given).where(given.in_(names))).scalars())
        return [name for name in dict.fromkeys(names) if name not in known]

    def approved(self, project: str, agent: str, also: Collection[str] = ()) -> frozenset[Approval]:
        """The incarnations of this agent whose deletion or stop is approved, as if `also` were approved, too."""
        wanted = PLANS.id.in_(given_to(project, agent)) | PLANS.id.in_(also)
        mine = of_agent(project, agent)
        with self._begin() as connection:
            rows = connection.execute(select(tables.plans).where(LIVES, mine, wanted)).all()
            return frozenset(one for row in rows for one in approvals_of(connection, row) or ())

    def approving(
        self, project: str, agent: str, also: Collection[str] = ()
    ) -> Generator[None, None, Container[Approval]]:
        """The same by steps, so that others may have their turn after each.

        Of plans that are large it holds a few lines at a time: to be asked for actions in the order of a plan.
        """
        few, many = set[Approval](), list[Callable[[], Iterator[str]]]()
        wanted = PLANS.id.in_(given_to(project, agent)) | PLANS.id.in_(also)
        with self._begin() as connection:
            query = select(PLANS.id).where(LIVES, of_agent(project, agent), wanted)
            names = list(connection.execute(query).scalars())
        for name in names:
            lines = partial(self._lines, name, project, agent)
            if (held := (yield from self._checked(name, project, agent, lines))) is None:
                log.error("plan_is_not_what_it_was", plan=name, agent=agent, meaning="it approves nothing")
            elif len(held) < self.lines_at_a_time:
                few.update(map(approval_of, held))
            else:
                many.append(lines)
        return Leave(frozenset(few), many) if many else frozenset(few)

    def _checked(
        self, name: str, project: str, agent: str, lines: Callable[[], Iterator[str]]
    ) -> Generator[None, None, list[str] | None]:
        """The first lines of a plan, as many as are written at a time; None if it does not hold what its id says."""
        with self._begin() as connection:
            own = own_id(name, sessions_of(connection, name, project, agent))
        digest, held = LinesDigest(project, agent), list[str]()
        try:
            left = lines()
            while some := list(islice(left, self.lines_at_a_time)):
                digest.add(some)
                held = held or some
                yield
        except LookupError:
            return None
        return held if digest.id == own else None

    def awaits(self, project: str, agent: str, names: Collection[str]) -> bool:
        """Whether one of these ids is a plan of this agent that was not approved yet."""
        wanted = PLANS.id.in_(names) & ~PLANS.id.in_(given_to(project, agent))
        mine = of_agent(project, agent)
        with self._begin() as connection:
            return connection.execute(select(PLANS.id).where(LIVES, mine, wanted).limit(1)).first() is not None

    def standing_approvals(self, names: Sequence[str]) -> list[StandingApproval]:
        """What is known of each approval that a file holds, in its order."""
        approvals = []
        for name in dict.fromkeys(names):
            plans = tuple(self.known(name))
            with self._begin() as connection:
                given = connection.execute(
                    select(func.min(tables.approvals.c.at)).where(tables.approvals.c.plan == name)
                ).scalar()
                begun = sum(begun_of(connection, plan) for plan in plans)
            approvals.append(StandingApproval(name, plans, given, begun))
        return approvals

    def forget(self, now: float) -> None:
        """Drop plans that were not made for their time, and of each agent those beyond the newest thousands."""
        for _ in self.forgetting(now):
            pass

    def forgetting(self, now: float) -> Generator[None, None, None]:
        """The same agent by agent, so that others may have their turn after each."""
        with self._begin() as connection:
            agents = with_old_plans(connection, now)
        for project, agent in agents:
            with self._begin() as connection:
                chain.lock(connection)
                drop_old(connection, project, agent, self._writing, now)
            yield

    def _begin(self) -> AbstractContextManager[Connection]:
        return reading(self._database, "the plans were")

"""Plans that a person may approve, and the approvals: an id stands for its sessions, and they never change.

A plan is kept as the lines that its id was made of: all of them, or those by which it differs from another plan of
the same agent. Sweeps make nearly the same plan again and again, and each must stay approvable for two weeks.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Container, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, String, and_, cast, column, delete, exists, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.sql import ColumnElement

from reaper.core.model import DAY_S, Action
from reaper.core.planner import Approval, Item, LinesDigest, id_of_lines, plan_lines
from reaper.logs import get_logger
from reaper.store import chain, tables
from reaper.store.chained_tables import PLANNED, RowChange, cover, covering
from reaper.store.database import Database, StateError
from reaper.store.journal import reading
from reaper.store.leave import Leave
from reaper.store.plan_bodies import (
    ID_CHARS,
    IS_PART,
    OWN_PLAN,
    PART_LINES,
    REFERS,
    WHOLE,
    Body,
    differences,
    lines_of_plan,
    part_id,
)

PLAN_KEPT_S: Final = 14 * DAY_S
"""So long after it was last made a plan can be approved, and an approval of it counts."""
PLANS_KEPT: Final = 20_000
"""So many plans of one agent are kept at most: two weeks at one each minute."""
PREFIX_MIN: Final = 12
LISTED_OF_AGENT: Final = 10
APPROVED: Final = "approved"
CLOSED: Final = "breaker_closed"
"""What the record calls these events."""

_APART_MAX: Final = 1 / 8
"""A plan that differs by more than this share of its lines is kept whole."""

_TRIED: Final = 3
"""So many whole plans are compared with: assistants make small ones between the sweeps' large ones."""
_ONLY_NEEDED: Final = 0.0
"""The time of a plan that is over, and kept because others differ from it by little."""
_PLANS: Final = tables.plans.c
_LIVES: Final = (_PLANS.at > _ONLY_NEEDED) & (func.length(_PLANS.id) == ID_CHARS)
"""Ids were shorter once, and not safe: such a plan approves nothing any more."""

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
            if _made_again(connection, name, project, agent, at):
                return
            mine = (_of_agent(project, agent), _begins(WHOLE.encode()), ~IS_PART)
            newest = select(_PLANS.id).where(*mine).order_by(_PLANS.at.desc()).limit(_TRIED)
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
                _add(connection, row, project, agent, _ONLY_NEEDED, "\n".join(part).encode())
            parts += 1
            yield
        body = replace(body, token=token, parts=parts)
        needed = [*body.part_ids(name), *([head.removeprefix(REFERS)] if head != WHOLE else [])]
        with self._begin() as connection:
            chain.lock(connection)
            if not _made_again(connection, name, project, agent, at):
                if not _are_there(connection, needed, project, agent):
                    raise StateError(f"state {self._database.url}: plan {name} lost a part while it was written")
                _add(connection, name, project, agent, at, body.written())

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
                return _sessions(connection, row, project, agent)

        return lines_of_plan(fetch, name)

    def remember_joint(self, name: str, parts: Iterable[tuple[str, str, str, float]]) -> None:
        """Keep several agents' plans (id, project, agent, at) under one id, so that one approval is for all."""
        with self._begin() as connection:
            chain.lock(connection)
            for part, project, agent, at in parts:
                if part == name or _made_again(connection, name, project, agent, at):
                    continue
                if connection.execute(select(_PLANS.at).where(_is(part, project, agent))).first():
                    _add(connection, name, project, agent, at, f"{REFERS}{part}\n".encode())

    def known(self, name: str) -> list[KnownPlan]:
        """The agents' parts of the plan with this id, none when it is unknown."""
        with self._begin() as connection:
            rows = connection.execute(select(tables.plans).where(_LIVES, _PLANS.id == name)).all()
            parts = [(row, _approvals(connection, row)) for row in rows]
        return [KnownPlan(row.id, row.project, row.agent, row.at, found) for row, found in parts if found is not None]

    def latest(self, count: int) -> list[KnownPlan]:
        """The plans made last, some of each agent, newest first; those that only join others are left out."""
        query = select(_PLANS.id, _PLANS.project, _PLANS.agent).where(_LIVES, ~_is_joint()).order_by(_PLANS.at.desc())
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
        fits = func.substr(_PLANS.id, 1, len(beginning)) == beginning
        if len(beginning) < PREFIX_MIN:
            fits = _PLANS.id == beginning
        with self._begin() as connection:
            names = list(connection.execute(select(_PLANS.id).where(_LIVES, fits).distinct()).scalars())
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
            parts = connection.execute(select(_PLANS.project, _PLANS.agent).where(_LIVES, _PLANS.id == name)).all()
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
            known = set(connection.execute(select(_PLANS.id).where(_LIVES, _PLANS.id.in_(names))).scalars())
            known |= set(connection.execute(select(given).where(given.in_(names))).scalars())
        return [name for name in dict.fromkeys(names) if name not in known]

    def approved(self, project: str, agent: str, also: Collection[str] = ()) -> frozenset[Approval]:
        """The incarnations of this agent whose deletion or stop is approved, as if `also` were approved, too."""
        wanted = _PLANS.id.in_(_given(project, agent)) | _PLANS.id.in_(also)
        mine = _of_agent(project, agent)
        with self._begin() as connection:
            rows = connection.execute(select(tables.plans).where(_LIVES, mine, wanted)).all()
            return frozenset(one for row in rows for one in _approvals(connection, row) or ())

    def approving(
        self, project: str, agent: str, also: Collection[str] = ()
    ) -> Generator[None, None, Container[Approval]]:
        """The same by steps, so that others may have their turn after each.

        Of plans that are large it holds a few lines at a time: to be asked for actions in the order of a plan.
        """
        few, many = set[Approval](), list[Callable[[], Iterator[str]]]()
        wanted = _PLANS.id.in_(_given(project, agent)) | _PLANS.id.in_(also)
        with self._begin() as connection:
            query = select(_PLANS.id).where(_LIVES, _of_agent(project, agent), wanted)
            names = list(connection.execute(query).scalars())
        for name in names:
            lines = partial(self._lines, name, project, agent)
            if (held := (yield from self._checked(name, project, agent, lines))) is None:
                log.error("plan_is_not_what_it_was", plan=name, agent=agent, meaning="it approves nothing")
            elif len(held) < self.lines_at_a_time:
                few.update(map(_approval, held))
            else:
                many.append(lines)
        return Leave(frozenset(few), many) if many else frozenset(few)

    def _checked(
        self, name: str, project: str, agent: str, lines: Callable[[], Iterator[str]]
    ) -> Generator[None, None, list[str] | None]:
        """The first lines of a plan, as many as are written at a time; None if it does not hold what its id says."""
        with self._begin() as connection:
            own = _own_id(name, _sessions(connection, name, project, agent))
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
        wanted = _PLANS.id.in_(names) & ~_PLANS.id.in_(_given(project, agent))
        mine = _of_agent(project, agent)
        with self._begin() as connection:
            return connection.execute(select(_PLANS.id).where(_LIVES, mine, wanted).limit(1)).first() is not None

    def standing_approvals(self, names: Sequence[str]) -> list[StandingApproval]:
        """What is known of each approval that a file holds, in its order."""
        approvals = []
        for name in dict.fromkeys(names):
            plans = tuple(self.known(name))
            with self._begin() as connection:
                given = connection.execute(
                    select(func.min(tables.approvals.c.at)).where(tables.approvals.c.plan == name)
                ).scalar()
                begun = sum(_begun(connection, plan) for plan in plans)
            approvals.append(StandingApproval(name, plans, given, begun))
        return approvals

    def forget(self, now: float) -> None:
        """Drop plans that were not made for their time, and of each agent those beyond the newest thousands."""
        for _ in self.forgetting(now):
            pass

    def forgetting(self, now: float) -> Generator[None, None, None]:
        """The same agent by agent, so that others may have their turn after each."""
        oldest = now - PLAN_KEPT_S
        # Where nothing is old, nor in parts, which have no time of their own, there is nothing to drop.
        agents = select(_PLANS.project, _PLANS.agent).group_by(_PLANS.project, _PLANS.agent)
        agents = agents.having((func.min(_PLANS.at) < oldest) | (func.count() > PLANS_KEPT))
        with self._begin() as connection:
            due = connection.execute(agents).all()
        for project, agent in due:
            mine = _of_agent(project, agent)
            with self._begin() as connection:
                chain.lock(connection)
                _drop(connection, mine, _PLANS.at < oldest, now)
                _remove_unfinished(connection, mine, self._writing, now)
                count = connection.execute(select(func.count()).where(mine, _LIVES)).scalar_one()
                if count > PLANS_KEPT:
                    newest = select(_PLANS.at).where(mine).order_by(_PLANS.at.desc()).offset(PLANS_KEPT).limit(1)
                    unapproved = ~_PLANS.id.in_(select(tables.approvals.c.plan))
                    _drop(connection, mine, unapproved & (_PLANS.at <= connection.execute(newest).scalar_one()), now)
            yield

    def _begin(self) -> AbstractContextManager[Connection]:
        return reading(self._database, "the plans were")


def _made_again(connection: Connection, name: str, project: str, agent: str, at: float) -> bool:
    """Note that a plan was made at `at`, if it is known."""
    made = update(tables.plans).where(_is(name, project, agent)).values(at=at)
    return bool(connection.execute(made).rowcount)


def _add(connection: Connection, name: str, project: str, agent: str, at: float, body: bytes) -> None:
    """Add a plan that is not known, and let the record cover it."""
    row = {"id": name, "project": project, "agent": agent, "at": at, "sessions": body}
    if connection.execute(insert(tables.plans).values(row).on_conflict_do_nothing()).rowcount:
        added = RowChange("plans", added=[(name, project, agent, body)])
        cover(connection, PLANNED, project, agent, at, {"plans": [name]}, added)


def _are_there(connection: Connection, rows: Collection[str], project: str, agent: str) -> bool:
    query = select(func.count()).where(_of_agent(project, agent), _among(rows))
    return connection.execute(query).scalar() == len(rows)


def _sessions(connection: Connection, row: str, project: str, agent: str) -> object:
    return connection.execute(select(_PLANS.sessions).where(_is(row, project, agent))).scalar()


def _approvals(connection: Connection, row: Row[Any]) -> tuple[Approval, ...] | None:
    """What a plan would let through; None when its row no longer holds what its id was made of."""

    def fetch(name: str) -> object:
        return _sessions(connection, name, row.project, row.agent)

    try:
        lines = list(lines_of_plan(fetch, row.id))
    except LookupError:
        lines = []
    if id_of_lines(row.project, row.agent, lines) != _own_id(row.id, row.sessions):
        log.error("plan_is_not_what_it_was", plan=row.id, agent=row.agent, meaning="it approves nothing")
        return None
    return tuple(map(_approval, lines))


def _approval(line: str) -> Approval:
    action, session, made, used = line.split(" ")
    return Approval(session, int(made), int(used), Action(action))


def _own_id(name: str, body: object) -> str:
    """The id that an agent's part has by itself: a joint plan refers to it, and changes nothing."""
    if not isinstance(body, bytes):
        return ""
    first, separator, changes = body.partition(b"\n")
    joint = first.startswith(REFERS.encode()) and separator and not changes
    return first.decode().removeprefix(REFERS) if joint else name


def _begun(connection: Connection, plan: KnownPlan) -> int:
    """How many of a plan's actions were begun by its approval, or by another that covers them."""
    journal = tables.journal.c
    query = select(journal.session, journal.created_at, journal.action).distinct()
    mine = tables.of_agent(tables.journal, plan.project, plan.agent)
    query = query.where(mine, journal.kind == chain.INTENT, journal.approved == 1)
    begun = {tuple(row) for row in connection.execute(query)}
    return sum((one.session, one.created_at, str(one.action)) in begun for one in plan.approvals)


def _drop(connection: Connection, mine: ColumnElement[bool], which: ColumnElement[bool], at: float) -> None:
    """Drop these plans of an agent. What others are kept by (a joint one by its part, that one by a whole one) stays
    as a row that is no plan any more."""
    # What a row holds is looked at last: with its parts a plan is as large as all of its sessions' lines.
    own = mine & ~IS_PART
    base = cast(func.substr(_PLANS.sessions, len(REFERS) + 1, ID_CHARS), String)
    refers = _begins(REFERS.encode())
    needed = set(connection.execute(select(base).where(own, ~which, refers)).scalars())
    needed |= set(connection.execute(select(base).where(own, which, _among(needed), refers)).scalars())
    _remove(connection, and_(own, which, ~_among(needed)), at)
    connection.execute(update(tables.plans).where(mine, which, _LIVES).values(at=_ONLY_NEEDED))


def _remove(connection: Connection, gone: ColumnElement[bool], at: float) -> None:
    """Remove these plans with their parts."""
    removed: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for project, agent, name in connection.execute(
        select(_PLANS.project, _PLANS.agent, OWN_PLAN).where(gone).distinct()
    ):
        removed[project, agent].append(name)
    for (project, agent), names in removed.items():
        own = _of_agent(project, agent) & _among(names, OWN_PLAN)
        query = select(_PLANS.id, _PLANS.project, _PLANS.agent, _PLANS.sessions).where(own)
        rows = map(tuple, connection.execute(query, execution_options={"yield_per": 1}))
        cover(connection, PLANNED, project, agent, at, {"forgotten": names}, RowChange("plans", removed=rows))
        connection.execute(delete(tables.plans).where(own))


def _remove_unfinished(
    connection: Connection, mine: ColumnElement[bool], writing: Collection[str], at: float
) -> None:
    """Remove the parts of an agent's plans that were never written to their end, and are not being written."""
    plans = tables.plans.alias("plans_there")
    is_there = exists().where(
        plans.c.id == OWN_PLAN, plans.c.project == _PLANS.project, plans.c.agent == _PLANS.agent
    )
    _remove(connection, and_(mine, IS_PART, ~is_there, ~_among(writing, OWN_PLAN)), at)


def _of_agent(project: str, agent: str) -> ColumnElement[bool]:
    return tables.of_agent(tables.plans, project, agent)


def _is(name: str, project: str, agent: str) -> ColumnElement[bool]:
    return and_(_PLANS.id == name, _of_agent(project, agent))


def _given(project: str, agent: str) -> Select[str]:
    """The ids that were approved for this agent."""
    return select(tables.approvals.c.plan).where(tables.of_agent(tables.approvals, project, agent))


def _among(names: Collection[str], name: ColumnElement[str] = _PLANS.id) -> ColumnElement[bool]:
    """Whether a plan is one of these, however many: they are one parameter."""
    return name.in_(select(column("value")).select_from(func.json_each(json.dumps(sorted(names)))))


def _begins(mark: bytes) -> ColumnElement[bool]:
    return func.substr(_PLANS.sessions, 1, len(mark)) == mark


def _is_joint() -> ColumnElement[bool]:
    length = len(REFERS) + ID_CHARS + 1
    return _begins(REFERS.encode()) & (func.length(_PLANS.sessions) == length)

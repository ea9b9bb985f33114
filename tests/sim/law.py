"""What must never happen, judged on the platform's own record by code that shares nothing with the reaper's."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tests.sim.law_of_ranks import RANKS_COUNT_S, why_not

DAY_S = 86_400
AGE_FLOOR_S = 300
TOUCHABLE = {"delete": frozenset({"idle", "failed", "active"}), "stop": frozenset({"active"})}
"""Everything else (creating, updating, whatever a later version brings) is nobody's business."""

SECOND_S = 2
"""Clocks that tell whole seconds may be so much apart."""

Incarnation = tuple[str, float, float]
"""A session as it was seen: its id, when it was created, when it was last used."""


class ViolationError(AssertionError):
    """The reaper did what it must not do, or left undone what it must."""


@dataclass(frozen=True)
class Facts:
    """A session at one moment, as the platform knows it to be."""

    id: str
    status: str
    version: str
    created_at: float
    last_accessed_at: float

    @property
    def seen(self) -> Incarnation:
        return (self.id, self.created_at, self.last_accessed_at)


@dataclass(frozen=True)
class Line:
    """One rule in the simplest form that can be judged."""

    name: str
    action: str
    idle_s: int | None = None
    age_s: int | None = None
    status: frozenset[str] | None = None
    ids: tuple[str, ...] = ()
    superseded: bool = False
    latest: bool = False

    def holds(self, facts: Facts, latest: str | None, now: float) -> bool:
        if latest is None and (self.superseded or self.latest):
            return self.action == "keep"
        allowed = {"delete": {"idle", "failed"}, "stop": {"active"}}.get(self.action)
        statuses = self.status or allowed
        return (
            (statuses is None or facts.status in statuses)
            and (self.idle_s is None or now - facts.last_accessed_at >= self.idle_s)
            and (self.age_s is None or now - facts.created_at >= self.age_s)
            and (not self.ids or any(fnmatch.fnmatchcase(facts.id, glob) for glob in self.ids))
            and (not self.superseded or facts.version != latest)
            and (not self.latest or facts.version == latest)
        )


AT_MOST = Line("at_most", "delete", idle_s=AGE_FLOOR_S, status=frozenset({"idle"}))


@dataclass(frozen=True)
class Law:
    """A policy as the judge reads it, in force from `since`.

    `relief_s`: a full quota may stop what no line speaks of, once it is active and idle for so long. `newest`: so
    many stay, of each version if that is said. `at_most`: of more idle ones than these, the longest idle may go.
    """

    since: float
    lines: tuple[Line, ...]
    enforce: bool = True
    grace_s: int = 0
    per_sweep: tuple[int, bool] = (100, True)
    per_day: tuple[int, bool] = (100, True)
    at_least: int = 5
    open_hours: tuple[int, int] | None = None
    relief_s: int | None = None
    newest: int | None = None
    newest_per_version: bool = False
    at_most: int | None = None

    @property
    def asks_versions(self) -> bool:
        """Whether any line asks for an agent's newest version."""
        return any(line.superseded or line.latest for line in self.lines)

    def decides(self, facts: Facts, latest: str | None, now: float) -> Line | None:
        relief = Line("relief", "stop", idle_s=self.relief_s)
        lines = self.lines if self.at_most is None else (*self.lines, AT_MOST)
        lines = lines if self.relief_s is None else (*lines, relief)
        return next((line for line in lines if line.holds(facts, latest, now)), None)

    def wants(self, facts: Facts, latest: str, now: float) -> str:
        line = self.decides(facts, latest, now)
        return "keep" if line is None else line.action

    def is_open(self, now: float) -> bool:
        if self.open_hours is None:
            return True
        first, last = self.open_hours
        hour = now % DAY_S / 3_600
        return first <= hour < last if first < last else hour >= first or hour < last

    def allows(self, limit: tuple[int, bool], inventory: int) -> int:
        amount, percent = limit
        if not percent or amount == 0:
            return amount
        return max(inventory * amount // 100, self.at_least)


@dataclass
class Deed:
    """A delete or stop by the reaper, with the session and the agent's newest version as they were last looked at.

    `there` are the sessions that its sweep, which began to list at `listed_at`, could see; None where it was lied to.
    """

    at: float
    agent: str
    action: str
    facts: Facts
    approved: bool
    looked_at: float
    latest: str
    there: tuple[Facts, ...] | None = None
    listed_at: float = 0.0


class Believed(NamedTuple):
    """A sweep that believed what it saw: when it began, when it had seen all, and the newest version by it."""

    began: float
    seen: float
    latest: str | None


@dataclass(frozen=True)
class Promise:
    """A session that stands marked: by which rule and since when (`made`), and the sweeps that said so."""

    made: tuple[str, float]
    sweeps: tuple[Believed, ...]

    def sweep_at(self, moment: float) -> Believed:
        """The last one before then."""
        return [self.sweeps[0], *(sweep for sweep in self.sweeps if sweep.began <= moment)][-1]

    def sweep_after(self, moment: float) -> Believed:
        """The first one from then on."""
        return [*(sweep for sweep in self.sweeps if sweep.began >= moment), self.sweeps[-1]][0]


@dataclass(frozen=True)
class Note:
    """One action as the reaper's journal tells it; `outcomes` in order, none while nobody found out."""

    agent: str
    session: str
    created_at: float
    action: str
    has_evidence: bool
    outcomes: tuple[str, ...]

    @property
    def ended(self) -> str:
        return self.outcomes[-1] if self.outcomes else "open"


@dataclass
class Judge:
    """Knows the laws, the versions and the deeds, and says what was wrong with them.

    `promises`: the sessions that stand marked without a break. `decided`: what the plans of the present sweep name.
    `sacred`: sessions of which the platform says what nobody may act on.
    """

    laws: list[Law] = field(default_factory=list)
    deploys: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    approved: set[tuple[str, str, Incarnation]] = field(default_factory=set)
    promises: dict[str, dict[Incarnation, Promise]] = field(default_factory=dict)
    decided: set[tuple[str, str, Incarnation]] = field(default_factory=set)
    sacred: set[str] = field(default_factory=set)
    deeds: list[Deed] = field(default_factory=list)

    def law(self, at: float) -> Law:
        return [law for law in self.laws if law.since <= at][-1]

    def latest(self, agent: str, at: float) -> str:
        known = [version for moment, version in self.deploys[agent] if moment <= at]
        return known[-1] if known else self.deploys[agent][0][1]

    def was_latest(self, agent: str, version: str, since: float, until: float) -> bool:
        """Whether this was the newest version at any moment from `since` to `until`."""
        before = [name for moment, name in self.deploys[agent] if moment < since]
        return version in {*before[-1:], *(name for moment, name in self.deploys[agent] if since <= moment <= until)}

    def promised(self, agent: str, sweep: Believed, marks: Mapping[Incarnation, tuple[str, float]]) -> None:
        """A sweep says that these sessions stand marked, by which rule and since when, and no others."""
        before, now = self.promises.get(agent, {}), {}
        for seen, made in marks.items():
            stood = before.get(seen)
            same = stood is not None and stood.made == made
            now[seen] = replace(stood, sweeps=(*stood.sweeps, sweep)) if stood and same else Promise(made, (sweep,))
        self.promises[agent] = now

    def found(
        self, agent: str, before: Mapping[Incarnation, Promise], marks: Mapping[Incarnation, tuple[str, float]]
    ) -> None:
        """These marks are on disk after a sweep: it may have died before it wrote down what it said."""
        now = self.promises.get(agent, {})
        self.promises[agent] = {
            seen: promise
            for seen, made in marks.items()
            for promise in [p for p in (now.get(seen), before.get(seen)) if p is not None and p.made == made][:1]
        }

    def check(self, deed: Deed) -> None:
        """One deed, at the moment it happened."""
        law, facts, now = self.law(deed.at), deed.facts, deed.looked_at
        _require(law.enforce, "acted while observing", deed)
        _require(facts.status in TOUCHABLE[deed.action], "touched what is never touched", deed)
        _require(facts.id not in self.sacred, "acted on a record that cannot be believed", deed)
        _require(now - facts.created_at >= AGE_FLOOR_S, "below the floor of age", deed)
        asked = law.wants(facts, deed.latest, now)
        _require(asked == deed.action, f"the policy wanted {asked}", deed)
        _require((deed.agent, deed.action, facts.seen) in self.decided, "used after the decision was made", deed)
        if deed.action == "delete":
            _require(law.is_open(now), "outside every window", deed)
            self._check_ranks(law, deed)
            self._check_grace(law, deed)
        self.deeds.append(deed)

    def _check_ranks(self, law: Law, deed: Deed) -> None:
        line = law.decides(deed.facts, deed.latest, deed.looked_at)
        rests_on_ranks = law.newest is not None or line == AT_MOST
        if deed.there is None or line is None or not rests_on_ranks:
            return
        wrong = why_not(law, deed.facts, line.name, deed.there)
        _require(not wrong, wrong, replace(deed, there=None))
        is_late = deed.looked_at - deed.listed_at > RANKS_COUNT_S + SECOND_S
        _require(not is_late, "ranked too long ago", replace(deed, there=None))

    def _check_grace(self, law: Law, deed: Deed) -> None:
        """It must have been marked, unchanged and due by the same rule of every law, for the whole of its grace.

        By the newest version that the sweeps saw which believed what they saw: one that stops being the newest and
        becomes it again between two of them restarts no grace.
        """
        if not law.grace_s:
            return
        start = deed.at - law.grace_s
        _require(deed.facts.last_accessed_at <= start, "used within its grace", deed)
        promise = self.promises.get(deed.agent, {}).get(deed.facts.seen)
        if promise is None or promise.sweeps[0].began > start + SECOND_S:
            raise ViolationError(f"not marked for all of its grace: {promise} {deed}")
        now = law.decides(deed.facts, deed.latest, deed.looked_at)
        for version, moments in self._grace_of(promise, start, deed.at):
            before = self.law(moments[0])
            lines = [before.decides(deed.facts, version, moment) for moment in moments]
            same = now is not None and (now.action, now.name) in [(line.action, line.name) for line in lines if line]
            _require(before.enforce and same, f"at {moments} not due by the same rule", deed)

    def _grace_of(self, promise: Promise, start: float, end: float) -> Iterator[tuple[str | None, tuple[float, ...]]]:
        """When a mark must have been right: the version it rested on, and the moment, or from when until when.

        A law that came into force in between is first asked by the sweep after it, of the version which that one saw.
        """
        yield promise.sweep_at(start + SECOND_S).latest, (start + SECOND_S,)
        for moment in (law.since for law in self.laws if start < law.since <= end):
            yield promise.sweep_after(moment).latest, (moment,)
        for sweep in promise.sweeps:
            if sweep.began > start:
                yield sweep.latest, (sweep.began, sweep.seen)

    def check_limits(self, agent: str, start: float, end: float, inventory: int) -> None:
        """What one sweep did, and the day that ends with it, of which the share is of what there was without it."""
        law = self.law(start)
        deleted = [d for d in self.deeds if d.agent == agent and d.action == "delete" and not d.approved]
        today = inventory + sum(start - DAY_S < deed.at < start for deed in deleted)
        for action in ("delete", "stop"):
            mine = [d for d in self.deeds if d.agent == agent and d.action == action and not d.approved]
            swept = sum(start <= deed.at <= end for deed in mine)
            if not swept:
                continue
            day = sum(end - DAY_S < deed.at <= end for deed in mine)
            allowed, daily = law.allows(law.per_sweep, inventory), law.allows(law.per_day, today)
            if swept > allowed:
                raise ViolationError(f"{swept} {action}s of {agent} in a sweep, allowed {allowed} of {inventory}")
            if day > daily:
                raise ViolationError(f"{day} {action}s of {agent} in a day, allowed {daily} of {today}")

    def is_approved(self, agent: str, action: str, facts: Facts) -> bool:
        return (agent, action, facts.seen) in self.approved

    def check_journal(self, notes: list[Note], is_there: Callable[[Note], bool]) -> None:
        """Each deed has evidence and one outcome that says so; no outcome claims what did not happen."""
        for note in notes:
            if note.ended in {"open", "in_doubt"}:
                raise ViolationError(f"nobody found out how it ended: {note}")
            if note.action == "delete" and note.ended == "done" and is_there(note):
                raise ViolationError(f"said to be done, and it is still there: {note}")
        told: dict[tuple[str, str, float, str], list[Note]] = {}
        for note in notes:
            told.setdefault((note.agent, note.session, note.created_at, note.action), []).append(note)
        done = Counter((deed.agent, deed.facts.id, deed.facts.created_at, deed.action) for deed in self.deeds)
        for key, times in done.items():
            _check_account(key, times, told.get(key, []))

    def check_twice(self) -> None:
        """No incarnation can be deleted twice."""
        deleted = [(d.agent, d.facts.id, d.facts.created_at) for d in self.deeds if d.action == "delete"]
        if len(set(deleted)) < len(deleted):
            raise ViolationError("an incarnation was deleted twice")


def _check_account(key: tuple[str, str, float, str], times: int, notes: list[Note]) -> None:
    """What the journal says of one incarnation that was deleted once, or stopped so many `times`."""
    ended = Counter(note.ended for note in notes)
    if not all(note.has_evidence for note in notes):
        raise ViolationError(f"no evidence for {key}")
    if ended["done"] + ended["unverified"] < times:
        raise ViolationError(f"done {times} times, the journal knows {dict(ended)}: {key}")
    if key[3] == "delete" and (ended["done"] > 1 or ended["already_gone"]):
        raise ViolationError(f"deleted once, the journal says {dict(ended)}: {key}")


def overdue(law: Law, sessions: Sequence[Facts], latest: str, now: float, since: float) -> list[Facts]:
    """Sessions that should be gone: due at `since` already and still due now, and by their rank, too."""
    due = [f for f in sessions if law.wants(f, latest, since) == "delete" == law.wants(f, latest, now)]
    return [f for f in due if not why_not(law, f, getattr(law.decides(f, latest, now), "name", ""), sessions)]


def _require(holds: bool, what: str, deed: Deed) -> None:
    if not holds:
        raise ViolationError(f"{what}: {deed}")

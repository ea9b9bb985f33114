"""What must never happen, judged on the platform's own record by code that shares nothing with the reaper's."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tests.sim.law_of_holds import Claims
from tests.sim.law_of_ranks import RANKS_COUNT_S, why_not
from tests.sim.voices import NOTHING, Ask, Metadata, ask_of

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
class Routed:
    """An agent's versions: the newest, those that traffic reaches (None: nobody can say), and since when the others
    were seen left behind by sweeps that believed what they saw, if they were."""

    latest: str | None
    served: frozenset[str] | None
    left: Mapping[str, float] = field(default_factory=dict)

    def is_latest(self, version: str) -> bool | None:
        return None if self.latest is None else version == self.latest

    def is_serving(self, version: str) -> bool | None:
        return None if self.served is None else version in self.served

    def is_superseded(self, version: str, now: float, grace_s: float) -> bool | None:
        """Neither served nor the latest, and seen so for the whole of the grace; None when nobody can say."""
        if self.latest is None or version == self.latest:
            return None if self.latest is None else False
        if self.served is None or version in self.served:
            return None if self.served is None else False
        return version in self.left and self.left[version] + grace_s <= now


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
    serving: bool = False

    def holds(self, facts: Facts, routed: Routed, now: float, grace_s: float) -> bool:
        allowed = {"delete": {"idle", "failed"}, "stop": {"active"}}.get(self.action)
        statuses = self.status or allowed
        return (
            (statuses is None or facts.status in statuses)
            and (self.idle_s is None or now - facts.last_accessed_at >= self.idle_s)
            and (self.age_s is None or now - facts.created_at >= self.age_s)
            and (not self.ids or any(fnmatch.fnmatchcase(facts.id, glob) for glob in self.ids))
            and all(self._placed(facts.version, routed, now, grace_s))
        )

    def _placed(self, version: str, routed: Routed, now: float, grace_s: float) -> Iterator[bool]:
        """What it asks of a version's place; what nobody can say keeps."""
        asked = (
            (self.superseded, routed.is_superseded(version, now, grace_s)),
            (self.latest, routed.is_latest(version)),
            (self.serving, routed.is_serving(version)),
        )
        return ((self.action == "keep" if holds is None else holds) for wanted, holds in asked if wanted)


AT_MOST = Line("at_most", "delete", idle_s=AGE_FLOOR_S, status=frozenset({"idle"}))


@dataclass(frozen=True)
class Law:
    """A policy as the judge reads it, in force from `since`.

    `relief_s`: a full quota may stop what no line speaks of, once it is active and idle for so long. `gentle` is the
    one that developers may choose to have to agree, too. `spread`: what limits hold back goes later, by turns, unless
    there were suddenly more candidates than by a `jump`. `closed_days`: the first and the last day of each time in
    which `open_hours` do not begin, counted from 1970. `newest`: so many stay, of each version if that is said.
    `at_most`: of more idle ones than these, the longest idle may go.
    """

    since: float
    lines: tuple[Line, ...]
    enforce: bool = True
    grace_s: int = 0
    per_sweep: tuple[int, bool] = (100, True)
    per_day: tuple[int, bool] = (100, True)
    at_least: int = 5
    open_hours: tuple[int, int] | None = None
    closed_days: tuple[tuple[int, int], ...] = ()
    relief_s: int | None = None
    gentle: Law | None = None
    spread: bool = False
    jump: tuple[int, bool] = (25, True)
    newest: int | None = None
    newest_per_version: bool = False
    at_most: int | None = None

    @property
    def asks_versions(self) -> bool:
        """Whether any line asks for an agent's versions."""
        return any(line.superseded or line.latest or line.serving for line in self.lines)

    def decides(self, facts: Facts, routed: Routed, now: float) -> Line | None:
        relief = Line("relief", "stop", idle_s=self.relief_s)
        lines = self.lines if self.at_most is None else (*self.lines, AT_MOST)
        lines = lines if self.relief_s is None else (*lines, relief)
        return next((line for line in lines if line.holds(facts, routed, now, self.grace_s)), None)

    def agreeing(self, ask: Ask) -> tuple[Law, ...]:
        """The laws that have to agree when this is asked for, each with the longer grace, which counts for both."""
        if not ask.gentle or self.gentle is None:
            return (self,)
        grace_s = max(self.grace_s, self.gentle.grace_s)
        return replace(self, grace_s=grace_s), replace(self.gentle, grace_s=grace_s)

    def wants(self, facts: Facts, routed: Routed, now: float) -> str:
        line = self.decides(facts, routed, now)
        return "keep" if line is None else line.action

    def is_open(self, now: float) -> bool:
        if self.open_hours is None:
            return True
        first, last = self.open_hours
        day, hour = now // DAY_S, now % DAY_S / 3_600
        if first < last:
            return first <= hour < last and self._begins(day)
        return (hour >= first and self._begins(day)) or (hour < last and self._begins(day - 1))

    def _begins(self, day: float) -> bool:
        return not any(closed <= day <= until for closed, until in self.closed_days)

    def allows(self, limit: tuple[int, bool], inventory: int) -> int:
        amount, percent = limit
        if not percent or amount == 0:
            return amount
        return max(inventory * amount // 100, self.at_least)


@dataclass
class Deed:
    """A delete or stop by the reaper, with the session, the agent's versions and what its developers ask for as they
    were last looked at; `routed` knows nothing where nobody may read agents.

    `number` is its place among all that ever happened on the platform. `there` are the sessions that its sweep, which
    began to list at `listed_at`, could see; None where it was lied to.
    """

    at: float
    agent: str
    action: str
    facts: Facts
    approved: bool
    looked_at: float
    routed: Routed
    ask: Ask = NOTHING
    number: int = 0
    there: tuple[Facts, ...] | None = None
    listed_at: float = 0.0


class Standing(NamedTuple):
    """How an agent's versions stand from a moment on, as people made it: see `Routed`."""

    since: float
    latest: str
    served: frozenset[str] | None


@dataclass
class Sight:
    """What one sweep that believed what it saw took an agent's versions for; `certain` once all of it is on disk.

    A version whose sessions were all `hidden` from it was not seen at all.
    """

    began: float
    latest: str | None
    served: frozenset[str] | None
    certain: bool = False
    hidden: frozenset[str] = frozenset()

    def leaves(self, version: str) -> bool:
        is_left = self.served is not None and version != self.latest and version not in self.served
        return is_left and version not in self.hidden


class Believed(NamedTuple):
    """A sweep that believed what it saw: when it began, when it had seen all, and the agent's versions by it."""

    began: float
    seen: float
    routed: Routed


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
    `sacred`: sessions of which the platform says what nobody may act on. `routes`: how each agent's `versions` stood
    when, in truth; `sights`: for what sweeps took that.
    """

    laws: list[Law] = field(default_factory=list)
    routes: dict[str, list[Standing]] = field(default_factory=dict)
    versions: dict[str, set[str]] = field(default_factory=dict)
    sights: dict[str, list[Sight]] = field(default_factory=dict)
    sayings: dict[str, list[tuple[float, Metadata]]] = field(default_factory=dict)
    approved: set[tuple[str, str, Incarnation]] = field(default_factory=set)
    promises: dict[str, dict[Incarnation, Promise]] = field(default_factory=dict)
    decided: set[tuple[str, str, Incarnation]] = field(default_factory=set)
    sacred: set[str] = field(default_factory=set)
    claims: Claims = field(default_factory=Claims)
    deeds: list[Deed] = field(default_factory=list)

    def law(self, at: float) -> Law:
        return [law for law in self.laws if law.since <= at][-1]

    def standing(self, agent: str, at: float) -> Standing:
        """How its versions stood in truth."""
        return [*self.routes[agent][:1], *(one for one in self.routes[agent] if one.since <= at)][-1]

    def ask(self, agent: str, at: float) -> Ask:
        """What the newest version's metadata asked for then."""
        said = [metadata for moment, metadata in self.sayings.get(agent, ()) if moment <= at]
        return ask_of(said[-1]) if said else NOTHING

    def asks(self, agent: str, since: float, until: float) -> set[Ask]:
        """All that was asked for at some moment between these."""
        said = (moment for moment, _ in self.sayings.get(agent, ()) if since <= moment <= until)
        return {self.ask(agent, moment) for moment in (since, *said)}

    def stood(self, agent: str, since: float, until: float) -> list[Standing]:
        """All that was true of its versions at some moment from `since` to `until`."""
        before = [one for one in self.routes[agent] if one.since < since]
        return [*before[-1:], *(one for one in self.routes[agent] if since <= one.since <= until)]

    def routed(self, agent: str, latest: str | None, served: frozenset[str] | None) -> Routed:
        """Versions that stand so, with since when sweeps saw others left behind."""
        since = {version: self._left_since(agent, version) for version in self.versions.get(agent, ())}
        return Routed(latest, served, {version: at for version, at in since.items() if at is not None})

    def _left_since(self, agent: str, version: str) -> float | None:
        """When a sweep first saw it left behind, since when none that was written down saw anything else.

        An agent that could not be read was not seen.
        """
        since = None
        for sight in reversed(self.sights.get(agent, [])):
            if sight.leaves(version):
                since = sight.began
            elif sight.certain and not (sight.latest is None and sight.served is None):
                break
        return since

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

    def check_any(self, deeds: Sequence[Deed]) -> None:
        """One deed, of which only one of these tellings must be right: it may rest on any of some looks."""
        wrong = None
        for deed in deeds:
            try:
                self.check(deed)
            except ViolationError as error:
                wrong = wrong or error
            else:
                return
        if wrong is not None:
            raise wrong

    def check(self, deed: Deed) -> None:
        """One deed, at the moment it happened."""
        law, facts, now = self.law(deed.at), deed.facts, deed.looked_at
        laws = law.agreeing(deed.ask)
        _require(now >= deed.ask.until, "its developers asked to keep it", deed)
        _require(all(one.enforce for one in laws), "acted while observing", deed)
        _require(facts.status in TOUCHABLE[deed.action], "touched what is never touched", deed)
        claim = self.claims.against(deed.agent, facts.id, facts.created_at, deed.number, deed.at)
        _require(claim is None, f"held: {claim}", deed)
        _require(facts.id not in self.sacred, "acted on a record that cannot be believed", deed)
        _require(now - facts.created_at >= AGE_FLOOR_S, "below the floor of age", deed)
        for one in laws:
            asked = one.wants(facts, deed.routed, now)
            _require(asked == deed.action, f"the policy wanted {asked}", deed)
        _require((deed.agent, deed.action, facts.seen) in self.decided, "used after the decision was made", deed)
        if deed.action == "delete":
            _require(all(one.is_open(now) for one in laws), "outside every window", deed)
            self._check_ranks(law, deed)
            self._check_grace(law, deed)
        self.deeds.append(deed)

    def _check_ranks(self, law: Law, deed: Deed) -> None:
        laws = law.agreeing(deed.ask)
        line = laws[0].decides(deed.facts, deed.routed, deed.looked_at)
        rests_on_ranks = any(one.newest is not None for one in laws) or line == AT_MOST
        if deed.there is None or line is None or not rests_on_ranks:
            return
        for one in laws:
            wrong = why_not(one, deed.facts, line.name, deed.there)
            _require(not wrong, wrong, replace(deed, there=None))
        is_late = deed.looked_at - deed.listed_at > RANKS_COUNT_S + SECOND_S
        _require(not is_late, "ranked too long ago", replace(deed, there=None))

    def _check_grace(self, law: Law, deed: Deed) -> None:
        """It must have been marked, unchanged and due by the same rule of every law, for the whole of its grace.

        By the versions as the sweeps saw them which believed what they saw: one that is served, or the newest, for
        no longer than between two of them restarts no grace.
        """
        law = law.agreeing(deed.ask)[0]
        if not law.grace_s:
            return
        start = deed.at - law.grace_s
        freed = self.claims.last_end(deed.agent, deed.facts.id, deed.facts.created_at, deed.at)
        _require(freed <= start + SECOND_S, f"held within its grace, until {freed}", deed)
        _require(deed.facts.last_accessed_at <= start, "used within its grace", deed)
        promise = self.promises.get(deed.agent, {}).get(deed.facts.seen)
        if promise is None or promise.sweeps[0].began > start + SECOND_S:
            raise ViolationError(f"not marked for all of its grace: {promise} {deed}")
        now = law.decides(deed.facts, deed.routed, deed.looked_at)
        for sweep, moments in self._grace_of(promise, start, deed.at):
            before = self.law(moments[0])
            asks = self.asks(deed.agent, sweep.began, sweep.seen) | {
                self.ask(deed.agent, moment) for moment in moments
            }
            asked = {one for ask in asks for one in before.agreeing(ask)[:1]}
            lines = [one.decides(deed.facts, sweep.routed, moment) for one in asked for moment in moments]
            same = now is not None and (now.action, now.name) in [(line.action, line.name) for line in lines if line]
            _require(before.enforce and same, f"at {moments} not due by the same rule", deed)

    def _grace_of(self, promise: Promise, start: float, end: float) -> Iterator[tuple[Believed, tuple[float, ...]]]:
        """When a mark must have been right: the sweep it rested on, and the moment, or from when until when.

        A law that came into force in between is first asked by the sweep after it, of the versions that one saw.
        Another rule may come first by the passing of time alone: no sweep has to have seen that.
        """
        first = promise.sweep_at(start + SECOND_S)
        yield first, (first.seen, start + SECOND_S)
        for moment in (law.since for law in self.laws if first.seen < law.since <= end):
            yield promise.sweep_after(moment), (moment,)
        for sweep in promise.sweeps:
            if sweep.began > start:
                yield sweep, (sweep.began, sweep.seen)

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
            laws = law.agreeing(Ask(gentle=any(deed.ask.gentle for deed in mine if start <= deed.at <= end)))
            allowed = min(one.allows(one.per_sweep, inventory) for one in laws)
            daily = min(one.allows(one.per_day, today) for one in laws)
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


def overdue(
    main: Law, law: Law, sessions: Sequence[Facts], routed: Routed, now: float, since: float, there: Sequence[Facts]
) -> list[Facts]:
    """Sessions that should be gone by a law: due at `since` already and still due now, and by their rank, too.

    What the `main` law leaves to its ranks, or does not, no law that has to agree decides by its own. How it ranked
    before, nobody knows.
    """
    due = [
        f
        for f in sessions
        if law.wants(f, routed, since) == "delete" == law.wants(f, routed, now)
        if all(
            (one.decides(f, routed, since) == AT_MOST) <= (one.decides(f, routed, now) == AT_MOST)
            for one in (main, law)
        )
    ]
    return [f for f in due if is_out_of_place(main, law, f, routed, now, there)]


def is_out_of_place(main: Law, law: Law, facts: Facts, routed: Routed, now: float, there: Sequence[Facts]) -> bool:
    """Whether how a session ranks does not keep it from what a law asks for."""
    by_rank, asks = (one.decides(facts, routed, now) == AT_MOST for one in (main, law))
    if asks and not by_rank:
        return False
    return not why_not(law, facts, AT_MOST.name if by_rank else "", there)


def _require(holds: bool, what: str, deed: Deed) -> None:
    if not holds:
        raise ViolationError(f"{what}: {deed}")

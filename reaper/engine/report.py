"""What a sweep found and did, as one value; metric, log, table, JSON and status are renderings of it."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Final, TypeAlias, TypeGuard

from reaper.core.holds import SessionHold
from reaper.core.model import Action, Incarnation, OutcomeKind
from reaper.core.plan import Hold, Item, Items, Plan
from reaper.core.policy import Policy, Rule
from reaper.core.quotas import Key
from reaper.core.record_fields import acceptance
from reaper.core.tally import SHOWN_MAX
from reaper.core.voice import SILENT, Voice
from reaper.listing.snapshot import Snapshot
from reaper.store.store import Breaker

ASKS_A_PERSON: Final = (Hold.BREAKER, Hold.JUMP, Hold.LIMIT_SWEEP, Hold.LIMIT_DAY)
"""The holds that an approval lifts."""


LEFT: Final = "left to the next sweep"


class Result(StrEnum):
    """How a sweep of one agent ended; the values of `sweeps_total{result}`."""

    OK = "ok"
    INCOMPLETE = "incomplete"
    UNTRUSTED = "untrusted"
    WITHHELD = "withheld"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one action ended. `at` is platform time, `why` explains anything but `done`.

    `window_s` is what no guard covers: from the answer to the last look until the action went out, known when the
    platform accepted it. `refused`: the platform understood, and said no. `request_id` is the platform's name for the
    answer that accepted or refused it.
    """

    item: Item
    kind: OutcomeKind
    at: float
    why: str = ""
    window_s: float | None = None
    refused: bool = False
    request_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One sweep of one agent, however far it came.

    `started` and `seconds` are local, `why` says in words what went wrong. `relief` is the rule by which the agent's
    quota may stop sessions when full. `voice` is what its developers ask for.
    """

    sweep_id: str
    project: str
    agent: str
    policy: Policy
    result: Result
    started: float
    observed: bool
    seconds: float = 0.0
    why: str = ""
    breaker: Breaker | None = None
    skew: float | None = None
    relief: Rule | None = None
    voice: Voice = SILENT

    @property
    def key(self) -> Key:
        return (self.project, self.agent)

    @property
    def asked(self) -> str:
        """What the agent's developers ask for, in one line; '' for nothing."""
        return self.voice.told(self.started)

    @property
    def rules(self) -> Sequence[Rule]:
        """Every rule that may catch a session of this agent: the policy's, then its quota's."""
        rules = self.policy.all_rules
        return rules if self.relief is None else (*rules, self.relief)


@dataclass(frozen=True, kw_only=True)
class Failed(Attempt):
    """A sweep that came to no plan: the agent could not be listed, the state could not be read, or it crashed."""


@dataclass(frozen=True, kw_only=True)
class Swept(Attempt):
    """A sweep that listed its agent and made a plan, if only one in which everything is held.

    `plan.now` is the platform's time. `doubts` say why its inventory is not believed, `unranked` why its ranks are
    not. `known_fields` are those that the project accepts. `under_way`: it is being carried out, and how that ends is
    not known yet. `unfinished`: its time was over before all was done, which is no failure.
    """

    snapshot: Snapshot
    plan: Plan
    outcomes: Sequence[Outcome] = ()
    doubts: Sequence[str] = ()
    unranked: str = ""
    used_today: Mapping[Action, int] = field(default_factory=dict)
    known_fields: frozenset[str] = frozenset()
    under_way: bool = False
    unfinished: bool = False

    @property
    def asked(self) -> str:
        return self.voice.told(self.plan.now)

    @cached_property
    def trusted(self) -> bool:
        """Whether what was listed is complete and believed."""
        return not self.snapshot.incomplete and not self.doubts

    @cached_property
    def blocked(self) -> Counter[str]:
        """Candidates not acted on, by reason."""
        return Counter({str(hold): count for hold, count in self.plan.blocked.items()})

    @cached_property
    def holds(self) -> tuple[SessionHold, ...]:
        """The holds that stood on the agent's sessions, those that end first before the others."""
        standing = self.plan.holds.standing(self.plan.now or self.started)
        return tuple(sorted(standing, key=lambda hold: (hold.ends_at, hold.session, hold.id)))

    @cached_property
    def by_rule(self) -> Counter[str]:
        """Candidates by the rule that caught them."""
        return self.plan.tally.by_rule

    @cached_property
    def totals(self) -> dict[str, int]:
        """How many sessions the policy would keep, stop and delete."""
        asked = self.plan.tally.by_action
        kept = self.snapshot.sessions - asked.total()
        return {"keep": kept, "stop": asked[Action.STOP], "delete": asked[Action.DELETE]}

    @cached_property
    def waiting(self) -> Counter[str]:
        """Candidates that wait for a person to approve them, by reason: not those whose turn comes by itself."""
        asks = (Hold.BREAKER, Hold.JUMP) if self.plan.left else ASKS_A_PERSON
        return Counter({str(hold): self.blocked[hold] for hold in asks if self.blocked[hold]})

    @property
    def withheld(self) -> bool:
        """Whether a guard holds back actions that a person could approve."""
        return bool(self.waiting)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know although nothing went wrong."""
        moved = (
            f"{self.plan.expiry_moved} sessions have another expires_at than when they were marked, although nobody "
            "used them since: their grace began anew, and while the platform goes on so, they are never deleted"
        )
        unranked = f"how sessions rank among each other cannot be judged: {self.unranked}"
        late = f"its time was over before all was done: the others are {LEFT}" if self.unfinished else ""
        under_way = "it is being carried out: how that ends is not known yet" if self.under_way else ""
        told = [
            under_way,
            late,
            *self._spread,
            moved if self.plan.expiry_moved else "",
            self._unclear_text,
            self._strange_text,
        ]
        return tuple(filter(None, [unranked if self.unranked else "", *told]))

    @property
    def _unclear_text(self) -> str:
        """That rules which ask where traffic goes cannot be judged, and why."""
        unclear = self.plan.agent.serving.unclear
        if not (unclear and self.policy.asks_version):
            return ""
        return f"where traffic goes cannot be judged, so what rules ask of it keeps sessions: {unclear}"

    @property
    def _spread(self) -> tuple[str, ...]:
        """What limits leave for later sweeps, or will once all else allows it."""
        plan = self.plan
        if plan.left or plan.jump:
            return tuple(map(str, plan.left))
        return tuple(
            f"once due, {one.left:,} {one.action}s go by the limits, the longest overdue first: {one.pace()}"
            for one in plan.ahead
        )

    @property
    def accepts_with(self) -> str:
        """The line of YAML by which the project accepts the fields that are new in its records; '' for none."""
        return acceptance(self.snapshot.strange, self.known_fields)

    @property
    def _strange_text(self) -> str:
        if not self.snapshot.strange:
            return ""
        names, setting = ", ".join(sorted(self.snapshot.strange)), self.accepts_with
        how = f": write `{setting}` under projects.{self.project} to accept them" if setting else ""
        return f"records have fields that this version does not know ({names}), so their sessions are kept{how}"

    @cached_property
    def limit_remaining(self) -> dict[str, int]:
        """Deletes that the limits would still allow, in one sweep and in the day."""
        limits, inventory = self.policy.limits, self.snapshot.sessions
        used = self.used_today.get(Action.DELETE, 0)
        day = limits.per_day.of(inventory + used, limits.at_least) - used
        return {"sweep": limits.per_sweep.of(inventory, limits.at_least), "day": max(day, 0)}

    @cached_property
    def oldest_overdue_s(self) -> float:
        """How long the most overdue candidate has been due, its grace counted in."""
        tally = self.plan.tally
        return self.plan.now - tally.due_since if tally.groups else 0.0

    def settled(self) -> Swept:
        """The same for who looks at it later: of its candidates there are the first few, the others are counted."""
        plan, ended = self.plan, {outcome.item.session.incarnation for outcome in self.outcomes}
        if isinstance(plan.items, Items) and len(plan.items) <= SHOWN_MAX:
            return self
        known = {item.session.incarnation: item for item in plan.tally.first}
        known |= {outcome.item.session.incarnation: outcome.item for outcome in self.outcomes}
        shown = heapq.nsmallest(SHOWN_MAX, known.values(), key=lambda item: place_shown(item, ended))
        return replace(
            self,
            plan=replace(plan, items=Items(shown), marks=None),
            snapshot=replace(self.snapshot, candidates=(), kept=(), landmarks=()),
        )


Report: TypeAlias = Failed | Swept
"""How one sweep of one agent ended."""


def is_under_way(report: Report) -> bool:
    """Whether the report is of a plan that is being carried out now: what it has done still grows."""
    return isinstance(report, Swept) and report.under_way


def place_shown(item: Item, ended: Container[Incarnation]) -> tuple[bool, float, str]:
    """Where a candidate stands among others: those still open before those that ended, the earliest first."""
    return item.session.incarnation in ended, item.ripe_at, item.session.id


def is_trusted(report: Report) -> TypeGuard[Swept]:
    """Whether an agent was listed, and what was listed is complete and believed."""
    return isinstance(report, Swept) and report.trusted

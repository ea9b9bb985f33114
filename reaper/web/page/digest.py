"""One report in numbers: read once, however often the page is asked for. Pure."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from reaper.core.model import Action, OutcomeKind
from reaper.core.plan import Hold
from reaper.core.policy import Policy
from reaper.core.quotas import Key
from reaper.core.tally import minute_of
from reaper.engine.report import Failed, Report, Swept, is_under_way

PROMISED: Final = frozenset({Hold.GRACE, Hold.WINDOW})
"""What passes by itself: these are deleted when their time has come."""
TROUBLE: Final = frozenset({OutcomeKind.FAILED, OutcomeKind.IN_DOUBT, OutcomeKind.UNVERIFIED})


@dataclass(frozen=True, slots=True)
class Group:
    """Candidates that one rule caught and one reason holds; `first` and `last` are when they may go at the earliest.

    Times are None when no window lets them go. `hold` is None for those that the sweep did not come to.
    """

    rule: str
    action: Action
    hold: Hold | None
    count: int
    first: float | None
    last: float | None


@dataclass(frozen=True, slots=True)
class Digest:
    """What a page says of one report. `ripening` counts promised deletions by the minute they may go."""

    report: Report
    groups: tuple[Group, ...] = ()
    ripening: Counter[int] = field(default_factory=Counter)
    deleted: int = 0
    stopped: int = 0
    troubled: int = 0

    @property
    def promised(self) -> int:
        """How many candidates go by themselves, sooner or later."""
        return sum(group.count for group in self.groups if group.hold in PROMISED)

    @property
    def observed(self) -> int:
        """How many candidates only observing holds back."""
        return sum(group.count for group in self.groups if group.hold is Hold.OBSERVE)


def digest(report: Report) -> Digest:
    """One pass over a report's candidates; an inventory that is not believed has none."""
    if isinstance(report, Failed):
        return Digest(report)
    groups, ripening = _open_items(report) if report.trusted else ((), Counter[int]())
    done = Counter(outcome.item.action for outcome in report.outcomes if outcome.kind is OutcomeKind.DONE)
    troubled = sum(outcome.kind in TROUBLE for outcome in report.outcomes)
    return Digest(report, tuple(groups), ripening, done[Action.DELETE], done[Action.STOP], troubled)


def _open_items(report: Swept) -> tuple[Sequence[Group], Counter[int]]:
    minutes: defaultdict[tuple[str, Action, Hold | None], Counter[int]] = defaultdict(Counter)
    for group, counted in report.plan.tally.groups.items():
        minutes[group.rule, group.action, group.hold].update(counted.minutes)
    for outcome in report.outcomes:
        item = outcome.item
        minutes[item.rule, item.action, item.hold][minute_of(item.ripe_at, report.plan.now)] -= 1
    minutes = defaultdict(Counter, {key: left for key, counts in minutes.items() if (left := +counts)})
    promised = {minute for (_, _, hold), counts in minutes.items() if hold in PROMISED for minute in counts}
    goes = _openings(promised, report.policy)
    groups = [_group(*key, counts, goes) for key, counts in minutes.items()]
    ripening: Counter[int] = Counter()
    for (_, _, hold), counts in minutes.items():
        for minute, count in counts.items() if hold in PROMISED else ():
            if (opening := goes[minute]) is not None:
                ripening[math.ceil(opening)] += count
    return groups, ripening


def _openings(minutes: Iterable[int], policy: Policy) -> dict[int, float | None]:
    """When each minute's promises may be kept: the minute itself, or when a window opens after it."""
    found: dict[int, float | None] = {}
    opening: float | None = -math.inf
    for minute in sorted(minutes):
        # A minute before the opening found last lies in the same closed hours: searching again would be waste.
        if opening is not None and minute > opening:
            opening = policy.opens_at(minute)
        found[minute] = opening
    return found


def _group(
    rule: str, action: Action, hold: Hold | None, counts: Counter[int], goes: dict[int, float | None]
) -> Group:
    known = [at for minute in counts if (at := goes.get(minute, minute)) is not None]
    return Group(rule, action, hold, counts.total(), min(known, default=None), max(known, default=None))


@dataclass(slots=True)
class Digests:
    """Digests of the latest reports, each made once; of one that is being carried out whenever it is asked for."""

    _known: dict[Key, Digest] = field(default_factory=dict)

    def of(self, reports: Iterable[Report]) -> list[Digest]:
        """The digests of these reports; those of all others are forgotten."""
        fresh: dict[Key, Digest] = {}
        for report in reports:
            known = self._known.get(report.key)
            same = known is not None and known.report is report and not is_under_way(report)
            fresh[report.key] = known if known is not None and same else digest(report)
        self._known = fresh
        return list(fresh.values())

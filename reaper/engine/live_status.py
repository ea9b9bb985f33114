"""What is known now: the latest report of each agent, and what the daemon is doing. Metrics and status read it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from reaper.clock import Clock
from reaper.core.policy import Policy
from reaper.core.quotas import Key
from reaper.core.settings import Quota
from reaper.engine import events
from reaper.engine.report import Report, Result, Swept, is_trusted

RECENT_ACTIONS: Final = 200


@dataclass(slots=True)
class LiveStatus:
    """The present state of the world as sweeps have last seen it. Times are local.

    `option` is what a command beside this process must be given to find the same configuration, '' for nothing.
    `unwatched` are projects that enforce without `must_see`; the sessions under it that the last listing showed are
    in `must_see`, with when they expire, by project. `sweeping` are the agents that are being swept, and since when;
    `latest` has what such a sweep will report from the moment on that its plan stands. `sweep_interval_s` is the
    longest gap of the schedule, `policies` are those that each project's agents get. `progressed_at` is monotonic,
    `progressed_on` the same moment by the wall clock, None before anything has ended.
    """

    clock: Clock
    latest: dict[Key, Report] = field(default_factory=dict)
    succeeded: dict[Key, float] = field(default_factory=dict)
    believed: dict[Key, Counter[str]] = field(default_factory=dict)
    sweeping: dict[Key, float] = field(default_factory=dict)
    managed: dict[str, Mapping[str, str]] = field(default_factory=dict)
    unmanaged: dict[str, Sequence[str]] = field(default_factory=dict)
    recent: deque[events.ActionEnded] = field(default_factory=lambda: deque(maxlen=RECENT_ACTIONS))
    pools: Sequence[Quota] = ()
    config_hash: str = ""
    config_errors: Sequence[str] = ()
    config_read_at: float = 0.0
    approvals_unknown: Sequence[str] = ()
    policies: Sequence[tuple[str, Policy]] = ()
    unwatched: Sequence[str] = ()
    must_see: dict[str, Mapping[str, float]] = field(default_factory=dict)
    sweep_interval_s: float | None = None
    next_sweep_at: float | None = None
    ready: bool = False
    standby: str = ""
    state_fault: str = ""
    option: str = ""
    progressed_at: float = field(init=False)
    progressed_on: float | None = None

    def __post_init__(self) -> None:
        self.excused()

    def hear(self, event: events.Event) -> None:
        """Take in what a sweep has just done."""
        match event:
            case events.SweepBegun(project, agent, at):
                self.sweeping[project, agent] = at
            case events.PageRead():
                self.progressed()
            case events.Judged(report):
                # Outcomes join it one by one: a report made anew for each of thousands would take too long.
                self._tell(replace(report, outcomes=[]))
                self.progressed()
            case events.ActionEnded():
                self.progressed()
                self.recent.append(event)
                self._acted(event)
            case events.SweepEnded(report):
                self._ended(report)
            case events.QuotaRelieved(report):
                known = self.latest.get(report.key)
                if known is not None and known.sweep_id == report.sweep_id:
                    self.latest[report.key] = report.settled()
            case events.AgentsFound(project, managed, unmanaged):
                self.managed[project], self.unmanaged[project] = managed, unmanaged
                self._forget(key for key in self.latest if key[0] == project and key[1] not in managed)
            case events.UnknownApprovals(names):
                self.approvals_unknown = tuple(names)
            case events.MustSeeListed(project, expiries):
                self.must_see[project] = expiries
            case events.Planned():
                pass
            case _:
                assert_never(event)

    def _ended(self, report: Report) -> None:
        self.sweeping.pop(report.key, None)
        self._tell(report)
        self.progressed()
        if report.result in {Result.OK, Result.WITHHELD}:
            self.succeeded[report.key] = self.clock.wall()
        if report.result is not Result.FAILED:
            self.ready = True

    def _acted(self, event: events.ActionEnded) -> None:
        known = self.latest.get((event.project, event.agent))
        if isinstance(known, Swept) and known.under_way and isinstance(known.outcomes, list):
            known.outcomes.append(event.outcome)

    def _tell(self, report: Report) -> None:
        self.latest[report.key] = report.settled() if isinstance(report, Swept) else report
        if is_trusted(report):
            self.believed[report.key] = report.snapshot.by_status

    def keep_projects(self, projects: Sequence[str]) -> None:
        """Forget projects that the configuration no longer names."""
        for known in (self.managed, self.unmanaged, self.must_see):
            for project in known.keys() - set(projects):
                del known[project]
        self._forget(key for key in self.latest if key[0] not in projects)

    def _forget(self, keys: Iterable[Key]) -> None:
        for key in list(keys):
            del self.latest[key]
            self.succeeded.pop(key, None)
            self.believed.pop(key, None)

    def progressed(self) -> None:
        """This process has come further, whether the platform let it or not."""
        self.progressed_at, self.progressed_on = self.clock.monotonic(), self.clock.wall()

    def excused(self) -> None:
        """Nothing was to be expected until now, so the time in which this process must come further starts here."""
        self.progressed_at = self.clock.monotonic()

    def trusted(self) -> Iterator[Swept]:
        """The latest reports whose listing was complete and believed."""
        return filter(is_trusted, self.latest.values())

    def agents(self) -> Iterator[tuple[tuple[str, str], int]]:
        """How many agents each project has under each policy; '' is managed by none."""
        for project, managed in self.managed.items():
            yield from (((project, policy), count) for policy, count in Counter(managed.values()).items())
            yield (project, ""), len(self.unmanaged.get(project, ()))

    def skews(self) -> dict[str, float]:
        """The platform's clock minus the local one, by project."""
        return {key[0]: report.skew for key, report in self.latest.items() if report.skew is not None}

    def quotas(self) -> Iterator[tuple[Quota, int | None]]:
        """Each pool with the sessions counted against it; None while nothing of it is believed.

        One agent that is not believed counts as it last was: a gap would look like room, and its end like growth.
        """
        for quota in self.pools:
            counts = (statuses for key, statuses in self.believed.items() if key[0] in quota.projects)
            used = sum(statuses[status] for statuses in counts for status in quota.counts)
            believed = any(report.project in quota.projects for report in self.trusted())
            yield quota, used if believed else None

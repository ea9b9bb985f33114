"""What the reaper tells while it sweeps, as a listener hears it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from reaper.core.plan import Plan
from reaper.engine.events import ActionEnded, Event, Planned, QuotaRelieved, SweepEnded
from reaper.engine.report import Outcome, Report


@dataclass
class Heard:
    """Remembers every report and every plan, and passes on plans and outcomes as they come."""

    reports: list[Report] = field(default_factory=list)
    relieved_reports: list[Report] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    on_plan: Callable[[Plan], None] = lambda _: None
    on_outcome: Callable[[str, Outcome], None] = lambda *_: None

    def hear(self, event: Event) -> None:
        match event:
            case Planned(plan=plan):
                self.plans.append(plan)
                self.on_plan(plan)
            case ActionEnded(agent=agent, outcome=outcome):
                self.on_outcome(agent, outcome)
            case SweepEnded(report):
                self.reports.append(report)
            case QuotaRelieved(report):
                self.relieved_reports.append(report)

    @property
    def latest(self) -> dict[str, Report]:
        return {report.agent: report for report in self.reports}

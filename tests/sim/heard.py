"""What the reaper tells while it sweeps, as a listener hears it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from reaper.core.planner import Plan
from reaper.engine.report import Listener, Outcome, Report


@dataclass
class Heard(Listener):
    """Remembers every report and every plan, and passes on plans and outcomes as they come."""

    reports: list[Report] = field(default_factory=list)
    relieved_reports: list[Report] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    on_plan: Callable[[Plan], None] = lambda _: None
    on_outcome: Callable[[str, Outcome], None] = lambda *_: None

    def outcome(self, project: str, agent: str, outcome: Outcome) -> None:
        self.on_outcome(agent, outcome)

    def relieved(self, report: Report) -> None:
        self.relieved_reports.append(report)

    def planned(self, project: str, plan: Plan) -> None:
        self.plans.append(plan)
        self.on_plan(plan)

    def report(self, report: Report) -> None:
        self.reports.append(report)

    @property
    def latest(self) -> dict[str, Report]:
        return {report.agent: report for report in self.reports}

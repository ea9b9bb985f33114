"""One agent's page as plain values, with the reason behind each candidate. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reaper.core.durations import show_time
from reaper.core.hold_text import hold_text
from reaper.core.plan import Hold, Item, Plan
from reaper.core.policy import reason
from reaper.core.tally import SHOWN_MAX
from reaper.engine.live_status import LiveStatus
from reaper.engine.report import Outcome, Report, Swept, is_trusted, place_shown
from reaper.web.page.charts import Bars, time_line
from reaper.web.page.coming import Next, coming
from reaper.web.page.digest import Digest
from reaper.web.page.health import SWEPT, HealthProblem, State, Wait, nothing_next, problems, state, wait
from reaper.web.page.overview import ACTIONS_MAX, AgentRow, Done, agent_row, done, more
from reaper.web.page.wording import HOLDS, OUTCOMES, joined, plural, relative, safe

CANDIDATES_MAX: Final = SHOWN_MAX
HOLDS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """One candidate: which rule caught it, by which values, and what became of it or holds it."""

    session: str
    action: str
    rule: str
    reason: str
    became: str


@dataclass(frozen=True, slots=True)
class HoldRow:
    """One hold that stands: on which session, until when, whose it is and why."""

    session: str
    until: str
    by: str
    why: str
    hold: str


@dataclass(frozen=True, slots=True)
class Detail:
    """One agent's page; `more_candidates` and `more_holds` say what their lists leave out."""

    state: State
    row: AgentRow
    sentence: str
    problems: tuple[HealthProblem, ...]
    wait: Wait | None
    facts: tuple[tuple[str, str], ...]
    line: Bars | None
    next: tuple[Next, ...]
    nothing_next: str
    candidates: tuple[CandidateRow, ...]
    more_candidates: str
    holds: tuple[HoldRow, ...]
    more_holds: str
    actions: tuple[Done, ...]


def detail(
    live: LiveStatus, digests: Sequence[Digest], key: tuple[str, str], stuck: str, now: float
) -> Detail | None:
    """What the page of one agent says; None for an agent that no sweep has met."""
    one = next((one for one in digests if one.report.key == key), None)
    if one is None:
        return None
    report, row = one.report, agent_row(one, now)
    rows = candidates(report, now)
    held = len(report.holds) if isinstance(report, Swept) else 0
    mine = (action for action in reversed(live.recent) if (action.project, action.agent) == key)
    return Detail(
        state=state(live, digests, stuck, now),
        row=row,
        sentence=_sentence(one, row),
        problems=tuple(problems(live, [report], now)),
        wait=wait(report, live.option),
        facts=tuple(_facts(report)),
        line=time_line(one.ripening, now),
        next=tuple(coming([one], now)),
        nothing_next=nothing_next([one]),
        candidates=tuple(rows),
        more_candidates=_more(report, len(rows)),
        holds=tuple(_holds(report)),
        more_holds=more(held - HOLDS_MAX, "hold"),
        actions=tuple(done(mine, now)[:ACTIONS_MAX]),
    )


def _sentence(one: Digest, row: AgentRow) -> str:
    report = one.report
    when = row.swept.words if row.swept else ""
    if report.result not in SWEPT:
        return f"The sweep {when} did not go well: {RESULT_WORDS[report.result]}."
    asked = ", a plan waits for you" if isinstance(report, Swept) and report.withheld else ""
    return f"Swept {when}: {row.did} {'done' if row.did == 'nothing' else 'in this sweep'}{asked}."


RESULT_WORDS: Final = {
    "incomplete": "the listing broke off",
    "untrusted": "what was listed is not believed",
    "failed": "it failed",
}


def _facts(report: Report) -> list[tuple[str, str]]:
    """The numbers of one sweep; none of an inventory that is not believed."""
    facts = [
        ("Policy", safe(report.policy.name)),
        ("Mode", "observing: nothing is touched" if report.observed else "enforcing"),
        ("Last sweep took", f"{report.seconds:.1f} s"),
        *([("Its developers ask", safe(report.asked))] if report.asked else []),
    ]
    if not is_trusted(report):
        return facts
    left = report.limit_remaining
    malformed = sum(report.snapshot.malformed.values())
    listed_at, now, agent = report.snapshot.listed_at, report.snapshot.now, report.plan.agent
    return [
        *facts,
        ("Listed", f"{plural(report.snapshot.sessions, 'session')} on {plural(report.snapshot.pages, 'page')}"),
        *([("All of them listed", show_time(listed_at))] if listed_at and listed_at != now else []),
        ("Kept", f"{report.totals['keep']:,}"),
        *([("Traffic", safe(agent.routing))] if agent.latest is not None or agent.selector is not None else []),
        ("Limits still allow", f"{left['sweep']:,} deletes a sweep, {left['day']:,} today"),
        *(("Left for later sweeps", str(one)) for one in report.plan.left),
        *([("Malformed records, kept", f"{malformed:,}")] if malformed else []),
        *([("Plan", report.plan.id)] if report.plan.tally.total else []),
    ]


def candidates(report: Report, now: float) -> list[CandidateRow]:
    """The first candidates with their reasons: those still open before those that ended, the earliest first."""
    if not is_trusted(report):
        return []
    plan = report.plan
    ended = {outcome.item.session.incarnation: outcome for outcome in report.outcomes}
    first = heapq.nsmallest(
        CANDIDATES_MAX,
        plan.items,
        key=lambda item: place_shown(item, ended),
    )
    return [
        CandidateRow(
            session=safe(item.session.id),
            action=str(item.action),
            rule=safe(item.rule),
            reason=safe(reason(item.session, item.decision, plan.policy, plan.agent, plan.now)),
            became=safe(_became(item, plan, ended.get(item.session.incarnation), now)),
        )
        for item in first
    ]


def _holds(report: Report) -> Iterator[HoldRow]:
    """The first holds on its sessions, those that end first at the top."""
    for hold in report.holds[:HOLDS_MAX] if isinstance(report, Swept) else ():
        case = f"case {hold.legal}" if hold.legal else ""
        yield HoldRow(
            session=safe(hold.session if hold.created_at is not None else f"{hold.session}, whoever has this id"),
            until=f"to the end of {hold.until}" if hold.until else "without an end",
            by=safe(hold.by) or "-",
            why=safe(": ".join(part for part in (case, hold.reason) if part)),
            hold=f"{hold.id} of the configuration" if hold.configured else hold.id,
        )


def _became(item: Item, plan: Plan, outcome: Outcome | None, now: float) -> str:
    """What was done with a candidate, or what it waits for."""
    if outcome is not None:
        return joined([OUTCOMES[outcome.kind], outcome.why])
    if item.hold is None:
        return "not tried in this sweep"
    if item.hold is Hold.GRACE and item.ripe_at > now:
        return f"in grace, may go {relative(item.ripe_at - now)}"
    if item.hold is Hold.WINDOW:
        return plan.policy.closed_text(now)
    if item.hold is Hold.HOLD:
        return hold_text(item, plan) or HOLDS[item.hold]
    if item.hold is Hold.STRANGE:
        return f"{HOLDS[item.hold]}: {', '.join(item.session.strange)}"
    return HOLDS[item.hold]


def _more(report: Report, shown: int) -> str:
    total = report.plan.tally.total if is_trusted(report) else 0
    if total <= shown:
        return ""
    return f"The first {shown:,} of {total:,} candidates. `reaper plan --output json` lists all."

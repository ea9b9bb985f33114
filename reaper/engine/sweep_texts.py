"""Why a sweep ended as it did, in words for a person: what is not believed, what does not work, what is withheld."""

from __future__ import annotations

from reaper.core.command_lines import command, only
from reaper.core.inventory_checks import Baseline
from reaper.core.model import OutcomeKind
from reaper.core.plan import Hold
from reaper.engine.report import Swept
from reaper.listing.snapshot import Snapshot


def disbelief_text(snapshot: Snapshot, base: Baseline | None, missing: frozenset[str]) -> str:
    """What was listed beside what was expected, and what is wrong with it."""
    parts = [f"{snapshot.sessions} sessions listed"]
    if base is not None:
        parts.append(f"{max(base.sessions - base.deleted_since, 0)} expected from the last believed sweep")
    if missing:
        parts.append(f"must_see not seen: {', '.join(sorted(missing))} (does the identity still have its role?)")
    if snapshot.malformed:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(snapshot.malformed.items()))
        parts.append(f"malformed records: {reasons}")
    if snapshot.disorder:
        parts.append(f"{snapshot.disorder} records out of order")
    return "; ".join(parts)


def failing_text(report: Swept) -> str:
    """What does not work: actions that failed, or that are left alone since they were refused; '' while all does."""
    failed = [outcome for outcome in report.outcomes if outcome.kind is OutcomeKind.FAILED]
    if failed:
        return f"{len(failed)} of {len(report.outcomes)} actions failed, the last one: {failed[-1].why}"
    refused = report.blocked[Hold.REFUSED]
    if refused and not report.outcomes:
        return (
            f"{refused} actions that the platform refused wait to be tried again, an hour to a day after each refusal"
        )
    return ""


def withheld_text(report: Swept) -> str:
    """What holds the plan back, how to look at it, and how to let it run."""
    plan, breaker = report.plan, report.breaker
    reasons = (
        [f"the breaker is open: {breaker.reason}"]
        if breaker
        else [str(one) for one in (plan.jump, *plan.excess) if one]
    )
    look = command("plan", project=report.project, agent=only(report.agent))
    return f"{'; '.join(reasons)}. Look: {look}. Approve: {command('approve', plan.id)}"

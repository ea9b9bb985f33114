"""The state in sentences: whether it works, what is wrong and why, what waits for a person. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from reaper.core.command_lines import command, only
from reaper.core.plan import Hold
from reaper.core.record_fields import acceptance
from reaper.engine.live_status import LiveStatus
from reaper.engine.report import Report, Result, Swept, is_trusted
from reaper.web.page.digest import Digest
from reaper.web.page.wording import RESULTS, Moment, address, joined, listed, moment, plural, safe

SWEPT: Final = frozenset({Result.OK, Result.WITHHELD})
NAMES_SHOWN: Final = 8
ADVICE: Final = {
    Result.INCOMPLETE: "Nothing was touched. The next sweep lists again from the start.",
    Result.UNTRUSTED: "Nothing was touched, and nothing will be until a listing is believable again.",
    Result.FAILED: "Nothing more is done here until the next sweep tries again.",
}


class Tone(StrEnum):
    """How bad it is; each has a word and a sign beside its colour."""

    OK = "ok"
    WAIT = "wait"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class State:
    """The first lines of a page: the whole state in one sentence, and what is known around it."""

    tone: Tone
    sentence: str
    next_sweep: Moment | None
    made: str
    stuck: str
    config_hash: str
    config_errors: tuple[str, ...]
    unknown_approvals: tuple[str, ...]
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """What is no trouble, but for a person to know; `setting` is what to write into the configuration."""

    words: str
    setting: str = ""


@dataclass(frozen=True, slots=True)
class HealthProblem:
    """What failed, for which agents, why, and what follows from it; `href` leads to the first of them."""

    result: str
    agents: str
    href: str
    why: str
    advice: str
    last_good: Moment | None


@dataclass(frozen=True, slots=True)
class Wait:
    """A plan that waits for a person, or (`ahead`) will once it is due, and the commands that show and release it."""

    name: str
    href: str
    ahead: bool
    what: str
    why: tuple[str, ...]
    approve: str
    look: str


def state(live: LiveStatus, digests: Sequence[Digest], stuck: str, now: float) -> State:
    """The state of everything that is known."""
    return State(
        tone=tone(live, digests, stuck),
        sentence=_sentence(live, digests, stuck),
        next_sweep=moment(live.next_sweep_at, now) if live.next_sweep_at else None,
        made=datetime.fromtimestamp(now, UTC).strftime("%H:%M:%S UTC"),
        stuck=safe(stuck),
        config_hash=live.config_hash,
        config_errors=tuple(safe(error) for error in live.config_errors),
        unknown_approvals=tuple(live.approvals_unknown),
        notices=(*_strange(digests), *_unwatched(live)),
    )


def _strange(digests: Iterable[Digest]) -> Iterator[Notice]:
    """New fields of the platform's records, by project, with the setting that accepts them."""
    new: defaultdict[str, set[str]] = defaultdict(set)
    accepted: dict[str, frozenset[str]] = {}
    for report in (one.report for one in digests):
        if isinstance(report, Swept) and report.snapshot.strange:
            new[report.project] |= report.snapshot.strange
            accepted[report.project] = report.known_fields
    for project, names in sorted(new.items()):
        setting = acceptance(names, accepted[project])
        how = f". To accept them, write under projects.{safe(project)}:" if setting else "."
        told = listed([safe(name) for name in sorted(names)], NAMES_SHOWN)
        words = f"Records of {safe(project)} have fields that this version does not know: {told}"
        yield Notice(f"{words}. Sessions that carry one are kept{how}", setting)


def _unwatched(live: LiveStatus) -> Iterator[Notice]:
    if live.unwatched:
        names = listed([safe(name) for name in live.unwatched], NAMES_SHOWN)
        yield Notice(
            f"Enforcing without must_see: {names}. If the identity loses its role, its own sessions seem to be all "
            "there are, and nothing says so. Name a session that another identity made."
        )


def tone(live: LiveStatus, digests: Sequence[Digest], stuck: str) -> Tone:
    """The worst of what is known; a process that stands by, or has not swept yet, waits."""
    results = {one.report.result for one in digests}
    if stuck or live.state_fault or not all(map(went_well, digests)):
        return Tone.BAD
    waits = live.standby or not results or live.config_errors or live.approvals_unknown or Result.WITHHELD in results
    return Tone.WAIT if waits else Tone.OK


def _sentence(live: LiveStatus, digests: Sequence[Digest], stuck: str) -> str:
    if live.state_fault:
        return f"Nothing is touched, the state cannot be relied on: {safe(live.state_fault)}."
    if live.standby:
        return f"This process stands by: {safe(live.standby)}."
    if stuck:
        return f"Something is stuck: {safe(stuck)}."
    if not digests:
        return "No sweep has finished yet."
    return f"{_swept(live, digests)}, {_done(digests)}, {_waiting(live, digests)}."


def _swept(live: LiveStatus, digests: Sequence[Digest]) -> str:
    keys = {(project, agent) for project, managed in live.managed.items() for agent in managed}
    total = len(keys | {one.report.key for one in digests})
    swept = sum(one.report.result in SWEPT for one in digests)
    if swept == total:
        return f"All {total} agents swept" if total > 1 else "The only agent was swept"
    return f"{swept or 'None'} of {plural(total, 'agent')} swept"


def _done(digests: Sequence[Digest]) -> str:
    deleted, stopped = sum(one.deleted for one in digests), sum(one.stopped for one in digests)
    troubled, observed = sum(one.troubled for one in digests), sum(one.observed for one in digests)
    watching = all(one.report.observed for one in digests)
    acted = " and ".join(f"{count:,} {what}" for count, what in ((deleted, "deleted"), (stopped, "stopped")) if count)
    return joined(
        [
            f"{acted or 'nothing deleted'} in the last sweeps",
            f"{plural(troubled, 'action')} without success" if troubled else "",
            f"{plural(observed, 'candidate')} only observed" if watching else "",
        ]
    )


def _waiting(live: LiveStatus, digests: Sequence[Digest]) -> str:
    plans = sum(is_trusted(one.report) and one.report.withheld for one in digests)
    agents = sum(not went_well(one) for one in digests)
    asks = [
        f"{plural(plans, 'plan')} {'waits' if plans == 1 else 'wait'} for you" if plans else "",
        f"{plural(agents, 'agent')} {'needs' if agents == 1 else 'need'} a look" if agents else "",
        "the configuration needs a look" if live.config_errors else "",
    ]
    return joined(asks) or "nothing waits for you"


def went_well(one: Digest) -> bool:
    """Whether a sweep did its job, and every action that it began."""
    return one.report.result in SWEPT and not one.troubled


def nothing_next(digests: Iterable[Digest]) -> str:
    """What an empty list of candidates means: that there are none, or that nobody knows."""
    if all(one.report.result in SWEPT for one in digests):
        return "No candidate waits for anything."
    return "What waits is not known where the last sweep did not go well."


def problems(live: LiveStatus, reports: Iterable[Report], now: float) -> list[HealthProblem]:
    """Every sweep that did not go well, those with the same cause together."""
    causes: defaultdict[tuple[str, Result, str], list[Report]] = defaultdict(list)
    for report in reports:
        if report.result not in SWEPT:
            causes[report.project, report.result, report.why].append(report)
    return [_problem(live, together, now) for together in causes.values()]


def _problem(live: LiveStatus, reports: Sequence[Report], now: float) -> HealthProblem:
    first = reports[0]
    names = [safe(report.agent) for report in reports]
    good = [live.succeeded.get(report.key) for report in reports]
    known = [at for at in good if at is not None]
    return HealthProblem(
        result=RESULTS[first.result],
        agents=f"{safe(first.project)} / {listed(names, NAMES_SHOWN)}",
        href=address(first.project, first.agent),
        why=safe(first.why) or "no reason was given",
        advice=ADVICE[first.result],
        last_good=moment(min(known), now) if len(known) == len(good) else None,
    )


def wait(report: Report, option: str) -> Wait | None:
    """What a person is asked about one agent; None when nothing is. `option` is how commands find this state."""
    if not is_trusted(report) or not (report.withheld or _ahead(report)):
        return None
    return Wait(
        name=f"{safe(report.project)} / {safe(report.agent)}",
        href=address(report.project, report.agent),
        ahead=not report.withheld,
        what=_held(report),
        why=_why(report),
        approve=command("approve", report.plan.id) + option,
        look=command("plan", project=report.project, agent=only(report.agent)) + option,
    )


def _ahead(report: Swept) -> bool:
    return bool((report.plan.foreseen or report.plan.jump) and not report.observed and report.result is Result.OK)


def _held(report: Swept) -> str:
    held = report.waiting.total() if report.withheld else report.blocked[Hold.GRACE] + report.blocked[Hold.WINDOW]
    return plural(held, "action")


def _why(report: Swept) -> tuple[str, ...]:
    breaker = [f"the breaker is open: {safe(report.breaker.reason)}"] if report.breaker else []
    excess = report.plan.excess if report.withheld else report.plan.foreseen
    return (*breaker, *(str(one) for one in (report.plan.jump, *excess) if one))

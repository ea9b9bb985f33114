"""Every guard with a switch that removes it, and the world in which nothing else prevents the loss.

A switch takes away the smallest piece of the product that is the guard. The world passes with the product whole.
"""

from __future__ import annotations

import asyncio
import fcntl
import math
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from reaper.core import clock_check, planner, policy
from reaper.core import recheck as rechecking
from reaper.core.clock_check import ClockGuard
from reaper.core.conditions import ALWAYS, NEVER, VersionIs
from reaper.core.inventory_checks import Doubt
from reaper.core.model import ELIGIBLE, Action, Malformed, OutcomeKind, Session
from reaper.core.plan import Approval, Hold
from reaper.core.policy import Decision, Rule
from reaper.core.provider import InDoubt, ProviderError, StillRight, Throttled
from reaper.core.recheck import Verdict
from reaper.engine import executor, inventory, last_look, sweep
from reaper.engine.conclusion import Belief
from reaper.engine.last_look import LastLooks
from reaper.engine.report import Outcome
from reaper.engine.sending import Sending
from reaper.foundry import client, exchange, parsing
from reaper.listing import listing, snapshot
from reaper.store import journal as journals
from reaper.store import single_deletion
from reaper.store.chain import INTENT
from reaper.store.database import StateError
from reaper.store.journal import Journal
from reaper.store.plans import Plans
from reaper.store.store import Store
from tests.sim import scenes, scenes_wire
from tests.sim.mutants_of_bulk import BULK
from tests.sim.mutants_of_holds import HOLDING
from tests.sim.mutants_of_memory import MEMORY
from tests.sim.mutants_of_ranks import RANKS
from tests.sim.mutants_of_routing import ROUTING
from tests.sim.mutants_of_settings import SETTINGS
from tests.sim.mutants_of_spread import SPREAD
from tests.sim.mutants_of_state import STATE
from tests.sim.mutants_of_trust import TRUST
from tests.sim.mutants_of_voice import VOICE
from tests.sim.switches import Mutant, Patch, Remove, around, put

# Holds, doubts, limits


def _no_hold(hold: Hold) -> Remove:
    """The planner does not know this reason."""
    return around(planner, "guards", lambda kept: lambda *given: ((n, h) for n, h in kept(*given) if h is not hold))


def _no_doubted(hold: Hold) -> Remove:
    """A sweep with this doubt is taken for a believable one."""

    def make(kept: Any) -> Any:
        def doubt(*given: Any) -> Any:
            found = kept(*given)
            return Belief([]) if found.doubt is hold else found

        return doubt

    return around(sweep.Sweep, "_doubt", make)


def _no_doubt(doubt: Doubt) -> Remove:
    return around(sweep, "doubts", lambda kept: lambda **given: [one for one in kept(**given) if one is not doubt])


def _no_limit(hold: Hold) -> Remove:
    return around(
        planner, "exceeded", lambda kept: lambda *given: tuple(e for e in kept(*given) if e.hold is not hold)
    )


def _zero_is_unlimited(patch: Patch) -> None:
    kept = policy.Limit.of
    patch.setattr(policy.Limit, "of", lambda self, *given: kept(self, *given) if self.amount else 10**9)


def _day_forgotten_by_restart(patch: Patch) -> None:
    kept, used = Journal.intend, Journal.used_today

    def intend(self: Any, *given: Any, **named: Any) -> Any:
        self.wrote = True
        return kept(self, *given, **named)

    patch.setattr(Journal, "intend", intend)
    patch.setattr(Journal, "used_today", lambda self, *given: used(self, *given) if hasattr(self, "wrote") else {})


def _approved_loosely(same: Callable[[Approval, Approval], bool]) -> Remove:
    """An approval covers more than what was seen."""

    class Loose(frozenset[Approval]):
        def __contains__(self, wanted: object) -> bool:
            return isinstance(wanted, Approval) and any(same(one, wanted) for one in self)

    def loosely(kept: Callable[..., Any]) -> Callable[..., Any]:
        def approving(*given: Any) -> Any:
            return Loose((yield from kept(*given)))

        return approving

    return around(Plans, "approving", loosely)


def _approvals_count_always(patch: Patch) -> None:
    kept = Plans.approve
    patch.setattr(Plans, "approve", lambda self, name, at, **_: kept(self, name, at))


# Policy


def _keeps_nothing(patch: Patch) -> None:
    kept = Rule.holds_from
    patch.setattr(
        Rule, "holds_from", lambda self, *given: NEVER if self.action is Action.KEEP else kept(self, *given)
    )


def _last_rule_decides(patch: Patch) -> None:
    kept = policy.decide

    def decide(session: Session, rules: Any, *given: Any) -> Decision:
        return kept(session, replace(rules, rules=rules.rules[::-1]), *given)

    patch.setattr(inventory, "decide", decide)
    patch.setattr(rechecking, "decide", decide)


def _unreadable_version_is(moment: float) -> Remove:
    def make(kept: Any) -> Any:
        def holds_from(*given: Any) -> float:
            found = kept(*given)
            return moment if found is None else found

        return holds_from

    return around(VersionIs, "holds_from", make)


def _all_statuses(patch: Patch) -> None:
    patch.setattr(policy.Rule, "_statuses", lambda _: None)


# The last look


def _recheck(make: Callable[[Any, Any, Any, Any, Any, Any], Verdict]) -> Remove:
    """The last look, given what it was without the change: (kept, item, fresh, plan, now, agent)."""
    return around(last_look, "recheck", lambda kept: lambda *given: make(kept, *given))


def _same_incarnation(kept: Any, item: Any, fresh: Any, plan: Any, now: Any, agent: Any) -> Verdict:
    verdict = kept(item, fresh._replace(created_at=item.session.created_at), plan, now, agent)
    return verdict if isinstance(verdict, Verdict) else Verdict()


def _tombstones_are_changes(kept: Any, item: Any, fresh: Any, plan: Any, now: Any, agent: Any) -> Verdict:
    found: Verdict = kept(item, fresh, plan, now, agent)
    return Verdict(changed=True, why="it changed") if found.gone else found


def _changes_are_fine(kept: Any, item: Any, fresh: Any, plan: Any, now: Any, agent: Any) -> Verdict:
    found: Verdict = kept(replace(item, session=fresh), fresh, plan, now, agent)
    return found


def _policy_not_asked(patch: Patch) -> None:
    """The last look compares records, and takes the policy's word from the plan."""
    current: list[Any] = []
    kept = rechecking.recheck

    def recheck(item: Any, *given: Any) -> Verdict:
        current[:] = [item.decision]
        return kept(item, *given)

    patch.setattr(last_look, "recheck", recheck)
    patch.setattr(rechecking, "decide", lambda *_: current[0])


def _open_always(kept: Any, item: Any, fresh: Any, plan: Any, now: Any, agent: Any) -> Verdict:
    found: Verdict = kept(item, fresh, replace(plan, policy=replace(plan.policy, windows=())), now, agent)
    return found


def _date_of_plan(kept: Any, item: Any, fresh: Any, plan: Any, now: Any, agent: Any) -> Verdict:
    found: Verdict = kept(item, fresh, plan, plan.now if now is None else now, agent)
    return found


def _malformed_is_as_listed(kept: Any, item: Any, fresh: Any, plan: Any, now: Any, agent: Any) -> Verdict:
    found: Verdict = kept(item, item.session if isinstance(fresh, Malformed) else fresh, plan, now, agent)
    return found


class _Believer(ClockGuard):
    """Believes every clock."""

    def doubt(self, since: float) -> str:
        return ""


def _clock_not_asked_again(patch: Patch) -> None:
    kept = LastLooks._refusal
    believing = _Believer()
    patch.setattr(
        LastLooks,
        "_refusal",
        lambda self, *given: kept(replace(self, site=replace(self.site, guard=believing)), *given),
    )


def _failed_look_is_as_listed(patch: Patch) -> None:
    """Where the look fails, the plan is trusted."""
    kept = LastLooks.take

    class Blind:
        def __init__(self, looks: LastLooks, item: Any) -> None:
            self._client, self._clock, self._item, self._at = looks.site.client, looks.clock, item, looks.plan.now

        async def get(self, agent: str, session: str) -> Any:
            try:
                return await self._client.get(agent, session)
            except ProviderError:
                now = self._clock.wall(), self._clock.monotonic()
                return client.Answer(self._item.session, self._at, *now)

    async def take(self: Any, item: Any, intent: Any) -> Any:
        blind = replace(self.site, client=Blind(self, item))
        return await kept(replace(self, site=blind), item, intent)

    patch.setattr(LastLooks, "take", take)


# Marks


def _marks(find: Callable[[Any, Any], Any], keep: Callable[[Any, Any], Any]) -> Remove:
    """A mark that stood is found by `find(standing, mark)`, and stays by `keep(old, new)`."""

    def make(kept: Any) -> Any:
        def marks(candidates: Any, rules: Any, standing: Any, now: float) -> Any:
            for mark in kept(candidates, rules, standing, now):
                old = find(standing, mark)
                yield mark if old is None else keep(old, mark)

        return marks

    return around(planner, "_marks", make)


def _by_incarnation(standing: Any, mark: Any) -> Any:
    return standing.marks.get(mark.seen.incarnation)


def _by_id(standing: Any, mark: Any) -> Any:
    return next((old for old in standing.marks.values() if old.seen.id == mark.seen.id), None)


def _inherits_the_mark(patch: Patch) -> None:
    """All marks are at hand, and one of the same id is as good as its own."""
    patch.setattr(Store, "standing_marks", Store.marks)
    _marks(_by_id, _stays)(patch)


def _stays(old: Any, new: Any) -> Any:
    return replace(new, marked_at=old.marked_at, ripe_at=old.ripe_at)


def _stays_if_unchanged(old: Any, new: Any) -> Any:
    return _stays(old, new) if old.seen == new.seen else new


def _marks_only_in_memory(patch: Patch) -> None:
    def hold(self: Any, _project: str, _agent: str, marks: Any, *_: Any) -> Any:
        self.held = {mark.seen.incarnation: mark for mark in marks}
        return iter(())

    patch.setattr(Store, "standing_marks", lambda self, *_: dict(getattr(self, "held", {})))
    patch.setattr(Store, "replacing_marks", hold)


def _breaker_only_in_memory(patch: Patch) -> None:
    patch.setattr(Store, "open_breaker", lambda self, _p, _a, breaker: setattr(self, "latched", breaker))
    patch.setattr(Store, "breaker", lambda self, *_: getattr(self, "latched", None))


# Actions


def _intent_afterwards(patch: Patch) -> None:
    """The intent goes to disk together with its outcome."""
    kept, concluded = Journal.intend, Journal.conclude

    async def intend(self: Any, intent: Any, at: float, evidence: Any, **_: Any) -> Any:
        self.later = (intent, at, evidence)
        return intent

    async def conclude(self: Any, intent: Any, *given: Any) -> None:
        await concluded(self, await kept(self, *self.later), *given)

    patch.setattr(Journal, "intend", intend)
    patch.setattr(Journal, "conclude", conclude)


def _intent_not_waited_for(patch: Patch) -> None:
    """The intent is asked for, and goes to disk when it does."""
    kept = Journal._append

    async def append(self: Any, wanted: Any) -> None:
        writing = asyncio.ensure_future(kept(self, wanted))
        if wanted.row["kind"] != INTENT:
            await writing

    patch.setattr(Journal, "_append", append)


def _full_disk_is_fine(patch: Patch) -> None:
    kept = Journal.intend

    async def intend(self: Any, intent: Any, *given: Any, **named: Any) -> Any:
        try:
            return await kept(self, intent, *given, **named)
        except StateError:
            return intent

    patch.setattr(Journal, "intend", intend)


def _done(kept: Any) -> Any:
    """Whatever is asked, it is done."""

    async def done(self: Any, item: Any, at: float, *_: Any) -> Any:
        return Outcome(item, OutcomeKind.DONE, at)

    return done


def _done_unseen(kept: Any) -> Any:
    """What the platform accepts, it does."""

    async def verified(self: Any, accepted: Any, *_: Any) -> Any:
        return accepted.ended(OutcomeKind.DONE)

    return verified


def _settles_nothing(patch: Patch) -> None:
    async def resolve(*_: Any) -> list[str]:
        return []

    patch.setattr(sweep, "resolve_open_intents", resolve)


def _delete(again: Callable[[Any, str, str], Coroutine[Any, Any, Any]], *errors: type[Exception]) -> Remove:
    """The client sends a delete again by itself after some errors."""

    def make(kept: Any) -> Any:
        async def delete(self: Any, agent: str, session: str, still_right: StillRight) -> Any:
            try:
                return await kept(self, agent, session, still_right)
            except errors:
                await again(self, agent, session)
                return await kept(self, agent, session)

        return delete

    return around(client.Client, "delete", make)


async def _after_pause(self: Any, *_: str) -> None:
    await asyncio.sleep(31)


async def _at_once(self: Any, *_: str) -> None:
    return


def _never_stops(patch: Patch) -> None:
    kept = executor.Executor._work
    patch.setattr(
        executor.Executor, "_work", lambda self, *given, **named: kept(replace(self, stopping=str), *given, **named)
    )


# Listings and records


def _forgives(what: str) -> Remove:
    """A listing that broke off for this reason passes for a whole one."""

    def make(kept: Any) -> Any:
        return lambda self, incomplete="": kept(self, "" if what in incomplete else incomplete)

    return around(snapshot.SessionCounts, "snapshot", make)


def _lost_place_is_end(patch: Patch) -> None:
    """A cursor that the platform does not know ends the listing."""
    kept = client.Client.page

    async def page(self: Any, agent: str, **given: Any) -> Any:
        try:
            return await kept(self, agent, **given)
        except ProviderError:
            if given.get("after") is None:
                raise
            first = await kept(self, agent, limit=1)
            return replace(first, value=replace(first.value, sessions=(), has_more=False))

    patch.setattr(client.Client, "page", page)


def _remembers_no_session(patch: Patch) -> None:
    patch.setattr(listing.End, "copy_of", lambda *_: None)


def _counts_tombstones(patch: Patch) -> None:
    kept = snapshot.SessionCounts.snapshot

    def counted(self: Any, *given: Any) -> Any:
        found = kept(self, *given)
        return replace(found, sessions=found.by_status.total())

    patch.setattr(snapshot.SessionCounts, "snapshot", counted)


def _reads_malformed(patch: Patch) -> None:
    """A record whose times are numbers at all is read as it stands."""
    kept = parsing.parse_session

    def parse(obj: Any, now: float, *accepted: Any) -> Any:
        found = kept(obj, now, *accepted)
        if not isinstance(found, Malformed):
            return found
        times = [obj.get(name) for name in ("created_at", "last_accessed_at", "expires_at")]
        version = obj.get("version_indicator", {}).get("agent_version")
        return Session(obj["agent_session_id"], obj["status"], version, *times)

    patch.setattr(parsing, "parse_session", parse)


def _undated_is_local(patch: Patch) -> None:
    """Where the platform does not tell the time, the local clock does."""
    patch.setattr(
        exchange.RawAnswer, "date", property(lambda raw: parsing.parse_date(raw.headers.get("date")) or raw.wall)
    )


MUTANTS = [
    Mutant("hold: state", _no_doubted(Hold.STATE), scenes.on_lost_state),
    Mutant("hold: incomplete", _no_doubted(Hold.INCOMPLETE), scenes.with_failing_page),
    Mutant("hold: untrusted", _no_doubted(Hold.UNTRUSTED), scenes.with_untrusted_inventory),
    Mutant("hold: clock", _no_doubted(Hold.CLOCK), scenes.with_shifted_listing),
    Mutant("hold: breaker", _no_hold(Hold.BREAKER), scenes.with_breaker_open),
    Mutant("hold: observe", _no_hold(Hold.OBSERVE), scenes.observing),
    Mutant("hold: strange_record", _no_hold(Hold.STRANGE), scenes.with_unknown_field),
    Mutant("hold: grace", _no_hold(Hold.GRACE), scenes.in_grace),
    Mutant("hold: window", _no_hold(Hold.WINDOW), scenes.outside_windows),
    Mutant("hold: limit_sweep", _no_limit(Hold.LIMIT_SWEEP), scenes.over_limit_of_sweep),
    Mutant("hold: limit_day", _no_limit(Hold.LIMIT_DAY), scenes.over_limit_of_day),
    Mutant("doubt: empty", _no_doubt(Doubt.EMPTY), scenes.after_empty_list),
    Mutant("doubt: shrunk", _no_doubt(Doubt.SHRUNK), scenes.with_short_list),
    Mutant("doubt: grown", _no_doubt(Doubt.GROWN), scenes.with_long_list),
    Mutant("doubt: must_see", _no_doubt(Doubt.MUST_SEE), scenes.with_untrusted_inventory),
    Mutant("doubt: order", _no_doubt(Doubt.ORDER), scenes.out_of_order),
    Mutant("doubt: malformed", _no_doubt(Doubt.MALFORMED), scenes.with_many_malformed),
    Mutant("a limit of zero means none", _zero_is_unlimited, scenes.with_zero_limit),
    Mutant("the day's limit survives a restart", _day_forgotten_by_restart, scenes.over_limit_of_day_after_restart),
    Mutant(
        "approvals cover exactly what was seen",
        _approved_loosely(lambda one, other: (one.session, one.action) == (other.session, other.action)),
        scenes.approved_before_used,
    ),
    Mutant(
        "approvals name an action",
        _approved_loosely(lambda one, other: replace(one, action=other.action) == other),
        scenes.approved_to_stop,
    ),
    Mutant("a written approval closes a breaker once", _approvals_count_always, scenes.approved_in_file),
    Mutant("floor of age", put(policy, "AGE_FLOOR_S", 0), scenes.just_created),
    Mutant(
        "active is deleted only where a rule names it",
        put(policy, "DEFAULT_STATUSES", ELIGIBLE),
        scenes.in_one_long_call,
    ),
    Mutant("only known, settled statuses are touched", _all_statuses, scenes.while_updating),
    Mutant("keep rules", _keeps_nothing, scenes.beside_kept),
    Mutant("a keep rule holds for an unreadable version", _unreadable_version_is(NEVER), scenes.kept_by_version),
    Mutant(
        "a delete rule fails for an unreadable version", _unreadable_version_is(ALWAYS), scenes.deleted_by_version
    ),
    Mutant("the first rule that matches decides", _last_rule_decides, scenes.with_two_rules),
    Mutant("last look", _recheck(lambda *_: Verdict(go=True)), scenes.used_before_last_look),
    Mutant("last look: incarnation", _recheck(_same_incarnation), scenes.made_anew_before_last_look),
    Mutant("last look: gone", _recheck(_tombstones_are_changes), scenes.gone_before_last_look),
    Mutant("last look: any change", _recheck(_changes_are_fine), scenes.changed_before_last_look),
    Mutant("last look: the policy again", _policy_not_asked, scenes.at_edge_of_rule),
    Mutant("last look: the window again", _recheck(_open_always), scenes.at_edge_of_window),
    Mutant("last look: the clock again", _clock_not_asked_again, scenes.with_shifted_look),
    Mutant("last look: an answer without a date", _recheck(_date_of_plan), scenes.with_undated_look),
    Mutant("last look: a malformed record", _recheck(_malformed_is_as_listed), scenes.with_malformed_look),
    Mutant("last look: it fails, so nothing is sent", _failed_look_is_as_listed, scenes.with_failing_look),
    Mutant("a mark is dropped when its session changes", _marks(_by_incarnation, _stays), scenes.used_while_marked),
    Mutant("a mark belongs to one incarnation", _inherits_the_mark, scenes.made_anew_while_marked),
    Mutant("a mark belongs to one rule", _marks(_by_incarnation, _stays_if_unchanged), scenes.judged_by_new_rule),
    Mutant(
        "a longer grace holds for standing marks",
        _marks(_by_incarnation, _stays_if_unchanged),
        scenes.with_longer_grace,
    ),
    Mutant(
        "marks are kept while the inventory is doubted",
        put(planner, "_leaves_marks", lambda *_: False),
        scenes.doubted_in_grace,
    ),
    Mutant("marks survive a restart", _marks_only_in_memory, scenes.restarted_in_grace),
    Mutant("breaker: times moved back", put(sweep, "moved_back", lambda *_: 0), scenes.all_stale_at_once),
    Mutant("breaker: deletes without effect", put(executor, "UNVERIFIED_MAX", math.inf), scenes.without_effect),
    Mutant("the breaker survives a restart", _breaker_only_in_memory, scenes.without_effect_then_restarted),
    Mutant("intent before action", _intent_afterwards, scenes.with_one_delete),
    Mutant("an action waits until its intent is on disk", _intent_not_waited_for, scenes.on_full_disk),
    Mutant("nothing is sent when the intent cannot be written", _full_disk_is_fine, scenes.on_full_disk),
    Mutant(
        "one deletion for one incarnation",
        put(single_deletion, "stands_in_the_way", lambda *_: False),
        scenes_wire.two_people,
    ),
    Mutant("verification", around(Sending, "verified", _done_unseen), scenes.with_ghost),
    Mutant("actions in doubt are looked up", around(Sending, "_resolve_doubt", _done), scenes.without_answer),
    Mutant("intents are resolved after a crash", _settles_nothing, scenes.killed_after_delete),
    Mutant(
        "actions in doubt count against the day",
        put(journals, "SPENT", frozenset({OutcomeKind.DONE})),
        scenes.in_doubt_for_the_day,
    ),
    Mutant("a throttled action is looked at again", _delete(_after_pause, Throttled), scenes.used_while_throttled),
    Mutant("an action is sent once", _delete(_at_once, InDoubt), scenes.answered_late),
    Mutant("one process sweeps at a time", put(fcntl, "flock", lambda *_: None), scenes.beside_another),
    Mutant("a process that is asked to stop begins nothing new", _never_stops, scenes.asked_to_stop),
    Mutant("incomplete: the cursor repeats", _forgives("the cursor repeats"), scenes.with_looping_cursor),
    Mutant("incomplete: too many pages", _forgives("did not end within"), scenes.with_endless_pages),
    Mutant("incomplete: a page fails", _forgives("could not be read"), scenes.with_failing_page),
    Mutant("incomplete: an empty page says there is more", _forgives("an empty page"), scenes.with_empty_page),
    Mutant("incomplete: the cursor's session is gone for good", _lost_place_is_end, scenes.with_lost_cursor),
    Mutant("a session on two pages counts once", _remembers_no_session, scenes.with_duplicates),
    Mutant("tombstones are no inventory", _counts_tombstones, scenes.among_tombstones),
    Mutant("malformed records are kept", _reads_malformed, scenes.with_bad_time),
    Mutant("times in the future are malformed", put(parsing, "FUTURE_TOLERANCE_S", 10**10), scenes.with_future_time),
    Mutant("unknown fields are kept", put(parsing, "_strange", lambda *_: ()), scenes.with_unknown_field),
    Mutant("skew of the clocks", put(clock_check, "SKEW_MAX_S", math.inf), scenes.with_skewed_clock),
    Mutant("a jump of the clock", put(clock_check, "JUMP_MAX_S", math.inf), scenes.with_jumping_clock),
    Mutant("an answer without a date says nothing of ages", _undated_is_local, scenes.without_dates),
    *VOICE,
    *TRUST,
    *ROUTING,
    *SPREAD,
    *STATE,
    *MEMORY,
    *HOLDING,
    *BULK,
    *SETTINGS,
    *RANKS,
]

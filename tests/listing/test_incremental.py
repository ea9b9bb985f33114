"""Short listings: nothing that is due is missed, little is read, and what does not fit makes all be listed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper.core.conditions import Age, ExpiresWithin, Idle, IdMatches, StatusIn
from reaper.core.model import ACTIVE, DAY_S, EXPIRY_S, IDLE, MINUTE_S, Action, Malformed, Session
from reaper.core.policy import Policy, Rule
from reaper.core.provider import Answer, Order, Page, Refused, Retryable, Unauthenticated
from reaper.listing import incremental, listing
from reaper.listing import index as listing_index
from reaper.listing.index import ListingIndex
from reaper.listing.snapshot import Snapshot
from tests.listing_world import reader_of
from tests.world import HOUR_S, NOW, policy, session

BEAT_S = HOUR_S
PAGE = 5

RULES = (
    Rule("vip", Action.KEEP, (IdMatches(("vip-*",)),)),
    Rule("long-used", Action.KEEP, (Age(25 * DAY_S),)),
    Rule("idle", Action.DELETE, (Idle(7 * DAY_S),)),
    Rule("short", Action.DELETE, (Idle(BEAT_S), IdMatches(("tmp-*",)))),
    Rule("old", Action.DELETE, (Age(20 * DAY_S),)),
    Rule("expiring", Action.DELETE, (ExpiresWithin(2 * DAY_S),)),
    Rule("runaway", Action.STOP, (StatusIn(frozenset({ACTIVE})), Idle(2 * HOUR_S))),
)


class Town:
    """A platform whose sessions people use, make and delete."""

    spare = True

    def __init__(self, *sessions: Session) -> None:
        self.sessions = list(sessions)
        self.now = float(NOW)
        self.pages = 0
        self.date: float | None = None

    def listed(self, order: Order) -> list[Session]:
        return sorted(self.sessions, key=lambda one: (one.created_at, one.id), reverse=order == "desc")

    async def page(
        self, agent: str, *, order: Order = "asc", after: str | None = None, limit: int = 20
    ) -> Answer[Page]:
        await asyncio.sleep(0)
        self.pages += 1
        listed = self.listed(order)
        ids = [one.id for one in listed]
        if after is not None and after not in ids:
            raise Refused("no such cursor", operation="list_sessions")
        start = 0 if after is None else ids.index(after) + 1
        shown = listed[start : start + limit]
        more = start + limit < len(listed)
        page = Page(tuple(shown), shown[0].id if shown else None, shown[-1].id if shown else None, more)
        return Answer(page, self.now, self.now, 0.0)

    def use(self, place: int) -> None:
        if self.sessions:
            one = self.sessions[place % len(self.sessions)]
            now = int(self.now)
            self._put(one, one._replace(status=ACTIVE, last_accessed_at=now, expires_at=now + EXPIRY_S))

    def suspend(self, place: int) -> None:
        if self.sessions:
            one = self.sessions[place % len(self.sessions)]
            self._put(one, one._replace(status=IDLE))

    def delete(self, place: int) -> None:
        if self.sessions:
            del self.sessions[place % len(self.sessions)]

    def create(self, place: int) -> None:
        kind = ("vip", "tmp", "any")[place % 3]
        now = int(self.now)
        ident = f"{kind}-new-{len(self.sessions):05}-{now}"
        self.sessions.append(Session(ident, ACTIVE, "3", now, now, now + EXPIRY_S))

    def _put(self, old: Session, new: Session) -> None:
        self.sessions[self.sessions.index(old)] = new


class Reader:
    """Lists a town in full or in short, by one policy."""

    def __init__(self, town: Town, rules: Policy, wanted: frozenset[str] = frozenset()) -> None:
        self.town, self.rules, self.wanted = town, rules, wanted
        self.index: ListingIndex | None = None

    def full(self) -> Snapshot:
        found, self.index = asyncio.run(reader_of(self.town, self.rules).list_all(self.wanted, None, indexed=True))
        assert self.index is not None
        return found

    def short(self) -> Snapshot | None:
        assert self.index is not None
        return asyncio.run(reader_of(self.town, self.rules).list_changes(self.index))


def chosen(snapshot: Snapshot) -> dict[str, Session]:
    return {one.session.id: one.session for one in snapshot.candidates}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_SIZE", PAGE)
    monkeypatch.setattr(listing_index, "STRETCH_SESSIONS", PAGE - 1)


def made(number: int, *, age: int, idle: int, kind: str = "any", status: str = IDLE) -> Session:
    used = NOW - min(idle, age)
    return Session(f"{kind}-old-{number:05}", status, "3", NOW - age, used, used + EXPIRY_S)


def soon(threshold: int) -> st.SearchStrategy[int]:
    """A time that passes the threshold within the next hour, or just has."""
    return st.integers(threshold - BEAT_S, threshold + MINUTE_S)


anywhen = st.integers(0, 29 * DAY_S)
near = st.one_of(*(soon(days * DAY_S) for days in (7, 20, 25, 28)), soon(2 * HOUR_S))
kinds, statuses = st.sampled_from(["any", "vip", "tmp"]), st.sampled_from([IDLE, ACTIVE])
sessions = st.lists(st.tuples(anywhen | near, anywhen | near, kinds, statuses), max_size=8)
deeds = st.sampled_from(["use", "suspend", "delete", "create"])
happenings = st.lists(st.tuples(deeds, st.integers(0, 99)), max_size=9)


@given(sessions, happenings, st.integers(1, BEAT_S - 1))
def test_a_short_listing_finds_all_that_a_full_one_would(
    population: list[Any], happened: list[tuple[str, int]], later: int
) -> None:
    quiet = [made(1000 + n, age=n * DAY_S // 4, idle=DAY_S) for n in range(60)]
    crowd = [made(n, age=age, idle=idle, kind=kind, status=to) for n, (age, idle, kind, to) in enumerate(population)]
    town = Town(*quiet, *crowd)
    reader = Reader(town, policy(*RULES))
    reader.full()
    touched: set[str] = set()
    for turn, (what, place) in enumerate(happened):
        town.now = NOW + later * turn / 10
        before = set(town.sessions)
        getattr(town, what)(place)
        touched |= {one.id for one in before ^ set(town.sessions)}
    town.now = float(NOW + later)
    short = reader.short()
    if short is None:
        return
    everything = Reader(town, policy(*RULES)).full()
    missed = chosen(everything).keys() - chosen(short).keys()
    assert missed == set()
    # What is no longer due is known to be so only once it was read again: the look before each action sees it.
    assert chosen(short).keys() - chosen(everything).keys() <= touched
    assert short.now == everything.now


@given(sessions, happenings, st.integers(1, BEAT_S - 1))
def test_the_histograms_always_count_as_many_sessions_as_there_are_said_to_be(
    population: list[Any], happened: list[tuple[str, int]], later: int
) -> None:
    quiet = [made(1000 + n, age=n * DAY_S // 4, idle=DAY_S) for n in range(60)]
    crowd = [made(n, age=age, idle=idle, kind=kind, status=to) for n, (age, idle, kind, to) in enumerate(population)]
    town = Town(*quiet, *crowd)
    reader = Reader(town, policy(*RULES))
    found = [reader.full()]
    for turn, (what, place) in enumerate(happened):
        town.now = NOW + later * turn / 10
        getattr(town, what)(place)
        short = reader.short()
        found.append(short if short is not None else reader.full())
        gone = [one.session for one in found[-1].candidates[:2] if one.decision.action is Action.DELETE]
        town.sessions = [one for one in town.sessions if one not in gone]
        for one in gone:
            assert reader.index is not None
            reader.index.acted_on(one, is_gone=True)
    for snapshot in found:
        assert sum(snapshot.idle.counts) == sum(snapshot.age.counts) == snapshot.sessions
        assert min(*snapshot.idle.counts, *snapshot.age.counts) >= 0


def crowd(count: int, **changes: Any) -> list[Session]:
    """Sessions made and used once, one every minute, over the last days; the oldest are nearly due."""
    oldest = 7 * DAY_S - 10 * MINUTE_S
    return [made(n, age=oldest - n * MINUTE_S, idle=oldest - n * MINUTE_S, **changes) for n in range(count)]


IDLE_A_WEEK = policy(Rule("idle", Action.DELETE, (Idle(7 * DAY_S),)))


def test_where_little_became_due_little_is_read() -> None:
    town = Town(*crowd(2_000))
    reader = Reader(town, IDLE_A_WEEK)
    assert reader.full().candidates == ()
    town.pages, town.now = 0, NOW + 15 * MINUTE_S
    short = reader.short()
    assert short is not None
    assert len(short.candidates) == 6
    assert town.pages == short.pages <= 2_000 // PAGE * 0.05
    town.pages = 0
    assert reader.short() is not None
    assert town.pages == 2


def test_what_ran_and_falls_idle_meanwhile_is_found_when_it_is_due() -> None:
    town = Town(*crowd(200))
    busy = town.sessions[100] = made(100, age=9 * DAY_S, idle=7 * DAY_S - MINUTE_S, status=ACTIVE)
    reader = Reader(town, IDLE_A_WEEK)
    reader.full()
    town.suspend(town.sessions.index(busy))
    town.now = NOW + 5 * MINUTE_S
    short = reader.short()
    assert short is not None
    assert busy.id in chosen(short)


def test_a_candidate_that_another_rule_keeps_by_now_is_none() -> None:
    keeps_old = Rule("old", Action.KEEP, (Age(9 * DAY_S),))
    town = Town(*crowd(200), made(900, age=9 * DAY_S - MINUTE_S, idle=8 * DAY_S))
    reader = Reader(town, policy(keeps_old, Rule("idle", Action.DELETE, (Idle(7 * DAY_S),))))
    assert len(reader.full().candidates) == 1
    town.now = NOW + 5 * MINUTE_S
    short = reader.short()
    assert short is not None
    assert short.candidates == ()


def test_candidates_stay_known_without_being_read_again() -> None:
    town = Town(*crowd(200))
    reader = Reader(town, IDLE_A_WEEK)
    reader.full()
    town.now = NOW + 15 * MINUTE_S
    first = reader.short()
    second = reader.short()
    assert first is not None
    assert second is not None
    assert chosen(first) == chosen(second) != {}


def test_what_was_acted_on_is_no_candidate_and_is_read_again() -> None:
    town = Town(*crowd(200))
    reader = Reader(town, IDLE_A_WEEK)
    reader.full()
    town.now = NOW + 15 * MINUTE_S
    found = reader.short()
    assert found is not None
    assert reader.index is not None
    gone = found.candidates[0].session
    town.sessions.remove(gone)
    reader.index.acted_on(gone, is_gone=True)
    after = reader.short()
    assert after is not None
    assert gone.id not in chosen(after)
    assert (after.sessions, after.by_status[IDLE]) == (199, 199)


def test_new_sessions_are_counted_and_judged() -> None:
    town = Town(*crowd(100))
    reader = Reader(town, IDLE_A_WEEK)
    reader.full()
    town.now = NOW + 60
    for number in range(13):
        town.create(number)
    short = reader.short()
    assert short is not None
    assert (short.sessions, short.by_status[ACTIVE]) == (113, 13)
    assert (short.listed_at, short.now) == (NOW, NOW + 60)
    again = reader.short()
    assert again is not None
    assert again.sessions == 113


def test_a_session_that_must_be_seen_is_read_every_time() -> None:
    town = Town(*crowd(100))
    canary = town.sessions[50].id
    reader = Reader(town, IDLE_A_WEEK, frozenset({canary}))
    reader.full()
    short = reader.short()
    assert short is not None
    assert short.seen == {canary}
    town.sessions = [one for one in town.sessions if one.id != canary]
    assert reader.short() is None


class Changed(Town):
    """Answers in another way once it has `changed`."""

    changed = False

    async def page(self, agent: str, **given: Any) -> Answer[Page]:
        answer = await super().page(agent, **given)
        return self.other(answer, **given) if self.changed else answer

    def other(self, answer: Answer[Page], **given: Any) -> Answer[Page]:
        raise NotImplementedError


class ShowsOnlyMine(Changed):
    """The role is lost: a twentieth is left of every page."""

    def other(self, answer: Answer[Page], **given: Any) -> Answer[Page]:
        few = answer.value.sessions[:1] if answer.value.sessions[0].id.endswith("7") else ()  # type: ignore[union-attr]
        return Answer(Page(few, None, answer.value.last_id, answer.value.has_more), self.now, self.now, 0.0)


class ShowsNothingBehindACursor(Changed):
    """A cursor that was given before means nothing: no session comes."""

    def other(self, answer: Answer[Page], **given: Any) -> Answer[Page]:
        if given.get("order") == "desc" or not given.get("after"):
            return answer
        return Answer(Page((), None, None, False), self.now, self.now, 0.0)


class ForgetsCursors(Changed):
    """A cursor that was given before means nothing: the first page comes."""

    def other(self, answer: Answer[Page], **given: Any) -> Answer[Page]:
        shown = tuple(self.listed(given.get("order", "asc"))[:PAGE])
        return Answer(Page(shown, None, shown[-1].id, True), self.now, self.now, 0.0)


class NeverEnds(Changed):
    """Ever newer sessions, and always more."""

    def other(self, answer: Answer[Page], **given: Any) -> Answer[Page]:
        made_up = session(f"made-up-{self.pages:05}", age=0, idle=0, created_at=NOW, last_accessed_at=NOW)
        return Answer(Page((made_up,), None, made_up.id, True), self.now, self.now, 0.0)


class Fails(Changed):
    def other(self, answer: Answer[Page], **given: Any) -> Answer[Page]:
        raise Retryable("no", operation="list_sessions")


class LosesItsIdentity(Changed):
    def other(self, answer: Answer[Page], **given: Any) -> Answer[Page]:
        raise Unauthenticated("no", operation="list_sessions")


class TellsNoTime(Changed):
    def other(self, answer: Answer[Page], **given: Any) -> Answer[Page]:
        return Answer(answer.value, None, self.now, 0.0)


class GarblesRecords(Changed):
    def other(self, answer: Answer[Page], **given: Any) -> Answer[Page]:
        records = (Malformed(None, "bad_id"), *answer.value.sessions[1:])
        return Answer(Page(records, None, answer.value.last_id, answer.value.has_more), self.now, self.now, 0.0)


class Shuffles(Changed):
    def other(self, answer: Answer[Page], **given: Any) -> Answer[Page]:
        records = answer.value.sessions[::-1]
        return Answer(Page(records, None, answer.value.last_id, answer.value.has_more), self.now, self.now, 0.0)


@pytest.mark.parametrize(
    "kind",
    [
        ShowsOnlyMine,
        ShowsNothingBehindACursor,
        ForgetsCursors,
        NeverEnds,
        Fails,
        LosesItsIdentity,
        TellsNoTime,
        GarblesRecords,
        Shuffles,
    ],
)
def test_whatever_does_not_fit_makes_all_be_listed(kind: type[Changed]) -> None:
    town = kind(*crowd(300))
    reader = Reader(town, IDLE_A_WEEK)
    reader.full()
    town.now = NOW + 15 * MINUTE_S
    town.changed = True
    assert reader.short() is None


@pytest.mark.parametrize("kind", [ShowsOnlyMine, ForgetsCursors, Fails])
def test_where_nothing_is_due_a_lost_role_shows_nevertheless(kind: type[Changed]) -> None:
    town = kind(*crowd(300))
    reader = Reader(town, IDLE_A_WEEK)
    reader.full()
    town.changed = True
    assert reader.short() is None


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_stretch_whose_cursor_is_gone_is_read_from_an_earlier_one_as_long_as_there_is_one_near(lost: int) -> None:
    town = Town(*crowd(300))
    reader = Reader(town, IDLE_A_WEEK)
    reader.full()
    index = reader.index
    assert index is not None
    town.now = NOW + 5 * MINUTE_S
    place = len(index.stretches) // 2
    index.stretches[place].due = NOW
    gone = {index.stretches[place - back].after for back in range(lost)}
    town.sessions = [one for one in town.sessions if one.id not in gone]
    assert (reader.short() is None) == (lost > incremental.CURSORS_LOST_MAX)


def test_when_much_is_due_all_is_listed() -> None:
    town = Town(*crowd(300))
    reader = Reader(town, IDLE_A_WEEK)
    reader.full()
    town.now = NOW + 4 * HOUR_S
    assert reader.short() is None

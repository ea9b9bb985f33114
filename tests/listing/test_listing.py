"""The listing as a fold: what is counted, what is kept in memory, and when it is not complete."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper.core.model import ACTIVE, DAY_S, IDLE, Malformed, Session
from reaper.core.provider import Answer, Gone, Order, Page, ProviderError, Refused, Retryable, Unauthenticated
from reaper.listing import listing
from reaper.listing.snapshot import Snapshot
from tests.listing_world import reader_of
from tests.world import NOW, RUNAWAY, candidate, policy, session

Record = Session | Malformed
Step = Page | ProviderError


class ScriptedPages:
    """Answers pages from a script, and keeps the cursors it was asked with."""

    def __init__(self, *script: Step, date: float | None = NOW) -> None:
        self.script = list(script)
        self.asked: list[str | None] = []
        self.date = date

    spare = False

    async def page(
        self, agent: str, *, order: Order = "asc", after: str | None = None, limit: int = 20
    ) -> Answer[Page]:
        self.asked.append(after)
        step = self.script.pop(0)
        if isinstance(step, ProviderError):
            raise step
        return Answer(step, self.date, NOW, 0.0)


def page(*records: Record, more: bool = True, last: str | None = "") -> Page:
    end = records[-1].id if records else None
    return Page(records, records[0].id if records else None, end if last == "" else last, more)


def fold(lister: Any, wanted: frozenset[str] = frozenset()) -> Snapshot:
    return asyncio.run(reader_of(lister, policy()).list_all(wanted, None, indexed=False))[0]


def kept(lister: Any) -> list[Session]:
    """The sessions that are kept, by a reader that was asked for them."""
    reader = replace(reader_of(lister, policy()), keeps=True)
    snapshot, _ = asyncio.run(reader.list_all(frozenset(), None, indexed=False))
    return [each.session for each in snapshot.kept]


def in_order(count: int, first: int = 0, **changes: Any) -> list[Session]:
    """Stale sessions, each created a second after the one before."""
    numbers = range(first, first + count)
    return [session(f"session-{n:06d}", age=20 * DAY_S - n, **changes) for n in numbers]


def trouble(status: type[ProviderError]) -> ProviderError:
    return status("no", operation="list_sessions")


def chosen(snapshot: Snapshot) -> list[str]:
    return [each.session.id for each in snapshot.candidates]


def test_every_session_of_every_page_is_counted_once() -> None:
    records = in_order(5)
    lister = ScriptedPages(page(*records[:2]), page(*records[2:4]), page(records[4], more=False))
    snapshot = fold(lister)
    assert (snapshot.sessions, snapshot.pages, snapshot.by_status) == (5, 3, {IDLE: 5})
    assert chosen(snapshot) == [each.id for each in records]
    assert lister.asked == [None, records[1].id, records[3].id]
    assert (snapshot.incomplete, snapshot.disorder, snapshot.now) == ("", 0, NOW)


def test_an_empty_agent_is_a_complete_inventory() -> None:
    snapshot = fold(ScriptedPages(page(more=False)))
    assert (snapshot.sessions, snapshot.incomplete) == (0, "")


def test_tombstones_are_seen_and_are_no_inventory() -> None:
    records = [*in_order(2), *in_order(2, 2, status="deleted"), *in_order(1, 4, status="expired")]
    snapshot = fold(ScriptedPages(page(*records, more=False)))
    assert snapshot.sessions == 2
    assert snapshot.by_status == {IDLE: 2, "deleted": 2, "expired": 1}
    assert sum(snapshot.idle.counts) == sum(snapshot.age.counts) == 2
    assert len(snapshot.candidates) == 2


def test_a_session_on_two_pages_is_counted_once() -> None:
    records = in_order(3)
    snapshot = fold(ScriptedPages(page(*records[:2]), page(*records[1:], more=False)))
    assert (snapshot.sessions, snapshot.disorder) == (3, 0)
    assert len(snapshot.candidates) == 3
    assert sum(snapshot.idle.counts) == sum(snapshot.age.counts) == 3


def test_where_copies_differ_the_more_recently_used_one_counts() -> None:
    old = session(age=20 * DAY_S, idle=10 * DAY_S)
    used = session(age=20 * DAY_S, idle=8 * DAY_S)
    for copies in ((old, used), (used, old)):
        snapshot = fold(ScriptedPages(page(copies[0]), page(copies[1], more=False)))
        assert (snapshot.sessions, [each.session for each in snapshot.candidates]) == (1, [used])
        assert snapshot.idle.total_s == 8 * DAY_S


def test_a_copy_that_says_the_session_is_in_use_takes_it_off_the_candidates() -> None:
    stale = session(age=20 * DAY_S, idle=10 * DAY_S)
    in_use = session(age=20 * DAY_S, idle=0, status=ACTIVE)
    for copies in ((stale, in_use), (in_use, stale)):
        snapshot = fold(ScriptedPages(page(copies[0]), page(copies[1], more=False)))
        assert snapshot.candidates == ()
        assert (snapshot.sessions, snapshot.by_status) == (1, {ACTIVE: 1})


def test_a_copy_that_says_the_session_is_gone_takes_it_off_the_inventory() -> None:
    stale = session(age=20 * DAY_S, idle=10 * DAY_S)
    gone = session(age=20 * DAY_S, idle=9 * DAY_S, status="deleted")
    snapshot = fold(ScriptedPages(page(stale), page(gone, more=False)))
    assert (snapshot.sessions, snapshot.candidates) == (0, ())


def test_a_session_created_again_while_paging_is_judged_as_it_is_now() -> None:
    stale = session(age=20 * DAY_S)
    again = session(age=60, idle=0)
    snapshot = fold(ScriptedPages(page(stale, *in_order(1)), page(again, more=False)))
    assert session().id not in chosen(snapshot)


def test_records_out_of_order_are_counted() -> None:
    records = in_order(4)
    snapshot = fold(ScriptedPages(page(records[0], records[2], records[1], records[3], more=False)))
    assert snapshot.disorder == 1


def test_sessions_created_in_the_same_second_are_in_order() -> None:
    records = [session(f"session-{number:06d}", age=20 * DAY_S) for number in range(3)]
    snapshot = fold(ScriptedPages(page(*records, more=False)))
    assert (snapshot.sessions, snapshot.disorder) == (3, 0)


def test_a_repetition_too_far_back_to_be_recognised_shows_as_broken_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "RECENT_SESSIONS", 3)
    records = in_order(6)
    snapshot = fold(ScriptedPages(page(*records), page(records[0], more=False)))
    assert snapshot.disorder == 1


def test_a_cursor_that_repeats_is_incomplete() -> None:
    first = page(*in_order(2))
    snapshot = fold(ScriptedPages(first, first, first))
    assert snapshot.incomplete == "the cursor repeats"


def test_a_cursor_that_loops_over_several_pages_is_incomplete() -> None:
    pages = [page(*in_order(2)), page(*in_order(2, 2)), page(*in_order(2, 4))]
    assert fold(ScriptedPages(*pages, *pages)).incomplete == "the cursor repeats"


def test_pages_without_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGES_MAX", 4)
    lister = ScriptedPages(*(page(*in_order(2, 2 * n)) for n in range(10)))
    assert "did not end" in fold(lister).incomplete
    assert len(lister.asked) == 4


def test_as_many_pages_as_allowed_may_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGES_MAX", 4)
    pages = [page(*in_order(2, 2 * n), more=n < 3) for n in range(4)]
    assert fold(ScriptedPages(*pages)).incomplete == ""


def test_an_empty_page_that_says_there_is_more_is_incomplete() -> None:
    assert fold(ScriptedPages(page(*in_order(2)), page(last="session-000009"))).incomplete == (
        "an empty page said that there is more"
    )


def test_a_page_that_says_there_is_more_but_not_where_is_incomplete() -> None:
    assert (
        fold(ScriptedPages(page(*in_order(2), last=None))).incomplete
        == "a page said that there is more, and not where"
    )


def test_a_page_that_cannot_be_read_leaves_the_listing_incomplete() -> None:
    snapshot = fold(ScriptedPages(page(*in_order(2)), page(*in_order(2, 2)), trouble(Retryable)))
    assert snapshot.incomplete.startswith("page 3 could not be read")
    assert snapshot.sessions == 4


@pytest.mark.parametrize("kind", [Gone, Refused, Retryable, Unauthenticated])
def test_a_first_page_that_fails_is_no_inventory_at_all(kind: type[ProviderError]) -> None:
    with pytest.raises(kind):
        fold(ScriptedPages(trouble(kind)))


def test_a_lost_identity_in_mid_listing_is_raised() -> None:
    with pytest.raises(Unauthenticated):
        fold(ScriptedPages(page(*in_order(2)), trouble(Unauthenticated)))


@pytest.mark.parametrize("kind", [Gone, Refused])
def test_a_lost_cursor_starts_the_listing_over_and_counts_nothing_twice(kind: type[ProviderError]) -> None:
    records = in_order(3)
    lister = ScriptedPages(page(*records[:2]), trouble(kind), page(*records[:2]), page(records[2], more=False))
    snapshot = fold(lister)
    assert (snapshot.sessions, snapshot.pages, snapshot.incomplete) == (3, 2, "")
    assert lister.asked == [None, records[1].id, None, records[1].id]


def test_what_is_kept_is_what_the_last_try_showed() -> None:
    gone, *fresh = in_order(3, idle=0)
    tries = (page(gone, *fresh[:1]), trouble(Gone), page(*fresh, more=False))
    assert kept(ScriptedPages(*tries)) == fresh


def test_a_copy_that_is_gone_takes_its_session_off_the_kept() -> None:
    fresh, gone = session(idle=20, age=DAY_S), session(idle=10, age=DAY_S, status="deleted")
    assert kept(ScriptedPages(page(fresh, more=False))) == [fresh]
    assert kept(ScriptedPages(page(fresh), page(gone, more=False))) == []


def test_a_listing_that_keeps_losing_its_place_is_given_up_with_nothing_in_it() -> None:
    steps: list[Step] = [page(*in_order(2)), trouble(Gone)]
    lister = ScriptedPages(*(steps * 10))
    snapshot = fold(lister)
    assert "lost its place" in snapshot.incomplete
    assert (snapshot.candidates, snapshot.now) == ((), None)
    assert lister.asked.count(None) == listing.RESTARTS_MAX


def test_malformed_records_are_counted_by_reason_and_never_candidates() -> None:
    bad = [Malformed("session-0009", "time_zero"), Malformed(None, "bad_id"), Malformed("session-0008", "time_zero")]
    snapshot = fold(ScriptedPages(page(bad[0], bad[1], *in_order(2)), page(bad[2], more=False)))
    assert snapshot.malformed == {"time_zero": 2, "bad_id": 1}
    assert (snapshot.sessions, len(snapshot.candidates)) == (2, 2)


def test_an_unknown_status_is_kept_counted_and_named() -> None:
    snapshot = fold(ScriptedPages(page(*in_order(2, status="hibernating"), more=False)))
    assert (snapshot.sessions, snapshot.candidates) == (2, ())
    assert snapshot.unknown_statuses == {"hibernating"}


def test_unknown_fields_are_named() -> None:
    snapshot = fold(ScriptedPages(page(*in_order(1, strange=("colour",)), more=False)))
    assert snapshot.strange == {"colour"}


def test_the_sessions_that_must_be_seen_are_noted_whether_kept_or_not() -> None:
    wanted = frozenset({"canary-000001", "session-000000", "canary-000002"})
    canary = session("canary-000001", age=5 * DAY_S, idle=0)
    assert fold(ScriptedPages(page(*in_order(1), canary, more=False)), wanted).seen == wanted - {"canary-000002"}


def test_without_the_platforms_time_nothing_is_judged() -> None:
    snapshot = fold(ScriptedPages(page(*in_order(3), more=False), date=None))
    assert (snapshot.now, snapshot.sessions, snapshot.candidates) == (None, 3, ())


def test_ages_are_counted_from_the_time_at_which_the_listing_began() -> None:
    class Slow(ScriptedPages):
        async def page(self, agent: str, **given: Any) -> Answer[Page]:
            answer = await super().page(agent, **given)
            return Answer(answer.value, NOW + 600.0 * (len(self.asked) - 1), NOW, 0.0)

    nearly = [session(f"session-{n:06d}", age=20 * DAY_S - n, idle=7 * DAY_S - 300) for n in range(2)]
    snapshot = fold(Slow(page(nearly[0]), page(nearly[1], more=False)))
    assert (snapshot.now, snapshot.candidates) == (NOW, ())
    assert snapshot.idle.total_s == 2 * (7 * DAY_S - 300)


class Endless:
    """Pages of kept sessions that nobody but the reader holds on to."""

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self.given = 0
        self.handed_out: list[weakref.ref[Page]] = []
        self.most_alive = 0

    spare = False

    async def page(self, agent: str, **_: Any) -> Answer[Page]:
        gc.collect() if self.given % 10 == 0 else None
        self.most_alive = max(self.most_alive, sum(ref() is not None for ref in self.handed_out))
        records = in_order(100, 100 * self.given, last_accessed_at=NOW, status=ACTIVE)
        self.given += 1
        made = Kept(tuple(records), records[0].id, records[-1].id, self.given < self.pages)
        self.handed_out.append(weakref.ref(made))
        return Answer(made, NOW, NOW, 0.0)


class Kept(Page):
    """A page that can be watched dying."""

    __slots__ = ("__weakref__",)


@pytest.fixture
def nothing_older() -> Iterator[None]:
    """What earlier tests left behind is neither searched nor collected meanwhile."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("nothing_older")
def test_pages_of_kept_sessions_are_counted_and_dropped() -> None:
    lister = Endless(pages=60)
    snapshot = fold(lister)
    assert (snapshot.sessions, snapshot.candidates) == (6_000, ())
    assert lister.most_alive <= 2


@pytest.mark.usefixtures("nothing_older")
def test_memory_does_not_grow_with_the_sessions_that_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def peak(pages: int) -> int:
        tracemalloc.start()
        fold(Endless(pages))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    monkeypatch.setattr(listing, "RECENT_SESSIONS", 200)  # after two pages as many are known as ever will be
    peak(12)  # a first run also pays for caches
    assert peak(40) < 1.3 * peak(12)


class OrderedSessions(ScriptedPages):
    """Sessions listed from either end, as the platform does; what it does differently is in subclasses."""

    spare = True

    def __init__(self, *sessions: Session) -> None:
        super().__init__()
        self.sessions = sorted(sessions, key=lambda each: each.created_at)
        self.orders: list[Order] = []

    def listed(self, order: Order) -> list[Session]:
        return self.sessions if order == "asc" else self.sessions[::-1]

    async def page(
        self, agent: str, *, order: Order = "asc", after: str | None = None, limit: int = 20
    ) -> Answer[Page]:
        await asyncio.sleep(0)
        self.orders.append(order)
        listed = self.listed(order)
        start = 0 if after is None else [each.id for each in listed].index(after) + 1
        shown = listed[start : start + limit]
        return Answer(page(*shown, more=start + limit < len(listed)), NOW, NOW, 0.0)


def shelved(*ages_s: int) -> list[Session]:
    return [session(f"session-{n:06d}", age=age, idle=0) for n, age in enumerate(ages_s)]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_SIZE", 4)


@pytest.mark.usefixtures("small_pages")
def test_a_long_listing_is_read_from_both_ends_until_they_meet() -> None:
    lister = OrderedSessions(*shelved(*range(1, 101)))
    snapshot = fold(lister)
    assert (snapshot.sessions, snapshot.incomplete, snapshot.disorder) == (100, "", 0)
    assert sum(snapshot.idle.counts) == sum(snapshot.age.counts) == 100
    # Some pages more than one end needs: those on which the ends have met.
    assert 25 <= len(lister.orders) <= 25 + 2
    assert lister.orders.count("desc") >= 25 // 2 - listing.SECOND_END_FROM_PAGES


@pytest.mark.usefixtures("small_pages")
def test_a_page_that_was_not_needed_may_fail() -> None:
    lister = FailsTooLate(*shelved(*range(1, 101)))
    assert (fold(lister).sessions, lister.orders) == (100, ["asc"] * 25)


@pytest.mark.usefixtures("small_pages")
def test_without_room_for_another_request_a_listing_is_read_from_one_end() -> None:
    lister = OrderedSessions(*shelved(*range(1, 101)))
    lister.spare = False
    assert (fold(lister).sessions, lister.orders) == (100, ["asc"] * 25)


@given(st.lists(st.integers(1, 12), max_size=70), st.integers(1, 7), st.integers(1, 5))
def test_both_ends_together_show_each_session_once_whatever_was_created_when(
    ages_s: list[int], size: int, from_pages: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "PAGE_SIZE", size)
        patch.setattr(listing, "SECOND_END_FROM_PAGES", from_pages)
        snapshot = fold(OrderedSessions(*shelved(*ages_s)))
    assert (snapshot.sessions, snapshot.incomplete, snapshot.disorder) == (len(ages_s), "", 0)
    assert sum(snapshot.age.counts) == len(ages_s)


class OneWay(OrderedSessions):
    """Does not know `order`."""

    def listed(self, order: Order) -> list[Session]:
        return self.sessions


class TiesAsTheyAre(OrderedSessions):
    """Sessions of one second come in the same order from both ends."""

    def listed(self, order: Order) -> list[Session]:
        return sorted(self.sessions, key=lambda each: each.created_at, reverse=order == "desc")


class NoSecondEnd(OrderedSessions):
    """Fails whenever the newest are asked for."""

    async def page(self, agent: str, *, order: Order = "asc", **given: Any) -> Answer[Page]:
        if order == "desc":
            raise trouble(Retryable)
        return await super().page(agent, order=order, **given)


class FailsTooLate(OrderedSessions):
    """Says that the newest cannot be had when all were read without them."""

    async def page(self, agent: str, *, order: Order = "asc", **given: Any) -> Answer[Page]:
        if order == "desc":
            await asyncio.sleep(0.01)
            raise trouble(Retryable)
        return await super().page(agent, order=order, **given)


class HangsAtTheNewestEnd(OrderedSessions):
    """Never answers who asks for the newest, and counts who waits."""

    waiting = 0

    async def page(self, agent: str, *, order: Order = "asc", **given: Any) -> Answer[Page]:
        if order == "asc":
            return await super().page(agent, order=order, **given)
        self.waiting += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.waiting -= 1
        raise AssertionError


@pytest.mark.usefixtures("small_pages")
def test_a_newest_end_that_never_answers_holds_nothing_up() -> None:
    lister = HangsAtTheNewestEnd(*shelved(*range(1, 61)))
    snapshot = fold(lister)
    assert (snapshot.sessions, snapshot.incomplete, lister.waiting) == (60, "", 0)


@pytest.mark.usefixtures("small_pages")
def test_who_stops_in_mid_listing_leaves_no_request_behind() -> None:
    lister = HangsAtTheNewestEnd(*shelved(*range(1, 61)))

    async def stopped() -> int:
        reader = reader_of(lister, policy())
        reader = replace(reader, stopping=lambda: "enough" if lister.waiting else "")
        with pytest.raises(InterruptedError, match="enough"):
            await reader.list_all(frozenset(), None, indexed=False)
        return lister.waiting

    assert asyncio.run(stopped()) == 0


class LosesItsWay(OrderedSessions):
    """Gives the newest page again and again, whatever the cursor."""

    async def page(
        self, agent: str, *, order: Order = "asc", after: str | None = None, limit: int = 20
    ) -> Answer[Page]:
        return await super().page(agent, order=order, after=None if order == "desc" else after, limit=limit)


class HidesTheMiddle(OrderedSessions):
    """From the newest end, a part of the sessions is missing."""

    def listed(self, order: Order) -> list[Session]:
        return self.sessions if order == "asc" else self.sessions[:20:-1] + self.sessions[:5][::-1]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("kind", [OneWay, TiesAsTheyAre, NoSecondEnd, LosesItsWay, HidesTheMiddle])
@pytest.mark.parametrize("spread", [1, 5, 60])
def test_a_platform_whose_newest_end_cannot_be_relied_on_is_read_from_the_oldest(
    kind: type[OrderedSessions], spread: int
) -> None:
    snapshot = fold(kind(*shelved(*(1 + n % spread for n in range(60)))))
    assert (snapshot.sessions, snapshot.incomplete, snapshot.disorder) == (60, "", 0)


class Shrinks(OrderedSessions):
    """The session that was shown last goes while the listing is read, once."""

    def __init__(self, *sessions: Session, after_pages: int) -> None:
        super().__init__(*sessions)
        self.after_pages = after_pages

    async def page(
        self, agent: str, *, order: Order = "asc", after: str | None = None, limit: int = 20
    ) -> Answer[Page]:
        if after is not None and after not in {each.id for each in self.sessions}:
            raise trouble(Refused)
        answer = await super().page(agent, order=order, after=after, limit=limit)
        if len(self.orders) == self.after_pages:
            self.sessions.remove(answer.value.sessions[-1])  # type: ignore[arg-type]
        return answer


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("after_pages", range(1, 18))
def test_a_session_that_goes_while_both_ends_are_read_leaves_the_rest_complete(after_pages: int) -> None:
    snapshot = fold(Shrinks(*shelved(*range(1, 61)), after_pages=after_pages))
    assert snapshot.incomplete == ""
    assert snapshot.sessions in (59, 60)


def test_the_histograms_follow_the_platforms_time() -> None:
    snapshot = fold(ScriptedPages(page(session(idle=3_600), session("session-0002", idle=3_601), more=False)))
    assert snapshot.idle.counts[:2] == [1, 1]
    assert snapshot.idle.total_s == 7_201


def test_a_stop_is_a_candidate_as_well() -> None:
    busy = session(status=ACTIVE, idle=DAY_S)
    snapshot = fold(ScriptedPages(page(busy, more=False)))
    assert snapshot.candidates == (candidate(busy, RUNAWAY),)

"""Deletes that are verified together by pages, and all that keeps pages from being believed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from reaper.core.model import OutcomeKind
from reaper.emulator import Fault
from reaper.emulator.routing import RoutedCall
from reaper.emulator.stored import StoredSession
from reaper.engine import rounds
from reaper.engine.executor import UNVERIFIED_MAX
from reaper.engine.report import Result, Swept
from reaper.engine.runner import Scope
from reaper.listing import listing
from reaper.store.journal import Journal
from tests.clock import run, true_time
from tests.scenarios.story import DAY_S, HOUR_S, Story, one, tell

DONE, UNVERIFIED, IN_DOUBT = OutcomeKind.DONE, OutcomeKind.UNVERIFIED, OutcomeKind.IN_DOUBT
STALE_MANY = 72
WORKERS = 4
FIRST = 1 + rounds.PROVEN_FIRST
"""So many are verified one by one before any wait for a page."""


def backlog(story: Story, *, keep_every: int = 10, many: int = STALE_MANY, apart_s: int = 60) -> list[str]:
    """Stale sessions made one after the other, with one that is in use after each so many, and at either end."""
    version = story.platform.agent("a").latest
    now, stale = int(true_time()), []
    count = many + many // (keep_every - 1) + 1
    for number in range(count):
        kept = number % keep_every == 0 or number == count - 1
        name = f"{'used' if kept else 'stale'}-{number:06d}"
        made = now - 20 * DAY_S + number * apart_s
        story.platform.place("a", StoredSession(name, version, made, now - (HOUR_S if kept else 10 * DAY_S)))
        if not kept:
            stale.append(name)
    return stale


def kinds(report: Any) -> Counter[OutcomeKind]:
    return Counter(outcome.kind for outcome in report.outcomes)


def looks(story: Story) -> int:
    """Looks at single sessions that were no last looks before a delete."""
    return story.sent()["get"] - story.sent()["delete"]


def verifying(story: Story, happen: Callable[[RoutedCall], object]) -> None:
    """Let something happen before each page that is asked for once deletes have begun."""

    def arrives(call: RoutedCall) -> None:
        if call.operation == "list" and story.sent()["delete"]:
            happen(call)

    story.emulator.api.on_call = arrives


def listed_pages(story: Story) -> int:
    """How many pages the listing takes."""
    return -(-len(list(story.platform.sessions("a"))) // listing.PAGE_SIZE) + 1


@pytest.mark.parametrize("tombstone_s", [0.0, 3600.0])
def test_a_backlog_takes_two_requests_for_each_delete_and_some_pages(tombstone_s: float) -> None:
    @tell
    async def scenario() -> None:
        story = Story(tombstone_s=tombstone_s)
        stale = backlog(story)
        report = one(await story.sweep())
        assert report.result is Result.OK
        assert kinds(report) == {DONE: len(stale)}
        assert sorted(story.deleted()) == stale
        assert looks(story) <= FIRST
        assert story.sent()["list"] <= listed_pages(story) + len(stale) // 4
        assert story.store.journal.open("p", "a") == []

    scenario()


@tell
async def test_a_stretch_in_which_nothing_is_kept_is_verified_together_too() -> None:
    story = Story()
    stale = backlog(story, keep_every=STALE_MANY + 1)
    report = one(await story.sweep())
    assert kinds(report) == {DONE: len(stale)}
    # One of each page goes last, by itself: until then it shows where the others were.
    assert looks(story) <= FIRST + -(-len(stale) // listing.PAGE_SIZE)


@tell
async def test_deletes_that_lie_far_apart_are_looked_at_one_by_one() -> None:
    story = Story()
    version, now = story.platform.agent("a").latest, int(true_time())
    for number in range(300):
        used = 10 * DAY_S if number % 20 == 7 else HOUR_S
        made = now - 20 * DAY_S + number * 60
        story.platform.place("a", StoredSession(f"session-{number:06d}", version, made, now - used))
    pages = listed_pages(story)
    report = one(await story.sweep())
    assert kinds(report) == {DONE: 15}
    assert (looks(story), story.sent()["list"] <= pages) == (15, True)


@tell
async def test_what_was_created_in_the_same_second_is_looked_at_one_by_one() -> None:
    story = Story()
    stale = backlog(story, apart_s=0)
    report = one(await story.sweep())
    assert (kinds(report), looks(story)) == ({DONE: len(stale)}, len(stale))


# What a page must not be believed for


@tell
async def test_a_deleted_session_that_pages_still_show_is_looked_at_and_unverified() -> None:
    story = Story()
    stale = backlog(story)
    ghost = stale[40]
    story.fault(Fault("delete", session=ghost, lie="ghost_delete"))
    report = one(await story.sweep())
    assert kinds(report) == {DONE: len(stale) - 1, UNVERIFIED: 1}
    (told,) = [outcome for outcome in report.outcomes if outcome.kind is UNVERIFIED]
    assert told.item.session.id == ghost
    assert ghost in story.left()


DOUBTFUL = {
    "empty": Fault("list", lie="empty_list"),
    "only our own": Fault("list", lie="only_own"),
    "the same again": Fault("list", lie="loop_cursor"),
    "endless": Fault("list", lie="endless"),
    "cut": Fault("list", lie="truncated"),
    "malformed": Fault("list", lie="bad_field", field="status", value=7, share=0.2),
    "times that mean nothing": Fault("list", lie="bad_field", field="created_at", value="yesterday"),
    "one time for all": Fault("list", lie="bad_field", field="created_at", value=1_799_000_000),
    "an error": Fault("list", status=500),
    "a refusal": Fault("list", status=403),
    "a gateway's page": Fault("list", lie="gateway"),
    "too many requests": Fault("list", status=429, retry_after_seconds=20),
}


@pytest.mark.parametrize("doubtful", [*DOUBTFUL])
@pytest.mark.parametrize("has_effect", [True, False])
def test_pages_that_prove_nothing_leave_it_to_a_look_at_each(doubtful: str, has_effect: bool) -> None:
    @tell
    async def scenario() -> None:
        story = Story()
        stale = backlog(story)
        # Once so many effects are proven that pages are read, deletes have none any more.
        ghosts = [] if has_effect else [Fault("delete", lie="ghost_delete", after=FIRST)]
        story.fault(*ghosts)
        left = [DOUBTFUL[doubtful]]
        verifying(story, lambda _: left and story.emulator.faults.add(left.pop()))
        report = one(await story.sweep())
        assert isinstance(report, Swept)
        assert {each.item.session.id for each in report.outcomes if each.kind is DONE} == set(story.deleted())
        if has_effect:
            assert kinds(report) == {DONE: len(stale)}
            assert looks(story) >= len(stale)
        else:
            assert report.breaker is not None

    scenario()


@pytest.mark.parametrize("gone_cursor", ["error", "restart", "empty"])
def test_landmarks_that_somebody_deletes_prove_nothing(gone_cursor: str) -> None:
    @tell
    async def scenario() -> None:
        story = Story(gone_cursor=gone_cursor, tombstone_s=0.0)
        stale = backlog(story)

        def all_delete(_: RoutedCall) -> None:
            for session in [each.id for each in story.platform.sessions("a") if each.id.startswith("used")]:
                story.platform.delete("a", session)

        verifying(story, all_delete)
        report = one(await story.sweep())
        assert kinds(report) == {DONE: len(stale)}
        assert looks(story) == len(stale)

    scenario()


@tell
async def test_a_page_that_ends_before_the_landmark_behind_it_proves_nothing() -> None:
    story = Story()
    stale = backlog(story)
    for session in stale[60:]:
        story.platform.use("a", session)
    verifying(story, lambda _: story.fault(Fault("list", lie="only_own", session="stale-*", share=1.0)))
    report = one(await story.sweep())
    assert kinds(report) == {DONE: 60}
    assert looks(story) == 60


@tell
async def test_an_id_that_is_used_again_at_once_is_another_session() -> None:
    story = Story(tombstone_s=0.0)
    stale = backlog(story)
    chosen, made = stale[30], list[object]()

    def make_again(_: RoutedCall) -> None:
        if chosen in story.deleted() and not made:
            made.append(story.platform.create("a", chosen))

    verifying(story, make_again)
    report = one(await story.sweep())
    assert made
    assert kinds(report) == {DONE: len(stale)}
    assert chosen in story.left()


# Deletes without effect


@tell
async def test_a_platform_that_ignores_every_delete_is_found_out_with_the_first_few() -> None:
    story = Story()
    backlog(story)
    story.fault(Fault("delete", lie="ghost_delete"))
    report = one(await story.sweep())
    assert story.sent()["delete"] <= UNVERIFIED_MAX + WORKERS - 1
    assert report.result is Result.FAILED
    assert "without effect" in report.why
    assert story.store.breaker("p", "a") is not None


@pytest.mark.parametrize("proven", [FIRST, 20, 47])
def test_of_deletes_that_suddenly_have_no_effect_no_more_are_accepted_than_were_proven(proven: int) -> None:
    @tell
    async def scenario() -> None:
        story = Story()
        backlog(story)
        story.fault(Fault("delete", lie="ghost_delete", after=proven))
        report = one(await story.sweep())
        told = kinds(report)
        assert set(told) == {DONE, UNVERIFIED}
        assert told[DONE] == proven == len(story.deleted())
        assert told[UNVERIFIED] <= proven + WORKERS
        breaker = story.store.breaker("p", "a")
        assert breaker is not None
        assert "actions were accepted without effect" in breaker.reason

    scenario()


# What happens in between


@tell
async def test_a_sweep_that_is_asked_to_stop_verifies_what_was_accepted_before_it_returns() -> None:
    story = Story()
    backlog(story)
    asked = ["" for _ in range(90)]
    report = one(await story.sweeper.run(story.settings, Scope(), lambda: asked.pop() if asked else "SIGTERM"))
    assert report.why == "SIGTERM"
    assert 0 < len(story.deleted()) < STALE_MANY
    assert kinds(report) == {DONE: len(story.deleted())}
    assert looks(story) <= FIRST + WORKERS
    assert story.store.journal.open("p", "a") == []


@tell
async def test_deletes_without_effect_open_the_breaker_also_when_the_sweep_was_asked_to_stop() -> None:
    story = Story()
    backlog(story)
    story.fault(Fault("delete", lie="ghost_delete", after=20))
    await story.sweeper.run(story.settings, Scope(), lambda: "SIGTERM" if story.sent()["delete"] > 24 else "")
    assert story.store.breaker("p", "a") is not None


def test_a_death_between_a_delete_and_its_page_leaves_an_intent_that_the_next_sweep_resolves() -> None:
    async def dies_at(step: int) -> tuple[bool, int]:
        story = Story()
        stale = backlog(story, many=36)
        died = await story.killed_sweep(step)
        story.disk.steps = story.steps
        left_open = len(story.store.journal.open("p", "a")) if died else 0
        await story.sweep()
        assert sorted(story.deleted()) == stale
        assert story.store.journal.open("p", "a") == []
        return died, left_open

    kept = listing.PAGE_SIZE
    listing.PAGE_SIZE = 10  # type: ignore[misc]
    try:
        found = [run(lambda step=step: dies_at(step)) for step in range(86, 126, 8)]
    finally:
        listing.PAGE_SIZE = kept  # type: ignore[misc]
    assert max(left_open for died, left_open in found if died) > WORKERS


@tell
async def test_a_sweep_that_is_cancelled_puts_down_what_it_could_not_verify_as_in_doubt() -> None:
    story = Story()
    backlog(story)
    sweep: asyncio.Task[Any]

    def cancel(_: RoutedCall) -> None:
        sweep.cancel()

    verifying(story, cancel)
    sweep = asyncio.ensure_future(story.sweep())
    with pytest.raises(asyncio.CancelledError):
        await sweep
    entries = story.store.journal.open("p", "a")
    assert len(entries) > WORKERS
    assert {entry.outcome for entry in entries} == {IN_DOUBT}
    story.emulator.api.on_call = None
    await story.sweep()
    assert story.store.journal.open("p", "a") == []


@tell
async def test_on_a_slow_platform_no_delete_waits_long_for_its_verification() -> None:
    story = Story()
    backlog(story)
    story.fault(Fault("get", delay_seconds=1.9))
    waited: list[float] = []
    accepted: dict[str, float] = {}
    intend, conclude = Journal.intend, Journal.conclude

    async def intended(self: Any, intent: Any, *given: Any, **named: Any) -> Any:
        accepted[intent.session] = true_time()
        return await intend(self, intent, *given, **named)

    async def concluded(self: Any, intent: Any, *given: Any, **named: Any) -> Any:
        waited.append(true_time() - accepted[intent.session])
        return await conclude(self, intent, *given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "intend", intended)
        patch.setattr(Journal, "conclude", concluded)
        await story.sweep()
    assert len(waited) == STALE_MANY
    assert max(waited) < rounds.ROUND_MAX_S + 5

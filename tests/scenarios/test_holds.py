"""Sessions that people hold: whoever would stop or delete them leaves them alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from reaper.core.conditions import Idle, StatusIn
from reaper.core.holds import SessionHold, hold_words
from reaper.core.model import Action, OutcomeKind
from reaper.core.plan import Hold
from reaper.core.policy import Limits, Rule
from reaper.core.settings import Pressure, Quota, Settings
from reaper.emulator import Fault
from reaper.emulator.routing import RoutedCall
from reaper.engine.report import Result
from reaper.store.journal import ActionFilter, Entry
from tests.clock import true_time
from tests.scenarios.story import DAY_S, HOUR_S, Story, one, tell

HELD = "stale-000001"
RUNAWAY = Rule("runaway", Action.STOP, (StatusIn(frozenset({"active"})), Idle(HOUR_S)))


def day(days: float) -> date:
    """The day that is so many days away."""
    return datetime.fromtimestamp(true_time() + days * DAY_S, UTC).date()


def hold(story: Story, session: str = HELD, *, id_only: bool = False, **changes: Any) -> SessionHold:
    """A person's hold, as the command places it."""
    made = None if id_only else story.platform.find("a", session).created_at  # type: ignore[union-attr]
    wanted = SessionHold("p", "a", session, day(30), reason="thesis", by="kim", created_at=made, at=true_time())
    return story.store.holds.place(replace(wanted, **changes), {"by": "kim"}).hold


def release(story: Story, *holds: SessionHold) -> None:
    story.store.holds.release([one.id for one in holds], true_time(), {"by": "kim"})


async def ripe() -> Story:
    """Two stale sessions are marked, and their grace of a day is over."""
    story = Story()
    story.options["grace_s"] = DAY_S
    await story.stale_and_fresh(2, 0)
    await story.sweep()
    await asyncio.sleep(DAY_S + HOUR_S)
    return story


class Configured(Story):
    """A story whose configuration names holds."""

    holds: tuple[SessionHold, ...] = ()

    @property
    def settings(self) -> Settings:
        return replace(super().settings, holds=self.holds)


def named(session: str = HELD, until: date | None = None, **changes: Any) -> SessionHold:
    return SessionHold("p", "a", session, until or day(30), reason="thesis", by="ops", configured=True, **changes)


@tell
async def test_a_held_session_is_kept_by_sweeps_until_it_is_released() -> None:
    story = Story()
    await story.stale_and_fresh(3, 2)
    held = hold(story)
    report = one(await story.sweep())
    assert report.result is Result.OK
    assert report.blocked == {Hold.HOLD: 1}
    assert story.left() >= {HELD}
    assert len(story.deleted()) == 2
    release(story, held)
    await story.sweep()
    assert HELD in story.deleted()


@tell
async def test_a_hold_that_the_configuration_names_holds_the_id_as_long_as_it_stands_there() -> None:
    story = Configured()
    await story.stale_and_fresh(3, 2)
    story.holds = (named(),)
    assert one(await story.sweep()).blocked == {Hold.HOLD: 1}
    story.platform.delete("a", HELD)
    story.platform.create("a", HELD)
    await asyncio.sleep(9 * DAY_S)
    await story.sweep()
    assert HELD in story.left()
    story.holds = ()
    await story.sweep()
    assert HELD in story.deleted()


@tell
async def test_a_hold_ends_with_its_day_and_a_legal_one_never() -> None:
    story = Story()
    await story.stale_and_fresh(3, 0)
    hold(story, until=day(1))
    hold(story, "stale-000002", until=None, legal="ABC-1")
    await asyncio.sleep(DAY_S - HOUR_S)
    await story.sweep()
    assert story.left() == {HELD, "stale-000002"}
    await asyncio.sleep(2 * DAY_S)
    await story.sweep()
    assert story.left() == {"stale-000002"}
    await asyncio.sleep(10 * DAY_S)
    await story.sweep()
    assert story.left() == {"stale-000002"}


@tell
async def test_several_people_hold_one_session_until_the_last_has_released_it() -> None:
    story = Story()
    await story.stale_and_fresh(2, 0)
    first, second = hold(story), hold(story, by="lee")
    release(story, first)
    report = one(await story.sweep())
    assert HELD in story.left()
    assert hold_words(*report.plan.holds.on(report.plan.items[-1].session, report.plan.now)).startswith("held by lee")  # type: ignore[union-attr]
    release(story, second)
    await story.sweep()
    assert story.left() == set()


@tell
async def test_a_hold_binds_the_incarnation_and_one_on_the_id_whoever_gets_it() -> None:
    story = Story()
    await story.stale_and_fresh(2, 0)
    hold(story)
    hold(story, "later-000001", id_only=True)
    story.platform.delete("a", HELD)
    story.create(1, "x")
    story.platform.create("a", HELD)
    story.platform.create("a", "later-000001")
    await asyncio.sleep(9 * DAY_S)
    await story.sweep()
    assert story.left() == {"later-000001"}


@tell
async def test_a_session_that_is_held_in_mid_sweep_is_kept() -> None:
    """Held after the plan was made, and after its last look was asked for: nothing but the intent is in between."""
    story = Story()
    await story.stale_and_fresh(3, 0)

    def hold_it(call: RoutedCall) -> None:
        if call.operation == "get" and call.session == HELD and not story.store.holds.all():
            hold(story)

    story.emulator.api.on_call = hold_it
    report = one(await story.sweep())
    (kept,) = [outcome for outcome in report.outcomes if outcome.item.session.id == HELD]
    assert kept.kind is OutcomeKind.CHANGED
    assert kept.why == f"held by kim until {day(30)}: thesis"
    assert story.left() == {HELD}
    assert not [entry for entry in story.store.journal.open("p", "a") if entry.intent.session == HELD]


@tell
async def test_who_holds_a_session_whose_delete_is_under_way_is_told_so() -> None:
    story = Story()
    await story.stale_and_fresh(1, 0)
    late: list[str] = []

    def hold_it(call: RoutedCall) -> None:
        if call.operation == "delete" and not late:
            found = story.platform.find("a", call.session)
            assert found is not None
            wanted = SessionHold(
                "p", "a", call.session, day(9), by="kim", created_at=found.created_at, at=true_time()
            )
            late.append(story.store.holds.place(wanted, {}).late)

    story.emulator.api.on_call = hold_it
    await story.sweep()
    assert len(story.deleted()) == 1
    assert late[0].startswith("a delete of it that was intended at 20")
    assert late[0].endswith("is under way")


@tell
async def test_a_delete_that_has_to_wait_is_not_sent_once_its_session_is_held() -> None:
    """Its intent is on disk, the platform says 429, and while it waits a person holds the session."""
    story = Story()
    await story.stale_and_fresh(1, 0)
    story.fault(Fault("delete", status=429, times=1, retry_after_seconds=30))

    looks: list[str] = []

    def hold_it(call: RoutedCall) -> None:
        looks.extend([call.session] * (call.operation == "get"))
        if len(looks) == 2 and not story.store.holds.all():
            hold(story, call.session)

    story.emulator.api.on_call = hold_it
    report = one(await story.sweep())
    assert [outcome.kind for outcome in report.outcomes] == [OutcomeKind.CHANGED]
    assert story.deleted() == []
    assert story.store.journal.open("p", "a") == []


@tell
async def test_a_released_session_gets_its_grace_anew() -> None:
    story = await ripe()
    release(story, hold(story))
    await story.sweep()
    assert story.left() == {HELD}
    await asyncio.sleep(DAY_S + HOUR_S)
    await story.sweep()
    assert story.left() == set()


@tell
async def test_a_session_that_is_held_and_released_in_mid_sweep_gets_its_grace_anew() -> None:
    story = await ripe()

    def hold_for_a_moment(call: RoutedCall) -> None:
        if call.operation == "get" and call.session == HELD and not story.store.holds.all():
            release(story, hold(story))

    story.emulator.api.on_call = hold_for_a_moment
    report = one(await story.sweep())
    (kept,) = [outcome for outcome in report.outcomes if outcome.item.session.id == HELD]
    assert kept.why.startswith(f"held by kim until {day(30)}, released at ")
    assert story.left() == {HELD}
    await asyncio.sleep(HOUR_S)
    await story.sweep()
    assert story.left() == {HELD}
    await asyncio.sleep(DAY_S)
    await story.sweep()
    assert story.left() == set()


@pytest.mark.parametrize("blind", [False, True])
def test_marks_of_held_sessions_are_dropped_also_while_the_inventory_is_doubted(blind: bool) -> None:
    @tell
    async def story_of_it() -> None:
        story = Configured()
        story.options["grace_s"] = DAY_S
        await story.stale_and_fresh(2, 0)
        await story.sweep()
        assert len(story.store.marks("p", "a")) == 2
        story.holds = (named(),)
        story.must_see = frozenset({"canary-000001"} if blind else ())
        await story.sweep()
        assert [ident for ident, _ in story.store.marks("p", "a")] == ["stale-000000"]

    story_of_it()


@tell
async def test_holds_that_cannot_be_read_end_the_sweep_and_nothing_is_deleted() -> None:
    story = Story()
    await story.stale_and_fresh(2, 0)
    hold(story)
    with story.disk.begin() as connection:
        connection.exec_driver_sql("UPDATE holds SET until = 'some day'")
    report = one(await story.sweep())
    assert report.result is Result.FAILED
    assert "the holds were altered" in report.why
    assert story.deleted() == []


@tell
async def test_a_hold_keeps_from_stops_and_its_quota_is_relieved_by_others() -> None:
    class Pooled(Story):
        @property
        def settings(self) -> Settings:
            pool = Quota("pool", 4, ("p",), pressure=Pressure(above=50, until=25, idle_s=60))
            return replace(super().settings, quotas=(pool,))

    for story in (Story(), Pooled()):
        story.rules = (RUNAWAY,) if type(story) is Story else story.rules
        for number in range(4):
            story.platform.create("a", f"busy-{number:06d}")
            story.platform.busy("a", f"busy-{number:06d}", DAY_S)
        hold(story, "busy-000000")
        await asyncio.sleep(2 * HOUR_S)
        await story.sweep()
        stopped = {event.session for event in story.platform.history if event.kind == "stopped"}
        assert stopped
        assert "busy-000000" not in stopped


@tell
async def test_an_approved_plan_deletes_no_session_that_is_held_since() -> None:
    story = Story()
    story.options["limits"] = Limits()
    await story.stale_and_fresh(40, 60)
    plan = one(await story.sweep()).plan  # type: ignore[union-attr]
    assert story.store.plans.approve(plan.id, story.clock.wall())
    hold(story)
    await story.sweep()
    assert len(story.deleted()) == 39
    assert HELD in story.left()


@tell
async def test_holds_are_in_the_record_and_altered_ones_are_found() -> None:
    story = Story()
    await story.stale_and_fresh(1, 0)
    held = hold(story, "stale-000000")
    release(story, held)
    await asyncio.sleep(40 * DAY_S)
    await story.sweep()
    assert story.store.holds.all() == []
    told = story.store.journal.history(ActionFilter(session="stale-000000"))
    names = [entry.intent.rule for entry in told if isinstance(entry, Entry)]
    assert names == ["hold_placed", "hold_released"]
    hold(story, "other-000001", id_only=True)
    assert story.store.journal.verify().doubts == ()
    with story.disk.begin() as connection:
        connection.exec_driver_sql("DELETE FROM holds")
    assert "the holds of p/a are not those that were recorded" in str(story.store.journal.verify().doubts)

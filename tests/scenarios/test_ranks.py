"""Ranks: the newest stay, and of idle sessions only so many, as a whole listing that is believed shows them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from reaper.core.conditions import IdMatches, StatusIn
from reaper.core.model import Action, OutcomeKind
from reaper.core.plan import Hold
from reaper.core.policy import KeepNewest, Rule
from reaper.core.recheck import RANKS_OLD
from reaper.core.settings import Schedule
from reaper.emulator import AgentVersion, Fault
from reaper.engine.report import Report, Result, Swept
from reaper.engine.runner import Run, Scope
from tests.clock import true_time
from tests.scenarios.story import DAY_S, HOUR_S, STALE, Story, one, tell

VIP = Rule("vip", Action.KEEP, (IdMatches(("vip-*",)),))


def swept(run: Run) -> Swept:
    report: Report = one(run)
    assert isinstance(report, Swept), report
    return report


async def a_row(story: Story, count: int, prefix: str = "sess", apart_s: float = 60) -> list[str]:
    """So many sessions, each made and used a while after the one before."""
    names = []
    for number in range(count):
        names += [story.platform.create("a", f"{prefix}-{number:06d}").id]
        await asyncio.sleep(apart_s)
    return names


def ranking(**options: object) -> Story:
    story = Story()
    story.options |= options
    return story


@tell
async def test_of_the_stale_sessions_the_newest_stay() -> None:
    story = ranking(keep_newest=KeepNewest(3))
    names = await a_row(story, 25)
    await asyncio.sleep(10 * DAY_S)
    await story.sweep()
    assert sorted(story.deleted()) == names[:-3]
    await story.sweep()
    assert story.left() == set(names[-3:])


@tell
async def test_the_newest_are_whoever_lives_and_not_only_what_a_rule_would_delete() -> None:
    story = ranking(keep_newest=KeepNewest(3))
    names = await a_row(story, 12)
    await asyncio.sleep(10 * DAY_S)
    fresh = await a_row(story, 2, "fresh")
    await story.sweep()
    assert story.left() == {names[-1], *fresh}


@tell
async def test_the_newest_of_each_version_stay() -> None:
    story = ranking(keep_newest=KeepNewest(2, per_version=True))
    old = await a_row(story, 12, "old")
    story.platform.add_version("a", AgentVersion("2", int(true_time())))
    new = await a_row(story, 12, "new")
    await asyncio.sleep(10 * DAY_S)
    await story.sweep()
    assert story.left() == {*old[-2:], *new[-2:]}


@tell
async def test_one_of_the_newest_is_stopped_all_the_same() -> None:
    story = ranking(keep_newest=KeepNewest(3))
    story.rules = (Rule("runaway", Action.STOP, (StatusIn(frozenset({"active"})), STALE.when[1])),)
    (name,) = await a_row(story, 1)
    story.platform.busy("a", name, 20 * DAY_S)
    await asyncio.sleep(10 * DAY_S)
    await story.sweep()
    assert [event.session for event in story.platform.history if event.kind == "stopped"] == [name]


@tell
async def test_the_longest_idle_sessions_beyond_the_limit_go_and_no_others() -> None:
    story = ranking(at_most=5)
    names = await a_row(story, 45)
    for name in names[:3]:
        story.platform.use("a", name)
    await asyncio.sleep(HOUR_S)
    await story.sweep()
    assert story.left() == {*names[:3], *names[-2:]}


@tell
async def test_what_a_rule_keeps_counts_and_is_not_taken() -> None:
    story = ranking(at_most=5)
    story.rules = (VIP, STALE)
    kept = await a_row(story, 8, "vip")
    names = await a_row(story, 8)
    await asyncio.sleep(HOUR_S)
    await story.sweep()
    assert story.left() == {*kept, *names[-5:]}
    await story.sweep()
    assert story.left() == {*kept, *names[-5:]}


@tell
async def test_the_newest_are_not_taken_by_the_limit_either() -> None:
    story = ranking(at_most=2, keep_newest=KeepNewest(4))
    names = await a_row(story, 12)
    for name in names[:2]:
        story.platform.use("a", name)
    await asyncio.sleep(HOUR_S)
    await story.sweep()
    assert story.left() == {*names[:2], *names[-4:]}


@tell
async def test_of_sessions_of_one_second_the_greater_id_ranks_first() -> None:
    story = ranking(at_most=3, keep_newest=KeepNewest(2))
    names = story.create(30, "sess")
    await asyncio.sleep(HOUR_S)
    await story.sweep()
    assert story.left() == set(names[-3:])


@tell
async def test_a_session_that_came_back_within_the_limit_starts_its_grace_anew() -> None:
    story = ranking(at_most=5, grace_s=DAY_S)
    names = await a_row(story, 6)
    await asyncio.sleep(HOUR_S)
    await story.sweep()
    await asyncio.sleep(DAY_S / 2)
    story.platform.delete("a", names[3])
    await story.sweep()
    (late,) = await a_row(story, 1, "late")
    await asyncio.sleep(DAY_S / 2)
    report = swept(await story.sweep())
    assert report.blocked == {Hold.GRACE: 1}
    await asyncio.sleep(DAY_S)
    await story.sweep()
    assert story.deleted() == [names[0]]
    assert late in story.left()


@tell
async def test_a_session_that_was_one_of_the_newest_starts_its_grace_when_it_is_none_any_more() -> None:
    story = ranking(keep_newest=KeepNewest(1), grace_s=DAY_S)
    (name,) = await a_row(story, 1)
    await asyncio.sleep(10 * DAY_S)
    assert not swept(await story.sweep()).plan.items
    await asyncio.sleep(2 * DAY_S)
    await a_row(story, 1, "newer")
    assert swept(await story.sweep()).blocked == {Hold.GRACE: 1}
    await asyncio.sleep(DAY_S)
    await story.sweep()
    assert story.deleted() == [name]


@tell
async def test_nothing_is_taken_by_rank_from_a_listing_that_broke_off_and_the_marks_stay() -> None:
    story = ranking(at_most=5, grace_s=DAY_S)
    await a_row(story, 40)
    await asyncio.sleep(HOUR_S)
    assert swept(await story.sweep()).blocked == {Hold.GRACE: 35}
    await asyncio.sleep(DAY_S)
    story.fault(Fault("list", status=500, after=2))
    assert one(await story.sweep()).result is Result.INCOMPLETE
    assert not story.deleted()
    story.fault()
    await story.sweep()
    assert len(story.deleted()) == 35


@tell
async def test_with_full_listings_now_and_then_an_agent_that_ranks_is_listed_in_full_each_time() -> None:
    story = ranking(at_most=200)
    schedule = Schedule(full_listing_s=DAY_S)
    await a_row(story, 200)
    await asyncio.sleep(HOUR_S)
    await story.sweeper.run(replace(story.settings, schedule=schedule), Scope())
    await a_row(story, 5, "late")
    await asyncio.sleep(HOUR_S)
    report = swept(await story.sweeper.run(replace(story.settings, schedule=schedule), Scope()))
    assert report.snapshot.pages > 20
    assert len(story.deleted()) == 5


@tell
async def test_unreadable_records_push_nobody_out_and_displace_no_newest_one() -> None:
    story = ranking(at_most=30, keep_newest=KeepNewest(3))
    names = await a_row(story, 30)
    odd = await a_row(story, 8, "odd")
    await asyncio.sleep(10 * DAY_S)
    story.fault(Fault("list", session="odd-*", lie="add_field", field="unheard_of", value=1))
    await story.sweep()
    assert story.left() == {*names[-3:], *odd}


@pytest.mark.parametrize(("sessions", "is_late"), [(100, False), (250, True)])
def test_ranks_of_a_listing_that_took_too_long_hold_what_rests_on_them(sessions: int, is_late: bool) -> None:
    async def scenario() -> None:
        story = ranking(at_most=5)
        story.create(sessions, "sess")
        await asyncio.sleep(HOUR_S)
        story.fault(Fault("list", delay_seconds=29))
        report = swept(await story.sweep())
        assert bool(report.notes) == is_late
        assert len(story.deleted()) == (0 if is_late else sessions - 5)
        assert report.blocked == ({Hold.RANK: sessions - 5} if is_late else {})

    tell(scenario)()


@tell
async def test_deletes_by_rank_do_not_begin_once_the_ranks_are_old() -> None:
    story = ranking(at_most=5)
    story.create(205, "sess")
    await asyncio.sleep(HOUR_S)
    story.fault(Fault("delete", delay_seconds=29))
    report = swept(await story.sweep())
    assert 0 < len(story.deleted()) < 200
    assert report.result is Result.OK
    assert [o.why for o in report.outcomes if o.kind is not OutcomeKind.DONE][-1] == RANKS_OLD
    story.fault()
    await story.sweep()
    assert len(story.left()) == 5


@tell
async def test_what_the_rules_ask_for_goes_on_where_ranks_are_old() -> None:
    story = ranking(at_most=500)
    story.create(205, "sess")
    await asyncio.sleep(10 * DAY_S)
    story.fault(Fault("delete", delay_seconds=29))
    await story.sweep()
    assert not story.left()

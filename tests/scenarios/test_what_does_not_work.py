"""Sweeps in which nothing works say so, and honest changes on the platform open no breaker."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from reaper.core.conditions import Age, Idle, StatusIn, VersionIs
from reaper.core.model import Action
from reaper.core.plan import Hold
from reaper.core.policy import Rule
from reaper.emulator import Fault
from reaper.engine.executor import FAILED_IN_A_ROW_MAX
from reaper.engine.refusals import PAUSE_S
from reaper.engine.report import Result
from reaper.foundry import client

from .story import DAY_S, HOUR_S, STALE, Story, one, tell

MANY = 40
LEFT_BEHIND = Rule("left-behind", Action.DELETE, (VersionIs(frozenset({"superseded"})), Idle(3 * DAY_S)))
RUNAWAY = Rule("runaway", Action.STOP, (StatusIn(frozenset({"active"})), Idle(DAY_S)))


# What a provider cannot do


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"can_stop": False}, "the policy stops sessions"),
        ({"stop_keeps_files": False}, "the policy stops sessions"),
        ({"knows_last_access": False}, "does not tell when a session was last used"),
        ({"has_versions": False}, "the policy asks for versions"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_policy_that_asks_for_what_the_platform_cannot_do_or_tell_touches_nothing(
    changes: dict[str, bool], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @tell
    async def story_of_it() -> None:
        story = Story()
        story.rules = (LEFT_BEHIND, RUNAWAY, *story.rules)
        await story.stale_and_fresh(5, 50)
        monkeypatch.setattr(client, "CAPABILITIES", replace(client.CAPABILITIES, **changes))
        report = one(await story.sweep())
        assert report.result is Result.FAILED
        assert why in report.why
        assert story.deleted() == []
        monkeypatch.undo()
        await story.sweep()
        assert len(story.deleted()) == 5

    story_of_it()


# Refusals


@pytest.mark.parametrize(
    "fault",
    [
        Fault("delete", status=403, code="session_not_accessible"),
        Fault("delete", status=302, headers={"location": "https://elsewhere.example/"}),
        Fault("get", status=403),
        Fault("get", status=500),
    ],
    ids=["refused", "redirected", "look refused", "look fails"],
)
def test_a_sweep_in_which_no_action_works_has_failed_and_names_the_cause(fault: Fault) -> None:
    @tell
    async def story_of_it() -> None:
        story = Story()
        await story.stale_and_fresh(MANY, MANY)
        story.fault(fault)
        report = one(await story.sweep())
        assert report.result is Result.FAILED
        assert report.why.startswith(f"{FAILED_IN_A_ROW_MAX} actions in a row failed")
        assert str(fault.status) in report.why or "500" in report.why
        assert story.live.succeeded == {}
        assert story.deleted() == []

    story_of_it()


@tell
async def test_one_refused_session_among_others_makes_the_sweep_a_failed_one_and_the_others_go() -> None:
    story = Story()
    await story.stale_and_fresh(MANY, MANY)
    story.fault(Fault("delete", session="stale-000003", status=403))
    report = one(await story.sweep())
    assert report.result is Result.FAILED
    assert report.why.startswith(f"1 of {MANY} actions failed")
    assert len(story.deleted()) == MANY - 1


@tell
async def test_what_was_refused_is_left_alone_for_longer_and_longer_and_told_all_the_while() -> None:
    story = Story()
    await story.stale_and_fresh(3, MANY)
    story.fault(Fault("delete", status=403))
    tried = []
    for _ in range(4 * 24):
        before = story.sent()["delete"]
        report = one(await story.sweep())
        tried.append(story.sent()["delete"] - before)
        assert report.result is Result.FAILED
        assert tried[-1] or report.blocked[Hold.REFUSED] == 3
        await asyncio.sleep(HOUR_S / 4)
    again = [place for place, count in enumerate(tried) if count]
    assert again == [0, 4, 12, 28, 60]
    story.fault()
    await asyncio.sleep(DAY_S)
    assert one(await story.sweep()).result is Result.OK
    assert len(story.deleted()) == 3


@tell
async def test_a_new_incarnation_does_not_inherit_a_refusal() -> None:
    story = Story()
    await story.stale_and_fresh(1, MANY)
    story.fault(Fault("delete", status=403))
    await story.sweep()
    story.fault()
    story.platform.delete("a", "stale-000000")
    story.create(1, "stale")
    await asyncio.sleep(10 * DAY_S)
    assert one(await story.sweep()).result is Result.OK
    assert "stale-000000" in story.deleted()
    assert PAUSE_S < 10 * DAY_S


# Honest changes


FAILED_LONG_AGO = Rule("broken", Action.DELETE, (StatusIn(frozenset({"failed"})), Age(HOUR_S)))
IDLE_FOR_HOURS = Rule("idle", Action.DELETE, (StatusIn(frozenset({"idle"})), Idle(2 * HOUR_S)))


@tell
async def test_sessions_that_fall_idle_by_the_platforms_timeout_open_no_breaker() -> None:
    story = Story()
    story.rules = (IDLE_FOR_HOURS,)
    names = story.create(100, "busy")
    for name in names:
        story.platform.busy("a", name, 4 * HOUR_S)
    await asyncio.sleep(3 * HOUR_S)
    assert one(await story.sweep()).breaker is None
    await asyncio.sleep(1.5 * HOUR_S)
    report = one(await story.sweep())
    assert (report.breaker, report.result) == (None, Result.OK)


@tell
async def test_a_bad_deploy_that_fails_many_sessions_at_once_opens_no_breaker() -> None:
    story = Story()
    story.rules = (FAILED_LONG_AGO, STALE)
    names = story.create(100, "made")
    await asyncio.sleep(3 * HOUR_S)
    assert one(await story.sweep()).breaker is None
    for name in names[:25]:
        story.platform.fail("a", name)
    report = one(await story.sweep())
    assert (report.breaker, report.result) == (None, Result.OK)
    assert len(story.deleted()) == 25


@tell
async def test_times_that_move_back_open_the_breaker_whatever_the_policy_makes_of_them() -> None:
    story = Story()
    story.options["grace_s"] = DAY_S
    story.create(100, "daily")
    await asyncio.sleep(5 * DAY_S)
    for name in story.left():
        story.platform.use("a", name)
    await asyncio.sleep(HOUR_S)
    await story.sweep()
    story.fault(Fault("*", lie="stale_read"))
    report = one(await story.sweep())
    assert report.breaker is not None
    assert "moved back" in report.breaker.reason
    assert report.plan is not None
    assert report.plan.items == ()


# Expiry


@tell
async def test_an_expiry_long_past_is_malformed_and_no_reason_to_delete() -> None:
    story = Story()
    await story.stale_and_fresh(3, MANY)
    story.fault(Fault("list", session="stale-000001", lie="bad_field", field="expires_at", value=1))
    report = one(await story.sweep())
    assert report.snapshot is not None
    assert report.snapshot.malformed == {"expired_before_used": 1}
    assert sorted(story.deleted()) == ["stale-000000", "stale-000002"]


@tell
async def test_an_expiry_that_moves_by_itself_is_said_to_make_grace_endless() -> None:
    story = Story()
    story.options["grace_s"] = DAY_S
    await story.stale_and_fresh(3, MANY)
    assert one(await story.sweep()).notes == ()
    for hour in range(1, 4):
        await asyncio.sleep(12 * HOUR_S)
        moved = int(story.emulator.now()) + 30 * DAY_S
        story.fault(Fault("*", session="stale-*", lie="bad_field", field="expires_at", value=moved + hour))
        (note,) = one(await story.sweep()).notes
        assert note.startswith("3 sessions have another expires_at")
    assert story.deleted() == []

"""The judge itself: what it must not let pass, and what is no violation."""

from __future__ import annotations

import pytest

from tests.sim.law import Believed, Deed, Facts, Judge, Law, Line, ViolationError

HOUR_S = 3_600
NOW = 1_000_000.0
GRACE_S = 24 * HOUR_S
AGENT = "agent"
OLD = Facts("one", "idle", "1", NOW - 90 * HOUR_S, NOW - 80 * HOUR_S)
BY_VERSION = Line("superseded", "delete", idle_s=HOUR_S, superseded=True)
BY_TIME = Line("stale", "delete", idle_s=HOUR_S)
FIRST = NOW - GRACE_S - HOUR_S
MADE = ("stale", FIRST)


def _judge(*deploys: tuple[float, str]) -> Judge:
    law = Law(since=0.0, lines=(BY_VERSION, BY_TIME), grace_s=GRACE_S)
    judge = Judge(laws=[law], deploys={AGENT: [(0.0, "1"), *deploys]})
    judge.decided.add((AGENT, "delete", OLD.seen))
    return judge


def _sweep(judge: Judge, at: float, latest: str = "1", made: tuple[str, float] = MADE) -> None:
    judge.promised(AGENT, Believed(at, at + 1, latest), {OLD.seen: made})


def _delete(judge: Judge) -> None:
    judge.check(Deed(NOW, AGENT, "delete", OLD, approved=False, looked_at=NOW, latest="1"))


def test_a_version_that_no_sweep_saw_breaks_no_mark() -> None:
    judge = _judge((FIRST + HOUR_S, "2"), (NOW - HOUR_S, "1"))
    _sweep(judge, FIRST)
    _delete(judge)


def test_a_mark_that_stood_through_a_sweep_that_saw_another_version_is_a_violation() -> None:
    judge = _judge((FIRST + HOUR_S, "2"), (NOW - HOUR_S, "1"))
    _sweep(judge, FIRST)
    _sweep(judge, FIRST + 10 * HOUR_S, latest="2")
    with pytest.raises(ViolationError, match="not due by the same rule"):
        _delete(judge)


def test_a_law_that_no_sweep_knew_yet_is_asked_of_the_version_that_the_next_one_saw() -> None:
    keeps_newest = Line("newest", "keep", latest=True)
    for versions, fits in ((("2", "1"), True), (("2", "2"), False)):
        judge = _judge((FIRST - HOUR_S, "2"))
        judge.laws = [
            Law(0.0, (BY_TIME,), grace_s=GRACE_S),
            Law(NOW - HOUR_S, (keeps_newest, BY_TIME), grace_s=GRACE_S),
        ]
        session = Facts("one", "idle", "2", OLD.created_at, OLD.last_accessed_at)
        judge.decided.add((AGENT, "delete", session.seen))
        for at, latest in zip((FIRST, NOW), versions, strict=True):
            judge.promised(AGENT, Believed(at, at, latest), {session.seen: MADE})
        deed = Deed(NOW, AGENT, "delete", session, approved=False, looked_at=NOW, latest=versions[1])
        if fits:
            judge.check(deed)
            continue
        with pytest.raises(ViolationError):
            judge.check(deed)


def test_a_mark_that_was_made_anew_starts_anew() -> None:
    judge = _judge()
    _sweep(judge, FIRST)
    _sweep(judge, NOW - HOUR_S, made=("stale", NOW - HOUR_S))
    with pytest.raises(ViolationError, match="not marked for all of its grace"):
        _delete(judge)


def test_a_mark_that_a_dying_sweep_did_not_write_down_was_never_made() -> None:
    judge = _judge()
    _sweep(judge, FIRST)
    judge.found(AGENT, {}, {})
    _sweep(judge, NOW - HOUR_S)
    with pytest.raises(ViolationError, match="not marked for all of its grace"):
        _delete(judge)


def test_a_mark_that_a_dying_sweep_did_not_take_back_on_disk_stands() -> None:
    judge = _judge()
    _sweep(judge, FIRST)
    stood = dict(judge.promises[AGENT])
    judge.promised(AGENT, Believed(NOW - HOUR_S, NOW - HOUR_S, "1"), {})
    judge.found(AGENT, stood, {OLD.seen: MADE})
    _delete(judge)


def test_only_what_was_the_newest_version_in_that_time_can_be_taken_for_it() -> None:
    judge = _judge((10.0, "2"), (20.0, "1"))
    assert judge.was_latest(AGENT, "1", 10.0, 15.0)
    assert judge.was_latest(AGENT, "2", 11.0, 15.0)
    assert not judge.was_latest(AGENT, "1", 11.0, 15.0)
    assert not judge.was_latest(AGENT, "2", 21.0, 25.0)

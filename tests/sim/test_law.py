"""The judge itself: what it must not let pass, and what is no violation."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest

from tests.sim.law import Believed, Deed, Facts, Judge, Law, Line, Routed, Sight, Standing, ViolationError, overdue
from tests.sim.turns import Turns

HOUR_S = 3_600
NOW = 1_000_000.0
GRACE_S = 24 * HOUR_S
AGENT = "agent"
OLD = Facts("one", "idle", "1", NOW - 90 * HOUR_S, NOW - 80 * HOUR_S)
BY_VERSION = Line("superseded", "delete", idle_s=HOUR_S, superseded=True)
BY_TIME = Line("stale", "delete", idle_s=HOUR_S)
FIRST = NOW - GRACE_S - HOUR_S
MADE = ("stale", FIRST)


def _stands(latest: str, since: float = 0.0) -> Standing:
    return Standing(since, latest, frozenset({latest}))


def _routed(latest: str) -> Routed:
    """All traffic reaches the latest; what is not was left behind long ago."""
    return Routed(latest, frozenset({latest}), dict.fromkeys({"1", "2"} - {latest}, 0.0))


def _judge(*deploys: tuple[float, str]) -> Judge:
    law = Law(since=0.0, lines=(BY_VERSION, BY_TIME), grace_s=GRACE_S)
    judge = Judge(laws=[law], routes={AGENT: [_stands("1"), *(_stands(name, at) for at, name in deploys)]})
    judge.decided.add((AGENT, "delete", OLD.seen))
    return judge


def _sweep(judge: Judge, at: float, latest: str = "1", made: tuple[str, float] = MADE) -> None:
    judge.promised(AGENT, Believed(at, at + 1, _routed(latest)), {OLD.seen: made})


def _delete(judge: Judge) -> None:
    judge.check(Deed(NOW, AGENT, "delete", OLD, approved=False, looked_at=NOW, routed=_routed("1")))


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


@pytest.mark.parametrize("since", [NOW - HOUR_S, NOW - GRACE_S - HOUR_S / 2], ids=["in the grace", "before it"])
def test_a_law_that_no_sweep_knew_yet_is_asked_of_the_version_that_the_next_one_saw(since: float) -> None:
    keeps_newest = Line("newest", "keep", latest=True)
    for versions, fits in ((("2", "1"), True), (("2", "2"), False)):
        judge = _judge((FIRST - HOUR_S, "2"))
        judge.laws = [
            Law(0.0, (BY_TIME,), grace_s=GRACE_S),
            Law(since, (keeps_newest, BY_TIME), grace_s=GRACE_S),
        ]
        session = Facts("one", "idle", "2", OLD.created_at, OLD.last_accessed_at)
        judge.decided.add((AGENT, "delete", session.seen))
        for at, latest in zip((FIRST, NOW), versions, strict=True):
            judge.promised(AGENT, Believed(at, at, _routed(latest)), {session.seen: MADE})
        deed = Deed(NOW, AGENT, "delete", session, approved=False, looked_at=NOW, routed=_routed(versions[1]))
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
    judge.promised(AGENT, Believed(NOW - HOUR_S, NOW - HOUR_S, _routed("1")), {})
    judge.found(AGENT, stood, {OLD.seen: MADE})
    _delete(judge)


def test_only_how_versions_stood_in_that_time_can_be_taken_for_it() -> None:
    judge = _judge((10.0, "2"), (20.0, "1"))

    def newest(since: float, until: float) -> set[str]:
        return {one.latest for one in judge.stood(AGENT, since, until)}

    assert newest(11.0, 15.0) == {"2"}
    assert newest(9.0, 15.0) == newest(10.0, 15.0) == {"1", "2"}
    assert newest(21.0, 25.0) == {"1"}


@pytest.mark.parametrize(
    ("sights", "since"),
    [
        ([Sight(1.0, "2", frozenset({"2"}), True), Sight(5.0, "2", frozenset({"2"}), True)], 1.0),
        ([Sight(1.0, "2", frozenset({"2"}), True), Sight(5.0, "2", frozenset({"1"}), True)], None),
        ([Sight(1.0, "2", frozenset({"1"}), True), Sight(5.0, "2", frozenset({"2"}), True)], 5.0),
        (
            [
                Sight(1.0, "2", frozenset({"2"}), True),
                Sight(5.0, "2", frozenset({"1"})),
                Sight(9.0, "2", frozenset({"2"})),
            ],
            1.0,
        ),
        (
            [Sight(1.0, "2", frozenset({"2"}), True), Sight(5.0, "2", None, True), Sight(9.0, "2", frozenset({"2"}))],
            9.0,
        ),
        (
            [
                Sight(1.0, "2", frozenset({"2"}), True),
                Sight(5.0, None, None, True),
                Sight(9.0, "2", frozenset({"2"})),
            ],
            1.0,
        ),
        (
            [
                Sight(1.0, "2", frozenset({"2"}), True, frozenset({"1"})),
                Sight(5.0, "2", frozenset({"2"})),
            ],
            5.0,
        ),
    ],
    ids=[
        "since the first",
        "served",
        "since it was not served",
        "not written down",
        "nobody could say",
        "not read",
        "not shown",
    ],
)
def test_a_version_is_left_behind_since_no_sweep_that_was_written_down_saw_it_served(
    sights: list[Sight], since: float | None
) -> None:
    judge = _judge()
    judge.versions[AGENT] = {"1", "2"}
    judge.sights[AGENT] = sights
    assert judge.routed(AGENT, "2", frozenset({"2"})).left == ({} if since is None else {"1": since})


def test_a_sweep_may_have_heard_whatever_was_said_while_it_listed() -> None:
    gentle = Law(0.0, (BY_TIME,), grace_s=2 * GRACE_S)
    law = Law(0.0, (BY_VERSION, BY_TIME), grace_s=GRACE_S, gentle=gentle)
    left = Routed("2", frozenset({"2"}), {"1": FIRST - GRACE_S})
    for moments, fits in (((FIRST + 0.2, FIRST + 0.4), True), ((), False)):
        judge = _judge()
        judge.laws = [law]
        judge.sayings[AGENT] = [(FIRST - HOUR_S, {}), *zip(moments, ({"reaper.policy": "gentle"}, {}), strict=False)]
        judge.decided.add((AGENT, "delete", OLD.seen))
        judge.promised(AGENT, Believed(FIRST, FIRST + 1, left), {OLD.seen: MADE})
        deed = Deed(NOW, AGENT, "delete", OLD, approved=False, looked_at=NOW, routed=Routed("2", None))
        with nullcontext() if fits else pytest.raises(ViolationError, match="not due by the same rule"):
            judge.check(deed)


def test_who_was_due_only_by_rank_at_first_is_not_overdue_since_then() -> None:
    by_time = Line("stale", "delete", idle_s=90 * HOUR_S)
    law = Law(0.0, (by_time,), at_most=1)
    for since, is_overdue in ((OLD.last_accessed_at + HOUR_S, False), (OLD.last_accessed_at + 91 * HOUR_S, True)):
        found = overdue(law, law, [OLD], _routed("1"), OLD.last_accessed_at + 95 * HOUR_S, since, [OLD])
        assert found == ([OLD] if is_overdue else [])


@pytest.mark.parametrize(("made", "is_violation"), [(NOW - HOUR_S, True), (NOW, False)])
def test_who_is_due_by_rank_only_beside_one_that_was_made_meanwhile_need_not_go_first(
    made: float, is_violation: bool
) -> None:
    judge = _judge()
    judge.laws = [Law(0.0, (BY_TIME,), spread=True, newest=1)]
    went = replace(OLD, id="later", created_at=NOW - 91 * HOUR_S, last_accessed_at=NOW - 70 * HOUR_S)
    fresh = Facts("fresh", "creating", "1", made, made)
    deed = Deed(
        NOW, AGENT, "delete", went, approved=False, looked_at=NOW, routed=_routed("1"), there=(OLD, went, fresh)
    )
    with pytest.raises(ViolationError, match="waits, due since") if is_violation else nullcontext():
        Turns(judge).check_order(AGENT, [deed], [OLD], NOW)


@pytest.mark.parametrize(
    ("routed", "wanted"),
    [
        (Routed("2", frozenset({"2"}), {"1": NOW - GRACE_S}), "delete"),
        (Routed("2", frozenset({"2"}), {"1": NOW - GRACE_S + 1}), "keep"),
        (Routed("2", frozenset({"2"})), "keep"),
        (Routed("2", frozenset({"1", "2"}), {"1": NOW - GRACE_S}), "keep"),
        (Routed("1", frozenset({"2"}), {"1": NOW - GRACE_S}), "keep"),
        (Routed("2", None, {"1": NOW - GRACE_S}), "keep"),
        (Routed(None, None, {"1": NOW - GRACE_S}), "keep"),
    ],
)
def test_superseded_is_what_is_neither_served_nor_the_latest_for_the_whole_grace(routed: Routed, wanted: str) -> None:
    assert Law(0.0, (BY_VERSION,), grace_s=GRACE_S).wants(OLD, routed, NOW) == wanted

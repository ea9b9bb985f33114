"""Holds as the page, the status and the metrics show them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from page_world import HOSTILE, NOW, STANDARD, session, swept

from reaper.core.holds import Holds, SessionHold
from reaper.core.plan import Hold
from reaper.core.policy import Mode
from reaper.engine.events import SweepEnded
from reaper.engine.live_status import LiveStatus
from reaper.engine.report import Swept
from reaper.engine.status_json import HOLDS_SHOWN, report_json, status_json
from reaper.telemetry import StatusCollector
from reaper.web.page.coming import coming
from reaper.web.page.detail import HOLDS_MAX, Detail, detail
from reaper.web.page.digest import digest
from reaper.web.page.wording import HOLDS
from tests.clock import ManualClock

DAY_S = 86_400
KEY = ("prod-eu", "research")
STALE = [session(number, 10 * DAY_S) for number in range(3)]


def on(number: int, **changes: Any) -> SessionHold:
    one = STALE[number]
    hold = SessionHold(*KEY, one.id, date(2027, 1, 31), reason="thesis", by="kim", created_at=one.created_at, id="h")
    return replace(hold, **changes)


def report(*holds: SessionHold, **changes: Any) -> Swept:
    return swept("research", STALE, replace(STANDARD, grace_s=0, **changes), holds=Holds(holds))


def page(made: Swept) -> Detail:
    shown = detail(live(made), [digest(made)], KEY, "", NOW)
    assert shown is not None
    return shown


def live(made: Swept) -> LiveStatus:
    status = LiveStatus(ManualClock(NOW))
    status.hear(SweepEnded(made))
    return status


def gauges(made: Swept) -> dict[str, dict[tuple[str, ...], float]]:
    return {
        family.name: {tuple(sample.labels.values()): sample.value for sample in family.samples}
        for family in StatusCollector(live(made)).collect()
    }


def test_an_agents_page_lists_its_holds_those_that_end_first_at_the_top() -> None:
    case = on(1, until=None, legal="ABC-1", by="lee", id="l", created_at=None)
    rows = page(report(case, on(0), on(2, id="holds[0]", configured=True, until=date(2027, 2, 1)))).holds
    assert [(row.until, row.by, row.why, row.hold) for row in rows] == [
        ("to the end of 2027-01-31", "kim", "thesis", "h"),
        ("to the end of 2027-02-01", "kim", "thesis", "holds[0] of the configuration"),
        ("without an end", "lee", "case ABC-1: thesis", "l"),
    ]
    assert rows[2].session == f"{STALE[1].id}, whoever has this id"


def test_a_held_candidate_says_who_holds_it_and_goes_never() -> None:
    made = report(on(0))
    (held,) = [row for row in page(made).candidates if row.session == STALE[0].id]
    assert held.became == "held by kim until 2027-01-31: thesis"
    assert "never, while it is held" in [one.when for one in coming([digest(made)], NOW)]
    (told,) = [one for one in report_json(made)["decisions"] if one["session"] == STALE[0].id]
    assert told["outcome"] == "hold"
    assert told["reason"].endswith("held by kim until 2027-01-31: thesis")


def test_an_agent_that_only_observes_shows_what_is_held_too() -> None:
    assert report(on(0), mode=Mode.OBSERVE).blocked == {"hold": 1, "observe": 2}


def test_what_ended_is_not_shown() -> None:
    over = report(on(0, until=date(2020, 1, 1)), on(1, released=NOW - 1))
    assert page(over).holds == ()
    assert gauges(over)["session_reaper_holds"] == {KEY: 0}


def test_status_and_metric_count_them() -> None:
    made = report(on(0), on(0, by="lee"), on(1))
    assert gauges(made)["session_reaper_holds"] == {KEY: 3}
    assert gauges(made)["session_reaper_blocked"][(*KEY, "hold")] == 2
    shown = status_json(live(made))
    assert shown["agents"][0]["holds"] == 3
    assert sorted(one["by"] for one in shown["holds"]) == ["kim", "kim", "lee"]


def test_so_many_are_shown_and_the_others_counted() -> None:
    made = report(*(on(0, by=f"person {number}") for number in range(HOLDS_MAX + 7)))
    assert len(page(made).holds) == HOLDS_MAX
    assert page(made).more_holds == "and 7 holds more"
    assert len(status_json(live(made))["holds"]) == HOLDS_SHOWN


def test_the_page_has_words_for_every_reason() -> None:
    assert set(HOLDS) == set(Hold)


def test_words_of_people_are_made_harmless() -> None:
    (row,) = page(report(on(0, reason=HOSTILE, by=HOSTILE))).holds
    assert all(text.isprintable() for text in (row.by, row.why))

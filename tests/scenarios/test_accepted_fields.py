"""New fields of the platform, dates that windows skip, canaries: what waits, what is said, what a person sets."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from structlog.testing import capture_logs

from reaper.core.windows import DAYS, Dates, Window
from reaper.emulator import Fault
from reaper.engine.events import to_all
from reaper.engine.report import Result, Swept
from reaper.telemetry import EventLog
from tests.clock import EPOCH
from tests.scenarios.story import DAY_S, HOUR_S, Story, one, tell
from tests.scenarios.test_reload import House, in_house

BROUGHT = Fault("*", lie="add_field", field="region_hint", value="north")
CONFIG = "known_fields: [region_hint]"


@tell
async def test_a_new_field_in_every_record_stops_every_delete_and_says_how_a_person_accepts_it() -> None:
    story = Story()
    await story.stale_and_fresh(20, 20)
    story.fault(BROUGHT)
    story.sweeper.listener = to_all(story.live.hear, EventLog().hear)
    with capture_logs() as logs:
        report = one(await story.sweep())
        await story.sweep()
    assert story.deleted() == []
    assert isinstance(report, Swept)
    assert report.blocked == {"strange_record": 20}
    assert report.accepts_with == CONFIG
    assert any(CONFIG in note and "projects.p" in note for note in report.notes)
    (said,) = [line for line in logs if line["event"] == "unknown_field"]
    assert (said["project"], said["name"], said["setting"]) == ("p", "region_hint", CONFIG)


@tell
async def test_an_accepted_field_stops_nothing_and_another_one_beside_it_everything() -> None:
    story = Story()
    await story.stale_and_fresh(20, 20)
    story.known_fields = frozenset({"region_hint"})
    story.fault(BROUGHT, Fault("*", session="stale-00000*", lie="add_field", field="legal_hold", value=True))
    report = one(await story.sweep())
    assert isinstance(report, Swept)
    assert report.blocked == {"strange_record": 10}
    assert len(story.deleted()) == 10
    assert report.accepts_with == "known_fields: [legal_hold, region_hint]"


@tell
async def test_the_value_of_an_accepted_field_may_change_at_any_time() -> None:
    story = Story()
    story.known_fields = frozenset({"region_hint"})
    story.options["grace_s"] = 24 * HOUR_S
    await story.stale_and_fresh(20, 20)
    for value in ("north", {"south": [1]}, None):
        story.fault(BROUGHT, Fault("get", lie="add_field", field="region_hint", value=value))
        await story.sweep()
        await asyncio.sleep(13 * HOUR_S)
    assert len(story.deleted()) == 20


@tell
async def test_a_field_that_is_accepted_no_more_stops_what_was_marked() -> None:
    story = Story()
    story.known_fields = frozenset({"region_hint"})
    story.options["grace_s"] = 24 * HOUR_S
    await story.stale_and_fresh(20, 20)
    story.fault(BROUGHT)
    await story.sweep()
    await asyncio.sleep(25 * HOUR_S)
    story.known_fields = frozenset()
    await story.sweep()
    assert story.deleted() == []


def test_a_field_that_is_accepted_is_so_from_the_next_reload_on(tmp_path: Path) -> None:
    async def told(house: House) -> None:
        daemon = await house.opened()
        house.story.fault(BROUGHT)
        daemon.request_sweep()
        await house.swept()
        assert house.story.deleted() == []
        text = house.text().replace('"credential": "none"', '"credential": "none", "known_fields": ["region_hint"]')
        house.path.write_text(text)
        await house.until(lambda: house.daemon.settings.projects[0].known_fields)
        daemon.request_sweep()
        await house.until_deleted(40)

    in_house(tmp_path, told)


@tell
async def test_in_the_night_of_a_date_that_is_skipped_nothing_is_deleted() -> None:
    story = Story()
    first = datetime.fromtimestamp(EPOCH + 10 * DAY_S, UTC).date()
    skips = (Dates(first, first.replace(day=first.day + 1)),)
    story.options["windows"] = (Window(frozenset(DAYS), time(22), time(6), ZoneInfo("UTC"), skips),)
    await story.stale_and_fresh(20, 20)
    for _ in range(44):  # from 09:00 on the first date until 05:00 two days later
        report = one(await story.sweep())
        assert report.result is Result.OK
        await asyncio.sleep(HOUR_S)
    assert story.deleted() == []
    await story.until(lambda now: now % DAY_S >= 22 * HOUR_S)
    await story.sweep()
    assert len(story.deleted()) == 20


def test_a_project_that_enforces_without_must_see_is_said_at_the_start(tmp_path: Path) -> None:
    async def told(house: House) -> None:
        with capture_logs() as logs:
            daemon = await house.opened()
        assert [line["projects"] for line in logs if line["event"] == "enforcing_without_must_see"] == [["p"]]
        assert list(daemon.live.unwatched) == ["p"]
        house.write(mode="observe")
        await house.until(lambda: house.mode == "observe")
        assert list(daemon.live.unwatched) == []

    in_house(tmp_path, told)


@tell
async def test_when_the_first_canary_expires_is_known_from_each_listing() -> None:
    story = Story("a", "b")
    story.must_see = frozenset({"canary-000001", "canary-000002"})
    for agent, name in (("a", "canary-000001"), ("b", "canary-000002")):
        story.platform.create(agent, name)
        await asyncio.sleep(DAY_S)
    await story.sweep()
    known = dict(story.live.must_see["p"])
    assert known["canary-000002"] - known["canary-000001"] == DAY_S
    await story.sweep(agent="b")
    assert story.live.must_see["p"] == known
    story.platform.use("a", "canary-000001")
    await story.sweep()
    assert min(story.live.must_see["p"].values()) == known["canary-000002"]
    story.fault(Fault("list", lie="empty_list"))
    await story.sweep()
    assert story.live.must_see["p"] == {}

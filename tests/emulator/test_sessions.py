"""The platform as a state machine."""

from __future__ import annotations

import pytest

from reaper.core.model import ACTIVE, CREATING, DAY_S, DELETED, EXPIRED, FAILED, IDLE
from reaper.emulator import AgentVersion, Platform, PlatformError
from reaper.emulator.home import UPLOAD_LIMIT_BYTES
from tests.clock import ManualClock

from .conftest import NOW

AGENT = "support-eu"
ID = "session-0001"


def platform_with_agent(clock: ManualClock, **options: object) -> Platform:
    platform = Platform(clock.wall, **options)  # type: ignore[arg-type]
    platform.add_agent(AGENT, [AgentVersion("1", int(NOW), 600), AgentVersion("2", int(NOW), 900)])
    return platform


def refused(error: pytest.ExceptionInfo[PlatformError]) -> tuple[int, str]:
    return error.value.status, error.value.code


def test_a_session_is_created_then_active_then_idle_and_at_last_expired(clock: ManualClock) -> None:
    platform = platform_with_agent(clock)
    assert platform.create(AGENT, ID).status == CREATING
    clock.passed += 2
    assert platform.get(AGENT, ID).status == ACTIVE
    clock.passed = 900
    idle = platform.get(AGENT, ID)
    assert (idle.status, idle.stopped_at) == (IDLE, NOW + 900)
    clock.passed = 30 * DAY_S
    assert platform.get(AGENT, ID).status == EXPIRED


def test_each_version_has_its_own_idle_timeout(clock: ManualClock) -> None:
    platform = platform_with_agent(clock)
    platform.create(AGENT, "old-version", "1")
    platform.create(AGENT, "new-version")
    clock.passed += 700
    assert platform.get(AGENT, "old-version").status == IDLE
    assert platform.get(AGENT, "new-version").status == ACTIVE
    assert platform.get(AGENT, "new-version").version == "2"


def test_using_an_idle_session_makes_it_active_again_and_renews_its_expiry(clock: ManualClock) -> None:
    platform = platform_with_agent(clock)
    platform.create(AGENT, ID)
    clock.passed += 5 * DAY_S
    used = platform.use(AGENT, ID)
    assert (used.status, used.last_accessed_at) == (ACTIVE, NOW + 5 * DAY_S)
    assert used.expires_at == NOW + 35 * DAY_S
    assert used.stopped_at == NOW + 900


def test_a_long_call_keeps_a_session_active_although_it_was_last_accessed_long_ago(clock: ManualClock) -> None:
    platform = platform_with_agent(clock)
    platform.create(AGENT, ID)
    platform.busy(AGENT, ID, 7200)
    clock.passed += 7000
    assert platform.get(AGENT, ID).status == ACTIVE
    assert platform.get(AGENT, ID).last_accessed_at == NOW
    clock.passed += 300
    assert platform.get(AGENT, ID).stopped_at == NOW + 7200


def test_stopping_works_once_and_keeps_the_home(clock: ManualClock) -> None:
    platform = platform_with_agent(clock, creating_s=0)
    platform.create(AGENT, ID)
    platform.home(AGENT, ID).write("notes.txt", b"mine", NOW)
    platform.stop(AGENT, ID)
    assert platform.get(AGENT, ID).status == IDLE
    assert platform.home(AGENT, ID).read("notes.txt") == b"mine"
    with pytest.raises(PlatformError) as error:
        platform.stop(AGENT, ID)
    assert refused(error) == (409, "session_already_stopped")


def test_a_taken_id_is_a_conflict(clock: ManualClock) -> None:
    platform = platform_with_agent(clock)
    platform.create(AGENT, ID)
    with pytest.raises(PlatformError) as error:
        platform.create(AGENT, ID)
    assert refused(error) == (409, "session_already_exists")


def test_an_id_may_be_reused_after_a_delete_and_is_another_incarnation(clock: ManualClock) -> None:
    platform = platform_with_agent(clock)
    first = platform.create(AGENT, ID)
    platform.home(AGENT, ID).write("notes.txt", b"mine", NOW)
    platform.delete(AGENT, ID)
    clock.passed += 60
    second = platform.create(AGENT, ID)
    assert first.incarnation != second.incarnation
    assert len(platform.home(AGENT, ID)) == 0
    assert [session.id for session in platform.page(AGENT).sessions] == [ID]


def test_a_generated_id_is_valid_and_new_each_time(clock: ManualClock) -> None:
    platform = platform_with_agent(clock)
    assert len({platform.create(AGENT).id for _ in range(100)}) == 100


def test_an_id_outside_the_pattern_is_refused(clock: ManualClock) -> None:
    with pytest.raises(PlatformError) as error:
        platform_with_agent(clock).create(AGENT, "short")
    assert refused(error) == (400, "invalid_session_id")


def test_deleting_twice_is_no_error_and_happens_once(clock: ManualClock) -> None:
    platform = platform_with_agent(clock)
    platform.create(AGENT, ID)
    assert platform.delete(AGENT, ID)
    assert not platform.delete(AGENT, ID)
    assert not platform.delete(AGENT, "never-was-there")
    assert [event.kind for event in platform.history] == ["created", "deleted"]


def test_a_deleted_session_lingers_in_the_list_for_an_hour_but_is_not_found(clock: ManualClock) -> None:
    platform = platform_with_agent(clock)
    platform.create(AGENT, ID)
    platform.delete(AGENT, ID)
    with pytest.raises(PlatformError):
        platform.get(AGENT, ID)
    assert [session.status for session in platform.page(AGENT).sessions] == [DELETED]
    clock.passed += 3600
    assert platform.page(AGENT).sessions == ()


def test_a_tombstone_may_be_shown_by_get(clock: ManualClock) -> None:
    platform = platform_with_agent(clock, get_tombstones=True)
    platform.create(AGENT, ID)
    platform.delete(AGENT, ID)
    assert platform.get(AGENT, ID).status == DELETED


def test_expired_sessions_leave_the_list_and_the_history_tells_when_they_expired(clock: ManualClock) -> None:
    platform = platform_with_agent(clock)
    platform.create(AGENT, ID)
    clock.passed = 30 * DAY_S + 10
    assert [session.status for session in platform.page(AGENT).sessions] == [EXPIRED]
    clock.passed += 3600
    assert platform.page(AGENT).sessions == ()
    event = platform.history[-1]
    assert (event.kind, event.time, event.actor) == ("expired", NOW + 30 * DAY_S, "platform")


def test_a_failed_session_cannot_be_used_or_stopped_only_deleted(clock: ManualClock) -> None:
    platform = platform_with_agent(clock)
    platform.create(AGENT, ID)
    platform.fail(AGENT, ID)
    assert platform.get(AGENT, ID).status == FAILED
    with pytest.raises(PlatformError):
        platform.use(AGENT, ID)
    with pytest.raises(PlatformError):
        platform.stop(AGENT, ID)
    assert platform.delete(AGENT, ID)


def test_the_history_tells_what_was_true_just_before_and_who_did_it(clock: ManualClock) -> None:
    platform = platform_with_agent(clock, creating_s=0)
    platform.create(AGENT, ID)
    clock.passed += DAY_S
    platform.use(AGENT, ID, actor="alice")
    clock.passed += DAY_S
    platform.delete(AGENT, ID, actor="reaper")
    used, deleted = platform.history[1:]
    assert (used.actor, used.last_accessed_at, used.status) == ("alice", NOW, IDLE)
    assert (deleted.actor, deleted.last_accessed_at, deleted.status) == ("reaper", NOW + DAY_S, IDLE)


def test_pages_follow_cursors_in_both_directions(clock: ManualClock) -> None:
    platform = platform_with_agent(clock)
    ids = [platform.create(AGENT, f"session-{i:04d}").id for i in range(7)]

    def page(**options: object) -> tuple[list[str], bool]:
        found = platform.page(AGENT, **options)  # type: ignore[arg-type]
        return [session.id for session in found.sessions], found.has_more

    assert page(limit=3, order="asc") == (ids[:3], True)
    assert page(limit=3, order="asc", after=ids[2]) == (ids[3:6], True)
    assert page(limit=3, order="asc", after=ids[5]) == (ids[6:], False)
    assert page(limit=3, order="asc", after=ids[6]) == ([], False)
    assert page(limit=2, order="asc", before=ids[4]) == (ids[2:4], True)
    assert page(limit=3, order="desc") == (ids[:3:-1], True)
    assert page(limit=2, order="desc", before=ids[2]) == ([ids[4], ids[3]], True)


@pytest.mark.parametrize(
    "options", [{"limit": 0}, {"limit": 101}, {"after": ID, "before": ID}, {"after": "not-there-any-more"}]
)
def test_impossible_pages_are_refused(clock: ManualClock, options: dict[str, object]) -> None:
    with pytest.raises(PlatformError) as error:
        platform_with_agent(clock).page(AGENT, **options)  # type: ignore[arg-type]
    assert error.value.status == 400


@pytest.mark.parametrize(("kind", "count"), [("restart", 3), ("empty", 0)])
def test_a_cursor_whose_session_is_gone_can_restart_the_list_or_end_it(
    clock: ManualClock, kind: str, count: int
) -> None:
    platform = platform_with_agent(clock, gone_cursor=kind, tombstone_s=0)
    for i in range(4):
        platform.create(AGENT, f"session-{i:04d}")
    platform.delete(AGENT, "session-0001")
    assert len(platform.page(AGENT, order="asc", after="session-0001").sessions) == count


def test_most_of_a_shelf_can_be_deleted_without_losing_the_rest(clock: ManualClock) -> None:
    platform = platform_with_agent(clock, tombstone_s=0)
    ids = [platform.create(AGENT).id for _ in range(1000)]
    for i, session in enumerate(ids):
        if i % 10:
            platform.delete(AGENT, session)
    page = platform.page(AGENT, limit=100, order="asc")
    assert [session.id for session in page.sessions] == ids[::10]
    assert not page.has_more


def test_unknown_agents_and_versions_are_not_found(clock: ManualClock) -> None:
    platform = platform_with_agent(clock)
    for attempt in (lambda: platform.page("nobody"), lambda: platform.create(AGENT, ID, "99")):
        with pytest.raises(PlatformError) as error:
            attempt()
        assert error.value.status == 404


def test_a_version_that_is_taken_back_makes_the_one_before_the_latest(clock: ManualClock) -> None:
    platform = platform_with_agent(clock)
    platform.create(AGENT, ID)
    platform.remove_version(AGENT, "2")
    assert platform.agent(AGENT).latest.name == "1"
    assert platform.get(AGENT, ID).version == "2"
    with pytest.raises(PlatformError) as error:
        platform.remove_version(AGENT, "1")
    assert refused(error) == (409, "last_version")


def test_files_may_touch_a_session(clock: ManualClock) -> None:
    platform = platform_with_agent(clock, files_touch=True)
    platform.create(AGENT, ID)
    clock.passed += DAY_S
    platform.home(AGENT, ID)
    assert platform.get(AGENT, ID).last_accessed_at == NOW + DAY_S


def test_a_home_lists_one_directory_and_refuses_what_cannot_be(clock: ManualClock) -> None:
    platform = platform_with_agent(clock)
    platform.create(AGENT, ID)
    home = platform.home(AGENT, ID)
    home.write("/docs/a.txt", b"aa", NOW)
    home.write("docs/deep/b.txt", b"b", NOW)
    home.write("c.txt", b"", NOW)
    assert [(entry.name, entry.is_directory) for entry in home.entries("")] == [("c.txt", False), ("docs", True)]
    assert [(entry.name, entry.size) for entry in home.entries("docs")] == [("a.txt", 2), ("deep", 0)]
    refusals = [
        (409, lambda: home.remove("docs", recursive=False)),
        (404, lambda: home.remove("nothing", recursive=True)),
        (404, lambda: home.read("docs")),
        (404, lambda: home.entries("nothing")),
        (400, lambda: home.write("../etc/passwd", b"", NOW)),
        (409, lambda: home.write("c.txt/below", b"", NOW)),
        (409, lambda: home.write("docs", b"", NOW)),
        (413, lambda: home.write("big", b"x" * (UPLOAD_LIMIT_BYTES + 1), NOW)),
    ]
    for status, attempt in refusals:
        with pytest.raises(Exception) as error:  # noqa: PT011
            attempt()
        assert getattr(error.value, "status", None) == status
    home.remove("docs", recursive=True)
    assert [entry.name for entry in home.entries("")] == ["c.txt"]

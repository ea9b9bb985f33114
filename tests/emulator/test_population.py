"""Populations look lived in and are the same for the same seed."""

from __future__ import annotations

from collections import Counter

from reaper.core.model import ACTIVE, CREATING, DAY_S, DELETED, FAILED, IDLE, UPDATING, Session
from reaper.emulator import Platform, populate
from reaper.emulator.platform import SESSION_ID
from reaper.emulator.population import agent_names
from tests.clock import ManualClock

from .conftest import NOW


def populated(seed: int, now: float = NOW, agents: int = 2, sessions: int = 400) -> Platform:
    clock = ManualClock(now)
    platform = Platform(clock.wall)
    populate(platform, agents=agents, sessions=sessions, seed=seed)
    return platform


def everything(platform: Platform) -> dict[str, list[Session]]:
    return {agent: list(platform.sessions(agent)) for agent in platform.agents}


def test_the_same_seed_and_time_give_the_same_population() -> None:
    assert everything(populated(3)) == everything(populated(3))
    assert everything(populated(3)) != everything(populated(4))


def test_ids_do_not_depend_on_the_time() -> None:
    now, later = everything(populated(3)), everything(populated(3, NOW + 9_876_543))
    for agent, sessions in now.items():
        assert {s.id for s in sessions} == {s.id for s in later[agent]}


def test_every_status_is_there_and_most_sessions_are_idle() -> None:
    found = Counter(s.status for s in everything(populated(3))["research"])
    assert found.total() == 400
    assert found[FAILED] == 4
    assert found[CREATING] == found[UPDATING] == found[DELETED] == 2
    assert 30 <= found[ACTIVE] <= 60
    assert found[IDLE] > 300


def test_times_lie_in_the_last_28_days_and_ids_are_valid() -> None:
    for sessions in everything(populated(5)).values():
        for session in sessions:
            assert NOW - 28 * DAY_S <= session.created_at <= session.last_accessed_at <= NOW
            assert SESSION_ID.fullmatch(session.id)
        assert any(session.id.startswith("vip-") for session in sessions)
        assert any(session.id.startswith("demo-") for session in sessions)


def test_agents_have_two_to_four_versions_and_old_sessions_old_ones() -> None:
    platform = populated(3, agents=5, sessions=50)
    for agent in platform.agents.values():
        assert 2 <= len(agent.versions) <= 4
    versions = {s.version for sessions in everything(platform).values() for s in sessions}
    assert len(versions) > 1


def test_any_number_of_agents_have_different_names() -> None:
    assert len(set(agent_names(500))) == 500


def test_a_population_is_not_history() -> None:
    assert populated(3).history == []

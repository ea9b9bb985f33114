"""Whatever people do in whatever order, the platform keeps its word."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from reaper.core.model import DELETED, EXPIRY_S, STATUSES, TOMBSTONES, Session
from reaper.emulator import AgentVersion, Platform, PlatformError
from tests.clock import ManualClock

from .conftest import NOW

AGENT = "support-eu"
ids = st.sampled_from([f"session-{i:04d}" for i in range(12)])


def whole_list(platform: Platform, order: str, limit: int) -> list[Session]:
    found: list[Session] = []
    after = None
    while True:
        page = platform.page(AGENT, limit=limit, order=order, after=after)  # type: ignore[arg-type]
        found += page.sessions
        if not page.has_more:
            return found
        after = page.sessions[-1].id


def refusal_of(attempt: Callable[[], object]) -> int | None:
    """The status with which the platform refuses, None when it does not."""
    try:
        attempt()
    except PlatformError as error:
        return error.status
    return None


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(NOW)
        self.platform = Platform(self.clock.wall)
        self.platform.add_agent(AGENT, [AgentVersion("1", int(NOW), 300), AgentVersion("2", int(NOW))])

    def attempt(self, act: str, session: str) -> None:
        refusal = refusal_of(lambda: getattr(self.platform, act)(AGENT, session))
        assert refusal in {None, 404, 409}

    @rule(session=ids, version=st.sampled_from([None, "1", "2"]))
    def create(self, session: str, version: str | None) -> None:
        taken = any(s.id == session and s.status not in TOMBSTONES for s in self.platform.sessions(AGENT))
        assert refusal_of(lambda: self.platform.create(AGENT, session, version)) == (409 if taken else None)

    @rule(session=ids, act=st.sampled_from(["use", "stop", "delete", "fail", "get"]))
    def act(self, session: str, act: str) -> None:
        self.attempt(act, session)

    @rule(seconds=st.sampled_from([0.4, 30.0, 400.0, 3700.0, 86_400.0, 86_400.0 * 20]))
    def advance(self, seconds: float) -> None:
        self.clock.passed += seconds

    @invariant()
    def paging_lists_each_session_once_and_in_order(self) -> None:
        listed = whole_list(self.platform, "asc", 3)
        assert len({session.id for session in listed}) == len(listed)
        assert [s.created_at for s in listed] == sorted(s.created_at for s in listed)
        assert listed == whole_list(self.platform, "desc", 2)[::-1]
        assert listed == list(self.platform.sessions(AGENT))

    @invariant()
    def records_are_consistent(self) -> None:
        for session in self.platform.sessions(AGENT):
            assert session.status in STATUSES
            assert session.created_at <= session.last_accessed_at <= self.clock.wall()
            assert session.expires_at == session.last_accessed_at + EXPIRY_S
            if session.status not in TOMBSTONES:
                assert self.platform.get(AGENT, session.id) == session

    @invariant()
    def the_history_accounts_for_every_session(self) -> None:
        alive: set[str] = set()
        for event in self.platform.history:
            if event.kind == "created":
                assert event.session not in alive
                alive.add(event.session)
            elif event.kind in {"deleted", "expired"}:
                alive.remove(event.session)
        listed = {s.id for s in self.platform.sessions(AGENT) if s.status not in TOMBSTONES}
        assert listed == alive
        assert all(e.status != DELETED for e in self.platform.history if e.kind == "deleted")


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

"""Whose turn it is, and what is counted: the two things that a cap stands on."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from reaper.core.model import DAY_S, Action, OutcomeKind
from reaper.core.policy import Limit, Limits, Policy
from reaper.mcp.action_lock import WAIT_MAX_S, WAITING_MAX, ActionLock
from reaper.mcp.advice import NotDoneError
from reaper.mcp.allowance import CAPS, RULE_NAME, Allowance, signed
from reaper.store.database import StateError
from reaper.store.journal import Intent
from reaper.store.store import Store, opened
from tests.clock import ManualClock

NOW = 1_800_000_000.0
WIDE = Policy("wide", (), limits=Limits(Limit(1_000), Limit(1_000)))
DELETES = CAPS[Action.DELETE]


async def take(path: Path, clock: ManualClock) -> None:
    async with ActionLock().taken(lambda: f"sqlite:///{path}", clock):
        pass


def test_a_turn_that_another_process_does_not_give_back_is_waited_for_no_longer_than_a_minute(tmp_path: Path) -> None:
    clock = ManualClock()
    with (tmp_path / "state.db.mcp-lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(NotDoneError, match="Ask again in a minute"):
            asyncio.run(take(tmp_path / "state.db", clock))
        assert WAIT_MAX_S <= clock.passed < WAIT_MAX_S + 1
    asyncio.run(take(tmp_path / "state.db", clock))


def test_a_link_in_place_of_the_lock_is_refused_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / "state.db.mcp-lock").symlink_to(other)
    with pytest.raises(StateError, match="mcp-lock"):
        asyncio.run(take(tmp_path / "state.db", ManualClock()))
    assert other.read_text() == "mine"


def test_the_lock_is_the_same_through_a_link_to_the_state_and_is_nobody_elses(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "state.db")
    asyncio.run(take(tmp_path / "link.db", ManualClock()))
    assert (tmp_path / "state.db.mcp-lock").stat().st_mode & 0o077 == 0
    assert not (tmp_path / "link.db.mcp-lock").exists()


def test_a_lock_that_is_replaced_while_it_is_waited_for_is_not_held_twice(tmp_path: Path) -> None:
    lock = tmp_path / "state.db.mcp-lock"

    class Replacing(ManualClock):
        async def sleep(self, seconds: float) -> None:
            if lock.exists() and not self.passed:
                os.replace(fresh, lock)
            await super().sleep(seconds)

    fresh = tmp_path / "fresh"
    with lock.open("w") as held, fresh.open("w") as other:
        fcntl.flock(held, fcntl.LOCK_EX)
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(NotDoneError):
            asyncio.run(take(tmp_path / "state.db", Replacing()))


def test_of_a_thousand_that_want_a_turn_few_wait(tmp_path: Path) -> None:
    async def run() -> list[object]:
        lock, clock, leave = ActionLock(), ManualClock(), asyncio.Event()

        async def one() -> None:
            async with lock.taken(lambda: f"sqlite:///{tmp_path / 'state.db'}", clock):
                await leave.wait()

        all_ = [asyncio.create_task(one()) for _ in range(1_000)]
        for _ in range(10):
            await asyncio.sleep(0)
        leave.set()
        return list(await asyncio.gather(*all_, return_exceptions=True))

    ended = asyncio.run(run())
    assert sum(one is None for one in ended) == WAITING_MAX
    assert sum(isinstance(one, NotDoneError) for one in ended) == 1_000 - WAITING_MAX


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(f"sqlite:///{tmp_path / 'state.db'}") as made:
        yield made


def note(store: Store, client: str, outcome: OutcomeKind | None, ago: float, count: int, agent: str = "a") -> None:
    """So many deletes of a client in the record."""

    async def run() -> None:
        for number in range(count):
            wanted = Intent("", "p", agent, f"{client}-{agent}-{ago}-{number}", 1, Action.DELETE, RULE_NAME, False)
            intent = await store.journal.intend(wanted, NOW - ago, {"sweep": signed(client)})
            if outcome is not None:
                await store.journal.conclude(intent, outcome, NOW - ago, "")

    asyncio.run(run())


def allowed(store: Store, client: str, agent: str = "a") -> bool:
    try:
        Allowance(store, "p", agent, WIDE, client, NOW).check(Action.DELETE)
    except NotDoneError:
        return False
    return True


@pytest.mark.parametrize("outcome", [None, OutcomeKind.DONE, OutcomeKind.IN_DOUBT, OutcomeKind.UNVERIFIED])
def test_what_was_done_or_may_have_been_counts_for_a_day_whatever_the_agent(
    store: Store, outcome: OutcomeKind | None
) -> None:
    note(store, "one", outcome, DAY_S - 60, DELETES.client - 1)
    assert allowed(store, "one")
    note(store, "one", outcome, 60, 1, agent="b")
    assert not allowed(store, "one")
    assert allowed(store, "two")


def test_what_did_not_happen_or_is_a_day_old_does_not_count(store: Store) -> None:
    note(store, "one", OutcomeKind.FAILED, 60, DELETES.client)
    note(store, "one", OutcomeKind.ALREADY_GONE, 50, DELETES.client)
    note(store, "one", OutcomeKind.DONE, DAY_S + 60, DELETES.client)
    assert allowed(store, "one")


def test_names_are_no_new_caps(store: Store) -> None:
    for number in range(DELETES.together):
        note(store, f"client-{number}", OutcomeKind.DONE, 60, 1)
    assert not allowed(store, "one more")

"""Rows asked for side by side go to disk together: nobody goes on before, and nobody is lost by it."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from reaper.core.model import DAY_S, Action, OutcomeKind
from reaper.emulator.routing import RoutedCall
from reaper.store.database import Database, StateError
from reaper.store.journal import Intent, Journal
from reaper.store.store import Store
from tests.world import AGENT, NOW, World, examples

HERE = ("prod", AGENT.name)
DELETE = Intent("", *HERE, "session-0000", NOW - 9 * DAY_S, Action.DELETE, "stale", approved=False)
EVIDENCE = {"record": {"last_accessed_at": NOW - 8 * DAY_S}}
MANY = 16


class Counting(Database):
    """A state that counts its transactions."""

    transactions = 0

    def begin(self) -> AbstractContextManager[Connection]:
        self.transactions += 1
        return super().begin()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def state(path: Path) -> Iterator[Counting]:
    made = Counting(f"sqlite:///{path}")
    yield made
    made.close()


@pytest.fixture
def journal(state: Counting) -> Journal:
    return Journal(state)


def on_disk(path: Path) -> list[tuple[str, str]]:
    """What another process sees: the kind of each row, and its session."""
    with sqlite3.connect(path) as raw:
        return list(raw.execute("SELECT kind, session FROM journal ORDER BY seq"))


async def intend(journal: Journal, number: int) -> Intent:
    return await journal.intend(replace(DELETE, session=f"session-{number:04d}"), NOW, EVIDENCE)


async def act(journal: Journal, number: int, begun: Callable[[], None] = lambda: None) -> None:
    intent = await intend(journal, number)
    begun()
    await journal.conclude(intent, OutcomeKind.DONE, NOW, "")


def holds(journal: Journal, rows: int) -> bool:
    verdict = journal.verify()
    return (verdict.broken, verdict.rows) == (None, rows)


# Together


def test_rows_asked_for_together_are_one_transaction_and_nobody_goes_on_before_it_is_on_disk(
    journal: Journal, state: Counting, path: Path
) -> None:
    seen: list[int] = []

    async def all_at_once() -> None:
        await asyncio.gather(*(act(journal, each, lambda: seen.append(len(on_disk(path)))) for each in range(MANY)))

    asyncio.run(all_at_once())
    assert seen == [MANY] * MANY
    assert state.transactions == 2
    asked = [f"session-{each:04d}" for each in range(MANY)]
    assert on_disk(path) == [*(("intent", each) for each in asked), *(("outcome", each) for each in asked)]
    assert holds(journal, 2 * MANY)


def test_rows_asked_for_one_turn_after_each_other_are_one_transaction(journal: Journal, state: Counting) -> None:
    async def after(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await intend(journal, turns)

    async def one_by_one() -> None:
        await asyncio.gather(*(after(turns) for turns in range(4)))

    asyncio.run(one_by_one())
    assert state.transactions == 1


def test_many_workers_share_their_transactions_and_every_intent_is_on_disk_when_its_delete_arrives(
    state: Counting, path: Path
) -> None:
    world = World(Store(state), workers=8)
    world.put_many(40)
    arrived: list[str] = []

    def arrives(call: RoutedCall) -> None:
        if call.operation == "delete":
            assert ("intent", call.session) in on_disk(path)
            arrived.append(call.session)

    world.emulator.api.on_call = arrives
    before = state.transactions
    assert [outcome.kind for outcome in world.execute().outcomes] == [OutcomeKind.DONE] * 40
    assert len(arrived) == 40
    assert state.transactions - before < 40
    assert holds(world.store.journal, 80)


# When it cannot be written


@pytest.fixture
def occupied(state: Counting, path: Path) -> Iterator[sqlite3.Connection]:
    """The state while another process writes to it and does not end."""
    with state.begin() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=10")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def test_when_the_intents_of_many_cannot_be_written_nothing_is_sent_for_any_of_them(
    state: Counting, path: Path, occupied: sqlite3.Connection
) -> None:
    world = World(Store(state), workers=8)
    world.put_many(40)
    execution = world.execute()
    assert (execution.outcomes, world.events()) == ([], [])
    assert "locked" in execution.halted
    assert world.emulator.api.requests["delete"] == 0
    assert on_disk(path) == []


def test_a_failed_write_is_told_to_everyone_who_asked_and_leaves_the_next_one_alone(
    journal: Journal, occupied: sqlite3.Connection
) -> None:
    async def twice() -> None:
        failed = await asyncio.gather(*(act(journal, each) for each in range(MANY)), return_exceptions=True)
        assert [type(each) for each in failed] == [StateError] * MANY
        occupied.execute("ROLLBACK")
        await asyncio.gather(*(act(journal, each) for each in range(MANY)))

    asyncio.run(twice())
    assert holds(journal, 2 * MANY)


# When somebody does not wait for it


@pytest.mark.parametrize("gone", [[0], [1], [2], [0, 1], [0, 1, 2]])
def test_who_is_cancelled_while_waiting_harms_nobody_and_leaves_its_row_whole(
    journal: Journal, path: Path, gone: Sequence[int]
) -> None:
    async def some() -> list[BaseException | None]:
        tasks = [asyncio.create_task(act(journal, each)) for each in range(3)]
        await asyncio.sleep(0)
        for each in gone:
            tasks[each].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    ended = asyncio.run(some())
    assert [isinstance(each, asyncio.CancelledError) for each in ended] == [each in gone for each in range(3)]
    assert [each for each in ended if each is not None and not isinstance(each, asyncio.CancelledError)] == []
    assert sorted(each for kind, each in on_disk(path) if kind == "intent") == [f"session-000{n}" for n in range(3)]
    assert {entry.intent.session for entry in journal.open(*HERE)} == {f"session-000{n}" for n in gone}
    assert holds(journal, 6 - len(gone))


def test_the_outcome_of_an_action_is_on_disk_although_its_task_is_cancelled_and_the_program_ends(
    journal: Journal, path: Path
) -> None:
    async def ends() -> None:
        intent = await intend(journal, 0)
        last = asyncio.create_task(journal.conclude(intent, OutcomeKind.DONE, NOW, ""))
        await asyncio.sleep(0)
        last.cancel()

    asyncio.run(ends())
    assert on_disk(path) == [("intent", "session-0000"), ("outcome", "session-0000")]
    asyncio.run(act(journal, 1))
    assert holds(journal, 4)


# Beside other processes

WRITER = """
import asyncio, os, sys
from reaper.core.model import Action, OutcomeKind
from reaper.store.database import Database
from reaper.store.journal import Intent, Journal

async def act(journal, number):
    intent = Intent("", "prod", "desk", f"session-{number}", os.getpid(), Action.DELETE, "by-hand", approved=True)
    await journal.conclude(await journal.intend(intent, 0, {}), OutcomeKind.DONE, 0, "")

async def main(journal):
    for number in range(0, 300, 3):
        await asyncio.gather(*(act(journal, number + each) for each in range(3)))

journal = Journal(Database(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
asyncio.run(main(journal))
"""


@pytest.mark.process
def test_two_processes_that_write_at_the_same_time_leave_one_chain(journal: Journal, path: Path) -> None:
    command = [sys.executable, "-c", WRITER, f"sqlite:///{path}"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writers = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert holds(journal, 2 * 2 * 300)


# What is open


def test_an_intent_that_another_process_left_open_is_found_by_one_that_looked_before(
    journal: Journal, state: Counting
) -> None:
    asyncio.run(act(journal, 0))
    assert journal.open(*HERE) == []
    left = asyncio.run(intend(Journal(state), 1))
    assert [entry.intent for entry in journal.open(*HERE)] == [left]
    asyncio.run(act(journal, 2))
    assert [entry.intent for entry in journal.open(*HERE)] == [left]


STEPS = st.lists(st.tuples(st.sampled_from(["intend", "conclude", "open"]), st.integers(0, 7)), max_size=24)


@examples
@given(STEPS)
def test_what_is_open_does_not_depend_on_when_it_was_looked_for_before(steps: list[tuple[str, int]]) -> None:
    state = Database("sqlite://")
    journal, begun = Journal(state), list[Intent]()

    async def take(step: str, number: int) -> None:
        if step == "intend":
            another = replace(DELETE, agent=("desk", "other")[number % 2], created_at=len(begun))
            begun.append(await journal.intend(another, NOW, EVIDENCE))
        elif step == "conclude" and begun:
            kind = (OutcomeKind.IN_DOUBT, OutcomeKind.DONE)[number % 2]
            await journal.conclude(begun[number % len(begun)], kind, NOW, "")
        else:
            journal.open(*HERE)

    async def take_all() -> None:
        for step, number in steps:
            await take(step, number)

    asyncio.run(take_all())
    assert journal.open(*HERE) == Journal(state).open(*HERE)
    state.close()

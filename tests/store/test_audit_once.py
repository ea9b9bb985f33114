"""One incarnation is deleted once, whoever asks: sweeps, by hand, assistants, other processes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest
from audit_world import NOW, Book

from reaper.core.model import DAY_S, Action, OutcomeKind
from reaper.store.journal import AlreadyIntendedError, Intent, Journal
from reaper.store.origin import Origin
from tests.record import entries

MADE = int(NOW) - 9 * DAY_S
DELETE = Intent("", "prod", "desk", "session-0001", MADE, Action.DELETE, "stale", approved=False)
STOP = replace(DELETE, action=Action.STOP)
WHO = {"origin": Origin(by="ada").as_json()}


def intend(journal: Journal, intent: Intent = DELETE, contradicts: str = "") -> Intent:
    return asyncio.run(journal.intend(intent, NOW, WHO, contradicts=contradicts))


def conclude(journal: Journal, intent: Intent, outcome: OutcomeKind) -> None:
    asyncio.run(journal.conclude(intent, outcome, NOW, ""))


def rows(book: Book) -> list[tuple[str, str]]:
    return [(entry.kind, entry.outcome) for entry in entries(book.journal)]


@pytest.mark.parametrize("outcome", [None, OutcomeKind.IN_DOUBT, OutcomeKind.DONE])
def test_a_second_delete_of_an_incarnation_is_refused_while_one_is_open_or_done(
    book: Book, outcome: OutcomeKind | None
) -> None:
    first = intend(book.journal)
    if outcome is not None:
        conclude(book.journal, first, outcome)
    before = rows(book)
    with pytest.raises(AlreadyIntendedError) as caught:
        intend(book.journal)
    error = caught.value
    assert (error.id, error.at, error.outcome, error.by) == (first.id, NOW, str(outcome or ""), "ada")
    assert rows(book) == before
    assert book.verify().broken is None


@pytest.mark.parametrize(
    "outcome", [OutcomeKind.FAILED, OutcomeKind.CHANGED, OutcomeKind.ALREADY_GONE, OutcomeKind.UNVERIFIED]
)
def test_a_delete_that_was_not_done_may_be_tried_again(book: Book, outcome: OutcomeKind) -> None:
    conclude(book.journal, intend(book.journal), outcome)
    assert intend(book.journal).id


@pytest.mark.parametrize(
    "other",
    [
        replace(DELETE, session="session-0002"),
        replace(DELETE, created_at=MADE + 1),
        replace(DELETE, agent="other"),
        replace(DELETE, project="other"),
        STOP,
    ],
)
def test_other_sessions_incarnations_agents_projects_and_actions_are_free(book: Book, other: Intent) -> None:
    conclude(book.journal, intend(book.journal), OutcomeKind.DONE)
    assert intend(book.journal, other).id


def test_a_session_may_be_stopped_again_but_not_twice_at_once(book: Book) -> None:
    first = intend(book.journal, STOP)
    with pytest.raises(AlreadyIntendedError):
        intend(book.journal, STOP)
    conclude(book.journal, first, OutcomeKind.DONE)
    assert intend(book.journal, STOP).id


def test_of_two_that_ask_at_once_one_is_refused_and_the_others_beside_them_are_written(book: Book) -> None:
    async def at_once() -> Sequence[Intent | BaseException]:
        asked = [DELETE, replace(DELETE, session="session-0002"), DELETE, replace(DELETE, session="session-0003")]
        calls = (book.journal.intend(each, NOW, WHO) for each in asked)
        return await asyncio.gather(*calls, return_exceptions=True)

    answers = asyncio.run(at_once())
    assert [type(each) for each in answers] == [Intent, Intent, AlreadyIntendedError, Intent]
    assert [entry.intent.session for entry in entries(book.journal)] == [f"session-000{n}" for n in (1, 2, 3)]
    assert book.verify().broken is None


def test_an_outcome_that_is_written_together_with_the_next_intent_counts_for_it(book: Book) -> None:
    first = intend(book.journal)

    async def at_once() -> Intent:
        ended = asyncio.create_task(book.journal.conclude(first, OutcomeKind.FAILED, NOW, ""))
        again = asyncio.create_task(book.journal.intend(DELETE, NOW, WHO))
        await ended
        return await again

    assert asyncio.run(at_once()).id


def test_a_deed_whose_session_is_still_there_becomes_unverified_and_the_next_one_is_let_in(book: Book) -> None:
    first = intend(book.journal)
    conclude(book.journal, first, OutcomeKind.DONE)
    intend(book.journal, contradicts=first.id)
    assert rows(book) == [("intent", ""), ("outcome", "done"), ("outcome", "unverified"), ("intent", "")]
    why = [entry.body.get("why") for entry in entries(book.journal)][2]
    assert why == "it is there again, so it was not done"
    assert book.verify().broken is None


def test_who_contradicts_another_deed_than_the_one_that_stands_is_refused(book: Book) -> None:
    first = intend(book.journal)
    with pytest.raises(AlreadyIntendedError):
        intend(book.journal, contradicts=first.id)  # it is open, and may yet be carried out
    conclude(book.journal, first, OutcomeKind.DONE)
    with pytest.raises(AlreadyIntendedError):
        intend(book.journal, contradicts="another")


DELETER = """
import asyncio, json, sys
from reaper.core.model import Action, OutcomeKind
from reaper.store.database import Database
from reaper.store.journal import AlreadyIntendedError, Intent, Journal

async def act(journal, number):
    intent = Intent("", "prod", "desk", f"session-{number}", 7, Action.DELETE, "by-hand", approved=True)
    try:
        await journal.conclude(await journal.intend(intent, 0, {}), OutcomeKind.DONE, 0, "")
    except AlreadyIntendedError:
        return 0
    return 1

async def main(journal):
    return sum([sum(await asyncio.gather(*(act(journal, n + each) for each in range(5)))) for n in range(0, 100, 5)])

journal = Journal(Database(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(asyncio.run(main(journal))))
"""


@pytest.mark.process
def test_two_processes_that_delete_the_same_sessions_beside_each_other_record_each_once(book: Book) -> None:
    command = [sys.executable, "-c", DELETER, f"sqlite:///{book.path}"]
    pipes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [pipe.stdout.readline() for pipe in pipes if pipe.stdout] == ["ready\n"] * 2
    for pipe in pipes:
        assert pipe.stdin
        pipe.stdin.write("go\n")
        pipe.stdin.flush()
    counts = [json.loads(pipe.communicate(timeout=60)[0]) for pipe in pipes]
    assert sum(counts) == 100
    assert book.verify().rows == 200
    assert book.verify().broken is None

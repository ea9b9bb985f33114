"""Which pages fit each other, where landmarks lie, and how many deletes one round takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from reaper.core.model import DELETED, IDLE, Action, Malformed, OutcomeKind, Session
from reaper.core.plan import Item
from reaper.core.provider import Order, Page
from reaper.engine.bulk_verification import BulkVerification, Reading
from reaper.engine.report import Outcome
from reaper.engine.rounds import PROVEN_FIRST, ROUND_MAX, ROUND_MAX_S, Rounds
from reaper.foundry.client import Client
from reaper.listing.landmarks import Landmark, Landmarks
from tests.clock import ManualClock
from tests.world import World, candidate, session


def at(created_at: int, ident: str = "", status: str = IDLE) -> Session:
    return session(ident or f"session-{created_at:04d}")._replace(created_at=created_at, status=status)


def page(*records: Session | Malformed) -> Page:
    return Page(records, None, None, has_more=True)


def taken(edge: int, *pages: Page) -> list[bool]:
    reading = Reading(edge)
    return [reading.take(each) for each in pages]


def test_pages_that_go_on_where_the_last_one_ended_fit() -> None:
    assert taken(100, page(at(100), at(101)), page(at(101, "another-01"), at(105)), page()) == [True] * 3


@pytest.mark.parametrize(
    "pages",
    [
        [page(at(99), at(101))],
        [page(at(102), at(101))],
        [page(at(101), at(105)), page(at(104))],
        [page(at(101), Malformed("session-0102", "no status"))],
    ],
)
def test_pages_that_begin_elsewhere_lack_order_or_cannot_be_read_do_not(pages: Sequence[Page]) -> None:
    assert taken(100, *pages)[-1] is False


def test_a_tombstone_is_not_living() -> None:
    reading = Reading(0)
    reading.take(page(at(100), at(101, status=DELETED)))
    assert reading.living == {("session-0100", 100)}


# Landmarks


def landmarks_of(pages: Sequence[tuple[Order, Sequence[Session]]], kept: Sequence[int] = ()) -> list[tuple[int, int]]:
    landmarks = Landmarks()
    for order, records in pages:
        landmarks.take(records, order, lambda one: one.created_at in kept)
    return [(landmark.created_at, landmark.place) for landmark in landmarks.all()]


def test_of_each_page_one_session_is_known_with_its_place_whichever_end_it_came_from() -> None:
    sessions = [at(number) for number in range(12)]
    pages: list[tuple[Order, Sequence[Session]]] = [
        ("asc", sessions[:3]),
        ("desc", sessions[:8:-1]),
        ("asc", sessions[3:6]),
        ("desc", sessions[8:5:-1]),
    ]
    assert landmarks_of(pages) == [(2, 2), (5, 5), (6, 6), (9, 9)]


def test_a_session_that_is_kept_is_the_better_landmark_and_a_tombstone_is_none() -> None:
    sessions = [at(number) for number in range(5)]
    assert landmarks_of([("asc", sessions)], kept=[2]) == [(2, 2)]
    assert landmarks_of([("asc", sessions)], kept=[0, 4]) == [(4, 4)]
    assert landmarks_of([("asc", [*sessions[:4], at(4, status=DELETED)])]) == [(2, 2)]
    gone = [at(number, status=DELETED) for number in range(5)]
    assert landmarks_of([("asc", [gone[0], sessions[1], *gone[2:]])]) == [(1, 1)]
    assert landmarks_of([("asc", gone)]) == landmarks_of([("asc", [])]) == []


def test_a_landmark_that_is_gone_is_forgotten() -> None:
    landmarks = Landmarks()
    landmarks.take([at(1)], "asc", lambda _: True)
    landmarks.forget(at(1))
    assert landmarks.all() == ()


# Rounds


def item(created_at: int) -> Item:
    found = candidate(at(created_at))
    return Item(found.session, found.decision, ripe_at=0.0)


def ended(*kinds: OutcomeKind) -> list[Outcome]:
    return [Outcome(item(1), kind, 0.0) for kind in kinds]


def rounds_of(items: Sequence[Item], client: Client, clock: ManualClock) -> Rounds:
    """With a landmark behind each tenth, of which each hundredth is to be deleted itself."""
    marks = [Landmark(f"session-{n:04d}", n, n) for n in range(0, 10_000, 100)]
    return Rounds(iter(items), BulkVerification(client, "a", marks), clock)


def sizes(world: World, items: Sequence[Item], *learned: Sequence[OutcomeKind]) -> list[tuple[int, int]]:
    """How many are in each round, and how many of them are verified together."""

    async def work(client: Client) -> list[tuple[int, int]]:
        rounds, found = rounds_of(items, client, world.clock), []
        for kinds in learned:
            rounds.learn(ended(*kinds))
            current = rounds.next()
            found.append((len(list(current.items)), len(current.together)) if current else (0, 0))
        return found

    told: list[tuple[int, int]] = world.run(work)
    return told


DONE = OutcomeKind.DONE


def test_a_round_is_as_large_as_what_was_proven_and_bounded() -> None:
    items = [item(number) for number in range(1, 5_000) if number % 100]
    learned = [[DONE], [DONE] * 4, [DONE] * 5, [DONE] * 1_000]
    first, *others = sizes(World(), items, *learned)
    assert first == (PROVEN_FIRST, 0)
    assert others == [(5, 5), (10, 10), (ROUND_MAX, ROUND_MAX)]


@pytest.mark.parametrize("kind", [OutcomeKind.UNVERIFIED, OutcomeKind.IN_DOUBT])
def test_one_without_effect_ends_all_trust(kind: OutcomeKind) -> None:
    items = [item(number) for number in range(1, 5_000) if number % 100]
    assert sizes(World(), items, [DONE] * 100, [*[DONE] * 99, kind]) == [(100, 100), (PROVEN_FIRST, 0)]


def test_what_was_not_tried_or_refused_changes_no_trust() -> None:
    items = [item(number) for number in range(1, 5_000) if number % 100]
    others = [OutcomeKind.CHANGED, OutcomeKind.ALREADY_GONE, OutcomeKind.FAILED]
    assert sizes(World(), items, [DONE] * 40, others) == [(40, 40), (40, 40)]


def test_landmarks_go_last_and_one_by_one() -> None:
    items = [item(number) for number in range(95, 106)]
    assert sizes(World(), items, [DONE] * 100, [], []) == [(10, 10), (1, 0), (0, 0)]


def test_what_is_behind_the_last_landmark_is_not_verified_by_pages() -> None:
    items = [item(number) for number in range(9_890, 9_999)]
    assert sizes(World(), items, [DONE] * 200) == [(108, 10)]


def test_nothing_more_begins_in_a_round_that_has_grown_old() -> None:
    world = World()

    async def work(client: Client) -> tuple[int, int]:
        rounds = rounds_of([item(number) for number in range(1, 90)], client, world.clock)
        rounds.learn(ended(*[DONE] * 50))
        current = rounds.next()
        assert current is not None
        begun = 0
        for _ in current.items:
            begun += 1
            world.clock.passed += 1
        following = rounds.next()
        assert following is not None
        return begun, len(list(following.items))

    begun, following = world.run(work)
    assert begun == ROUND_MAX_S + 1
    assert following == 50


def test_actions_that_are_no_deletes_are_verified_at_once() -> None:
    made = [item(number) for number in range(1, 90)]
    stops = [replace(each, decision=each.decision._replace(action=Action.STOP)) for each in made]
    assert sizes(World(), stops, [DONE] * 50) == [(50, 0)]

"""Each guard of the listeners is needed: without it, its test of what strangers can do fails."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import test_access as reads
import test_connections as places
from uvicorn.protocols.http.h11_impl import H11Protocol

from reaper.web import access, connections
from tests.sim.switches import Patch, Unguarded, around, put


def _begins_alike(given: bytes, right: bytes) -> bool:
    return right.startswith(given) or given.startswith(right)


def _anew(connection: Any, data: bytes) -> None:
    H11Protocol.data_received(connection, data)
    connection._wait(connection.patience.request_s)


def _for_ever(kept: Any) -> Any:
    """Who does not take its answer is waited for."""

    def wait(connection: Any, seconds: float | None) -> None:
        kept(connection, None if seconds == connection.patience.answer_s else seconds)

    return wait


ACCESS = [
    Unguarded(
        "on loopback, only names of this machine are answered",
        put(access, "is_loopback", lambda _: True),
        reads.test_on_loopback_no_name_that_was_pointed_here_is_answered,
        ("127.0.0.1", "evil.example"),
    ),
    Unguarded(
        "a name that only begins like this machine's is another one",
        put(access, "is_loopback", lambda host: host.startswith("127.")),
        reads.test_on_loopback_no_name_that_was_pointed_here_is_answered,
        ("127.0.0.1", "127.0.0.1.evil.example"),
    ),
]
TOKENS = [
    Unguarded(
        "who carries no token reads nothing",
        put(access, "carries", lambda *_: True),
        reads.test_with_a_token_everything_but_health_asks_for_it,
    ),
    Unguarded(
        "every answer forbids what browsers need not do",
        put(access, "HARMLESS", {"X-Content-Type-Options": "guess"}),
        reads.test_with_a_token_everything_but_health_asks_for_it,
    ),
    Unguarded(
        "only the whole token opens",
        put(access, "hmac", SimpleNamespace(compare_digest=_begins_alike)),
        reads.test_what_is_not_the_token_is_refused,
        (f"Bearer {reads.TOKEN[:-1]}",),
    ),
]
FILES = [
    Unguarded(
        "a token that is short is none",
        put(access, "TOKEN_MIN_CHARS", 1),
        reads.test_a_token_that_could_be_guessed_or_not_be_sent_is_refused,
        ("short",),
    ),
]
PLACES = [
    Unguarded(
        "a request has its time",
        put(connections._Connection, "_wait", lambda *_: None),
        places.test_a_request_that_never_ends_is_aborted_however_it_trickles,
        (b"",),
    ),
    Unguarded(
        "what trickles in does not prolong it",
        put(connections._Connection, "data_received", _anew),
        places.test_a_request_that_never_ends_is_aborted_however_it_trickles,
        (places.HALF,),
    ),
    Unguarded(
        "an answer has its time to be taken",
        around(connections._Connection, "_wait", _for_ever),
        places.test_a_client_that_does_not_take_its_answer_is_aborted,
    ),
    Unguarded(
        "a newcomer finds a place",
        put(connections._Connection, "_make_room", lambda _: None),
        places.test_a_newcomer_takes_the_place_of_who_has_kept_us_waiting_longest,
    ),
    Unguarded(
        "who is at work keeps his place, and there are no more",
        put(connections._Connection, "_make_room", lambda _: None),
        places.test_a_newcomer_is_turned_away_when_all_places_are_at_work,
    ),
]
DESCRIPTORS = [
    Unguarded(
        "most descriptors are for sweeping",
        put(connections, "DESCRIPTORS_SHARE", 1),
        places.test_two_listeners_leave_three_quarters_of_the_descriptors_to_sweeping,
    ),
]


def _each(mutants: list[Unguarded]) -> Any:
    return pytest.mark.parametrize("mutant", mutants, ids=[mutant.guard for mutant in mutants])


@_each(ACCESS)
def test_strangers_are_answered_without_the_guard(mutant: Unguarded, monkeypatch: Patch) -> None:
    mutant.must_fail(monkeypatch)


@_each(TOKENS)
def test_who_has_no_token_is_answered_without_the_guard(
    mutant: Unguarded, monkeypatch: Patch, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(f"{reads.TOKEN}\n")
    mutant.must_fail(monkeypatch, str(file))


@_each(FILES)
def test_a_bad_token_is_taken_without_the_guard(mutant: Unguarded, monkeypatch: Patch, tmp_path: Path) -> None:
    mutant.must_fail(monkeypatch, tmp_path)


@_each(PLACES)
def test_one_client_costs_others_their_place_without_the_guard(mutant: Unguarded, monkeypatch: Patch) -> None:
    monkeypatch.setattr(places, "LONG_S", 8 * places.SHORT_S)
    mutant.must_fail(monkeypatch)


@pytest.fixture
def descriptors() -> Iterator[Callable[[int], None]]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda count: resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@_each(DESCRIPTORS)
def test_listeners_take_what_sweeping_needs_without_the_guard(
    mutant: Unguarded, monkeypatch: Patch, descriptors: Callable[[int], None]
) -> None:
    mutant.must_fail(monkeypatch, descriptors)

"""The last look before an action counts for two seconds from when it was asked for, however they pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from sqlalchemy import Connection

from reaper.core.conditions import LATEST, SUPERSEDED, Idle, VersionIs
from reaper.core.model import DAY_S, Action, Agent, Metadata, OutcomeKind
from reaper.core.policy import Rule
from reaper.emulator import AgentVersion, Fault
from reaper.emulator.routing import RoutedCall
from reaper.emulator.stored import StoredSession
from reaper.engine.executor import FAILED_IN_A_ROW_MAX
from reaper.engine.last_look import LOOK_AGE_MAX_S, LOOKS_MAX
from reaper.foundry.client import Client
from reaper.store.database import Database
from reaper.store.store import Store
from tests.record import entries
from tests.world import AGENT, NOW, STALE, World, policy

ONE = "session-0001"
DONE, GONE, CHANGED = OutcomeKind.DONE, OutcomeKind.ALREADY_GONE, OutcomeKind.CHANGED
FAILED, IN_DOUBT = OutcomeKind.FAILED, OutcomeKind.IN_DOUBT


def with_one(**changes: Any) -> World:
    world = World(**changes)
    world.put(ONE)
    return world


def ended(world: World) -> tuple[OutcomeKind, str]:
    (outcome,) = world.execute().outcomes
    return outcome.kind, outcome.why


def recorded(world: World) -> list[tuple[str, str]]:
    return [(entry.kind, entry.outcome) for entry in entries(world.store.journal)]


class SlowDisk(Database):
    """A state that takes long for some of its transactions, by number."""

    def __init__(self, *slow: int) -> None:
        super().__init__("sqlite://")
        self.slow, self.number = slow, 0
        self.meanwhile: Callable[[], None] = lambda: None

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with super().begin() as connection:
            yield connection
        if self.number in self.slow:
            self.meanwhile()
        self.number += 1


class Suspended(httpx2.AsyncBaseTransport):
    """A process that stands still right before its first change leaves."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, meanwhile: Callable[[], None]) -> None:
        self._inner, self._meanwhile = inner, meanwhile

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "DELETE":
            self._meanwhile()
        return await self._inner.handle_async_request(request)


def suspending(world: World, meanwhile: Callable[[], None]) -> None:
    """Let the world's next client stand still once, right before a delete leaves."""
    left = [meanwhile]
    make = world.emulator.transport
    world.emulator.transport = lambda actor="api": Suspended(  # type: ignore[method-assign]
        make(actor), lambda: left.pop()() if left else None
    )


# Time that passes between the look and the delete


def test_a_session_used_while_the_disk_hung_after_the_last_look_is_kept() -> None:
    world = with_one(store=Store(SlowDisk(0)))

    def hang() -> None:
        world.clock.passed += 90
        world.platform.use(AGENT.name, ONE)

    world.store._database.meanwhile = hang  # type: ignore[attr-defined]
    assert ended(world)[0] is CHANGED
    assert (world.events(), world.used_today()) == ([], {})
    assert recorded(world) == [("intent", ""), ("outcome", "changed")]


def test_a_disk_that_hangs_for_each_intent_costs_another_look_and_no_second_intent() -> None:
    world = with_one(store=Store(SlowDisk(0)))
    world.store._database.meanwhile = lambda: setattr(world.clock, "passed", world.clock.passed + 90)  # type: ignore[attr-defined]
    assert ended(world)[0] is DONE
    assert recorded(world) == [("intent", ""), ("outcome", "done")]
    assert world.emulator.api.requests["get"] == 3


def test_a_session_used_while_the_process_was_suspended_is_kept() -> None:
    world = with_one()

    def pause() -> None:
        world.clock.passed += 6
        world.platform.use(AGENT.name, ONE)

    suspending(world, pause)
    assert ended(world)[0] is CHANGED
    assert world.emulator.api.requests["delete"] == 0


def test_a_suspension_that_nobody_used_costs_another_look_only() -> None:
    world = with_one()
    suspending(world, lambda: setattr(world.clock, "passed", world.clock.passed + 6))
    assert ended(world)[0] is DONE
    assert world.emulator.api.requests["get"] == 3


def test_an_answer_counts_from_when_it_was_asked_for() -> None:
    world = with_one()
    world.emulator.faults.add(Fault(operation="get", delay_seconds=LOOK_AGE_MAX_S + 1, times=1))
    assert ended(world)[0] is DONE
    assert world.emulator.api.requests["get"] == 3


def test_looks_that_always_take_too_long_are_given_up_and_nothing_is_sent() -> None:
    world = with_one()
    world.emulator.faults.add(Fault(operation="get", delay_seconds=LOOK_AGE_MAX_S + 1))
    kind, why = ended(world)
    assert (kind, why) == (
        FAILED,
        f"looked at {LOOKS_MAX} times in vain: delete_session: not sent: what it was decided on had grown too old",
    )
    assert world.emulator.api.requests["delete"] == 0
    assert recorded(world) == [("intent", ""), ("outcome", "failed")]


def test_a_wall_clock_that_went_on_while_the_other_stood_still_makes_a_look_old() -> None:
    world = with_one()
    wall = world.clock.wall
    suspending(world, lambda: setattr(world.clock, "wall", lambda: wall() + 6))
    assert ended(world)[0] is DONE
    assert world.emulator.api.requests["get"] == 3


def test_a_pause_that_only_the_platforms_clock_shows_makes_earlier_looks_old() -> None:
    world = with_one()
    fresh_before = world.clock.monotonic()
    world.guard.observe(NOW, NOW, 0, sent=0)
    world.guard.observe(NOW + 6, NOW, 0.1, sent=0.1)
    assert world.guard.paused_since(fresh_before)
    assert not world.guard.paused_since(0.2)


def test_an_answer_that_took_long_is_no_pause() -> None:
    world = World()
    for second, sent in ((0, 0), (8, 3), (9, 9), (9, 8)):
        world.guard.observe(NOW + second, NOW, second, sent=sent)
    assert not world.guard.paused_since(0)


# The agent is looked at, too

NEWEST = Rule("newest", Action.KEEP, (VersionIs(frozenset({LATEST})),))
OLD = Rule("old", Action.DELETE, (VersionIs(frozenset({SUPERSEDED})), Idle(DAY_S)))


def on_first(world: World, operation: str, work: Callable[[], None]) -> None:
    def arrives(call: RoutedCall) -> None:
        if call.operation == operation:
            world.emulator.api.on_call = None
            work()

    world.emulator.api.on_call = arrives


def test_a_version_removed_in_mid_sweep_protects_the_sessions_that_are_newest_now() -> None:
    world = with_one(policy=policy(NEWEST, STALE))
    planned_while_another_was_newest = world.plan(agent=replace(AGENT, latest="4"))
    assert len(planned_while_another_was_newest.act) == 1
    assert [outcome.kind for outcome in world.execute(planned_while_another_was_newest).outcomes] == [CHANGED]
    assert world.events() == []


def test_a_version_rule_that_holds_for_the_agent_as_it_is_now_is_carried_out() -> None:
    world = World(policy=policy(OLD))
    world.platform.place(
        AGENT.name, StoredSession(ONE, AgentVersion("2", NOW - 60 * DAY_S), NOW - 9 * DAY_S, NOW - 8 * DAY_S)
    )
    assert ended(world)[0] is DONE


def test_an_agent_that_cannot_be_read_again_keeps_what_versions_decide() -> None:
    world = with_one(policy=policy(NEWEST, STALE))
    made = world.plan(agent=replace(AGENT, latest="4"))
    world.emulator.faults.add(Fault(operation="get_agent", status=500))
    (outcome,) = world.execute(made).outcomes
    assert outcome.kind is FAILED
    assert "no fresh look" in outcome.why
    assert world.events() == []


def test_without_version_rules_the_agent_is_read_before_a_delete_for_its_developers_may_ask_to_keep_it() -> None:
    world = with_one()
    seen: list[int] = []
    on_first(world, "delete", lambda: seen.append(world.emulator.api.requests["get_agent"]))
    assert ended(world)[0] is DONE
    assert seen == [1]


def test_what_developers_say_after_the_plan_was_made_keeps_the_session_and_its_mark() -> None:
    world = with_one()
    plan = world.plan()
    world.platform.describe(AGENT.name, {"reaper.hold": "2030-01-01"})
    (outcome,) = world.execute(plan).outcomes
    assert outcome.kind is CHANGED
    assert outcome.why == "what its agent's developers ask for has changed since the plan was made"
    assert world.store.voices.before("prod", AGENT.name) == Metadata((("reaper.hold", "2030-01-01"),))


def test_an_agent_that_was_read_for_the_plan_and_is_refused_now_keeps_the_session() -> None:
    world = with_one()
    world.emulator.faults.add(Fault(operation="get_agent", status=403))
    kind, why = ended(world)
    assert kind is FAILED
    assert why.startswith("no fresh look, so nothing was sent: get_agent")


# A 404 that is not the platform's, and what one of the platform's means

PAGE = "<html><body>404 Not Found</body></html>"


@pytest.mark.parametrize("body", [PAGE, "", "{}", '{"statusCode": 404, "message": "Resource not found"}'])
def test_a_404_of_something_on_the_way_is_no_end_of_a_session(body: str) -> None:
    world = with_one()
    world.emulator.faults.add(Fault(operation="get", status=404, body=body))
    kind, why = ended(world)
    assert kind is FAILED
    assert "not the platform's" in why
    assert world.emulator.api.requests["delete"] == 0


def test_a_404_of_something_on_the_way_to_a_delete_is_in_doubt_until_a_look_tells() -> None:
    world = with_one()
    world.emulator.faults.add(Fault(operation="delete", status=404, body=PAGE))
    kind, why = ended(world)
    assert kind is FAILED
    assert "it had no effect" in why
    assert world.used_today() == {}


def test_a_delete_whose_looks_since_meet_foreign_404s_is_in_doubt_and_never_done() -> None:
    world = with_one()
    world.emulator.faults.add(
        Fault(operation="delete", lie="ghost_delete"), Fault(operation="get", status=404, body=PAGE, after=1)
    )
    assert ended(world)[0] is IN_DOUBT


def test_a_404_whose_agent_does_not_answer_either_says_nothing_of_the_session() -> None:
    world = with_one()
    made = world.plan()
    world.emulator.faults.add(
        Fault(operation="get", status=404, code="not_found"),
        Fault(operation="get_agent", status=404, code="not_found"),
    )
    (outcome,) = world.execute(made).outcomes
    assert outcome.kind is FAILED
    assert "its agent does not answer" in outcome.why


def test_an_identity_that_may_not_read_agents_lists_one_session_instead() -> None:
    world = with_one()
    world.emulator.faults.add(Fault(operation="get_agent", status=403))
    unread = Agent(AGENT.name, metadata=Metadata(fault="get_agent: no", read=False, refused=True))
    (outcome,) = world.execute(world.plan(agent=unread)).outcomes
    assert outcome.kind is DONE
    assert world.emulator.api.requests["list"] == 1


# What fails for all is tried with few


def test_deletes_that_are_all_refused_end_the_sweep_after_a_few() -> None:
    world = World(workers=16)
    world.put_many(40)
    world.emulator.faults.add(Fault(operation="delete", status=403))
    execution = world.execute()
    assert [outcome.kind for outcome in execution.outcomes] == [FAILED] * FAILED_IN_A_ROW_MAX
    assert all(outcome.refused for outcome in execution.outcomes)
    assert execution.halted.startswith(f"{FAILED_IN_A_ROW_MAX} actions in a row failed")
    assert world.emulator.api.requests["delete"] == FAILED_IN_A_ROW_MAX


def test_looks_that_all_fail_end_the_sweep_after_a_few_and_leave_no_record() -> None:
    world = World(workers=16)
    world.put_many(40)
    made = world.plan()
    world.emulator.faults.add(Fault(operation="get", status=403))
    assert len(world.execute(made).outcomes) == FAILED_IN_A_ROW_MAX
    assert recorded(world) == []


def test_one_session_that_is_refused_holds_up_no_other() -> None:
    world = World(workers=4)
    world.put_many(40)
    world.emulator.faults.add(Fault(operation="delete", session="session-0007", status=403))
    execution = world.execute()
    assert execution.halted == ""
    assert sorted(outcome.kind for outcome in execution.outcomes) == [DONE] * 39 + [FAILED]


def test_a_refusal_that_begins_in_mid_sweep_ends_it_after_those_under_way() -> None:
    workers = 8
    world = World(workers=workers)
    world.put_many(200)
    world.emulator.faults.add(Fault(operation="delete", status=403, after=20))
    execution = world.execute()
    assert execution.halted
    assert world.emulator.api.requests["delete"] <= 20 + FAILED_IN_A_ROW_MAX + workers


def test_a_change_is_not_sent_when_it_is_no_longer_right() -> None:
    world = with_one()

    async def work(client: Client) -> str:
        with pytest.raises(Exception, match="grown too old"):
            await client.delete(AGENT.name, ONE, lambda: False)
        return ""

    world.run(work)
    assert world.emulator.api.requests["delete"] == 0


def test_sessions_that_changed_between_refusals_do_not_hide_that_nothing_works() -> None:
    world = World()
    world.put_many(40)
    made = world.plan()
    for number in range(1, 40, 2):
        world.platform.use(AGENT.name, f"session-{number:04d}")
    world.emulator.faults.add(Fault(operation="delete", status=403))
    execution = world.execute(made)
    assert [outcome.kind for outcome in execution.outcomes].count(FAILED) == FAILED_IN_A_ROW_MAX
    assert execution.halted

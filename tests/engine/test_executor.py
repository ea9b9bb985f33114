"""One guarded action at a time: look again, decide again, intend, act, verify, record."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from reaper.core.model import ACTIVE, DAY_S, IDLE, TOMBSTONES, Action, Malformed, OutcomeKind
from reaper.core.plan import Approval, Mark, PlanContext
from reaper.core.provider import StillRight, Unauthenticated, always
from reaper.core.windows import DAYS, Window
from reaper.emulator import Fault
from reaper.emulator.routing import RoutedCall
from reaper.engine.effects import had_effect, resolve_open_intents
from reaper.engine.executor import UNVERIFIED_MAX, Execution
from reaper.engine.report import Outcome
from reaper.foundry.client import Client
from reaper.store.database import Database, StateError
from reaper.store.journal import Journal
from reaper.store.store import Store
from tests.record import entries
from tests.world import AGENT, HOUR_S, NOW, World, policy, session

ONE = "session-0001"
DONE, GONE, CHANGED = OutcomeKind.DONE, OutcomeKind.ALREADY_GONE, OutcomeKind.CHANGED
FAILED, IN_DOUBT, UNVERIFIED = OutcomeKind.FAILED, OutcomeKind.IN_DOUBT, OutcomeKind.UNVERIFIED


@pytest.fixture
def world() -> World:
    made = World()
    made.put(ONE)
    return made


def kinds(execution: Execution) -> list[OutcomeKind]:
    return [outcome.kind for outcome in execution.outcomes]


def only(execution: Execution) -> Outcome:
    (outcome,) = execution.outcomes
    return outcome


def rows(world: World) -> list[tuple[str, str, str]]:
    return [(entry.kind, entry.intent.session, entry.outcome) for entry in entries(world.store.journal)]


def mark_all(world: World) -> None:
    marks = [Mark(seen, Action.DELETE, "stale", NOW - DAY_S, NOW) for seen in world.listed()]
    world.store.replace_marks("prod", AGENT.name, marks, NOW)


def marked(world: World) -> list[str]:
    return sorted(ident for ident, _ in world.store.marks("prod", AGENT.name))


# When all is well


def test_a_delete_is_done_once_the_session_was_seen_to_be_gone(world: World) -> None:
    assert kinds(world.execute()) == [DONE]
    assert world.events() == [ONE]
    assert rows(world) == [("intent", ONE, ""), ("outcome", ONE, "done")]
    assert world.emulator.api.requests == {"get": 2, "delete": 1, "get_agent": 1}
    assert world.used_today() == {Action.DELETE: 1}


def test_a_tombstone_that_is_shown_after_the_delete_is_the_end_of_it_too() -> None:
    world = World(get_tombstones=True)
    world.put(ONE)
    assert kinds(world.execute()) == [DONE]


def test_a_stop_leaves_the_session_there() -> None:
    world = World()
    world.put(ONE, idle=3 * HOUR_S, held=ACTIVE, held_until=NOW + DAY_S)
    assert kinds(world.execute()) == [DONE]
    assert (world.events("stopped"), world.events()) == ([ONE], [])
    assert world.listed()[0].status == IDLE


def test_every_outcome_is_told_as_it_happens(world: World) -> None:
    world.put("session-0002")
    execution = world.execute()
    assert world.heard == execution.outcomes
    assert len(world.heard) == 2


def test_many_workers_act_on_each_session_once() -> None:
    world = World(workers=8)
    world.put_many(40)
    assert kinds(world.execute()) == [DONE] * 40
    assert sorted(world.events()) == sorted(set(world.events()))
    assert world.emulator.api.requests["delete"] == 40


def test_a_plan_that_acts_on_nothing_sends_nothing(world: World) -> None:
    held = world.plan(PlanContext(1, observe=True))
    assert world.execute(held).outcomes == []
    assert world.emulator.api.requests == {}


def test_the_evidence_tells_the_record_and_the_values_compared(world: World) -> None:
    world.execute()
    evidence = entries(world.store.journal)[0].body
    assert evidence["record"]["last_accessed_at"] == NOW - 8 * DAY_S
    assert (evidence["platform_time"], evidence["policy"], evidence["sweep"]) == (NOW, "standard", "sweep-1")
    compared = {each["condition"]: (each["wanted"], each["actual"]) for each in evidence["compared"]}
    assert compared["idle"] == ("at least 7d", "8d")


def test_what_a_person_approved_is_written_down_as_such_and_not_counted_for_the_day(world: World) -> None:
    seen = world.listed()[0]
    leave = Approval(seen.id, seen.created_at, seen.last_accessed_at, Action.DELETE)
    assert kinds(world.execute(world.plan(PlanContext(1, approved=frozenset({leave}))))) == [DONE]
    assert [entry.intent.approved for entry in entries(world.store.journal)] == [True, True]
    assert world.used_today() == {}


# The intent comes first


def test_the_intent_is_on_disk_when_the_delete_arrives(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    world = World(Store.open(url))
    world.put_many(3)
    found: list[list[str]] = []

    def arrives(call: RoutedCall) -> None:
        if call.operation == "delete":
            onlooker = Journal(Database(url))
            found.append([entry.intent.session for entry in onlooker.open("prod", AGENT.name)])
            assert found[-1] == [call.session]

    world.emulator.api.on_call = arrives
    assert kinds(world.execute()) == [DONE] * 3
    assert len(found) == 3


class FullDisk(Database):
    """A state that fails from a certain transaction on."""

    def __init__(self, transactions: int) -> None:
        super().__init__("sqlite://")
        self.left = transactions

    def begin(self) -> Any:
        self.left -= 1
        if self.left < 0:
            raise StateError("state: database or disk is full")
        return super().begin()


def test_an_intent_that_cannot_be_written_sends_nothing_and_halts() -> None:
    world = World(Store(FullDisk(0)))
    world.put_many(3)
    execution = world.execute()
    assert (execution.outcomes, world.events()) == ([], [])
    assert "disk is full" in execution.halted
    assert world.emulator.api.requests["delete"] == 0


def test_an_outcome_that_cannot_be_written_halts_and_leaves_its_intent_open() -> None:
    disk = FullDisk(1)
    world = World(Store(disk))
    world.put_many(3)
    execution = world.execute()
    assert "disk is full" in execution.halted
    assert world.emulator.api.requests["delete"] == 1
    disk.left = 100
    assert len(world.store.journal.open("prod", AGENT.name)) == 1
    assert world.used_today() == {Action.DELETE: 1}


def test_an_outcome_that_cannot_be_written_is_told_all_the_same() -> None:
    world = World(Store(FullDisk(1)))
    world.put_many(3)
    execution = world.execute()
    assert kinds(execution) == [DONE] == [outcome.kind for outcome in world.heard]
    assert "not recorded" in execution.halted


def test_a_state_that_was_closed_under_a_sweep_sends_nothing(tmp_path: Path) -> None:
    world = World(Store.open(f"sqlite:///{tmp_path}/state.db"))
    world.put(ONE)
    world.store.close()
    for file in tmp_path.iterdir():
        file.unlink()
    (tmp_path / "state.db").mkdir()
    execution = world.execute()
    assert (execution.outcomes, world.events()) == ([], [])
    assert execution.halted != ""


# What changed since the listing


def before_the_look(world: World, happen: Any) -> None:
    """Let something happen between the listing and the last look."""

    def arrives(call: RoutedCall) -> None:
        if call.operation == "get":
            world.emulator.api.on_call = None
            happen()

    world.emulator.api.on_call = arrives


def test_a_session_used_since_the_listing_is_left_alone_and_unmarked(world: World) -> None:
    world.put("session-0002")
    mark_all(world)
    before_the_look(world, lambda: world.platform.use(AGENT.name, ONE))
    execution = world.execute()
    assert kinds(execution) == [CHANGED, DONE]
    assert "last_accessed_at" in execution.outcomes[0].why
    assert world.events() == ["session-0002"]
    assert ONE not in marked(world)


def test_a_session_created_again_since_the_listing_is_left_alone_and_unmarked(world: World) -> None:
    mark_all(world)

    def again() -> None:
        world.platform.delete(AGENT.name, ONE)
        world.platform.create(AGENT.name, ONE)

    before_the_look(world, again)
    outcome = only(world.execute())
    assert (outcome.kind, outcome.why) == (CHANGED, "it was deleted and created again")
    assert world.events() == [ONE]
    assert {event.actor for event in world.platform.history} == {"user"}
    assert marked(world) == []


@pytest.mark.parametrize("get_tombstones", [True, False])
def test_a_session_somebody_else_deleted_is_already_gone_and_nothing_is_sent(get_tombstones: bool) -> None:
    world = World(get_tombstones=get_tombstones)
    world.put(ONE)
    before_the_look(world, lambda: world.platform.delete(AGENT.name, ONE))
    assert kinds(world.execute()) == [GONE]
    assert world.emulator.api.requests["delete"] == 0
    assert (rows(world), world.used_today()) == ([], {})


def test_a_session_that_goes_between_the_look_and_the_delete_is_already_gone(world: World) -> None:
    world.emulator.faults.add(Fault(operation="delete", status=404))
    assert kinds(world.execute()) == [GONE]
    assert world.used_today() == {}


@pytest.mark.parametrize(
    "fault",
    [
        Fault(operation="get", lie="add_field", field="colour", value="red"),
        Fault(operation="get", lie="bad_field", field="status", value="hibernating"),
        Fault(operation="get", lie="bad_field", field="last_accessed_at", value="yesterday"),
        Fault(operation="get", lie="drop_field", field="created_at"),
        Fault(operation="get", lie="no_date"),
        Fault(operation="get", date_shift_seconds=601),
        Fault(operation="get", date_shift_seconds=-601),
    ],
)
def test_a_last_look_that_shows_anything_else_sends_nothing(world: World, fault: Fault) -> None:
    world.emulator.faults.add(fault)
    execution = world.execute()
    assert kinds(execution) == [CHANGED]
    assert (world.emulator.api.requests["delete"], rows(world)) == (0, [])


def test_a_malformed_record_at_the_last_look_leaves_the_mark(world: World) -> None:
    mark_all(world)
    world.emulator.faults.add(Fault(operation="get", lie="drop_field", field="created_at"))
    world.execute()
    assert marked(world) == [ONE]


def test_a_window_that_closes_during_the_sweep_stops_the_deleting() -> None:
    closes = datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=2)
    world = World(policy=policy(windows=(Window(frozenset(DAYS), time(0), closes.time(), ZoneInfo("UTC")),)))
    world.put_many(6)
    world.emulator.faults.add(Fault(operation="get", delay_seconds=0.6))
    execution = world.execute()
    assert 0 < kinds(execution).count(DONE) < 6
    assert {o.why for o in execution.outcomes if o.kind is CHANGED} == {"the window has closed"}


@pytest.mark.parametrize("fault", [Fault(operation="get", status=500), Fault(operation="get", status=403)])
def test_without_a_fresh_look_nothing_is_sent(world: World, fault: Fault) -> None:
    world.put("session-0002")
    world.emulator.faults.add(fault)
    assert kinds(world.execute()) == [FAILED, FAILED]
    assert (world.emulator.api.requests["delete"], rows(world)) == (0, [])


def test_a_clock_that_jumps_during_the_sweep_halts_it() -> None:
    world = World()
    world.put_many(4)
    world.emulator.faults.add(Fault(operation="get", after=2, date_shift_seconds=300))
    execution = world.execute()
    assert kinds(execution) == [DONE, CHANGED]
    assert "jumped" in execution.halted
    assert len(world.events()) == 1


def test_stopping_lets_no_new_action_begin() -> None:
    world = World()
    world.stopping = lambda: "SIGTERM" if world.heard else ""
    world.put_many(4)
    execution = world.execute()
    assert (kinds(execution), execution.halted) == ([DONE], "SIGTERM")


def test_who_is_asked_to_stop_during_the_last_look_sends_nothing_after_it(world: World) -> None:
    asked: list[str] = []
    world.stopping = lambda: "".join(asked)
    before_the_look(world, lambda: asked.append("SIGTERM"))
    execution = world.execute()
    assert (execution.outcomes, execution.halted) == ([], "SIGTERM")
    assert (rows(world), world.emulator.api.requests["delete"]) == ([], 0)


def test_a_delete_that_is_cancelled_under_way_is_in_doubt_and_recorded_as_such(world: World) -> None:
    def arrives(call: RoutedCall) -> None:
        if call.operation == "delete":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

    world.emulator.api.on_call = arrives
    with pytest.raises(asyncio.CancelledError):
        world.execute()
    assert [outcome.kind for outcome in world.heard] == [IN_DOUBT]
    assert rows(world) == [("intent", ONE, ""), ("outcome", ONE, "in_doubt")]


# What goes wrong with the action


@pytest.mark.parametrize("status", [400, 403, 409])
def test_a_delete_that_the_platform_refuses_has_failed_and_is_not_repeated(world: World, status: int) -> None:
    world.emulator.faults.add(Fault(operation="delete", status=status))
    assert kinds(world.execute()) == [FAILED]
    assert world.emulator.api.requests["delete"] == 1
    assert world.used_today() == {}


def test_a_throttled_delete_is_sent_again_only_after_another_look(world: World) -> None:
    world.emulator.faults.add(Fault(operation="delete", status=429, times=1, retry_after_seconds=30))
    assert kinds(world.execute()) == [DONE]
    calls = [line.split()[0] for line in world.emulator.api.recent if "/sessions/" in line]
    assert calls == ["GET", "DELETE", "GET", "DELETE", "GET"]
    assert world.clock.passed >= 30
    assert [row[2] for row in rows(world)] == ["", "done"]
    assert world.used_today() == {Action.DELETE: 1}


def test_a_session_used_while_a_throttled_delete_waited_is_left_alone(world: World) -> None:
    world.emulator.faults.add(Fault(operation="delete", status=429, times=1, retry_after_seconds=30))

    def arrives(call: RoutedCall) -> None:
        if call.operation == "get" and world.emulator.api.requests["delete"] == 1:
            world.emulator.api.on_call = None
            world.platform.use(AGENT.name, ONE)

    world.emulator.api.on_call = arrives
    assert kinds(world.execute()) == [CHANGED]
    assert (world.events(), world.used_today()) == ([], {})


def test_throttling_without_end_is_given_up(world: World) -> None:
    world.emulator.faults.add(Fault(operation="delete", status=429, retry_after_seconds=5))
    assert kinds(world.execute()) == [FAILED]
    assert (world.events(), world.used_today()) == ([], {})
    assert world.emulator.api.requests["delete"] <= 8


@pytest.mark.parametrize(
    "fault", [{"drop": "after"}, {"hang": "after"}, {"status": 500, "effect": True}, {"status": 503, "effect": True}]
)
def test_a_delete_without_an_answer_that_took_effect_is_done_and_counted_once(
    world: World, fault: dict[str, Any]
) -> None:
    world.emulator.faults.add(Fault(operation="delete", **fault))
    outcome = only(world.execute())
    assert outcome.kind is DONE
    assert "took effect" in outcome.why
    assert (world.events(), world.used_today()) == ([ONE], {Action.DELETE: 1})
    assert world.emulator.api.requests["delete"] == 1


@pytest.mark.parametrize("fault", [{"drop": "before"}, {"hang": "before"}, {"status": 500}])
def test_a_delete_without_an_answer_that_had_no_effect_has_failed(world: World, fault: dict[str, Any]) -> None:
    world.emulator.faults.add(Fault(operation="delete", **fault))
    assert kinds(world.execute()) == [FAILED]
    assert (world.events(), world.used_today()) == ([], {})
    assert world.emulator.api.requests["delete"] == 1


def test_a_delete_whose_end_cannot_be_found_out_stays_in_doubt_and_counts(world: World) -> None:
    world.emulator.faults.add(Fault(operation="delete", drop="after"), Fault(operation="get", status=500, after=1))
    assert kinds(world.execute()) == [IN_DOUBT]
    assert world.used_today() == {Action.DELETE: 1}
    assert [entry.intent.session for entry in world.store.journal.open("prod", AGENT.name)] == [ONE]


def test_a_delete_without_an_answer_after_which_the_id_is_taken_again_is_done(world: World) -> None:
    world.emulator.faults.add(Fault(operation="delete", drop="after"))

    def arrives(call: RoutedCall) -> None:
        if call.operation == "get" and world.events():
            world.emulator.api.on_call = None
            world.platform.create(AGENT.name, ONE)

    world.emulator.api.on_call = arrives
    assert kinds(world.execute()) == [DONE]
    assert world.events() == [ONE]


def test_an_accepted_delete_without_effect_is_unverified(world: World) -> None:
    world.emulator.faults.add(Fault(operation="delete", lie="ghost_delete"))
    execution = world.execute()
    assert (kinds(execution), execution.halted) == ([UNVERIFIED], "")
    assert world.store.breaker("prod", AGENT.name) is None
    assert world.emulator.api.requests["delete"] == 1


def test_deletes_without_effect_open_the_breaker_and_halt() -> None:
    world = World()
    world.put_many(10)
    world.emulator.faults.add(Fault(operation="delete", lie="ghost_delete"))
    execution = world.execute()
    assert kinds(execution) == [UNVERIFIED] * UNVERIFIED_MAX
    assert execution.halted == f"{UNVERIFIED_MAX} actions were accepted without effect"
    breaker = world.store.breaker("prod", AGENT.name)
    assert breaker is not None
    assert (breaker.since, breaker.reason) == (NOW, execution.halted)
    assert world.emulator.api.requests["delete"] == UNVERIFIED_MAX


def test_an_effect_that_comes_late_is_still_verified(world: World) -> None:
    world.emulator.faults.add(Fault(operation="delete", lie="ghost_delete"))

    def arrives(call: RoutedCall) -> None:
        if call.operation == "get" and world.clock.passed >= 1:
            world.platform.delete(AGENT.name, ONE, "late")

    world.emulator.api.on_call = arrives
    assert kinds(world.execute()) == [DONE]


@pytest.mark.parametrize("operation", ["get", "delete"])
def test_an_identity_that_is_rejected_halts_the_sweep(operation: str) -> None:
    world = World()
    world.put_many(5)
    world.emulator.faults.add(Fault(operation=operation, status=401), Fault(operation="get", after=1, status=401))
    execution = world.execute()
    assert world.events() == []
    assert "rejected the identity" in execution.halted
    assert world.emulator.api.requests["delete"] <= 2


class NoLatch(Store):
    """A state whose breaker cannot be written."""

    def open_breaker(self, *_: Any) -> None:
        raise StateError("state: database or disk is full")


def test_a_breaker_that_cannot_be_written_halts_and_lets_begun_actions_end() -> None:
    world = World(NoLatch(Database("sqlite://")), workers=4)
    world.put_many(10)
    world.emulator.faults.add(Fault(operation="delete", lie="ghost_delete"))
    execution = world.execute()
    assert execution.halted != ""
    assert world.store.journal.open("prod", AGENT.name) == []


# After a crash


def crash(world: World, fault: Fault | None = None) -> None:
    """Die after the intent and, unless a fault says otherwise, the delete; leave no outcome."""
    disk = FullDisk(1)
    world.store = Store(disk)
    if fault is not None:
        world.emulator.faults.add(fault)
    world.execute()
    disk.left = 1000
    world.emulator.faults.clear()
    assert len(world.store.journal.open("prod", AGENT.name)) == 1


def resolve(world: World, *, believed: bool = True) -> list[str]:
    """Find out how what is open ended, beside a listing of what is there."""

    async def work(client: Client) -> list[str]:
        listed = frozenset(each.id for each in world.listed() if each.status not in TOMBSTONES)
        left_open = world.store.journal.open("prod", AGENT.name)
        return await resolve_open_intents(AGENT.name, client, world.store, left_open, listed if believed else None)

    found: list[str] = world.run(work)
    return found


def ends(world: World) -> list[str]:
    return [outcome for kind, _, outcome in rows(world) if kind != "intent"]


def test_a_delete_that_a_crash_left_open_and_that_took_effect_is_done(world: World) -> None:
    crash(world)
    assert resolve(world) == []
    assert (ends(world), world.used_today()) == (["done"], {Action.DELETE: 1})
    assert world.store.journal.open("prod", AGENT.name) == []


def test_a_delete_that_a_crash_left_open_and_that_had_no_effect_has_failed(world: World) -> None:
    crash(world, Fault(operation="delete", status=403))
    assert resolve(world) == []
    assert (ends(world), world.used_today()) == (["failed"], {})


def test_a_delete_that_was_left_open_is_done_when_the_id_belongs_to_a_new_session(world: World) -> None:
    crash(world)
    world.platform.create(AGENT.name, ONE)
    resolve(world)
    assert ends(world) == ["done"]


def test_an_open_intent_that_cannot_be_looked_up_stays_open_and_counts(world: World) -> None:
    crash(world)
    world.emulator.faults.add(Fault(operation="get", status=500))
    assert resolve(world) == [ONE]
    assert world.used_today() == {Action.DELETE: 1}
    world.emulator.faults.clear()
    assert resolve(world) == []


def test_a_404_without_a_believed_listing_does_not_settle_an_open_intent(world: World) -> None:
    crash(world)
    assert resolve(world, believed=False) == [ONE]
    assert resolve(world) == []


def test_a_404_for_a_session_that_the_same_sweep_lists_does_not_settle_its_intent(world: World) -> None:
    crash(world, Fault(operation="delete", status=403))
    world.emulator.faults.add(Fault(operation="get", status=404, code="session_not_found"))
    assert resolve(world) == [ONE]
    world.emulator.faults.clear()
    assert (resolve(world), ends(world)) == ([], ["failed"])


def test_resolving_only_looks(world: World) -> None:
    crash(world, Fault(operation="delete", status=403))
    before = world.emulator.api.requests["delete"]
    resolve(world)
    assert world.emulator.api.requests["delete"] == before
    assert world.events() == []


def test_an_open_intent_whose_session_shows_a_malformed_record_stays_open(world: World) -> None:
    crash(world)
    world.platform.create(AGENT.name, ONE)
    world.emulator.faults.add(Fault(operation="get", lie="drop_field", field="created_at"))
    assert resolve(world) == [ONE]


@pytest.mark.parametrize("status", sorted(TOMBSTONES))
def test_a_tombstone_or_another_incarnation_shows_that_a_delete_took_effect(status: str) -> None:
    seen = session()
    times = (seen.created_at, seen.last_accessed_at)
    assert had_effect(Action.DELETE, *times, seen._replace(status=status))
    assert had_effect(Action.DELETE, *times, seen._replace(created_at=seen.created_at + 1))
    assert not had_effect(Action.DELETE, *times, seen)
    assert not had_effect(Action.DELETE, *times, Malformed(seen.id, "time_zero"))


def test_a_stop_took_effect_when_the_session_is_not_active_or_was_used_since() -> None:
    seen = session(status=ACTIVE)
    times = (seen.created_at, seen.last_accessed_at)
    assert not had_effect(Action.STOP, *times, seen)
    assert had_effect(Action.STOP, *times, seen._replace(status=IDLE))
    assert had_effect(Action.STOP, *times, seen._replace(last_accessed_at=NOW))


class Anonymous:
    """A client whose identity is gone."""

    async def get(self, agent: str, session_id: str) -> Any:
        raise Unauthenticated("no token", operation="get_session")

    async def delete(self, agent: str, session_id: str, still_right: StillRight = always) -> Any:
        raise AssertionError("nothing may be sent")

    stop = delete

    async def get_agent(self, name: str) -> Any:
        raise Unauthenticated("no token", operation="get_agent")

    async def page(self, agent: str, *, limit: int) -> Any:
        raise Unauthenticated("no token", operation="list_sessions")


def test_without_an_identity_open_intents_stay_open(world: World) -> None:
    crash(world)
    left_open = world.store.journal.open("prod", AGENT.name)
    resolving = resolve_open_intents(AGENT.name, Anonymous(), world.store, left_open, frozenset())
    assert asyncio.run(resolving) == [ONE]
    assert len(world.store.journal.open("prod", AGENT.name)) == 1

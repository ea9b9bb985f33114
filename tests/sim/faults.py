"""What can go wrong in one sweep of a history, or in several, by name."""

from __future__ import annotations

import random
from collections.abc import Callable

from reaper.emulator import Fault

HOUR_S = 3_600

Make = Callable[[random.Random], list[Fault]]

BLINDING = frozenset(
    {
        "empty_list",
        "loop_cursor",
        "endless",
        "no_date",
        "date_shift",
        "local_clock",
        "list_broken",
        "get_broken",
        "add_field",
    }
)
"""Faults under which nothing at all may be done."""


def _throttling(chance: random.Random) -> list[Fault]:
    wait = chance.choice([None, 0, 2, 30])
    form = chance.choice(["seconds", "date"])
    operation = chance.choice(["*", "list", "get", "delete"])
    times = chance.randrange(1, 12)
    return [
        Fault(
            operation,
            times=times,
            status=429,
            code="too_many_requests",
            retry_after_seconds=wait,
            retry_after_form=form,
        )
    ]


def _date_shift(chance: random.Random) -> list[Fault]:
    return [Fault("*", date_shift_seconds=chance.choice([-1, 1]) * chance.uniform(0.5, 300) * HOUR_S)]


def _bad_records(chance: random.Random) -> list[Fault]:
    name = chance.choice(["created_at", "last_accessed_at", "expires_at", "status", "agent_session_id"])
    value: object = chance.choice([None, 0, -5, "yesterday", 10**13, True, 4_000_000_000, [], "weird"])
    operation, share = chance.choice(["list", "get", "*"]), chance.choice([0.03, 0.3, 1.0])
    return [Fault(operation, lie="bad_field", field=name, value=value, share=share)]


def _drop_field(chance: random.Random) -> list[Fault]:
    name = chance.choice(["last_accessed_at", "created_at", "version_indicator"])
    return [Fault("*", lie="drop_field", field=name, share=chance.choice([0.03, 1.0]))]


def _delete_fails(chance: random.Random) -> list[Fault]:
    status = chance.choice([500, 403, 409])
    return [
        Fault(
            "delete", status=status, times=chance.choice([1, 3, None]), effect=status == 500 and chance.random() < 0.3
        )
    ]


def _refused(chance: random.Random) -> list[Fault]:
    """Whole agents, or some of their sessions, are refused or sent elsewhere."""
    status, session = chance.choice([403, 307]), chance.choice(["*", "*[0-7]"])
    return [Fault("delete", session=session, status=status, headers={"location": "https://elsewhere.example/"})]


def _gateway(chance: random.Random) -> list[Fault]:
    """Something on the way answers in the platform's place, for a while or for ever."""
    operation = chance.choice(["*", "get", "get", "delete", "list", "list_agents", "get_agent"])
    after, times = chance.randrange(12), chance.choice([1, 3, None])
    return [Fault(operation, lie="gateway", status=chance.choice([None, None, 302, 502]), after=after, times=times)]


def _agent_lost(_: random.Random) -> list[Fault]:
    return [Fault(operation, status=404, code="not_found") for operation in ("get", "get_agent")]


def _slow(chance: random.Random) -> list[Fault]:
    return [Fault(chance.choice(["list", "get", "delete"]), delay_seconds=chance.choice([1, 25, 40]), times=3)]


FAULTS: dict[str, Make] = {
    "empty_list": lambda c: [Fault("list", lie="empty_list")],
    "only_own": lambda c: [Fault("list", lie="only_own")],
    "loop_cursor": lambda c: [Fault("list", lie="loop_cursor")],
    "endless": lambda c: [Fault("list", lie="endless")],
    "duplicate": lambda c: [Fault("list", lie="duplicate")],
    "truncated": lambda c: [
        Fault(c.choice(["list", "get"]), lie="truncated", after=c.randrange(3), times=c.choice([1, None]))
    ],
    "bad_records": _bad_records,
    "drop_field": _drop_field,
    "add_field": lambda c: [Fault("*", lie="add_field", field="retention_hold", value=True)],
    "stale_list": lambda c: [Fault("list", lie="stale_read", share=c.choice([0.2, 1.0]))],
    "no_date": lambda c: [Fault("*", lie="no_date")],
    "date_shift": _date_shift,
    "local_clock": lambda c: [],
    "throttling": _throttling,
    "slow": _slow,
    "list_fails": lambda c: [
        Fault("list", status=c.choice([500, 503]), after=c.randrange(4), times=c.choice([1, 2, None]))
    ],
    "list_broken": lambda c: [Fault("list", status=500)],
    "get_fails": lambda c: [Fault("get", status=500, times=c.randrange(1, 9))],
    "get_broken": lambda c: [Fault("get", status=c.choice([500, 403]))],
    "delete_fails": _delete_fails,
    "delete_dropped": lambda c: [Fault("delete", drop=c.choice(["before", "after"]), times=c.choice([1, 4, None]))],
    "delete_hangs": lambda c: [Fault("delete", hang=c.choice(["before", "after"]), times=c.choice([1, 2]))],
    "stop_dropped": lambda c: [Fault("stop", drop=c.choice(["before", "after"]), times=c.choice([1, None]))],
    "ghost": lambda c: [Fault("delete", lie="ghost_delete", times=c.choice([1, 2, None]))],
    "forbidden_agent": lambda c: [Fault("list", status=403, code="session_not_accessible")],
    "agents_refused": lambda c: [Fault("get_agent", status=403, code="forbidden")],
    "agent_unreadable": lambda c: [Fault("get_agent", status=c.choice([500, 409]), times=c.choice([1, 9, None]))],
    "agents_fail": lambda c: [Fault("list_agents", status=500)],
    "full_disk": lambda c: [],
    "refused": _refused,
    "gateway": _gateway,
    "agent_lost": _agent_lost,
    "suspended": lambda c: [],
    "machine_paused": lambda c: [],
    "stopping": lambda c: [],
}

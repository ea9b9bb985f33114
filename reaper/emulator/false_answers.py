"""Answers that are well formed and false: the faults that falsify what the platform says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from zlib import crc32

from reaper.core.model import EXPIRY_S, IDLE, Session
from reaper.emulator.faults import Fault
from reaper.emulator.payloads import JsonObject, page_record, session_record

ONLY_OWN_SHARE = 0.05
GATEWAY_PAGE = b"<html><head><title>Not Found</title></head><body><h1>Not Found</h1></body></html>"
_FIELD_LIES = frozenset({"bad_field", "drop_field", "add_field", "stale_read"})

Query = dict[str, str]


def find_fault(faults: Sequence[Fault], lie: str) -> Fault | None:
    """The fault that tells this lie, if one does."""
    return next((fault for fault in faults if fault.lie == lie), None)


def chosen(session: str, fault: Fault, share: float = 1.0) -> bool:
    """Whether a session is among those lied about: always the same ones."""
    part = share if fault.share is None else fault.share
    return fnmatchcase(session, fault.session) and crc32(session.encode()) % 10_000 < part * 10_000


def visible(faults: Sequence[Fault]) -> Callable[[str], bool] | None:
    """Which sessions a listing still shows, None for all."""
    lost = find_fault(faults, "only_own")
    return None if lost is None else lambda session: chosen(session, lost, ONLY_OWN_SHARE)


def falsify_query(faults: Sequence[Fault], query: Query) -> Query:
    """The listing that is answered instead of the one asked for."""
    if find_fault(faults, "loop_cursor") is None and find_fault(faults, "endless") is None:
        return query
    return {name: value for name, value in query.items() if name != "after"}


def falsify_page(faults: Sequence[Fault], page: JsonObject, query: Query, former: JsonObject | None) -> JsonObject:
    """A page as the lies make it; `former` is the record that comes again."""
    if find_fault(faults, "empty_list"):
        return page_record([], "agent_session_id", has_more=False)
    if find_fault(faults, "endless"):
        return _endless(query)
    items = list(page["data"])
    if former is not None:
        items.insert(0, former)
        most = int(query.get("limit", "20"))
        if len(items) > most:
            items = items[:most]
            page = {**page, "has_more": True, "last_id": items[-1]["agent_session_id"]}
    bent = page_record([falsify_record(faults, item) for item in items], "agent_session_id", page["has_more"])
    if find_fault(faults, "loop_cursor"):
        bent["has_more"] = True
    for end in ("first_id", "last_id"):
        bent[end] = page[end]
    return bent


def falsify_record(faults: Sequence[Fault], record: JsonObject) -> JsonObject:
    """One session record as the lies make it."""
    for fault in faults:
        if fault.lie in _FIELD_LIES and chosen(str(record.get("agent_session_id", "")), fault):
            record = _falsify_fields(fault, dict(record))
    return record


def _falsify_fields(fault: Fault, record: JsonObject) -> JsonObject:
    if fault.lie == "stale_read":
        record["last_accessed_at"] = record["created_at"]
        record["expires_at"] = record["created_at"] + EXPIRY_S
        record.pop("stopped_at", None)
    elif fault.lie == "drop_field":
        record.pop(str(fault.field), None)
    elif fault.lie == "add_field" or fault.field in record:
        record[str(fault.field)] = fault.value
    return record


def _endless(query: Query) -> JsonObject:
    """A page of made-up sessions that lead on from the cursor, for ever."""
    after = query.get("after", "")
    number = after.removeprefix("endless-")
    start = int(number) + 1 if number.isdigit() else 0
    items = [_made_up(i) for i in range(start, start + int(query.get("limit", "20")))]
    return page_record(items, "agent_session_id", has_more=True)


def _made_up(number: int) -> JsonObject:
    created = 1_700_000_000 + number
    return session_record(Session(f"endless-{number:09d}", IDLE, "1", created, created, created + EXPIRY_S))

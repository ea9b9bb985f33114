"""What the platform's answers mean: bytes in, values out, nothing asked and nothing sent.

Every answer is foreign. A record that cannot be believed is a value with a reason (`Malformed`); an
answer as a whole that cannot be understood is `Unreadable`; nothing else comes out of here, whatever
went in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final

from reaper.core.model import DAY_S, STATUSES, TOMBSTONES, Agent, Malformed, Metadata, Session, Version
from reaper.core.provider import PAGE_MAX, FileEntry, FilesPage, Page, Unreadable
from reaper.core.record_fields import RECORD_FIELDS
from reaper.core.text import clean
from reaper.foundry.fast_parsing import MS_FROM, read_page, readable_name
from reaper.foundry.requests import SESSION_ID, check_name, is_cursor
from reaper.foundry.selectors import parse_selector

NOT_AN_OBJECT: Final = "not_an_object"
BAD_ID: Final = "bad_id"
NO_STATUS: Final = "no_status"
TIME_MISSING: Final = "time_missing"
TIME_NOT_A_NUMBER: Final = "time_not_a_number"
TIME_ZERO: Final = "time_zero"
TIME_IN_MS: Final = "time_in_ms"
TIME_IN_FUTURE: Final = "time_in_future"
USED_BEFORE_CREATED: Final = "used_before_created"
EXPIRED_BEFORE_USED: Final = "expired_before_used"
EXPIRED_LONG_AGO: Final = "expired_long_ago"
"""The reasons a record can be malformed for: a closed set, so that it can be a metric's label."""

FUTURE_TOLERANCE_S: Final = 120
PAST_TOLERANCE_S: Final = DAY_S
"""So long after its expiry a session may still be shown as if it were there."""

RETRY_AFTER_MAX_S: Final = 3600.0
STRANGE_MAX: Final = 20
OURS: Final = "reaper."
"""How the keys of metadata begin that are addressed to a reaper."""
METADATA_MAX_PAIRS: Final = 16
METADATA_KEY_CHARS: Final = 64
METADATA_VALUE_CHARS: Final = 512
"""What the platform lets a version have of them; what is longer is cut, and then means nothing."""
PLAIN_MAX_BYTES: Final = 256 * 1024
"""Up to here an answer may hold whatever it likes; a page of 100 sessions is a third of it at most."""
VALUES_MAX: Final = 200_000
"""In a larger answer. Text with commas in it counts too, so this is far above what a page of agents holds."""

_KNOWN_STATUSES: Final = frozenset(STATUSES)
_STATUS: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_SECONDS: Final = re.compile(r"\d{1,12}(\.\d{1,9})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class AgentsPage:
    """A page of agents. `skipped` counts entries without a name that a request could carry.

    `has_more` is as in `Page`; `promises` is whether the platform said itself that there are more.
    """

    agents: tuple[Agent, ...]
    last_id: str | None
    has_more: bool
    skipped: int = 0
    promises: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.agents or self.skipped)


def parse_session(obj: object, now: float, accepted: frozenset[str] = frozenset()) -> Session | Malformed:
    """Read one record; `now` is the platform's time in Unix seconds. Never raises.

    Only whole seconds count as times: a float, a string or a bool there means that the API changed.
    An unknown status is no fault; fields this version does not know go into `strange`, but for those `accepted`: of
    them nothing is read, neither that they are there nor what they say.
    """
    if type(obj) is not dict:
        return Malformed(None, NOT_AN_OBJECT)
    field: Callable[[str], Any] = obj.get
    ident = field("agent_session_id")
    if type(ident) is not str or SESSION_ID.fullmatch(ident) is None:
        return Malformed(None, BAD_ID)
    status = field("status")
    if type(status) is not str or not (status in _KNOWN_STATUSES or _STATUS.fullmatch(status)):
        return Malformed(ident, NO_STATUS)
    created, used, expires = field("created_at"), field("last_accessed_at"), field("expires_at")
    latest = _latest(now)
    # All is well nearly always: which of the times is not is found out only when one is not.
    are_whole = type(created) is type(used) is type(expires) is int
    if not (are_whole and 0 < created <= used <= latest and 0 < expires < MS_FROM):
        return Malformed(ident, _fault(created, used, expires, latest))
    if status not in TOMBSTONES and not (used <= expires and now - PAST_TOLERANCE_S <= expires):
        return Malformed(ident, EXPIRED_BEFORE_USED if expires < used else EXPIRED_LONG_AGO)
    stopped = field("stopped_at")
    return Session(
        ident,
        status,
        _version(field("version_indicator")),
        created,
        used,
        expires,
        None if stopped is None or _bad_time(stopped, latest) else stopped,
        () if RECORD_FIELDS.issuperset(obj) else _strange(obj, accepted),
    )


def _latest(now: float) -> float:
    """The last moment that does not count as the future."""
    return min(now + FUTURE_TOLERANCE_S, MS_FROM - 1)


def _fault(created: object, used: object, expires: object, latest: float) -> str:
    bad = _bad_time(created, latest) or _bad_time(used, latest) or _bad_time(expires, MS_FROM)
    return bad or USED_BEFORE_CREATED


def _bad_time(value: object, latest: float) -> str | None:
    # `type` and not `isinstance`: True is an int too.
    if type(value) is not int:
        return TIME_MISSING if value is None else TIME_NOT_A_NUMBER
    if value <= 0:
        return TIME_ZERO
    if value >= MS_FROM:
        return TIME_IN_MS
    return TIME_IN_FUTURE if value > latest else None


def _version(indicator: object) -> str | None:
    return _name(indicator.get("agent_version")) if type(indicator) is dict else None


def _name(value: object) -> str | None:
    return readable_name(value) if type(value) is str else None


def _strange(obj: dict[str, Any], accepted: frozenset[str]) -> tuple[str, ...]:
    unknown = obj.keys() - RECORD_FIELDS - accepted
    return tuple(sorted(clean(name, 64) for name in unknown)[:STRANGE_MAX])


def parse_page(body: bytes, now: float, most: int = PAGE_MAX, accepted: frozenset[str] = frozenset()) -> Page:
    """Read a page of sessions; Unreadable when it is none, or holds more than the `most` that were asked for."""
    _check_values(body, "list_sessions")
    page = read_page(body, now - PAST_TOLERANCE_S, _latest(now), accepted)
    if page is None:
        obj = _object(body, "list_sessions")
        data = _list(obj, "data", "list_sessions")
        _check_count(data, most, "list_sessions")
        sessions = tuple([parse_session(item, now, accepted) for item in data])
        page = Page(sessions, obj.get("first_id"), obj.get("last_id"), _has_more(obj, data))
    _check_count(page.sessions, most, "list_sessions")
    last = _cursor(page.last_id) or (page.sessions[-1].id if page.sessions else None)
    return Page(page.sessions, _cursor(page.first_id), last, page.has_more)


def parse_record(
    body: bytes, now: float, operation: str, accepted: frozenset[str] = frozenset()
) -> Session | Malformed:
    """Read an answer that is one session; Unreadable when it is no JSON object."""
    return parse_session(_object(body, operation), now, accepted)


def parse_agents(body: bytes) -> AgentsPage:
    """Read a page of agents; entries whose name no request could carry are counted and left out."""
    obj = _object(body, "list_agents")
    data = _list(obj, "data", "list_agents")
    _check_count(data, PAGE_MAX, "list_agents")
    agents = tuple(agent for agent in map(_agent, data) if agent is not None)
    last = _cursor(obj.get("last_id")) or _last_of(data)
    promises = obj.get("has_more") is True
    return AgentsPage(agents, last, _has_more(obj, data), len(data) - len(agents), promises)


def parse_agent(body: bytes) -> Agent:
    """Read one agent; Unreadable when it has no usable name."""
    agent = _agent(_object(body, "get_agent"))
    if agent is None:
        raise Unreadable("the agent has no usable name", operation="get_agent")
    return agent


def _agent(obj: object) -> Agent | None:
    if type(obj) is not dict:
        return None
    try:
        name = check_name(obj.get("name") or "")
    except ValueError:
        return None
    versions = obj.get("versions")
    latest = versions.get("latest") if type(versions) is dict else None
    if type(latest) is not dict:
        return Agent(name, None, Metadata(fault="its record tells of no newest version"), parse_selector(obj))
    return Agent(name, _name(latest.get("version")), _metadata(latest.get("metadata")), parse_selector(obj))


def _metadata(obj: object) -> Metadata:
    """What is addressed to a reaper; what is not the mapping of texts that it should be says nothing readable."""
    if obj is None:
        return Metadata()
    if type(obj) is not dict or not all(type(value) is str for value in obj.values()):
        return Metadata(fault="the metadata of its newest version is no mapping of texts")
    ours = [(key, value) for key, value in obj.items() if key.strip().casefold().startswith(OURS)]
    if len(ours) > METADATA_MAX_PAIRS:
        return Metadata(fault=f"the metadata of its newest version holds over {METADATA_MAX_PAIRS} pairs")
    said = ((clean(key, METADATA_KEY_CHARS), clean(value, METADATA_VALUE_CHARS)) for key, value in ours)
    return Metadata(tuple(sorted(said)))


def _last_of(data: list[Any]) -> str | None:
    return _cursor(data[-1].get("id")) if data and type(data[-1]) is dict else None


def parse_version(body: bytes, agent: str) -> Version:
    """Read one version of `agent`; Unreadable without a version name. An absent status is `unknown`."""
    obj = _object(body, "get_version")
    name = _name(obj.get("version"))
    if name is None:
        raise Unreadable("the version has no name", operation="get_version")
    status = obj.get("status")
    known = type(status) is str and _STATUS.fullmatch(status) is not None
    return Version(agent, name, str(status) if known else "unknown", _idle_timeout(obj.get("definition")))


def _idle_timeout(definition: object) -> int | None:
    session = definition.get("session_configuration") if type(definition) is dict else None
    seconds = session.get("idle_timeout_seconds") if type(session) is dict else None
    return seconds if type(seconds) is int and 0 < seconds < MS_FROM else None


def parse_files(body: bytes) -> FilesPage:
    """Read a page of a directory; entries without a name are left out."""
    obj = _object(body, "list_files")
    data = _list(obj, "entries" if "entries" in obj else "data", "list_files")
    entries = tuple(_file(item) for item in data if type(item) is dict and type(item.get("name")) is str)
    return FilesPage(entries, _cursor(obj.get("last_id")), _has_more(obj, data))


def _file(item: dict[str, Any]) -> FileEntry:
    size = item.get("size")
    return FileEntry(clean(item["name"], 1024), size if type(size) is int else 0, item.get("is_directory") is True)


def _object(body: bytes, operation: str) -> dict[str, Any]:
    _check_values(body, operation)
    try:
        obj = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"the answer is no JSON: {clean(error, 120)}", operation=operation) from None
    if type(obj) is not dict:
        raise Unreadable("the answer is no JSON object", operation=operation)
    return obj


def _check_values(body: bytes, operation: str) -> None:
    """Refuse what would take many times its size once read: each value has a comma or a bracket before it."""
    if len(body) > PLAIN_MAX_BYTES and sum(map(body.count, (b",", b"{", b"["))) > VALUES_MAX:
        raise Unreadable(f"the answer holds more than {VALUES_MAX:,} values", operation=operation)


def _check_count(records: Sequence[object], most: int, operation: str) -> None:
    if len(records) > most:
        problem = f"the page holds {len(records):,} records, where {most} were asked for"
        raise Unreadable(problem, operation=operation)


def _list(obj: dict[str, Any], field: str, operation: str) -> list[Any]:
    data = obj.get(field)
    if type(data) is not list:
        raise Unreadable(f"the answer has no list {field!r}", operation=operation)
    return data


def _cursor(value: object) -> str | None:
    return value if isinstance(value, str) and is_cursor(value) else None


def _has_more(obj: dict[str, Any], data: list[Any]) -> bool:
    has_more = obj.get("has_more")
    return has_more if type(has_more) is bool else bool(data)


def is_error(body: bytes) -> bool:
    """Whether an error answer is in the platform's own form, with a code or a message. Never raises."""
    error = _error_object(body)
    return any(type(error.get(name)) is str and error[name] for name in ("code", "message"))


def _error_object(body: bytes) -> dict[str, Any]:
    try:
        obj = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    error = obj.get("error") if type(obj) is dict else None
    return error if type(error) is dict else {}


def parse_error(status: int, body: bytes) -> tuple[str | None, str, str | None]:
    """Read an error answer as (code, message, request id), safe to show. Never raises."""
    error = _error_object(body)
    info = error.get("additionalInfo")
    request = info.get("request_id") if type(info) is dict else None
    return _said(error.get("code"), 80), _said(error.get("message")) or f"HTTP status {status}", _said(request)


def _said(value: object, max_chars: int = 200) -> str | None:
    return clean(value, max_chars) if type(value) is str and value else None


@lru_cache(maxsize=64)
def parse_date(header: str | None) -> float | None:
    """Read an HTTP date as Unix seconds; None for none or nonsense."""
    if not header or len(header) > 64:
        return None
    try:
        return parsedate_to_datetime(header).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None


def retry_after(header: str | None, now: float) -> float | None:
    """Read `Retry-After` as seconds to wait, 0 to 3600; None for none or nonsense.

    `now` is the platform's time: an HTTP date is on its clock, not on ours.
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), RETRY_AFTER_MAX_S)
    date = parse_date(text)
    return None if date is None else min(max(date - now, 0.0), RETRY_AFTER_MAX_S)

"""A page of sessions read in one go, as nearly all are: every field of every record as the reference has it.

Whatever is out of the ordinary about one record makes this give up, and `parsing` looks at each by itself. So it must
never read a record in another way than `parsing.parse_session` does, only sooner.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec

from reaper.core.model import STATUSES, TOMBSTONES, Session
from reaper.core.provider import Page
from reaper.core.record_fields import RECORD_FIELDS
from reaper.foundry.requests import SESSION_ID

MS_FROM: Final = 10**11
"""Unix seconds reach this in the year 5138; milliseconds passed it in 1973."""

_STATUSES: Final = frozenset(STATUSES)
_is_id: Final = SESSION_ID.fullmatch
_Moment = Annotated[int, msgspec.Meta(gt=0, lt=MS_FROM)]


class _Indicator(msgspec.Struct, gc=False):
    agent_version: str | None = None


class _Record(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    agent_session_id: str
    status: str
    created_at: _Moment
    last_accessed_at: _Moment
    expires_at: _Moment
    version_indicator: _Indicator | None = None
    stopped_at: int | None = None
    object: Any = None
    id: Any = None


class _Page(msgspec.Struct):
    data: list[_Record]
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool | None = None


@lru_cache(maxsize=16)
def _decoder(accepted: frozenset[str]) -> msgspec.json.Decoder[_Page]:
    """What reads a page whose records may have these further fields; each project has its own."""
    names = {f"accepted_{place}": name for place, name in enumerate(sorted(accepted - RECORD_FIELDS))}
    if not names:
        return msgspec.json.Decoder(_Page)
    further = [(field, Any, None) for field in names]
    record = msgspec.defstruct(
        "_AcceptedRecord", further, bases=(_Record,), rename=names, forbid_unknown_fields=True, gc=False
    )
    page = msgspec.defstruct("_AcceptedPage", [("data", list[record])], bases=(_Page,), kw_only=True)  # type: ignore[valid-type]
    return msgspec.json.Decoder(page)


def read_page(body: bytes, earliest: float, latest: float, accepted: frozenset[str] = frozenset()) -> Page | None:
    """The page when all is well with its records, None otherwise; its cursors are as they came.

    `earliest` is the first moment at which what is still there may have expired, `latest` the last one that is not in
    the future. `accepted` are fields that a record may have although nothing is known of them.
    """
    try:
        page = _decoder(accepted).decode(body)
    except (ValueError, RecursionError):
        return None
    sessions = []
    for it in page.data:
        stopped = it.stopped_at
        if not (
            it.status in _STATUSES
            and it.created_at <= it.last_accessed_at <= latest
            and (earliest <= it.expires_at >= it.last_accessed_at or it.status in TOMBSTONES)
            and (stopped is None or 0 < stopped <= latest)
            and _is_id(it.agent_session_id)
        ):
            return None
        indicator = it.version_indicator
        version = None if indicator is None else readable_name(indicator.agent_version)
        sessions.append(
            Session(
                it.agent_session_id, it.status, version, it.created_at, it.last_accessed_at, it.expires_at, stopped
            )
        )
    more = bool(sessions) if page.has_more is None else page.has_more
    return Page(tuple(sessions), page.first_id, page.last_id, more)


@lru_cache(maxsize=1024)
def readable_name(value: object) -> str | None:
    """The name of a version, None when it is none; few names come again and again."""
    return value if type(value) is str and 0 < len(value) <= 256 and value.isprintable() else None

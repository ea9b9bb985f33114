"""Faults to inject: which calls they hit, how often, and what goes wrong.

A fault is a frozen value; `Faults` counts how often each was met. Read from JSON with messages that say what
is wrong where. The fields of the JSON are the fields of `Fault`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

OPERATIONS: Final = (
    "*", "list_agents", "get_agent", "update_agent", "list_versions", "get_version",
    "create", "get", "list", "delete", "stop", "logs", "files", "forbidden",
)  # fmt: skip

LIES: Final = (
    "empty_list",  # 200 with nothing in it
    "only_own",  # the role is lost: only `share` (5 %) of the sessions are listed
    "loop_cursor",  # the first page for ever, with the same cursor and has_more
    "endless",  # has_more for ever, with made-up sessions
    "duplicate",  # the last item of a page comes again at the start of the next
    "bad_field",  # `field` of the matching records says `value`
    "drop_field",  # `field` is missing
    "add_field",  # a new `field` with `value` appears
    "ghost_delete",  # 204, and nothing happens
    "stale_read",  # the times of a record are those of its creation
    "no_date",  # no Date header
    "truncated",  # the body is cut in half
    "gateway",  # something on the way answers in the platform's place: a page of HTML, 404 unless `status` says else
)

_MOMENTS: Final = ("before", "after")
_NOT_NEGATIVE: Final = ("times", "after", "delay_seconds", "retry_after_seconds", "share")


class FaultError(ValueError):
    """A fault that cannot be injected, with the place and the reason."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong with the calls it matches.

    Matching: `operation`, and globs for `agent` and `session` (for lists, which records are lied about);
    `after` skips the first matches, `times` ends it (None: for ever), `share` picks that part of the
    sessions, always the same ones. `status` answers an error instead of acting, or after acting when
    `effect`; `retry_after_form` is seconds or date. `drop` and `hang` happen before or after the effect;
    `delay_seconds` comes after it. `body` replaces the body. `lie` is one of `LIES`.
    """

    operation: str = "*"
    agent: str = "*"
    session: str = "*"
    times: int | None = None
    after: int = 0
    status: int | None = None
    code: str = "injected"
    message: str = "injected by a test"
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    retry_after_seconds: float | None = None
    retry_after_form: str = "seconds"
    effect: bool = False
    delay_seconds: float = 0.0
    drop: str | None = None
    hang: str | bool | None = None
    body: str | None = None
    lie: str | None = None
    field: str | None = None
    value: Any = None
    share: float | None = None
    date_shift_seconds: float = 0.0

    def __post_init__(self) -> None:
        self._one_of("operation", OPERATIONS)
        for name, allowed in (("lie", LIES), ("drop", _MOMENTS), ("hang", (*_MOMENTS, True, False))):
            if getattr(self, name) is not None:
                self._one_of(name, allowed)
        self._one_of("retry_after_form", ("seconds", "date"))
        for name in _NOT_NEGATIVE:
            if (getattr(self, name) or 0) < 0:
                raise FaultError(f"{name}: must not be negative")
        if self.status is not None and not 200 <= self.status <= 599:
            raise FaultError(f"status: {self.status} is not between 200 and 599")
        if self.lie in {"bad_field", "drop_field", "add_field"} and not self.field:
            raise FaultError(f"field: {self.lie} needs the name of a field")

    def _one_of(self, name: str, allowed: tuple[object, ...]) -> None:
        if getattr(self, name) not in allowed:
            shown = ", ".join(str(each) for each in allowed)
            raise FaultError(f"{name}: {getattr(self, name)!r} is not one of {shown}")

    @property
    def hangs(self) -> str | None:
        """`before`, `after`, or None."""
        if isinstance(self.hang, str):
            return self.hang
        return "before" if self.hang else None

    def matches(self, operation: str, agent: str, session: str) -> bool:
        """Whether a call is hit; a list has no session of its own."""
        return (
            self.operation in {"*", operation}
            and (not agent or fnmatchcase(agent, self.agent))
            and (not session or fnmatchcase(session, self.session))
        )


class Faults:
    """The faults now in force, and how often each has matched."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.replace(faults)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def replace(self, faults: Iterable[Fault]) -> None:
        """These faults and no others, counted from zero."""
        self._faults = list(faults)
        self._matches = [0] * len(self._faults)

    def add(self, *faults: Fault) -> None:
        """These faults as well."""
        self._faults.extend(faults)
        self._matches.extend(0 for _ in faults)

    def clear(self) -> None:
        self.replace(())

    def take(self, operation: str, agent: str, session: str) -> list[Fault]:
        """The faults that hit this call, counted as met."""
        hit = []
        for i, fault in enumerate(self._faults):
            if fault.matches(operation, agent, session):
                met = self._matches[i]
                self._matches[i] += 1
                if met >= fault.after and (fault.times is None or met < fault.after + fault.times):
                    hit.append(fault)
        return hit


_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "operation": (str,), "agent": (str,), "session": (str,), "times": (int, type(None)), "after": (int,),
    "status": (int, type(None)), "code": (str,), "message": (str,), "headers": (dict,),
    "retry_after_seconds": (int, float, type(None)), "retry_after_form": (str,), "effect": (bool,),
    "delay_seconds": (int, float), "drop": (str, type(None)), "hang": (str, bool, type(None)),
    "body": (str, type(None)), "lie": (str, type(None)), "field": (str, type(None)), "value": (object,),
    "share": (int, float, type(None)), "date_shift_seconds": (int, float),
}  # fmt: skip


def parse_faults(data: object) -> tuple[Fault, ...]:
    """Faults from parsed JSON: a list of objects, or one object; FaultError says what is wrong where."""
    items = data if isinstance(data, list) else [data]
    return tuple(_parse(item, f"faults[{i}]") for i, item in enumerate(items))


def _parse(item: object, place: str) -> Fault:
    if not isinstance(item, dict):
        raise FaultError(f"{place}: expected an object, not {type(item).__name__}")
    for name, value in item.items():
        if name not in _TYPES:
            raise FaultError(f"{place}.{name}: no such field; there are {', '.join(_TYPES)}")
        allowed = _TYPES[name]
        if not isinstance(value, allowed) or (isinstance(value, bool) and not {bool, object} & set(allowed)):
            expected = " or ".join("null" if each is type(None) else each.__name__ for each in allowed)
            raise FaultError(f"{place}.{name}: expected {expected}, not {value!r}")
    try:
        return Fault(**item)
    except FaultError as error:
        raise FaultError(f"{place}.{error}") from None

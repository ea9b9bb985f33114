"""Which operation a request asks for: paths taken apart, names decoded, queries read."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from reaper.emulator.stored import PlatformError

BASE = ("api", "projects")


@dataclass(frozen=True, slots=True)
class RoutedCall:
    """One operation with the names its path holds; `operation` is a word of `faults.OPERATIONS`."""

    operation: str
    agent: str = ""
    session: str = ""
    version: str = ""


def parse_query(query: str) -> dict[str, str]:
    return dict(parse_qsl(query, keep_blank_values=True))


def route(method: str, path: str, query: dict[str, str]) -> RoutedCall:
    """The call a request stands for; PlatformError 404 or 405 when there is none.

    What a reaper must never send (deleting an agent or a version, `force`) is the operation `forbidden`.
    """
    parts = path.split("/")[1:]
    if tuple(parts[:2]) != BASE or len(parts) < 4 or not parts[2]:
        raise PlatformError(404, "not_found", f"No such resource: {path}")
    call = _match(method, parts[3:], path)
    if query.get("force", "").lower() == "true":
        return RoutedCall("forbidden", call.agent, call.session, call.version)
    return call


def _match(method: str, parts: list[str], path: str) -> RoutedCall:
    match parts:
        case ["agents"]:
            return _only({"GET": RoutedCall("list_agents")}, method)
        case ["agents", agent]:
            name = unquote(agent)
            return _only({"GET": RoutedCall("get_agent", name), "DELETE": RoutedCall("forbidden", name)}, method)
        case ["agents", agent, "versions", *rest]:
            return _version(method, unquote(agent), rest, path)
        case ["agents", agent, "endpoint", "sessions", *rest]:
            return _session(method, unquote(agent), rest, path)
    raise PlatformError(404, "not_found", f"No such resource: {path}")


def _version(method: str, agent: str, rest: list[str], path: str) -> RoutedCall:
    match rest:
        case []:
            return _only({"GET": RoutedCall("list_versions", agent)}, method)
        case [version]:
            name = unquote(version)
            forbidden = RoutedCall("forbidden", agent, version=name)
            return _only({"GET": RoutedCall("get_version", agent, version=name), "DELETE": forbidden}, method)
        case [version, "sessions", last] if last.endswith(":logstream"):
            session = unquote(last.removesuffix(":logstream"))
            return _only({"GET": RoutedCall("logs", agent, session, unquote(version))}, method)
    raise PlatformError(404, "not_found", f"No such resource: {path}")


def _session(method: str, agent: str, rest: list[str], path: str) -> RoutedCall:
    match rest:
        case []:
            return _only({"GET": RoutedCall("list", agent), "POST": RoutedCall("create", agent)}, method)
        case [last] if last.endswith(":stop"):
            return _only({"POST": RoutedCall("stop", agent, unquote(last.removesuffix(":stop")))}, method)
        case [session]:
            name = unquote(session)
            return _only({"GET": RoutedCall("get", agent, name), "DELETE": RoutedCall("delete", agent, name)}, method)
        case [session, "files"]:
            files = RoutedCall("files", agent, unquote(session))
            return _only({"GET": files, "DELETE": files}, method)
        case [session, "files", "content"]:
            files = RoutedCall("files", agent, unquote(session))
            return _only({"GET": files, "PUT": files}, method)
    raise PlatformError(404, "not_found", f"No such resource: {path}")


def _only(calls: dict[str, RoutedCall], method: str) -> RoutedCall:
    if method not in calls:
        raise PlatformError(405, "method_not_allowed", f"{method} is not possible here")
    return calls[method]

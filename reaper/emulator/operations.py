"""What each call does to the platform, and the payload it answers with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from reaper.core.model import Session
from reaper.emulator import false_answers
from reaper.emulator.false_answers import Query
from reaper.emulator.faults import Fault
from reaper.emulator.payloads import JsonObject, Request, agent_record, page_record, session_record, version_record
from reaper.emulator.platform import Platform
from reaper.emulator.platform_error import PlatformError
from reaper.emulator.routing import RoutedCall


@dataclass(frozen=True, slots=True)
class OperationResult:
    """What a call came to: a status with a JSON payload, or raw bytes, or nothing."""

    status: int
    payload: JsonObject | bytes | None = None


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """One call with everything its operation needs."""

    call: RoutedCall
    request: Request
    query: Query
    faults: Sequence[Fault]


def perform(platform: Platform, operation: OperationRequest) -> OperationResult:
    """Do it; PlatformError when the platform refuses."""
    call, actor, faults = operation.call, operation.request.actor, operation.faults
    match call.operation:
        case "create":
            return OperationResult(201, session_record(_create(platform, operation)))
        case "get":
            record = session_record(platform.get(call.agent, call.session))
            return OperationResult(200, false_answers.falsify_record(faults, record))
        case "list":
            return OperationResult(200, _list(platform, operation))
        case "delete":
            platform.agent(call.agent)
            if false_answers.find_fault(faults, "ghost_delete") is None:
                platform.delete(call.agent, call.session, actor)
            return OperationResult(204)
        case "stop":
            platform.stop(call.agent, call.session, actor)
            return OperationResult(204)
        case "logs":
            return _logs(platform, call)
        case "files":
            return _files(platform, operation)
        case "update_agent":
            return OperationResult(200, _update_agent(platform, call.agent, operation.request.body))
        case "forbidden":
            platform.forbidden(call.agent, call.session, actor)
            raise PlatformError(403, "forbidden", "The emulator never deletes agents, versions or anything by force")
    return OperationResult(200, _agents(platform, call, operation.query))


def _agents(platform: Platform, call: RoutedCall, query: Query) -> JsonObject:
    if call.operation == "list_agents":
        agents = list(platform.agents.values()) if query.get("kind", "hosted") == "hosted" else []
        ordered = sorted(agents, key=lambda agent: agent.created_at)
        return _slice([agent_record(each, platform.now()) for each in ordered], "id", query)
    agent = platform.agent(call.agent)
    if call.operation == "list_versions":
        return _slice([version_record(agent, version) for version in agent.versions.values()], "version", query)
    if call.operation == "get_version":
        return version_record(agent, platform.version(call.agent, call.version))
    return agent_record(agent, platform.now())


def _update_agent(platform: Platform, name: str, body: bytes) -> JsonObject:
    """A JSON merge patch, of which only the version selector means anything here."""
    endpoint = _object(body).get("agent_endpoint", {})
    if not isinstance(endpoint, dict | None):
        raise PlatformError(400, "invalid_request", "agent_endpoint must be an object", "agent_endpoint")
    if endpoint is None or "version_selector" in endpoint:
        platform.route(name, endpoint and endpoint["version_selector"])
    return agent_record(platform.agent(name), platform.now())


def _create(platform: Platform, operation: OperationRequest) -> Session:
    body = _object(operation.request.body)
    indicator = body.get("version_indicator") or {}
    if not isinstance(indicator, dict) or indicator.get("type", "version_ref") != "version_ref":
        raise PlatformError(400, "invalid_request", "only version_ref is possible", "version_indicator")
    session, version = body.get("agent_session_id"), indicator.get("agent_version")
    if not isinstance(session, str | None) or not isinstance(version, str | None):
        raise PlatformError(400, "invalid_request", "ids and versions are strings", "agent_session_id")
    return platform.create(operation.call.agent, session, version, operation.request.actor)


def _list(platform: Platform, operation: OperationRequest) -> JsonObject:
    query = false_answers.falsify_query(operation.faults, operation.query)
    page = platform.page(
        operation.call.agent,
        limit=_limit(query),
        order=_order(query),
        after=query.get("after"),
        before=query.get("before"),
        keep=false_answers.visible(operation.faults),
    )
    records = [session_record(session) for session in page.sessions]
    payload = page_record(records, "agent_session_id", page.has_more)
    if any(fault.lie for fault in operation.faults):
        payload = false_answers.falsify_page(operation.faults, payload, operation.query, _former(platform, operation))
    return payload


def _former(platform: Platform, operation: OperationRequest) -> JsonObject | None:
    """The record the cursor stands on, for the lie that repeats it."""
    after = operation.query.get("after")
    if after is None or false_answers.find_fault(operation.faults, "duplicate") is None:
        return None
    session = platform.find(operation.call.agent, after)
    return None if session is None else session_record(session)


def _logs(platform: Platform, call: RoutedCall) -> OperationResult:
    """Only checks that there is a log to follow; the answer becomes a stream."""
    platform.version(call.agent, call.version)
    platform.log(call.agent, call.session)
    if platform.get(call.agent, call.session).version != call.version:
        raise PlatformError(404, "session_not_found", f"Session {call.session} runs another version")
    return OperationResult(200)


def _files(platform: Platform, operation: OperationRequest) -> OperationResult:
    home = platform.home(operation.call.agent, operation.call.session)
    path, method = operation.query.get("path", ""), operation.request.method
    if operation.request.path.endswith("/files/content"):
        if method == "GET":
            return OperationResult(200, home.read(path))
        content = operation.request.body
        name = home.write(path, content, platform.now())
        return OperationResult(201, {"path": name, "bytes_written": len(content)})
    if method == "DELETE":
        home.remove(path, recursive=operation.query.get("recursive", "").lower() == "true")
        return OperationResult(204)
    page = _slice([asdict(entry) for entry in home.entries(path)], "name", operation.query, "entries")
    return OperationResult(200, {**page, "path": path})


def _limit(query: Query) -> int:
    text = query.get("limit", "20")
    limit = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= limit <= 100:
        raise PlatformError(400, "invalid_request", "limit must be between 1 and 100", "limit")
    return limit


def _order(query: Query) -> Literal["asc", "desc"]:
    match query.get("order", "desc"):
        case "asc" | "desc" as order:
            return order
    raise PlatformError(400, "invalid_request", "order must be asc or desc", "order")


def _slice(records: list[JsonObject], key: str, query: Query, data: str = "data") -> JsonObject:
    """A page out of a short list in ascending order, by the same rules as the sessions' pages."""
    after, before, limit = query.get("after"), query.get("before"), _limit(query)
    if after is not None and before is not None:
        raise PlatformError(400, "invalid_request", "after and before exclude each other", "after")
    ordered = records if _order(query) == "asc" else records[::-1]
    cursor = before if after is None else after
    if cursor is None:
        return page_record(ordered[:limit], key, len(ordered) > limit, data)
    place = next((i for i, record in enumerate(ordered) if record[key] == cursor), None)
    if place is None:
        raise PlatformError(400, "invalid_cursor", f"Nothing named {cursor} to page from", "after")
    beyond = ordered[place + 1 :] if before is None else ordered[:place]
    shown = beyond[:limit] if before is None else beyond[-limit:]
    return page_record(shown, key, len(beyond) > limit, data)


def _object(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body or b"{}")
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise PlatformError(400, "invalid_request", "the body must be a JSON object", "body")
    return parsed

"""Routes beside the API, for tests and demos: what happened, faults, the clock, and what people do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

from reaper.emulator.faults import FaultError, parse_faults
from reaper.emulator.http import Api
from reaper.emulator.payloads import Request, WireAnswer, agent_record, encode, session_record
from reaper.emulator.platform_error import PlatformError
from reaper.emulator.routing import parse_query

PREFIX = "/_emulator/"


def answer_admin(api: Api, advance: Callable[[float], float], request: Request) -> WireAnswer:
    """Answer a request under `/_emulator/`; a bad one gets 400 with the reason as text."""
    try:
        payload = _perform(api, advance, request)
    except PlatformError as error:
        return WireAnswer(error.status, (("content-type", "text/plain"),), error.message.encode())
    except (FaultError, ValueError, KeyError, TypeError) as error:
        return WireAnswer(400, (("content-type", "text/plain"),), f"{error}".encode())
    return WireAnswer(200, (("content-type", "application/json"),), encode(payload))


def _perform(api: Api, advance: Callable[[float], float], request: Request) -> object:
    match request.method, request.path.removeprefix(PREFIX):
        case "GET", "history":
            return [asdict(event) for event in api.platform.history]
        case "GET", "requests":
            return {"counts": dict(api.requests), "recent": list(api.recent)}
        case "GET", "sessions":
            agent = parse_query(request.query).get("agent", "")
            return [session_record(session) for session in api.platform.sessions(agent)]
        case "POST", "faults":
            api.faults.replace(parse_faults(json.loads(request.body)))
            return {"faults": len(list(api.faults))}
        case "POST", "advance":
            return {"now": advance(float(json.loads(request.body)["seconds"]))}
        case "POST", "rollout":
            body = json.loads(request.body)
            api.platform.rollout(body["agent"], [(step["after_seconds"], step["traffic"]) for step in body["steps"]])
            return {"steps": len(body["steps"])}
        case "POST", "metadata":
            body = json.loads(request.body)
            api.platform.describe(body["agent"], body["metadata"])
            return agent_record(api.platform.agent(body["agent"]), api.platform.now())
        case "POST", "use":
            body = json.loads(request.body)
            return session_record(api.platform.use(body["agent"], body["session"]))
    raise PlatformError(404, "not_found", f"no such route: {request.method} {request.path}")
